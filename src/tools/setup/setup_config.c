/*
 * setup_config.c - the configuration file of holdfast-setup: search, read, and write a first one.
 *
 * One table row a key. The reader is strict where swtpm's is lenient (a misspelt key is an error,
 * not a silent default), because the file decides who signs.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/setup_config.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define CONFIG_MAX (64u * 1024u)

typedef struct {
    const char *key;
    size_t offset; /* of the char * in HfSetupConfig; unused when ignored */
    bool ignored;
    const char *help; /* comment in a file written by --create-config-files; NULL: not in it */
    const char *example;
} ConfigKey;

static const ConfigKey config_keys[] = {
    { "authority", offsetof(HfSetupConfig, authority), false,
      "Directory of the authority that issues the certificates (holdfast-authority init).",
      HF_LOCALSTATEDIR "/lib/holdfast/authority" },
    { "tcti", offsetof(HfSetupConfig, tcti), false,
      "Connection to the host TPM, when it is not the one the authority was made with.",
      "device:/dev/tpmrm0" },
    { "migration_policy", offsetof(HfSetupConfig, migration_policy), false,
      "How the TPMs may move; none: never. One of those the authority has a key for.", "none" },
    { "active_pcr_banks", offsetof(HfSetupConfig, active_pcr_banks), false,
      "PCR banks that are switched on, or - for all.", "sha256" },
    { "rsa_keysize", offsetof(HfSetupConfig, rsa_keysize), false,
      "Size of the RSA endorsement key: 2048, 3072 or max.", "2048" },
    { "ek1keyalgo", offsetof(HfSetupConfig, ek1keyalgo), false, NULL, NULL },
    { "ek2keyalgo", offsetof(HfSetupConfig, ek2keyalgo), false, NULL, NULL },
    { "iakkeyalgo", offsetof(HfSetupConfig, iakkeyalgo), false, NULL, NULL },
    { "idevidkeyalgo", offsetof(HfSetupConfig, idevidkeyalgo), false, NULL, NULL },
    { "profile", offsetof(HfSetupConfig, profile), false,
      "Profile of a new TPM 2.0 (libtpms 0.10 or later).", "{\"Name\":\"default-v1\"}" },
    { "profile_file", offsetof(HfSetupConfig, profile_file), false,
      "The same from a file, which comes before \"profile\".", "/etc/holdfast/profile.json" },
    { "local_profiles_dir", offsetof(HfSetupConfig, local_profiles_dir), false,
      "Directory of this site's profiles, NAME.json for --profile-name NAME.",
      HF_SYSCONFDIR "/swtpm/profiles" },
    { "create_certs_tool", 0, true, NULL, NULL },
    { "create_certs_tool_config", 0, true, NULL, NULL },
    { "create_certs_tool_options", 0, true, NULL, NULL },
};

void hf_setup_config_free(HfSetupConfig *config)
{
    if (!config) {
        return;
    }
    g_free(config->path);
    g_free(config->authority);
    g_free(config->tcti);
    g_free(config->migration_policy);
    g_free(config->active_pcr_banks);
    g_free(config->rsa_keysize);
    g_free(config->ek1keyalgo);
    g_free(config->ek2keyalgo);
    g_free(config->iakkeyalgo);
    g_free(config->idevidkeyalgo);
    g_free(config->certs_tool);
    g_free(config->certs_tool_config);
    g_free(config->certs_tool_options);
    g_free(config->certs_tool_timeout);
    g_free(config->profile);
    g_free(config->profile_file);
    g_free(config->local_profiles_dir);
    g_clear_pointer(&config->ignored, g_ptr_array_unref);
    g_free(config);
}

HfSetupConfig *hf_setup_config_new(void)
{
    HfSetupConfig *config = g_new0(HfSetupConfig, 1);
    config->ignored = g_ptr_array_new_with_free_func(g_free);
    return config;
}

static const ConfigKey *find_key(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(config_keys); i++) {
        if (strcmp(config_keys[i].key, name) == 0) {
            return &config_keys[i];
        }
    }
    return NULL;
}

static char *known_keys(void)
{
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(config_keys); i++) {
        if (!config_keys[i].ignored) {
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", config_keys[i].key);
        }
    }
    return g_string_free(text, FALSE);
}

/* Replaces every ${NAME}. */
static char *expand(const char *value, const char *where, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *p = value;
    for (const char *open; (open = strstr(p, "${")) != NULL;) {
        const char *end = strchr(open, '}');
        if (!end) {
            hf_error_set(error, HF_ERROR_INVALID, "%s: \"${\" without a closing brace", where);
            return NULL;
        }
        g_autofree char *name = g_strndup(open + 2, (size_t)(end - open - 2));
        const char *found = g_getenv(name);
        if (!found) {
            hf_error_set(error, HF_ERROR_INVALID, "%s: the environment has no variable \"%s\"",
                         where, name);
            return NULL;
        }
        g_string_append_len(out, p, open - p);
        g_string_append(out, found);
        p = end + 1;
    }
    g_string_append(out, p);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static bool parse_line(HfSetupConfig *config, char *line, const char *where, GError **error)
{
    char *comment = strchr(line, '#');
    if (comment) {
        *comment = '\0';
    }
    g_strstrip(line);
    if (line[0] == '\0') {
        return true;
    }
    char *equals = strchr(line, '=');
    if (!equals) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected \"key = value\", found \"%s\"",
                            where, line);
    }
    *equals = '\0';
    const char *name = g_strchomp(line);
    const char *value = g_strchug(equals + 1);
    const ConfigKey *key = find_key(name);
    if (!key) {
        g_autofree char *keys = known_keys();
        return hf_error_set(error, HF_ERROR_INVALID, "%s: unknown key \"%s\", expected one of %s",
                            where, name, keys);
    }
    if (key->ignored) {
        g_ptr_array_add(config->ignored, g_strdup(name));
        return true;
    }
    if (value[0] == '\0') {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: \"%s\" has no value", where, name);
    }
    char **slot = G_STRUCT_MEMBER_P(config, key->offset);
    if (*slot) {
        return true;
    }
    *slot = expand(value, where, error);
    return *slot != NULL;
}

