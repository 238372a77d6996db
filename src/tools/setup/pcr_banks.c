/*
 * pcr_banks.c - PCR bank names, and one TPM2_PCR_Allocate over all banks of the TPM.
 *
 * A bank that is wanted but not implemented is left out as long as another one remains, because
 * callers pass one list to TPMs of several versions.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/pcr_banks.h"

#include <string.h>

#include "base/error.h"

#define ALL_PCRS ((1u << HF_PCR_COUNT) - 1)

static const struct {
    const char *name;
    uint16_t algorithm;
} bank_names[] = {
    { "sha1", 0x0004 },    { "sha256", 0x000b },   { "sha384", 0x000c },   { "sha512", 0x000d },
    { "sm3-256", 0x0012 }, { "sha3-256", 0x0027 }, { "sha3-384", 0x0028 }, { "sha3-512", 0x0029 },
};

static uint16_t bank_by_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bank_names); i++) {
        if (strcmp(bank_names[i].name, name) == 0) {
            return bank_names[i].algorithm;
        }
    }
    return 0;
}

static void append_bank(GString *text, uint16_t algorithm)
{
    g_string_append(text, text->len ? "," : "");
    for (size_t i = 0; i < G_N_ELEMENTS(bank_names); i++) {
        if (bank_names[i].algorithm == algorithm) {
            g_string_append(text, bank_names[i].name);
            return;
        }
    }
    g_string_append_printf(text, "0x%04x", algorithm);
}

char *hf_bank_names(const HfPcrSelection *selection, bool all)
{
    GString *text = g_string_new(NULL);
    for (uint32_t i = 0; i < selection->count; i++) {
        if (all || selection->banks[i].mask) {
            append_bank(text, selection->banks[i].hash);
        }
    }
    return g_string_free(text, FALSE);
}

static bool chosen(const HfBankChoice *choice, uint16_t algorithm)
{
    for (unsigned i = 0; i < choice->count; i++) {
        if (choice->algorithms[i] == algorithm) {
            return true;
        }
    }
    return false;
}

bool hf_bank_choice_parse(const char *text, const char *what, HfBankChoice *ret_choice,
                          GError **error)
{
    HfBankChoice choice = { .leave = strcmp(text, "-") == 0 };
    if (!choice.leave) {
        g_auto(GStrv) names = g_strsplit(text, ",", -1);
        for (unsigned i = 0; names[i]; i++) {
            if (*g_strstrip(names[i]) == '\0') {
                continue;
            }
            uint16_t algorithm = bank_by_name(names[i]);
            if (!algorithm) {
                return hf_error_set(error, HF_ERROR_USAGE,
                                    "%s: unknown PCR bank \"%s\", expected names like sha256", what,
                                    names[i]);
            }
            if (!chosen(&choice, algorithm)) {
                choice.algorithms[choice.count++] = algorithm;
            }
        }
        if (choice.count == 0) {
            return hf_error_set(error, HF_ERROR_USAGE, "%s: no PCR bank given", what);
        }
    }
    *ret_choice = choice;
    return true;
}

bool hf_bank_choice_apply(const HfBankChoice *choice, const HfTransport *tpm,
                          HfPcrSelection *ret_after, bool *ret_changed, GError **error)
{
    HfPcrSelection now;
    if (!hf_tpm_get_pcrs(tpm, &now, error)) {
        return false;
    }
    HfPcrSelection after = now;
    uint32_t any = 0;
    for (uint32_t i = 0; !choice->leave && i < after.count; i++) {
        HfPcrBank *bank = &after.banks[i];
        bank->mask = chosen(choice, bank->hash) ? ALL_PCRS : 0;
        any |= bank->mask;
    }
    if (!choice->leave && !any) {
        g_autofree char *implemented = hf_bank_names(&now, true);
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "none of the PCR banks asked for is among those of this TPM: %s",
                            implemented);
    }
    bool changed = !hf_pcr_selection_equal(&now, &after);
    if (changed && !hf_tpm_pcr_allocate(tpm, NULL, &after, error)) {
        return false;
    }
    *ret_after = after;
    *ret_changed = changed;
    return true;
}
