/*
 * pcr_lines.c - PCR values as text lines.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/pcr_lines.h"

#include <string.h>

char *hf_pcr_lines(const HfPcrValues *values, const HfPcrSelection *selection)
{
    GString *text = g_string_new(NULL);

    for (uint32_t b = 0; b < selection->count; b++) {
        const HfPcrBank *bank = &selection->banks[b];

        for (unsigned i = 0; i < 32; i++) {
            const uint8_t *value = NULL;
            g_autofree char *hex = NULL;

            if (!(bank->mask & (1u << i))) {
                continue;
            }
            value = hf_pcr_values_get(values, bank->hash, i);
            g_assert(value != NULL);
            hex = hf_hex(value, hf_hash_size(bank->hash));
            g_string_append_printf(text, "%s:%u:%s\n", hf_hash_name(bank->hash), i, hex);
        }
    }
    return g_string_free(text, FALSE);
}

char *hf_pcr_lines_changed(const HfPcrValues *before, const HfPcrValues *now,
                           const HfPcrSelection *selection)
{
    GString *text = g_string_new(NULL);

    for (uint32_t b = 0; b < selection->count; b++) {
        const HfPcrBank *bank = &selection->banks[b];

        for (unsigned i = 0; i < 32; i++) {
            const uint8_t *x = NULL;
            const uint8_t *y = NULL;

            if (!(bank->mask & (1u << i))) {
                continue;
            }
            x = hf_pcr_values_get(before, bank->hash, i);
            y = hf_pcr_values_get(now, bank->hash, i);
            if (!x || !y || memcmp(x, y, hf_hash_size(bank->hash)) != 0) {
                g_string_append_printf(text, "%s%s:%u", text->len > 0 ? ", " : "",
                                       hf_hash_name(bank->hash), i);
            }
        }
    }
    return g_string_free(text, FALSE);
}
