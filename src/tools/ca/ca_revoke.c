/*
 * ca_revoke.c - `holdfast-ca revoke`: a certificate, or all of a key or of a host.
 *
 * Recorded durably first, then the list is issued anew: when that fails the certificates are
 * revoked all the same, and the next list has them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/crl_set.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_crl.h"
#include "tools/ca/ca_revoked.h"
#include "tools/ca/ca_select.h"

/* NULL: it can be revoked for this reason; else why not. */
static char *refusal(const HfIssued *entry, const HfRevoked *before, HfCrlReason reason, gint64 now)
{
    g_autofree char *when = hf_crl_time_text(before ? before->when : entry->not_after);

    if (reason == HF_CRL_REMOVE) {
        return before && before->reason == HF_CRL_HOLD
                   ? NULL
                   : g_strdup_printf("%s is not on hold: removeFromCRL ends a hold and nothing "
                                     "else",
                                     entry->serial);
    }
    if (before && (before->reason != HF_CRL_HOLD || reason == HF_CRL_HOLD)) {
        return g_strdup_printf("%s %s already, at %s (%s)", entry->serial,
                               before->reason == HF_CRL_HOLD ? "is on hold" : "was revoked", when,
                               hf_crl_reason_text(before->reason));
    }
    if (now > entry->not_after) {
        g_free(when);
        when = hf_crl_time_text(entry->not_after);
        return g_strdup_printf("%s has expired, at %s: nobody accepts it any more", entry->serial,
                               when);
    }
    return NULL;
}

/* The entries to revoke, borrowed from `issued`. With several, those that need it not are left out;
 * when none is left the first one's refusal is the answer. */
static GPtrArray *choose(GPtrArray *issued, GHashTable *revoked, const HfCaSelector *selector,
                         HfCrlReason reason, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autofree char *why = NULL;

    for (unsigned i = 0; i < issued->len; i++) {
        HfIssued *entry = g_ptr_array_index(issued, i);
        char *no;

        if (!hf_ca_selector_matches(selector, entry)) {
            continue;
        }
        no = refusal(entry, g_hash_table_lookup(revoked, entry->serial), reason, now);
        if (!no) {
            g_ptr_array_add(chosen, entry);
        } else {
            g_free(why);
            why = no;
        }
    }
    if (chosen->len > 0) {
        return g_steal_pointer(&chosen);
    }
    if (why) {
        hf_error_set(error, HF_ERROR_STATE, "certificate %s", why);
    } else {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "this CA issued no certificate with the %s \"%s\"",
                     selector->what, selector->wanted);
    }
    return NULL;
}

static bool commit(HfCaDir *ca, const HfIssued *entry, HfCrlReason reason, GError **error)
{
    g_autoptr(HfAuditEntry) act = hf_audit_entry_new(HF_AUDIT_REVOKE);

    act->number = g_get_real_time() / G_USEC_PER_SEC;
    act->reason = g_strdup(hf_crl_reason_text(reason));
    act->facts->serial = g_strdup(entry->serial);
    act->facts->subject = g_strdup(entry->subject);
    act->facts->key = g_strdup(entry->key);
    act->facts->host_ek = g_strdup(entry->host_ek);
    act->facts->environment = g_strdup(entry->environment);
    return hf_ca_act_commit(ca, act, error);
}

static bool record_all(HfCaDir *ca, GPtrArray *chosen, HfCrlReason reason, GError **error)
{
    for (unsigned i = 0; i < chosen->len; i++) {
        const HfIssued *entry = g_ptr_array_index(chosen, i);

        if (!commit(ca, entry, reason, error)) {
            return false;
        }
        printf("%s: %s (%s), %s\n", entry->serial,
               reason == HF_CRL_REMOVE ? "released"
               : reason == HF_CRL_HOLD ? "on hold"
                                       : "revoked",
               hf_crl_reason_text(reason), entry->subject);
    }
    return true;
}

static bool revoke_all(HfCaDir *ca, const HfCaSelector *selector, HfCrlReason reason, unsigned days,
                       GError **error)
{
    hf_autofd int lock = hf_ca_act_begin(ca, error);
    g_autoptr(GPtrArray) issued = lock >= 0 ? hf_ca_dir_issued(ca, error) : NULL;
    g_autoptr(GHashTable) revoked = issued ? hf_ca_revoked(ca, error) : NULL;
    g_autoptr(GPtrArray) chosen = revoked ? choose(issued, revoked, selector, reason, error) : NULL;
    g_autoptr(HfCrl) crl = NULL;
    g_autofree char *number = NULL;

    if (!chosen || !record_all(ca, chosen, reason, error)) {
        return false;
    }
    crl = hf_ca_crl_issue(ca, days, error);
    if (!crl) {
        g_prefix_error(error, "revoked, but the list is not renewed (run holdfast-ca crl): ");
        return false;
    }
    number = hf_crl_number_text(crl->number);
    printf("%s/%s: revocation list %s\n", ca->path, HF_CA_CRL_PEM, number);
    return true;
}

bool hf_ca_command_revoke(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = NULL;
    HfCaSelector selector = { 0 };
    HfCrlReason reason = HF_CRL_UNSPECIFIED;
    bool done;

    /* The table allows these words only. */
    g_assert_true(hf_crl_reason_parse(hf_options_string(options, "reason"), &reason));
    done = hf_ca_selector_read(options, &selector, error) &&
           (selector.get || hf_error_set(error, HF_ERROR_USAGE,
                                         "which certificate? --serial, --key or --host-ek "
                                         "expected"));
    ca = done ? hf_ca_open(options, error) : NULL;
    done = ca &&
           revoke_all(ca, &selector, reason, (unsigned)hf_options_int(options, "crl-days"), error);
    hf_ca_selector_clear(&selector);
    return done;
}
