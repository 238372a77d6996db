/*
 * address.c - host and port.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/address.h"

#include <string.h>

#include "base/error.h"

bool hf_address_parse(const char *text, const char *what, char **ret_host, uint16_t *ret_port,
                      GError **error)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    guint64 port = 0;
    const char *host = text;

    if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(text, ':', size)) {
        size = 0;
    }
    if (memchr(host, '[', size) || memchr(host, ']', size)) {
        size = 0;
    }
    if (size == 0 || !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, &port, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "%s: HOST:PORT expected, an IPv6 address in brackets, found '%s'", what,
                            text);
    }
    *ret_host = g_strndup(host, size);
    *ret_port = (uint16_t)port;
    return true;
}
