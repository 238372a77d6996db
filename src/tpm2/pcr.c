/*
 * pcr.c - PCR selections: wire form, text form, comparison.
 *
 * Values and their digests are in pcr_values.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/pcr.h"

#include <string.h>

#include "base/error.h"

#define MAP_MAX 4u

static bool has_bank(const HfPcrSelection *selection, uint16_t hash)
{
    for (uint32_t i = 0; i < selection->count; i++) {
        if (selection->banks[i].hash == hash) {
            return true;
        }
    }
    return false;
}

bool hf_pcr_selection_read(HfReader *r, HfPcrSelection *ret_selection, GError **error)
{
    HfPcrSelection selection = { 0 };
    uint32_t count = hf_reader_u32(r);

    if (count > HF_PCR_BANKS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "PCR selection: expected at most %u banks, found %u", HF_PCR_BANKS_MAX,
                            count);
    }
    for (uint32_t i = 0; i < count; i++) {
        HfPcrBank bank = { .hash = hf_reader_u16(r), .size = hf_reader_u8(r) };

        if (!r->failed && (bank.size == 0 || bank.size > MAP_MAX)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "PCR selection: expected a map of 1 to 4 bytes, found %u",
                                bank.size);
        }
        for (unsigned byte = 0; byte < bank.size && !r->failed; byte++) {
            bank.mask |= (uint32_t)hf_reader_u8(r) << (8 * byte);
        }
        if (has_bank(&selection, bank.hash)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "PCR selection: bank 0x%04x is there twice", bank.hash);
        }
        selection.banks[selection.count++] = bank;
    }
    if (r->failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "PCR selection: ends too early");
    }
    *ret_selection = selection;
    return true;
}

void hf_pcr_selection_write(const HfPcrSelection *selection, GByteArray *w)
{
    hf_put_u32(w, selection->count);
    for (uint32_t i = 0; i < selection->count; i++) {
        const HfPcrBank *bank = &selection->banks[i];

        hf_put_u16(w, bank->hash);
        hf_put_u8(w, bank->size);
        for (unsigned byte = 0; byte < bank->size; byte++) {
            hf_put_u8(w, (uint8_t)(bank->mask >> (8 * byte)));
        }
    }
}

static bool usage(GError **error, const char *text, const char *why)
{
    return hf_error_set(error, HF_ERROR_USAGE,
                        "PCR selection \"%s\": %s (expected e.g. sha256:0,2,4,7)", text, why);
}

/* "0,2,4,7" or "all". */
static bool parse_numbers(const char *text, const char *list, uint32_t *ret_mask, GError **error)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    uint32_t mask = 0;

    if (strcmp(list, "all") == 0) {
        *ret_mask = (1u << HF_PCR_COUNT) - 1;
        return true;
    }
    for (size_t i = 0; words[i]; i++) {
        guint64 number = 0;

        if (!g_ascii_string_to_unsigned(words[i], 10, 0, HF_PCR_COUNT - 1, &number, NULL)) {
            return usage(error, text, "PCR numbers are 0 to 23");
        }
        if (mask & (1u << number)) {
            return usage(error, text, "a PCR is there twice");
        }
        mask |= 1u << number;
    }
    if (mask == 0) {
        return usage(error, text, "a bank needs PCR numbers");
    }
    *ret_mask = mask;
    return true;
}

static bool parse_bank(const char *text, const char *word, HfPcrSelection *selection,
                       GError **error)
{
    const char *colon = strchr(word, ':');
    g_autofree char *name = colon ? g_strndup(word, (gsize)(colon - word)) : NULL;
    HfPcrBank bank = { .size = 3 };

    if (!colon) {
        return usage(error, text, "a bank and its PCRs are separated by ':'");
    }
    bank.hash = hf_hash_by_name(name);
    if (bank.hash == 0) {
        return usage(error, text, "banks are sha1, sha256, sha384 and sha512");
    }
    if (has_bank(selection, bank.hash)) {
        return usage(error, text, "a bank is there twice");
    }
    if (!parse_numbers(text, colon + 1, &bank.mask, error)) {
        return false;
    }
    selection->banks[selection->count++] = bank;
    return true;
}

bool hf_pcr_selection_parse(const char *text, HfPcrSelection *ret_selection, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, "+", -1);
    HfPcrSelection selection = { 0 };

    if (!words[0]) {
        return usage(error, text, "it is empty");
    }
    for (size_t i = 0; words[i]; i++) {
        if (!parse_bank(text, words[i], &selection, error)) {
            return false;
        }
    }
    *ret_selection = selection;
    return true;
}

char *hf_pcr_selection_text(const HfPcrSelection *selection)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < selection->count; i++) {
        const HfPcrBank *bank = &selection->banks[i];
        const char *name = hf_hash_name(bank->hash);
        const char *separator = ":";

        if (bank->mask == 0 && hf_pcr_selection_total(selection) > 0) {
            continue; /* digests skip it, too */
        }
        g_string_append(text, text->len > 0 ? "+" : "");
        if (name) {
            g_string_append(text, name);
        } else {
            g_string_append_printf(text, "0x%04x", bank->hash);
        }
        for (unsigned pcr = 0; pcr < 32; pcr++) {
            if (bank->mask & (1u << pcr)) {
                g_string_append_printf(text, "%s%u", separator, pcr);
                separator = ",";
            }
        }
        if (bank->mask == 0) {
            g_string_append(text, ":none");
        }
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* The next bank with PCRs at or after *index. */
static const HfPcrBank *next_bank(const HfPcrSelection *selection, uint32_t *index)
{
    while (*index < selection->count) {
        const HfPcrBank *bank = &selection->banks[(*index)++];

        if (bank->mask != 0) {
            return bank;
        }
    }
    return NULL;
}

bool hf_pcr_selection_equal(const HfPcrSelection *a, const HfPcrSelection *b)
{
    uint32_t i = 0;
    uint32_t j = 0;

    for (;;) {
        const HfPcrBank *x = next_bank(a, &i);
        const HfPcrBank *y = next_bank(b, &j);

        if (!x || !y) {
            return !x && !y;
        }
        if (x->hash != y->hash || x->mask != y->mask) {
            return false;
        }
    }
}

unsigned hf_pcr_selection_total(const HfPcrSelection *selection)
{
    unsigned total = 0;

    for (uint32_t i = 0; i < selection->count; i++) {
        total += (unsigned)__builtin_popcount(selection->banks[i].mask);
    }
    return total;
}
