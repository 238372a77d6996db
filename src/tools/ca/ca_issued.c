/*
 * ca_issued.c - an issued certificate as members of a JSON object: one table for both directions.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_issued.h"

#include <string.h>

#define FORMAT "holdfast-ca-issued"
#define FORMAT_VERSION 4

static const struct {
    const char *name;
    size_t offset;
    bool required; /* of every certificate */
} members[] = {
    { "time", offsetof(HfIssued, time), true },
    { "serial", offsetof(HfIssued, serial), true },
    { "subject", offsetof(HfIssued, subject), true },
    { "rooted", offsetof(HfIssued, rooted), true },
    { "key", offsetof(HfIssued, key), true },
    { "migration-policy", offsetof(HfIssued, migration_policy), true },
    { "device-model", offsetof(HfIssued, device_model), false },
    { "platform", offsetof(HfIssued, platform), true },
    { "host-tpm", offsetof(HfIssued, host_tpm), false },
    { "host-ek", offsetof(HfIssued, host_ek), false },
    { "ek-proof", offsetof(HfIssued, ek_proof), false },
    { "environment", offsetof(HfIssued, environment), false },
    { "identity-keys", offsetof(HfIssued, identity_keys), false },
};

static char **text_of(const HfIssued *entry, unsigned i)
{
    return (char **)(void *)((char *)(uintptr_t)entry + members[i].offset);
}

void hf_issued_free(HfIssued *entry)
{
    for (unsigned i = 0; entry && i < G_N_ELEMENTS(members); i++) {
        g_free(*text_of(entry, i));
    }
    g_free(entry);
}

void hf_issued_put(JsonBuilder *builder, const HfIssued *entry)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        hf_fields_put(builder, members[i].name, *text_of(entry, i));
    }
    if (entry->not_after > 0) {
        hf_fields_put_number(builder, "not-after", entry->not_after);
    }
}

HfIssued *hf_issued_get(HfFields *fields, bool complete)
{
    HfIssued *entry = g_new0(HfIssued, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        bool required = i == 0 || (complete && members[i].required);

        *text_of(entry, i) = hf_fields_text(fields, members[i].name, required);
    }
    if (complete) {
        entry->not_after = hf_fields_number(fields, "not-after", 1, G_MAXINT64);
    }
    return entry;
}

char *hf_issued_write(const HfIssued *entry)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);

    hf_issued_put(builder, entry);
    return hf_fields_end_line(builder);
}

HfIssued *hf_issued_read(const char *line, const char *label, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(line, strlen(line));
    g_autoptr(HfFields) fields = hf_fields_parse(bytes, label, FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfIssued) entry = fields ? hf_issued_get(fields, true) : NULL;

    return entry && hf_fields_finish(fields, error) ? g_steal_pointer(&entry) : NULL;
}