HfSetupConfig *hf_setup_config_parse(const char *text, size_t size, const char *label,
                                     GError **error)
{
    g_autoptr(HfSetupConfig) config = hf_setup_config_new();
    config->path = g_strdup(label);
    if (memchr(text, '\0', size) || !g_utf8_validate(text, (gssize)size, NULL)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a text file in UTF-8", label);
        return NULL;
    }
    g_autofree char *copy = g_strndup(text, size);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        g_autofree char *where = g_strdup_printf("%s, line %u", label, i + 1);
        if (!parse_line(config, lines[i], where, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&config);
}

/* Follows symbolic links: administrators link files in /etc. */
static HfSetupConfig *read_config(const char *path, GError **error)
{
    g_autofree char *real = realpath(path, NULL);
    if (!real) {
        hf_error_errno(error, errno, "configuration file \"%s\"", path);
        return NULL;
    }
    g_autoptr(GBytes) bytes = hf_file_read(real, CONFIG_MAX, error);
    if (!bytes) {
        return NULL;
    }
    size_t size;
    const char *text = g_bytes_get_data(bytes, &size);
    return hf_setup_config_parse(text ? text : "", size, path, error);
}

char *hf_user_config_dir(void)
{
    const char *xdg = g_getenv("XDG_CONFIG_HOME");
    if (xdg && xdg[0]) {
        return g_strdup(xdg);
    }
    const char *home = g_getenv("HOME");
    return home && home[0] ? g_build_filename(home, ".config", NULL) : NULL;
}

HfSetupConfig *hf_setup_config_load(const char *path, GError **error)
{
    if (path) {
        return read_config(path, error);
    }
    g_autofree char *dir = hf_user_config_dir();
    g_autofree char *user = dir ? g_build_filename(dir, HF_SETUP_CONFIG_NAME, NULL) : NULL;
    const char *const candidates[] = { user, HF_SYSCONFDIR "/" HF_SETUP_CONFIG_NAME };
    for (size_t i = 0; i < G_N_ELEMENTS(candidates); i++) {
        if (!candidates[i]) {
            continue;
        }
        g_autoptr(GError) local = NULL;
        HfSetupConfig *config = read_config(candidates[i], &local);
        if (config) {
            return config;
        }
        if (!hf_error_is(local, HF_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    return hf_setup_config_new();
}

/* --- writing the first file ------------------------------------------------------------------ */

bool hf_create_mode_parse(const char *text, HfCreateMode *ret_mode, GError **error)
{
    HfCreateMode mode = { 0 };
    g_auto(GStrv) words = g_strsplit(text ? text : "", ",", -1);
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], "overwrite") == 0) {
            mode.overwrite = true;
        } else if (strcmp(words[i], "root") == 0) {
            mode.root = true;
        } else if (strcmp(words[i], "skip-if-exist") == 0) {
            mode.skip = true;
        } else {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "--create-config-files: unknown word \"%s\", expected overwrite, "
                                "root or skip-if-exist",
                                words[i]);
        }
    }
    if (mode.overwrite && mode.skip) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--create-config-files: overwrite and skip-if-exist contradict");
    }
    *ret_mode = mode;
    return true;
}

static GString *first_file(void)
{
    GString *text = g_string_new("# Configuration of holdfast-setup; see holdfast-setup(1).\n");
    for (size_t i = 0; i < G_N_ELEMENTS(config_keys); i++) {
        const ConfigKey *key = &config_keys[i];
        if (key->help) {
            g_string_append_printf(text, "\n# %s\n#%s = %s\n", key->help, key->key, key->example);
        }
    }
    return text;
}

bool hf_setup_config_create(const char *mode_text, char **ret_path, bool *ret_written,
                            GError **error)
{
    HfCreateMode mode = { 0 };
    if (!hf_create_mode_parse(mode_text, &mode, error)) {
        return false;
    }
    if (geteuid() == 0 && !mode.root) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "--create-config-files is for a user's own account; as root add the "
                            "word \"root\"");
    }
    g_autofree char *dir = hf_user_config_dir();
    if (!dir) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "neither XDG_CONFIG_HOME nor HOME is set: no place for %s",
                            HF_SETUP_CONFIG_NAME);
    }
    if (g_mkdir_with_parents(dir, 0755) != 0) {
        return hf_error_errno(error, errno, "cannot make the directory \"%s\"", dir);
    }
    hf_autofd int fd = hf_dir_open(dir, error);
    if (fd < 0) {
        return false;
    }
    g_autofree char *path = g_build_filename(dir, HF_SETUP_CONFIG_NAME, NULL);
    g_autoptr(GString) text = first_file();
    g_autoptr(GError) local = NULL;
    bool written =
        mode.overwrite
            ? hf_file_replace_at(fd, HF_SETUP_CONFIG_NAME, text->str, text->len, 0644, path, &local)
            : hf_file_create_at(fd, HF_SETUP_CONFIG_NAME, text->str, text->len, 0644, path, &local);
    if (!written && !(mode.skip && hf_error_is(local, HF_ERROR_EXISTS))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    *ret_path = g_steal_pointer(&path);
    *ret_written = written;
    return true;
}
