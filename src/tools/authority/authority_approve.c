/*
 * authority_approve.c - `holdfast-authority approve`, `bump-generation` and `pcrs`.
 *
 * The approver says in which state of the host the signing key and the derivation key may be used.
 * The first approval gives the generation counter its first value.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/file.h"
#include "hwtpm/hwcounter.h"
#include "hwtpm/hwquote.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/pcr_lines.h"

static HfAuthorityDir *open_from(const HfOptions *options, GError **error)
{
    return hf_authority_open_parts(hf_options_string(options, "dir"),
                                   hf_options_string(options, "tcti"), error);
}

static HfPcrValues *wanted_values(const HfOptions *options, HfAuthorityDir *authority,
                                  GError **error)
{
    const char *source = hf_options_string(options, "pcr-values");
    g_autoptr(GBytes) file = NULL;
    HfPcrValues *values;

    if (strcmp(source, "current") == 0) {
        return hf_hwpcr_read(authority->connection, &authority->manifest->pcrs, error);
    }
    file = hf_file_read(source, 65536, error);
    if (!file) {
        return NULL;
    }
    values = hf_pcr_values_parse(g_bytes_get_data(file, NULL), g_bytes_get_size(file),
                                 &authority->manifest->pcrs, error);
    if (!values) {
        g_prefix_error(error, "%s: ", source);
    }
    return values;
}

/* Makes a counter that is not there any more: its first value is above all that it ever had, so what
 * was revoked stays revoked. */
static HfCounter *approval_counter(const HfOptions *options, HfAuthorityDir *authority,
                                   GError **error)
{
    uint32_t index = authority->manifest->counter_index;
    g_autoptr(GError) local = NULL;
    HfCounter *counter = hf_authority_counter(authority, &local);

    if (counter || !authority->connection || !hf_error_is(local, HF_ERROR_STATE)) {
        if (!counter) {
            g_propagate_error(error, g_steal_pointer(&local));
        }
        return counter;
    }
    if (!hf_authority_auth(options, "owner-auth-file", authority->connection, HF_HIERARCHY_OWNER,
                           error) ||
        !hf_counter_define(authority->connection, index, &authority->approver, error)) {
        g_prefix_error(error, "%s: ", local->message);
        return NULL;
    }
    printf(
        "%s: the generation counter (NV index 0x%08x) was not there and is made anew: all earlier "
        "approvals are revoked\n",
        authority->path, index);
    return hf_authority_counter(authority, error);
}

/* The generation to approve; makes the counter's first value when it has none. */
static bool wanted_generation(const HfOptions *options, HfAuthorityDir *authority, HfSigner *signer,
                              uint64_t *ret_generation, GError **error)
{
    HfCounter *counter = approval_counter(options, authority, error);
    uint64_t value = 0;
    bool done;

    if (!counter) {
        return false;
    }
    done = hf_counter_is_written(counter) ? hf_counter_value(counter, &value, error)
                                          : hf_counter_bump(counter, signer, &value, error);
    if (!done) {
        return false;
    }
    if (hf_options_has(options, "generation")) {
        uint64_t given = (uint64_t)hf_options_int(options, "generation");

        if (given < value) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "--generation: %" G_GUINT64_FORMAT
                                " is revoked: the host TPM's counter is at %" G_GUINT64_FORMAT,
                                given, value);
        }
        value = given;
    }
    *ret_generation = value;
    return true;
}

/* Can the host work by the approval that it has? Then one for another state goes beside it. */
static bool works_now(HfAuthorityDir *authority, const HfPcrValues *now, uint64_t counter)
{
    const HfApproval *approval = authority->approval;

    return approval && approval->generation >= counter && hf_approval_fits(approval, now);
}

/* The one made beforehand goes when it is revoked, broken, or for the state that is approved now. */
static bool drop_next(HfAuthorityDir *authority, const HfApproval *approval, uint64_t counter,
                      GError **error)
{
    g_autofree char *label = hf_authority_label(authority, HF_APPROVAL_NEXT);
    bool goes = authority->next_error ||
                (authority->next && (authority->next->generation < counter ||
                                     hf_approval_fits(authority->next, approval->values)));

    return !goes || hf_file_remove_at(authority->fd, HF_APPROVAL_NEXT, label, error);
}

static bool save(HfAuthorityDir *authority, const HfApproval *approval, const HfPcrValues *now,
                 uint64_t counter, GError **error)
{
    bool beforehand = !hf_approval_fits(approval, now) && works_now(authority, now, counter);
    const char *name = beforehand ? HF_APPROVAL_NEXT : HF_APPROVAL_FILE;
    g_autofree char *label = hf_authority_label(authority, name);

    if (!hf_approval_save(approval, authority->fd, name, label, error) ||
        (!beforehand && !drop_next(authority, approval, counter, error))) {
        return false;
    }
    printf("%s: approved for generation %" G_GUINT64_FORMAT "%s\n", authority->path,
           approval->generation,
           beforehand ? ", for a state to come; the present one stays approved" : "");
    return true;
}

bool hf_authority_command_approve(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_from(options, error);
    g_autoptr(HfSigner) signer = NULL;
    g_autoptr(HfApproval) approval = NULL;
    g_autoptr(HfPcrValues) now = NULL;
    HfApprovalSubject subject;
    HfPcrValues *values;
    uint64_t generation = 0, counter = 0;

    signer = authority ? hf_authority_approver_signer(options, authority, error) : NULL;
    if (!signer || !hf_authority_connection(authority, error)) {
        return false;
    }
    values = wanted_values(options, authority, error);
    if (!values) {
        return false;
    }
    now = wanted_generation(options, authority, signer, &generation, error) &&
                  hf_counter_value(authority->shared_counter, &counter, error)
              ? hf_hwpcr_read(authority->connection, &authority->manifest->pcrs, error)
              : NULL;
    if (!now) {
        hf_pcr_values_free(values);
        return false;
    }
    subject = hf_authority_subject(authority);
    approval =
        hf_approval_sign(&subject, &authority->manifest->pcrs, values, generation, signer, error);
    if (!approval && hf_options_has(options, "offline")) {
        g_prefix_error(error, "generation %" G_GUINT64_FORMAT ": ", generation);
    }
    return approval && save(authority, approval, now, counter, error);
}

bool hf_authority_command_bump(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_from(options, error);
    g_autoptr(HfSigner) signer = NULL;
    HfCounter *counter;
    uint64_t value = 0;

    signer = authority ? hf_authority_approver_signer(options, authority, error) : NULL;
    counter = signer ? hf_authority_counter(authority, error) : NULL;
    if (!counter || !hf_counter_bump(counter, signer, &value, error)) {
        return false;
    }
    printf("%s: generation is now %" G_GUINT64_FORMAT "; all approvals for less are revoked\n",
           authority->path, value);
    return true;
}

bool hf_authority_command_pcrs(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_from(options, error);
    HfConnection *connection = authority ? hf_authority_connection(authority, error) : NULL;
    g_autoptr(HfPcrValues) values = NULL;
    g_autofree char *lines = NULL;

    if (!connection) {
        return false;
    }
    values = hf_hwpcr_read(connection, &authority->manifest->pcrs, error);
    if (!values) {
        return false;
    }
    lines = hf_pcr_lines(values, &authority->manifest->pcrs);
    fputs(lines, stdout);
    return true;
}
