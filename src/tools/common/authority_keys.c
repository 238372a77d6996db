/*
 * authority_keys.c - finding, choosing and writing the keys of an authority.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/authority_keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/common/fields.h"

#define KEY_FILE "key.json"
#define FORMAT "holdfast-authority-key"
#define FORMAT_VERSION 1
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789._-"
#define NAME_MAX_CHARACTERS 32
/* A key for TPMs that never leave their host. */
#define NOT_MIGRATABLE "none"

void hf_authority_key_free(HfAuthorityKey *key)
{
    if (key) {
        g_free(key->name);
        g_free(key->migration_policy);
        g_free(key->device_model);
        g_free(key);
    }
}

bool hf_authority_key_check_name(const char *name, GError **error)
{
    size_t n = strlen(name);

    return (n >= 1 && n <= NAME_MAX_CHARACTERS && g_ascii_isalnum(*name) &&
            strspn(name, NAME_CHARACTERS) == n) ||
           hf_error_set(error, HF_ERROR_USAGE,
                        "--key: 1 to %d of a-z, 0-9, '.', '_' and '-' expected, the first a letter "
                        "or digit, found \"%s\"",
                        NAME_MAX_CHARACTERS, name);
}

static bool check_length(const char *text, const char *option, GError **error)
{
    glong n = g_utf8_validate(text, -1, NULL) ? g_utf8_strlen(text, -1) : 0;

    return (n >= 1 && n <= 64) ||
           hf_error_set(error, HF_ERROR_USAGE, "--%s: 1 to 64 characters expected, found \"%s\"",
                        option, text);
}

bool hf_authority_key_check(const HfAuthorityKey *key, GError **error)
{
    return hf_authority_key_check_name(key->name, error) &&
           check_length(key->migration_policy, "migration-policy", error) &&
           check_length(key->device_model, "device-model", error);
}

static HfAuthorityKey *first_key(const HfManifest *manifest)
{
    HfAuthorityKey *key = g_new0(HfAuthorityKey, 1);

    key->name = g_strdup(manifest->key_name ? manifest->key_name : HF_KEY_FIRST);
    key->migration_policy = g_strdup(manifest->migration_policy);
    key->device_model = g_strdup(manifest->device_model);
    key->algorithm = manifest->algorithm;
    key->first = true;
    return key;
}

static HfAuthorityKey *parse(GBytes *json, const char *label, bool host_tpm, GError **error)
{
    g_autoptr(HfFields) fields = hf_fields_parse(json, label, FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfAuthorityKey) key = g_new0(HfAuthorityKey, 1);

    if (!fields) {
        return NULL;
    }
    key->algorithm = hf_manifest_algorithm(fields, host_tpm);
    key->migration_policy = hf_manifest_text(fields, "migration-policy", true);
    key->device_model = hf_manifest_text(fields, "device-model", true);
    return hf_fields_finish(fields, error) ? g_steal_pointer(&key) : NULL;
}

/* NULL without error when the directory holds no key. */
static HfAuthorityKey *load_one(int keys, const char *name, const char *path,
                                const HfManifest *manifest, GError **error)
{
    g_autofree char *label = g_build_filename(path, HF_KEYS_DIRECTORY, name, KEY_FILE, NULL);
    g_autoptr(HfAuthorityKey) key = NULL;
    g_autoptr(GBytes) json = NULL;
    hf_autofd int fd = hf_dir_open_at(keys, name, error);

    if (fd < 0) {
        return NULL;
    }
    if (!hf_file_read_if_at(fd, KEY_FILE, HF_FIELDS_FILE_MAX, label, &json, error) || !json) {
        return NULL;
    }
    key = parse(json, label, manifest->host_tpm, error);
    if (key) {
        key->name = g_strdup(name);
    }
    return g_steal_pointer(&key);
}

static int by_name(const void *a, const void *b)
{
    const HfAuthorityKey *const *one = a, *const *other = b;

    return (*one)->first != (*other)->first ? (*other)->first - (*one)->first
                                            : strcmp((*one)->name, (*other)->name);
}

