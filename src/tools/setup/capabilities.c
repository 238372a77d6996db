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
#include "tools/setup/setup_profile.h"

#define INFO_SPECIFICATION 1u
#define INFO_ATTRIBUTES 2u
#define INFO_FEATURES 4u

/* --- facts ----------------------------------------------------------------------------------- */

void hf_engine_facts_free(HfEngineFacts *facts)
{
    if (facts) {
        g_free(facts->family);
        g_free(facts->manufacturer);
        g_free(facts->model);
        g_free(facts->version);
        g_free(facts);
    }
}

/* The member of an object in the root object; NULL when it is not there or not of this type. */
static JsonNode *member(JsonObject *root, const char *object, const char *name, GType type)
{
    JsonNode *outer = json_object_get_member(root, object);
    JsonNode *node = outer && JSON_NODE_HOLDS_OBJECT(outer)
                         ? json_object_get_member(json_node_get_object(outer), name)
                         : NULL;
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node
                                                                                         : NULL;
}

static char *text_of(JsonObject *root, const char *object, const char *name)
{
    JsonNode *node = member(root, object, name, G_TYPE_STRING);
    return node ? json_node_dup_string(node) : NULL;
}

static bool number_of(JsonObject *root, const char *object, const char *name, uint32_t *ret_number)
{
    JsonNode *node = member(root, object, name, G_TYPE_INT64);
    int64_t number = node ? json_node_get_int(node) : -1;
    *ret_number = (uint32_t)number;
    return number >= 0 && number <= INT32_MAX;
}

HfEngineFacts *hf_engine_facts_read(HfEngineChild *engine, GError **error)
{
    g_autofree char *json =
        hf_engine_child_info(engine, INFO_SPECIFICATION | INFO_ATTRIBUTES, error);
    g_autoptr(JsonNode) root = json ? json_from_string(json, error) : NULL;
    if (!root) {
        g_prefix_error(error, "what the engine says about itself: ");
        return NULL;
    }
    g_autoptr(HfEngineFacts) facts = g_new0(HfEngineFacts, 1);
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    if (!object || !(facts->family = text_of(object, "TPMSpecification", "family")) ||
        !number_of(object, "TPMSpecification", "level", &facts->level) ||
        !number_of(object, "TPMSpecification", "revision", &facts->revision) ||
        !(facts->manufacturer = text_of(object, "TPMAttributes", "manufacturer")) ||
        !(facts->model = text_of(object, "TPMAttributes", "model")) ||
        !(facts->version = text_of(object, "TPMAttributes", "version"))) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "the engine does not say which TPM it is, but: %s", json);
        return NULL;
    }
    return g_steal_pointer(&facts);
}

/* --- the list -------------------------------------------------------------------------------- */

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

bool hf_capabilities_print(const HfProgram *program, HfEngineChild *engine, bool has_tpm12,
                           GError **error)
{
    unsigned limit = 0;
    if (!hf_capabilities_rsa_limit(engine, &limit, error)) {
        return false;
    }
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    hf_options_features(program, words);
    printf("{ \"type\": \"swtpm_setup\", \"features\": [ %s\"tpm-2.0\"",
           has_tpm12 ? "\"tpm-1.2\", " : "");
    for (unsigned i = 0; i < words->len; i++) {
        printf(", \"%s\"", (const char *)g_ptr_array_index(words, i));
    }
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        if (row->rsa_bits > 0 && row->rsa_bits <= limit) {
            printf(", \"tpm2-rsa-keysize-%u\"", row->rsa_bits);
        }
    }
    g_auto(GStrv) profiles = hf_setup_profile_names(engine, error);
    if (!profiles) {
        return false;
    }
    if (profiles[0]) {
        g_autofree char *names = g_strjoinv("\", \"", profiles);
        printf(", \"cmdarg-profile\", \"cmdarg-profile-remove-disabled\" ], "
               "\"profiles\": [ \"%s\"",
               names);
    }
    puts(" ], \"version\": \"" PACKAGE_VERSION "\" }");
    return true;
}
