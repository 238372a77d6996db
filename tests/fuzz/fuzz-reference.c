/*
 * fuzz-reference.c - reference values, held against a machine's facts.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/attest/reference.h"

/* A machine with zeros in its PCRs and one event that leads nowhere, for PCR 4. */
static void fill(HfReferenceFacts *facts)
{
    static const uint8_t zero[HF_HASH_MAX];
    HfReferenceEvent event = { .number = 1, .type = 0xd };
    HfPcrSelection selection;

    g_assert_true(hf_pcr_selection_parse("sha256:0,4,7", &selection, NULL));
    *facts = (HfReferenceFacts){ .selection = selection, .values = hf_pcr_values_new() };
    facts->events = g_array_new(FALSE, FALSE, sizeof(HfReferenceEvent));
    facts->replayed = hf_pcr_values_new();
    for (unsigned pcr = 0; pcr < 8; pcr++) {
        g_assert_true(hf_pcr_values_add(facts->values, HF_HASH_SHA256, pcr, zero, 32, NULL));
        g_assert_true(hf_pcr_values_add(facts->replayed, HF_HASH_SHA256, pcr, zero, 32, NULL));
    }
    event.value.hash = HF_HASH_SHA256;
    event.value.index = 4;
    g_array_append_val(facts->events, event);
}

static void compare(const HfReference *reference)
{
    HfReferenceFacts facts;
    const char *nearest = NULL;
    GPtrArray *differences = NULL;

    fill(&facts);
    if (!hf_reference_match(reference, &facts, &nearest, &differences)) {
        g_assert_true(nearest && differences && differences->len > 0);
        g_ptr_array_unref(differences);
    }
    hf_pcr_values_free(facts.values);
    hf_reference_facts_clear(&facts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfReference) reference = hf_reference_parse(bytes, "input", &error);

    fuzz_told(reference != NULL, &error);
    if (reference) {
        HfPcrSelection selection;
        bool all;

        g_assert_true(hf_pcr_selection_parse("sha256:all+sha1:all", &selection, NULL));
        all = hf_reference_check_selection(reference, &selection, &error);
        fuzz_told(all, &error);
        compare(reference);
    }
    return 0;
}
