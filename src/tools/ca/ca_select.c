/*
 * ca_select.c - certificates by serial number, key or host.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_select.h"

#include <string.h>

#include "base/error.h"

static const char *serial_of(const HfIssued *entry)
{
    return entry->serial;
}

static const char *key_of(const HfIssued *entry)
{
    return entry->key;
}

static const char *host_ek_of(const HfIssued *entry)
{
    return entry->host_ek;
}

/* Lower-case hex without what people and other programs put between and before the digits. */
static char *normal_hex(const char *text)
{
    g_autoptr(GString) digits = g_string_new(NULL);
    const char *p = g_str_has_prefix(text, "0x") ? text + 2 : text;

    for (; *p; p++) {
        if (*p != ':' && *p != ' ') {
            g_string_append_c(digits, g_ascii_tolower(*p));
        }
    }
    return g_string_free(g_steal_pointer(&digits), FALSE);
}

/* Leading zero bytes are no part of a number. */
static const char *without_zeros(const char *hex)
{
    while (g_str_has_prefix(hex, "00") && hex[2]) {
        hex += 2;
    }
    return hex;
}

bool hf_ca_selector_read(const HfOptions *options, HfCaSelector *ret_selector, GError **error)
{
    static const struct {
        const char *option;
        const char *what;
        const char *(*get)(const HfIssued *entry);
    } rows[] = {
        { "serial", "serial number", serial_of },
        { "key", "key", key_of },
        { "host-ek", "host endorsement key", host_ek_of },
    };
    const char *given = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *text = hf_options_string(options, rows[i].option);

        if (!text) {
            continue;
        }
        if (given) {
            return hf_error_set(error, HF_ERROR_USAGE, "--%s and --%s exclude each other", given,
                                rows[i].option);
        }
        given = rows[i].option;
        *ret_selector = (HfCaSelector){ rows[i].what, normal_hex(text), rows[i].get };
    }
    return true;
}

bool hf_ca_selector_matches(const HfCaSelector *selector, const HfIssued *entry)
{
    const char *text = selector->get ? selector->get(entry) : NULL;
    g_autofree char *normal = text ? normal_hex(text) : NULL;

    return !selector->get ||
           (normal && strcmp(without_zeros(normal), without_zeros(selector->wanted)) == 0);
}

void hf_ca_selector_clear(HfCaSelector *selector)
{
    g_clear_pointer(&selector->wanted, g_free);
    selector->get = NULL;
}
