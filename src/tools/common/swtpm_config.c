/*
 * swtpm_config.c - `key = value`, ${NAME}, env:NAME=VALUE.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/swtpm_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define FILE_MAX (64u * 1024u)
#define ENVIRONMENT_PREFIX "env:"

struct HfSwtpmConfig {
    char **lines;
};

char *hf_swtpm_config_path(const char *name)
{
    const char *xdg = g_getenv("XDG_CONFIG_HOME");
    const char *home = g_getenv("HOME");
    g_autofree char *own = xdg    ? g_build_filename(xdg, name, NULL)
                           : home ? g_build_filename(home, ".config", name, NULL)
                                  : NULL;
    if (own && access(own, R_OK) == 0) {
        return g_steal_pointer(&own);
    }
    g_autofree char *site = g_build_filename(HF_SYSCONFDIR, name, NULL);
    if (access(site, F_OK) == 0) {
        return g_steal_pointer(&site);
    }
    return g_build_filename("/etc", name, NULL);
}

static void wipe(char *text)
{
    explicit_bzero(text, strlen(text));
    g_free(text);
}

/* The lines or words of a file that may be reached over links, be /dev/null or a pipe; NUL bytes end
 * it. Passwords may stand in it. */
static char **read_pieces(const char *path, const char *separators, GError **error)
{
    hf_autofd int fd = hf_file_open_input(path, error);
    if (fd < 0) {
        return NULL;
    }
    g_autoptr(HfSecret) bytes = hf_fd_read_secret(fd, FILE_MAX, path, error);
    if (!bytes) {
        return NULL;
    }
    char *text = g_strndup((const char *)bytes->data, bytes->size);
    char **pieces = g_strsplit_set(text, separators, -1);
    wipe(text);
    return pieces;
}

HfSwtpmConfig *hf_swtpm_config_load(const char *path, GError **error)
{
    char **lines = read_pieces(path, "\n", error);
    if (!lines) {
        return NULL;
    }
    HfSwtpmConfig *config = g_new0(HfSwtpmConfig, 1);
    config->lines = lines;
    return config;
}

void hf_swtpm_config_free(HfSwtpmConfig *config)
{
    if (config) {
        for (char **line = config->lines; *line; line++) {
            wipe(*line);
        }
        g_free(config->lines);
        g_free(config);
    }
}

static char *expand(const char *value)
{
    GString *out = g_string_new(NULL);
    const char *p = value;
    for (const char *open = NULL; (open = strstr(p, "${")) != NULL;) {
        const char *end = strchr(open, '}');
        if (!end) {
            break;
        }
        g_autofree char *name = g_strndup(open + 2, (gsize)(end - open - 2));
        const char *found = g_getenv(name);
        g_string_append_len(out, p, open - p);
        g_string_append(out, found ? found : "");
        p = end + 1;
    }
    g_string_append(out, p);
    return g_string_free(out, FALSE);
}

/* The value of a key, without blanks around it; borrowed, not terminated. NULL: no such key. */
static const char *find(const HfSwtpmConfig *config, const char *key, size_t *ret_length)
{
    size_t length = strlen(key);
    for (char **line = config->lines; *line; line++) {
        if (strncmp(*line, key, length) != 0) {
            continue;
        }
        const char *rest = *line + length;
        rest += strspn(rest, " \t");
        if (*rest != '=') {
            continue;
        }
        rest++;
        rest += strspn(rest, " \t");
        length = strcspn(rest, "#\r");
        while (length > 0 && g_ascii_isspace(rest[length - 1])) {
            length--;
        }
        *ret_length = length;
        return rest;
    }
    return NULL;
}

char *hf_swtpm_config_get(const HfSwtpmConfig *config, const char *key)
{
    size_t length = 0;
    const char *found = find(config, key, &length);
    if (!found) {
        return NULL;
    }
    g_autofree char *value = g_strndup(found, length);
    return expand(value);
}

HfSecret *hf_swtpm_config_secret(const HfSwtpmConfig *config, const char *key)
{
    size_t length = 0;
    const char *found = find(config, key, &length);
    if (!found || length == 0) {
        return NULL;
    }
    if (!memmem(found, length, "${", 2)) {
        return hf_secret_copy(found, length);
    }
    /* It comes from the environment, where it lies open anyway. */
    g_autofree char *text = g_strndup(found, length);
    char *value = expand(text);
    HfSecret *secret = *value ? hf_secret_copy(value, strlen(value)) : NULL;
    wipe(value);
    return secret;
}

void hf_swtpm_config_export(const HfSwtpmConfig *config)
{
    for (char **line = config->lines; *line; line++) {
        if (!g_str_has_prefix(*line, ENVIRONMENT_PREFIX)) {
            continue;
        }
        g_auto(GStrv) pair = g_strsplit(*line + strlen(ENVIRONMENT_PREFIX), "=", 2);
        if (g_strv_length(pair) == 2) {
            g_autofree char *value = expand(g_strstrip(pair[1]));
            g_setenv(g_strstrip(pair[0]), value, TRUE);
        }
    }
}

char **hf_swtpm_config_words(const char *path, GError **error)
{
    g_auto(GStrv) pieces = read_pieces(path, " \t\r\n", error);
    if (!pieces) {
        return NULL;
    }
    GPtrArray *words = g_ptr_array_new();
    for (char **piece = pieces; *piece; piece++) {
        if (**piece != '\0') {
            g_ptr_array_add(words, g_strdup(*piece));
        }
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}
