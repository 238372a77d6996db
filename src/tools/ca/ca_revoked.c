/*
 * ca_revoked.c - the record of revocations.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_revoked.h"

#include <string.h>

#include "base/error.h"
#include "pki/crl_set.h"
#include "tools/ca/ca_lines.h"
#include "tools/common/fields.h"

#define FORMAT "holdfast-ca-revoked"
#define FORMAT_VERSION 1

void hf_revoked_free(HfRevoked *entry)
{
    g_free(entry->serial);
    g_free(entry);
}

HfRevoked *hf_revoked_read(const char *line, const char *label, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(line, strlen(line));
    g_autoptr(HfFields) fields = hf_fields_parse(bytes, label, FORMAT, FORMAT_VERSION, error);
    g_autofree char *reason = NULL;
    HfRevoked *entry;

    if (!fields) {
        return NULL;
    }
    entry = g_new0(HfRevoked, 1);
    entry->serial = hf_fields_text(fields, "serial", true);
    entry->when = hf_fields_number(fields, "when", 0, HF_DER_TIME_NEVER);
    reason = hf_fields_text(fields, "reason", true);
    if (!hf_crl_reason_parse(reason, &entry->reason)) {
        hf_fields_wrong(fields, "reason", "not a reason for a revocation");
    }
    if (!hf_fields_finish(fields, error)) {
        hf_revoked_free(entry);
        return NULL;
    }
    return entry;
}

GHashTable *hf_ca_revoked(const HfCaDir *ca, GError **error)
{
    g_autoptr(GPtrArray) lines =
        hf_ca_lines_read(ca, HF_CA_REVOKED, (HfCaLineParse)hf_revoked_read, NULL, error);
    GHashTable *table;

    if (!lines) {
        return NULL;
    }
    table = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)hf_revoked_free);
    for (unsigned i = 0; i < lines->len; i++) {
        HfRevoked *entry = g_ptr_array_index(lines, i);

        if (entry->reason == HF_CRL_REMOVE) {
            g_hash_table_remove(table, entry->serial);
            hf_revoked_free(entry);
        } else {
            g_hash_table_replace(table, entry->serial, entry);
        }
    }
    return table;
}

bool hf_ca_revoked_record(HfCaDir *ca, const HfRevoked *entry, GError **error)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);
    g_autofree char *line = NULL;

    hf_fields_put(builder, "serial", entry->serial);
    hf_fields_put(builder, "reason", hf_crl_reason_text(entry->reason));
    hf_fields_put_number(builder, "when", entry->when);
    line = hf_fields_end_line(builder);
    return hf_ca_lines_append_once(ca, HF_CA_REVOKED, line, error);
}

/* These say that the certificate was replaced or is no more needed, nothing against the key. */
static bool is_harmless(HfCrlReason reason)
{
    return reason == HF_CRL_SUPERSEDED || reason == HF_CRL_CESSATION;
}

bool hf_ca_revoked_allows(HfCaDir *ca, const char *key, GError **error)
{
    g_autoptr(GPtrArray) issued = hf_ca_dir_issued(ca, error);
    g_autoptr(GHashTable) revoked = issued ? hf_ca_revoked(ca, error) : NULL;

    for (unsigned i = 0; revoked && i < issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(issued, i);
        const HfRevoked *found = g_hash_table_lookup(revoked, entry->serial);
        g_autofree char *when = NULL;

        if (!found || strcmp(entry->key, key) != 0 || is_harmless(found->reason)) {
            continue;
        }
        when = hf_crl_time_text(found->when);
        return hf_error_set(
            error, HF_ERROR_POLICY, "signing key: its certificate %s %s at %s (%s): %s",
            entry->serial, found->reason == HF_CRL_HOLD ? "was put on hold" : "was revoked", when,
            hf_crl_reason_text(found->reason),
            found->reason == HF_CRL_HOLD ? "end the hold first (--reason removeFromCRL)"
                                         : "the host needs a new key");
    }
    return revoked != NULL;
}

bool hf_ca_revoked_check(const HfCaDir *ca, const char *what, const HfCertificate *of,
                         GError **error)
{
    g_autoptr(GHashTable) revoked = hf_ca_revoked(ca, error);
    g_autofree char *serial = NULL;

    if (!revoked) {
        return false;
    }
    serial = hf_hex(g_bytes_get_data(of->serial, NULL), g_bytes_get_size(of->serial));
    return !g_hash_table_contains(revoked, serial) ||
           hf_error_set(error, HF_ERROR_POLICY, "EK certificate: %s was revoked (serial number %s)",
                        what, serial);
}

/* Only what stands below this CA's root is this CA's to know. */
static bool check_revoked(const HfCaDir *ca, const char *what, const HfCertificate *of,
                          const HfCertificate *root, GError **error)
{
    return !g_bytes_equal(root->der, ca->root->der) || hf_ca_revoked_check(ca, what, of, error);
}

bool hf_ca_revoked_chain(const HfCaDir *ca, const HfChainProof *proof, GError **error)
{
    bool good = check_revoked(ca, "the vMA certificate above it", proof->vma, proof->root, error) &&
                check_revoked(ca, "it", proof->leaf, proof->root, error);

    for (unsigned i = 0; good && i < proof->nested; i++) {
        good = check_revoked(ca, "the vMA certificate above it", proof->hosts[i].vma,
                             proof->hosts[i].root, error);
    }
    return good;
}