static bool load_others(int keys_fd, const char *path, const HfManifest *manifest, GPtrArray *keys,
                        GError **error)
{
    int copy = fcntl(keys_fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    GError *local = NULL;
    struct dirent *item;

    if (!dir) {
        hf_fd_close(&copy);
        return hf_error_errno(error, errno, "%s/" HF_KEYS_DIRECTORY, path);
    }
    while (!local && (item = readdir(dir))) {
        HfAuthorityKey *key;

        if (item->d_name[0] == '.') {
            continue;
        }
        if (!hf_authority_key_check_name(item->d_name, NULL) || keys->len == HF_KEYS_MAX) {
            hf_error_set(&local, HF_ERROR_INVALID, "%s/" HF_KEYS_DIRECTORY ": %s", path,
                         keys->len == HF_KEYS_MAX ? "too many keys"
                                                  : "a name that is none of a key");
            break;
        }
        key = load_one(keys_fd, item->d_name, path, manifest, &local);
        if (key) {
            g_ptr_array_add(keys, key);
        }
    }
    (void)closedir(dir);
    if (local) {
        g_propagate_error(error, local);
        return false;
    }
    return true;
}

GPtrArray *hf_authority_keys_load(int dir, const char *path, const HfManifest *manifest,
                                  GError **error)
{
    g_autoptr(GPtrArray) keys =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_authority_key_free);
    g_autoptr(GError) local = NULL;
    hf_autofd int fd = -1;

    g_ptr_array_add(keys, first_key(manifest));
    fd = hf_dir_open_at(dir, HF_KEYS_DIRECTORY, &local);
    if (fd < 0) {
        if (hf_error_is(local, HF_ERROR_NOT_FOUND)) {
            return g_steal_pointer(&keys);
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    if (!load_others(fd, path, manifest, keys, error)) {
        return NULL;
    }
    g_ptr_array_sort(keys, by_name);
    for (unsigned i = 1; i < keys->len; i++) {
        const HfAuthorityKey *first = keys->pdata[0], *key = keys->pdata[i];

        if (strcmp(first->name, key->name) == 0) {
            hf_error_set(error, HF_ERROR_INVALID,
                         "%s/" HF_KEYS_DIRECTORY "/%s: the first key has this name already", path,
                         key->name);
            return NULL;
        }
    }
    return g_steal_pointer(&keys);
}

char *hf_authority_key_text(const HfAuthorityKey *key)
{
    return g_strdup_printf("%s (migration policy %s, device model %s)", key->name,
                           key->migration_policy,
                           key->device_model ? key->device_model : HF_KEY_MODEL_ANY);
}

static bool is_for_any(const HfAuthorityKey *key)
{
    return !key->device_model || strcmp(key->device_model, HF_KEY_MODEL_ANY) == 0;
}

static bool fits(const HfAuthorityKey *key, const HfKeyWish *wish)
{
    return (!wish->name || strcmp(wish->name, key->name) == 0) &&
           (!wish->migration_policy ||
            strcmp(wish->migration_policy, key->migration_policy) == 0) &&
           (!wish->device_model || is_for_any(key) ||
            strcmp(wish->device_model, key->device_model) == 0);
}

/* Of two for one policy the one that is for this device model alone. */
static const HfAuthorityKey *better(const HfAuthorityKey *one, const HfAuthorityKey *other)
{
    return !one || (is_for_any(one) && !is_for_any(other)) ? other : one;
}

static void not_found(GPtrArray *keys, const HfKeyWish *wish, const char *path, bool ambiguous,
                      GError **error)
{
    g_autoptr(GString) wanted = g_string_new(NULL);
    g_autoptr(GString) there = g_string_new(NULL);
    const struct {
        const char *what, *value;
    } parts[] = {
        { "name", wish->name },
        { "migration policy", wish->migration_policy },
        { "device model", wish->device_model },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].value) {
            g_string_append_printf(wanted, "%s%s \"%s\"", wanted->len ? ", " : "", parts[i].what,
                                   parts[i].value);
        }
    }
    for (unsigned i = 0; i < keys->len; i++) {
        g_autofree char *text = hf_authority_key_text(g_ptr_array_index(keys, i));

        g_string_append_printf(there, "%s%s", i ? "; " : "", text);
    }
    hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: %s %s; there are: %s", path,
                 ambiguous ? "several keys, of several migration policies, for"
                           : "no signing key for",
                 wanted->str, there->str);
}

const HfAuthorityKey *hf_authority_keys_find(GPtrArray *keys, const HfKeyWish *wish,
                                             const char *path, GError **error)
{
    const HfAuthorityKey *found = NULL, *fixed = NULL;
    bool one_policy = true;

    if (!wish || (!wish->name && !wish->migration_policy && !wish->device_model)) {
        return g_ptr_array_index(keys, 0);
    }
    for (unsigned i = 0; i < keys->len; i++) {
        const HfAuthorityKey *key = g_ptr_array_index(keys, i);

        if (!fits(key, wish)) {
            continue;
        }
        one_policy =
            one_policy && (!found || strcmp(found->migration_policy, key->migration_policy) == 0);
        found = better(found, key);
        if (strcmp(key->migration_policy, NOT_MIGRATABLE) == 0) {
            fixed = better(fixed, key);
        }
    }
    if (found && (one_policy || fixed)) {
        return one_policy ? found : fixed;
    }
    not_found(keys, wish, path, found != NULL, error);
    return NULL;
}

int hf_authority_key_open(int dir, const char *path, const HfAuthorityKey *key, bool make,
                          GError **error)
{
    hf_autofd int keys = -1;

    if (key->first) {
        return hf_dir_open_at(dir, ".", error);
    }
    if (make && mkdirat(dir, HF_KEYS_DIRECTORY, 0700) != 0 && errno != EEXIST) {
        hf_error_errno(error, errno, "%s/" HF_KEYS_DIRECTORY, path);
        return -1;
    }
    keys = hf_dir_open_at(dir, HF_KEYS_DIRECTORY, error);
    if (keys < 0) {
        return -1;
    }
    if (make && mkdirat(keys, key->name, 0700) != 0 && errno != EEXIST) {
        hf_error_errno(error, errno, "%s/" HF_KEYS_DIRECTORY "/%s", path, key->name);
        return -1;
    }
    return hf_dir_open_at(keys, key->name, error);
}

bool hf_authority_key_create(const HfAuthorityKey *key, bool host_tpm, int key_dir,
                             const char *label, GError **error)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, FORMAT_VERSION);
    g_autoptr(HfAuthorityKey) again = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = NULL;

    hf_fields_put(builder, "key-algorithm", hf_manifest_algorithm_name(host_tpm, key->algorithm));
    hf_fields_put(builder, "migration-policy", key->migration_policy);
    hf_fields_put(builder, "device-model", key->device_model);
    text = hf_fields_end(builder);
    bytes = g_bytes_new(text, strlen(text));
    again = parse(bytes, label, host_tpm, error);
    return again && hf_file_create_at(key_dir, KEY_FILE, text, strlen(text), 0600, label, error);
}
