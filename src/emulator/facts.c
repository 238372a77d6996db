/*
 * facts.c - JSON on stdout. The texts are so small that they are put together by hand.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "emulator/facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_profile.h"
#include "sandbox/sandbox.h"
#include "state/keys.h"

/* The engine is only asked, never powered on. */
static GBytes *no_load(void *user, HfBlobKind kind, GError **error)
{
    (void)user;
    (void)kind;
    hf_error_set(error, HF_ERROR_STATE, "no state is open");
    return NULL;
}

static bool no_save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    (void)user;
    (void)kind;
    (void)data;
    (void)size;
    return hf_error_set(error, HF_ERROR_STATE, "no state is open");
}

static bool no_remove(void *user, HfBlobKind kind, GError **error)
{
    (void)user;
    (void)kind;
    return hf_error_set(error, HF_ERROR_STATE, "no state is open");
}

static char *library_info(HfTpmVersion version, uint64_t flags, GError **error)
{
    static const HfEngineStorage nothing = { no_load, no_save, no_remove };
    g_autoptr(HfEngine) engine = hf_engine_new(version, &nothing, NULL, error);
    if (!engine) {
        return NULL;
    }
    char *text = hf_engine_info(engine, flags);
    if (!text) {
        hf_error_set(error, HF_ERROR_FAILED, "the TPM library tells nothing about itself");
    }
    return text;
}

/* --- of a TPM that is there ------------------------------------------------------------------- */

static GBytes *load_read(void *user, HfBlobKind kind, GError **error)
{
    if (kind != HF_BLOB_PERMANENT) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "only its permanent state is looked at");
        return NULL;
    }
    return g_bytes_ref(user);
}

/* *ret_blob NULL: there is none. Only looked at, so a running process may have it, too. */
static bool read_permanent(const HfSettings *settings, GBytes **ret_blob, GError **error)
{
    HfStoreConfig config = settings->store;
    bool encrypted = settings->key.size > 0;
    g_autoptr(HfSecret) key = encrypted ? hf_key_read(&settings->key, error) : NULL;
    if (encrypted && !key) {
        return false;
    }
    g_autoptr(HfEnvelope) envelope = encrypted ? hf_envelope_aes_new(key) : NULL;
    config.look_only = true;
    config.envelope = envelope;
    g_autoptr(HfStore) store = hf_store_open_uri(settings->state, &config, error);
    int64_t size = -1;
    if (!store || !store->class->stat(store, HF_STATE_PERMANENT, &size, error)) {
        return false;
    }
    *ret_blob = size < 0 ? NULL : store->class->load(store, HF_STATE_PERMANENT, error);
    return size < 0 || *ret_blob;
}

/* The state may have been made to do harm, and nothing but standard output is needed any more. */
static bool confine(const HfSettings *settings, GError **error)
{
    const HfSandboxPaths nothing = { 0 };
    bool active = false;
    return hf_sandbox_drop_capabilities(error) && hf_sandbox_landlock(&nothing, &active, error) &&
           hf_sandbox_seccomp(HF_PROFILE_MANUFACTURE, settings->seccomp, error);
}

/* With a TPM in the state, the library knows its profile and what it may do. */
static char *print_info(const HfSettings *settings, GError **error)
{
    static const HfEngineStorage in_memory = { load_read, no_save, no_remove };
    g_autoptr(GBytes) blob = NULL;
    if (settings->state && settings->info_flags != 0 && !read_permanent(settings, &blob, error)) {
        return NULL;
    }
    if (!blob) {
        return library_info(settings->version, settings->info_flags, error);
    }
    g_autoptr(HfEngine) engine = hf_engine_new(settings->version, &in_memory, blob, error);
    if (!engine || !confine(settings, error) ||
        hf_engine_power_on(engine, false, error) != HF_TPM_SUCCESS) {
        return NULL;
    }
    return hf_engine_info(engine, settings->info_flags);
}

/* --- capabilities ----------------------------------------------------------------------------- */

static void add_word(GString *json, const char *word)
{
    const char *comma = g_str_has_suffix(json->str, "[ ") ? "" : ", ";
    g_string_append_printf(json, "%s\"%s\"", comma, word);
}

/* rsa-keysize-N for every N of "RSAKeySizes":[N,...]; TPM 1.2 tells none. */
static bool add_rsa_sizes(GString *json, HfTpmVersion version, GError **error)
{
    static const char key[] = "\"RSAKeySizes\":[";
    if (version != HF_TPM_2_0) {
        return true;
    }
    g_autofree char *info = library_info(version, 4, error);
    if (!info) {
        return false;
    }
    const char *at = strstr(info, key);
    at = at ? at + strlen(key) : "";
    while (g_ascii_isdigit(*at)) {
        char *end = NULL;
        g_autofree char *word = g_strdup_printf("rsa-keysize-%lu", strtoul(at, &end, 10));
        add_word(json, word);
        at = *end == ',' ? end + 1 : end;
    }
    return true;
}

