/*
 * narration.c - the sentences, swtpm_setup's beside ours.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/narration.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/engine_profile.h"

static char *time_text(const char *format)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    return g_date_time_format(now, format);
}

void hf_say_begin(const HfSetupPlan *plan)
{
    const struct passwd *user = getpwuid(geteuid());
    g_autofree char *name = g_strdup(user ? user->pw_name : "unknown");
    if (plan->swtpm) {
        const struct group *group = getgrgid(getegid());
        g_autofree char *when = time_text("%a %d %b %Y %I:%M:%S %p %Z");
        if (plan->encrypted) {
            hf_log(1, "  The TPM's state will be encrypted %s.",
                   plan->key.form == HF_KEY_HEX ? "with a provided key"
                                                : "using a key derived from a passphrase");
        }
        hf_log(1, "Starting vTPM %s as %s:%s @ %s",
               plan->reconfigure ? "reconfiguration" : "manufacturing", name,
               group ? group->gr_name : "unknown", when);
        return;
    }
    g_autofree char *when = time_text("%a %d %b %Y %H:%M:%S %Z");
    hf_log(1, "%s a TPM %s in %s as user %s at %s.",
           plan->reconfigure                ? "Reconfiguring"
           : plan->reissue || plan->install ? "Changing the certificates of"
                                            : "Making",
           plan->tpm12 ? "1.2" : "2.0", plan->state, name, when);
}

void hf_say_profile(const HfSetupPlan *plan, const char *active)
{
    static const char key[] = "{\"ActiveProfile\":";
    if (plan->profile && plan->swtpm) {
        hf_log(1, "Apply profile: %s", plan->profile);
    }
    if (g_str_has_prefix(active, key) && plan->swtpm) {
        g_autofree char *profile = g_strndup(active + strlen(key), strlen(active) - sizeof(key));
        hf_log(1, "Active profile: %s", profile);
    } else if (plan->profile) {
        g_autofree char *name = hf_profile_fact(active, NULL, "Name");
        hf_log(1, "The TPM has the profile %s.", name ? name : "?");
    }
}

void hf_say_end(const HfSetupPlan *plan, bool failed, bool changed)
{
    if (plan->swtpm) {
        g_autofree char *when = time_text("%a %d %b %Y %I:%M:%S %p %Z");
        if (!failed) {
            hf_log(1, "Successfully authored TPM state.");
        }
        hf_log(1, "Ending vTPM manufacturing @ %s", when);
    } else if (!failed) {
        hf_log(1, "Finished: the TPM is %s.",
               changed ? "complete and stored" : "as it was asked for");
    }
}

void hf_say_kept(const HfSetupPlan *plan)
{
    if (plan->swtpm) {
        hf_log(1, "Not overwriting existing state file.");
    } else {
        hf_log(1, "%s holds a TPM already: nothing to do.", plan->state);
    }
}

static void say_swtpm_key(const HfEkRow *row, uint32_t handle)
{
    if (!row) {
        hf_log(1, "Successfully created storage primary key with handle 0x%x.", handle);
    } else if (row->rsa_bits > 0) {
        hf_log(1, "Successfully created RSA %u %s with handle 0x%x.", row->rsa_bits,
               hf_cert_kind_title(row->kind), handle);
    } else {
        hf_log(1, "Successfully created ECC %s with handle 0x%x.", hf_cert_kind_title(row->kind),
               handle);
    }
}

void hf_say_key(const HfSetupPlan *plan, const HfEkRow *row, uint32_t handle)
{
    if (plan->swtpm) {
        say_swtpm_key(row, handle);
    } else if (!row) {
        hf_log(1, "Created the storage primary key at handle 0x%08x.", handle);
    } else {
        hf_log(1, "Created the %s %s at handle 0x%08x.", row->title, hf_cert_kind_title(row->kind),
               handle);
    }
}

static void say_swtpm_certificate(const HfSetupPlan *plan, const HfEkRow *row,
                                  const HfMadeIndex *index)
{
    if (plan->tpm12) {
        hf_log(1, "Successfully created NVRAM area for %s certificate.", row ? "EK" : "Platform");
    } else if (!row) {
        hf_log(1, "Successfully created NVRAM area 0x%x for platform certificate.", index->index);
    } else if (row->rsa_bits > 0) {
        hf_log(1, "Successfully created NVRAM area 0x%x for RSA %u %s certificate.", index->index,
               row->rsa_bits, hf_cert_kind_title(row->kind));
    } else {
        hf_log(1, "Successfully created NVRAM area 0x%x for ECC %s certificate.", index->index,
               hf_cert_kind_title(row->kind));
    }
}

void hf_say_certificate(const HfSetupPlan *plan, const HfEkRow *row, const HfMadeIndex *index)
{
    if (plan->swtpm) {
        say_swtpm_certificate(plan, row, index);
    } else {
        hf_log(1, "Wrote the %s at NV index 0x%08x.", index->title, index->index);
    }
}

void hf_say_chain(uint32_t index)
{
    hf_log(1, "Wrote the authority's certificate chain at NV index 0x%08x.", index);
}

void hf_say_banks(const HfSetupPlan *plan, bool changed, const char *active, const char *all)
{
    if (!plan->swtpm) {
        hf_log(1, changed ? "Activated the PCR banks %s among %s." : "PCR banks are %s among %s.",
               active, all);
    } else if (!plan->banks.leave) {
        hf_log(1, "Successfully activated PCR banks %s among %s.", active, all);
    }
}

void hf_say_ek12(const HfSetupPlan *plan)
{
    hf_log(1, plan->swtpm ? "Successfully created EK." : "Created the endorsement key.");
}

void hf_say_owned(const HfSetupPlan *plan)
{
    hf_log(1,
           plan->swtpm ? "Successfully took ownership of the TPM." : "Took ownership of the TPM.");
}

void hf_say_locked(const HfSetupPlan *plan)
{
    hf_log(1, plan->swtpm ? "Successfully locked NVRAM access." : "Locked the NV memory.");
}
