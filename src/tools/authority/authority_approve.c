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

/* The generation to approve; makes the counter's first value when it has none. */
static bool wanted_generation(const HfOptions *options, HfAuthorityDir *authority, HfSigner *signer,
                              uint64_t *ret_generation, GError **error)
{
    HfCounter *counter = hf_authority_counter(authority, error);
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

bool hf_authority_command_approve(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = open_from(options, error);
    g_autoptr(HfSigner) signer = NULL;
    g_autoptr(HfApproval) approval = NULL;
    g_autofree char *label = NULL;
    HfApprovalSubject subject;
    HfPcrValues *values;
    uint64_t generation = 0;

    signer = authority ? hf_authority_approver_signer(options, authority, error) : NULL;
    if (!signer || !hf_authority_connection(authority, error)) {
        return false;
    }
    values = wanted_values(options, authority, error);
    if (!values) {
        return false;
    }
    if (!wanted_generation(options, authority, signer, &generation, error)) {
        hf_pcr_values_free(values);
        return false;
    }
    subject = hf_authority_subject(authority);
    label = hf_authority_label(authority, HF_APPROVAL_FILE);
    approval =
        hf_approval_sign(&subject, &authority->manifest->pcrs, values, generation, signer, error);
    if (!approval && hf_options_has(options, "offline")) {
        g_prefix_error(error, "generation %" G_GUINT64_FORMAT ": ", generation);
    }
    if (!approval || !hf_approval_save(approval, authority->fd, label, error)) {
        return false;
    }
    printf("%s: approved for generation %" G_GUINT64_FORMAT "\n", authority->path, generation);
    return true;
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
