/*
 * password.c - pass:, file:, fd:, env:.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/localca/password.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

#define PASSWORD_MAX 1024u

static HfSecret *from_descriptor(const char *text, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &number, NULL)) {
        hf_error_set(error, HF_ERROR_USAGE, "Bad file descriptor for password.");
        return NULL;
    }
    HfSecret *secret =
        hf_fd_read_secret((int)number, PASSWORD_MAX, "password from file descriptor", error);
    if (!secret) {
        g_prefix_error(error, "Could not read password from file descriptor: ");
    }
    return secret;
}

static HfSecret *from_file(const char *path, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        hf_error_errno(error, errno, "Could not open password file for reading");
        return NULL;
    }
    return hf_fd_read_secret(fd, PASSWORD_MAX, path, error);
}

HfSecret *hf_password_read(const char *how, GError **error)
{
    if (g_str_has_prefix(how, "fd:")) {
        return from_descriptor(how + strlen("fd:"), error);
    }
    if (g_str_has_prefix(how, "file:")) {
        return from_file(how + strlen("file:"), error);
    }
    const char *text = g_str_has_prefix(how, "pass:") ? how + strlen("pass:") : how;
    if (g_str_has_prefix(how, "env:")) {
        text = g_getenv(how + strlen("env:"));
        if (!text) {
            hf_error_set(error, HF_ERROR_NOT_FOUND,
                         "Could not get password from environment variable");
            return NULL;
        }
    }
    return hf_secret_copy(text, strlen(text));
}
