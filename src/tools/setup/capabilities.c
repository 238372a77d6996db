/*
 * capabilities.c - asks the engine what RSA keys it makes, and writes the feature list.
 *
 * libvirt reads this list: a word stands in it only when what it promises works.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/capabilities.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "base/error.h"
#include "tools/setup/ek_table.h"

#define INFO_FEATURES 4u

bool hf_capabilities_rsa_limit(HfEngineChild *engine, unsigned *ret_bits, GError **error)
{
    g_autofree char *json = hf_engine_child_info(engine, INFO_FEATURES, error);
    if (!json) {
        return false;
    }
    g_autoptr(JsonNode) root = json_from_string(json, error);
    g_autoptr(JsonNode) found =
        root ? json_path_query("$.TPMFeatures.RSAKeySizes[*]", root, error) : NULL;
    if (!found) {
        g_prefix_error(error, "what the engine says about itself: ");
        return false;
    }
    JsonArray *sizes = json_node_get_array(found);
    int64_t largest = 0;
    for (unsigned i = 0; i < json_array_get_length(sizes); i++) {
        largest = MAX(largest, json_array_get_int_element(sizes, i));
    }
    if (largest < 2048 || largest > 16384) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "the engine names no usable RSA key size: %s", json);
    }
    *ret_bits = (unsigned)largest;
    return true;
}

bool hf_capabilities_print(const HfProgram *program, HfEngineChild *engine, GError **error)
{
    unsigned limit = 0;
    if (!hf_capabilities_rsa_limit(engine, &limit, error)) {
        return false;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    hf_options_features(program, words);
    fputs("{ \"type\": \"swtpm_setup\", \"features\": [ \"tpm-2.0\"", stdout);
    for (unsigned i = 0; i < words->len; i++) {
        printf(", \"%s\"", (const char *)g_ptr_array_index(words, i));
    }
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        if (row->rsa_bits > 0 && row->rsa_bits <= limit) {
            printf(", \"tpm2-rsa-keysize-%u\"", row->rsa_bits);
        }
    }
    puts(" ], \"version\": \"" PACKAGE_VERSION "\" }");
    return true;
}
