/*
 * ca_ek_list.c - reading a list of endorsement keys.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_ek_list.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define DIGEST_SIZE 32

bool hf_ca_ek_list_add(GHashTable *digests, const char *text, const char *what, GError **error)
{
    g_autoptr(GBytes) digest = hf_hex_parse(text, what, error);

    if (!digest) {
        return false;
    }
    if (g_bytes_get_size(digest) != DIGEST_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: SHA-256 (%d bytes) expected, found %zu",
                            what, DIGEST_SIZE, g_bytes_get_size(digest));
    }
    g_hash_table_add(digests, hf_hex(g_bytes_get_data(digest, NULL), DIGEST_SIZE));
    return true;
}

bool hf_ca_ek_list_parse(GHashTable *digests, GBytes *file, const char *label, GError **error)
{
    size_t size = 0;
    const char *data = g_bytes_get_data(file, &size);
    g_autofree char *text = g_strndup(data ? data : "", size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    /* What is behind a zero byte would be left out unnoticed. */
    if (strlen(text) != size) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: text expected, found a zero byte", label);
    }
    for (unsigned i = 0; lines[i]; i++) {
        g_autofree char *what = g_strdup_printf("%s: line %u", label, i + 1);

        g_strstrip(lines[i]);
        lines[i][strcspn(lines[i], " \t#")] = '\0';
        if (*lines[i] && !hf_ca_ek_list_add(digests, lines[i], what, error)) {
            return false;
        }
    }
    return true;
}
