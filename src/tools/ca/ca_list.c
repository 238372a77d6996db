/*
 * ca_list.c - `holdfast-ca init` and `list`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_dir.h"
#include "tools/common/fields.h"

bool hf_ca_command_init(const HfOptions *options, GError **error)
{
    const char *dir = hf_options_string(options, "dir");

    if (!hf_ca_dir_create(dir, hf_options_string(options, "key-algorithm"),
                          hf_options_string(options, "organization"),
                          hf_options_string(options, "subject"),
                          (unsigned)hf_options_int(options, "root-days"), error)) {
        return false;
    }
    printf("%s: CA made, its certificate is %s/root.pem\n", dir, dir);
    return true;
}

static void put_entry(JsonBuilder *builder, const HfIssued *entry)
{
    json_builder_begin_object(builder);
    hf_fields_put(builder, "time", entry->time);
    hf_fields_put(builder, "serial", entry->serial);
    hf_fields_put(builder, "subject", entry->subject);
    hf_fields_put(builder, "rooted", entry->rooted);
    hf_fields_put(builder, "key", entry->key);
    hf_fields_put(builder, "migration-policy", entry->migration_policy);
    hf_fields_put(builder, "device-model", entry->device_model);
    hf_fields_put(builder, "platform", entry->platform);
    hf_fields_put(builder, "host-tpm", entry->host_tpm);
    hf_fields_put(builder, "host-ek", entry->host_ek);
    hf_fields_put(builder, "ek-proof", entry->ek_proof);
    hf_fields_put(builder, "environment", entry->environment);
    hf_fields_put_number(builder, "not-after", entry->not_after);
    json_builder_end_object(builder);
}

static void print_json(GPtrArray *issued)
{
    JsonBuilder *builder = hf_fields_begin("holdfast-ca-list", 1, 1);
    g_autofree char *text = NULL;

    json_builder_set_member_name(builder, "issued");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < issued->len; i++) {
        put_entry(builder, g_ptr_array_index(issued, i));
    }
    json_builder_end_array(builder);
    text = hf_fields_end(builder);
    fputs(text, stdout);
}

bool hf_ca_command_list(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_dir_open(hf_options_string(options, "dir"), error);
    g_autoptr(GPtrArray) issued = ca ? hf_ca_dir_issued(ca, error) : NULL;

    if (!issued) {
        return false;
    }
    if (hf_options_flag(options, "json")) {
        print_json(issued);
        return true;
    }
    for (unsigned i = 0; i < issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(issued, i);

        printf("%s  %s  %s  %s\n", entry->time, entry->serial, entry->rooted, entry->subject);
    }
    return true;
}
