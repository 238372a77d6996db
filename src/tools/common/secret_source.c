/*
 * secret_source.c - file:, fd:, env:.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/secret_source.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/keyfile.h"

#define SECRET_MAX 1024u

static HfSecret *from_descriptor(const char *text, const char *option, GError **error)
{
    g_autofree char *label = g_strdup_printf("%s: descriptor %s", option, text);
    guint64 number = 0;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &number, NULL)) {
        hf_error_set(error, HF_ERROR_USAGE, "%s: fd:NUMBER expected", option);
        return NULL;
    }
    return hf_fd_read_secret((int)number, SECRET_MAX, label, error);
}

static HfSecret *from_environment(const char *name, const char *option, GError **error)
{
    const char *text = g_getenv(name);
    HfSecret *secret;

    if (!text) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s: there is no variable %s in the environment",
                     option, name);
        return NULL;
    }
    secret = hf_secret_copy(text, strlen(text));
    g_unsetenv(name);
    return secret;
}

HfSecret *hf_secret_source_read(const char *how, const char *option, GError **error)
{
    HfSecret *secret = NULL;

    if (g_str_has_prefix(how, "file:")) {
        secret = hf_keyfile_read(how + strlen("file:"), error);
        if (!secret) {
            g_prefix_error(error, "%s: ", option);
        }
    } else if (g_str_has_prefix(how, "fd:")) {
        secret = from_descriptor(how + strlen("fd:"), option, error);
    } else if (g_str_has_prefix(how, "env:")) {
        secret = from_environment(how + strlen("env:"), option, error);
    } else {
        hf_error_set(error, HF_ERROR_USAGE, "%s: file:NAME, fd:NUMBER or env:NAME expected",
                     option);
    }
    if (secret && secret->size > 0 && secret->data[secret->size - 1] == '\n') {
        hf_secret_truncate(secret, secret->size - 1);
    }
    return secret;
}
