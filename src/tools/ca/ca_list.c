/*
 * ca_list.c - `holdfast-ca list`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_dir.h"
#include "tools/ca/ca_revoked.h"
#include "tools/ca/ca_select.h"
#include "tools/common/fields.h"

typedef struct {
    GPtrArray *issued;
    GHashTable *revoked; /* ca_revoked.h */
    GHashTable *newest;  /* key -> its last HfIssued that is not revoked, borrowed */
    gint64 now;
} HfListing;

static const char *state_of(const HfListing *listing, const HfIssued *entry)
{
    if (g_hash_table_contains(listing->revoked, entry->serial)) {
        return "revoked";
    }
    if (listing->now > entry->not_after) {
        return "expired";
    }
    return g_hash_table_lookup(listing->newest, entry->key) == entry ? "valid" : "superseded";
}

static bool is_wanted(const HfListing *listing, const HfOptions *options,
                      const HfCaSelector *selector, const HfIssued *entry)
{
    const char *state = hf_options_string(options, "state");
    const char *const *environments = hf_options_list(options, "environment");

    return hf_ca_selector_matches(selector, entry) &&
           (!state || strcmp(state, state_of(listing, entry)) == 0) &&
           (!*environments ||
            (entry->environment && g_strv_contains(environments, entry->environment)));
}

static void put_entry(JsonBuilder *builder, const HfListing *listing, const HfIssued *entry)
{
    const HfRevoked *revoked = g_hash_table_lookup(listing->revoked, entry->serial);

    json_builder_begin_object(builder);
    hf_issued_put(builder, entry);
    hf_fields_put(builder, "state", state_of(listing, entry));
    if (revoked) {
        hf_fields_put_number(builder, "revoked-at", revoked->when);
        hf_fields_put(builder, "reason", hf_crl_reason_text(revoked->reason));
    }
    json_builder_end_object(builder);
}

static void print_json(const HfListing *listing, const HfOptions *options,
                       const HfCaSelector *selector)
{
    JsonBuilder *builder = hf_fields_begin("holdfast-ca-list", 1, 1);
    g_autofree char *text = NULL;

    json_builder_set_member_name(builder, "issued");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < listing->issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(listing->issued, i);

        if (is_wanted(listing, options, selector, entry)) {
            put_entry(builder, listing, entry);
        }
    }
    json_builder_end_array(builder);
    text = hf_fields_end(builder);
    fputs(text, stdout);
}

static void print_words(const HfListing *listing, const HfOptions *options,
                        const HfCaSelector *selector)
{
    for (unsigned i = 0; i < listing->issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(listing->issued, i);
        const HfRevoked *revoked = g_hash_table_lookup(listing->revoked, entry->serial);

        if (is_wanted(listing, options, selector, entry)) {
            printf("%s  %s  %s%s%s%s  %s  %s\n", entry->time, entry->serial,
                   state_of(listing, entry), revoked ? " (" : "",
                   revoked ? hf_crl_reason_text(revoked->reason) : "", revoked ? ")" : "",
                   entry->rooted, entry->subject);
        }
    }
}

bool hf_ca_command_list(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_dir_open_records(hf_options_string(options, "dir"), error);
    g_autoptr(GPtrArray) issued = ca ? hf_ca_dir_issued(ca, error) : NULL;
    g_autoptr(GHashTable) revoked = issued ? hf_ca_revoked(ca, error) : NULL;
    g_autoptr(GHashTable) newest = g_hash_table_new(g_str_hash, g_str_equal);
    HfListing listing = { issued, revoked, newest, g_get_real_time() / G_USEC_PER_SEC };
    HfCaSelector selector = { 0 };

    if (!revoked || !hf_ca_selector_read(options, &selector, error)) {
        hf_ca_selector_clear(&selector);
        return false;
    }
    for (unsigned i = 0; i < issued->len; i++) {
        HfIssued *entry = g_ptr_array_index(issued, i);

        if (!g_hash_table_contains(revoked, entry->serial)) {
            g_hash_table_replace(newest, entry->key, entry);
        }
    }
    if (hf_options_flag(options, "json")) {
        print_json(&listing, options, &selector);
    } else {
        print_words(&listing, options, &selector);
    }
    hf_ca_selector_clear(&selector);
    return true;
}