/* What can be chosen in a custom profile, of one kind. */
static void add_choices(GString *json, const char *title, const char *info, const char *section)
{
    g_autofree char *can = hf_profile_fact(info, section, "CanBeDisabled");
    g_autofree char *all = hf_profile_fact(info, section, "Implemented");
    g_string_append_printf(json, ", \"%s\": { \"canbedisabled\": \"%s\", \"implemented\": \"%s\" }",
                           title, can ? can : "", all ? all : "");
}

static bool add_profiles(GString *json, HfTpmVersion version, GError **error)
{
    static const char key[] = "{\"Name\":\"";
    g_string_append(json, "\"profiles\": { ");
    if (version == HF_TPM_2_0 && hf_engine_has_profiles()) {
        g_autofree char *info = library_info(version, HF_ENGINE_INFO_PROFILES | 0x18u, error);
        if (!info) {
            return false;
        }
        g_string_append(json, "\"names\": [ ");
        for (const char *at = strstr(info, key); at; at = strstr(at, key)) {
            at += strlen(key);
            g_autofree char *name = g_strndup(at, strcspn(at, "\""));
            add_word(json, name);
        }
        g_string_append(json, " ]");
        add_choices(json, "algorithms", info, "\"RuntimeAlgorithms\":");
        add_choices(json, "commands", info, "\"RuntimeCommands\":");
        g_string_append_c(json, ' ');
    }
    g_string_append(json, "}, ");
    return true;
}

static bool capabilities(const HfProgram *program, const HfSettings *settings, GString *json,
                         GError **error)
{
    HfTpmVersion version = settings->version;
    bool cuse = settings->interface == HF_INTERFACE_CUSE;
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    hf_options_features(program, words);
    g_string_append(json, "{ \"type\": \"swtpm\", \"features\": [ ");
    if (hf_engine_supports(HF_TPM_1_2)) {
        add_word(json, "tpm-1.2");
    }
    if (hf_engine_supports(HF_TPM_2_0)) {
        add_word(json, "tpm-2.0");
    }
    for (guint i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        if (version != HF_TPM_2_0 && strstr(word, "profile")) {
            continue; /* as swtpm: only a TPM 2.0 has them */
        }
        if (cuse && strcmp(word, "tpm-send-command-header") == 0) {
            continue;
        }
        add_word(json, word);
        /* swtpm lists the key sizes behind the storage back ends. */
        if (strcmp(word, "nvram-backend-file") == 0 && !add_rsa_sizes(json, version, error)) {
            return false;
        }
    }
    g_string_append(json, " ], ");
    if (!add_profiles(json, version, error)) {
        return false;
    }
    g_string_append_printf(json, "\"version\": \"%s\" }\n", PACKAGE_VERSION);
    return true;
}

static bool states(const HfSettings *settings, GString *json, GError **error)
{
    HfStoreConfig config = settings->store;
    config.look_only = true;
    g_autoptr(HfStore) store = hf_store_open_uri(settings->state, &config, error);
    if (!store) {
        return false;
    }
    bool first = true;
    g_string_append(json, "{ \"type\": \"swtpm\", \"states\": [");
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        int64_t size = -1;
        if (!store->class->stat(store, (HfStateKind)kind, &size, error)) {
            return false;
        }
        if (size >= 0) {
            g_string_append_printf(json, "%s{\"name\": \"%s\", \"size\": %" G_GINT64_FORMAT "}",
                                   first ? " " : ", ", hf_state_kind_name((HfStateKind)kind), size);
            first = false;
        }
    }
    g_string_append(json, first ? "] }" : " ] }");
    return true;
}

static bool make_text(const HfProgram *program, const HfSettings *settings, GString *text,
                      GError **error)
{
    g_autofree char *info = NULL;
    switch (settings->task) {
    case HF_TASK_PRINT_CAPABILITIES: return capabilities(program, settings, text, error);
    case HF_TASK_PRINT_STATES: return states(settings, text, error);
    case HF_TASK_PRINT_INFO:
        info = print_info(settings, error);
        g_string_append_printf(text, "%s\n", info ? info : "");
        return info != NULL;
    case HF_TASK_PRINT_PROFILES:
        info = library_info(settings->version, HF_ENGINE_INFO_PROFILES, error);
        g_string_append(text, info ? info : "");
        return info != NULL;
    case HF_TASK_SERVE:
    default: g_assert_not_reached();
    }
}

bool hf_facts_print(const HfProgram *program, const HfSettings *settings, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (!make_text(program, settings, text, error)) {
        return false;
    }
    bool written = fwrite(text->str, 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    return written || hf_error_errno(error, errno, "cannot write to stdout");
}
