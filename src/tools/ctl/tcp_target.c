/*
 * tcp_target.c - [HOST]:[PORT] taken apart.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ctl/tcp_target.h"

#include <string.h>

#include "base/error.h"

#define THIS_HOST "127.0.0.1"

static bool parse_port(const char *text, uint16_t *ret_port, GError **error)
{
    guint64 port = 0;
    if (text[0] == '\0') {
        return true; /* as preset */
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &port, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE, "Invalid port '%s'", text);
    }
    if (port < 1 || port > UINT16_MAX) {
        return hf_error_set(error, HF_ERROR_USAGE, "Port '%s' outside valid range.", text);
    }
    *ret_port = (uint16_t)port;
    return true;
}

bool hf_tcp_target_parse(const char *text, uint16_t port, char **ret_host, uint16_t *ret_port,
                         GError **error)
{
    size_t length = strlen(text);
    bool only_address = length > 0 && text[0] == '[' && text[length - 1] == ']';
    const char *colon = only_address ? NULL : strrchr(text, ':');
    if (colon && !parse_port(colon + 1, &port, error)) {
        return false;
    }
    g_autofree char *host = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
    length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        *ret_host = g_strndup(host + 1, length - 2);
    } else {
        *ret_host = length > 0 ? g_steal_pointer(&host) : g_strdup(THIS_HOST);
    }
    *ret_port = port;
    return true;
}
