/*
 * pcr.h - which PCRs, and what is in them.
 *
 * A selection is a list of banks in an order (the order counts: digests are made over it), each
 * with a set of PCR numbers below 32. Text form, as tpm2-tools: "sha256:0,2,4,7+sha1:0". Part 2,
 * 10.6 and 10.9.7.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_PCR_H
#define HOLDFAST_TPM2_PCR_H

#include "base/bytes.h"
#include "crypto/hash.h"

#define HF_PCR_BANKS_MAX 16u
#define HF_PCR_COUNT 24u /* PCRs a PC Client TPM has */

typedef struct {
    uint16_t hash;
    uint8_t size;  /* bytes of the map on the wire: 1 to 4, usually 3 */
    uint32_t mask; /* bit n: PCR n */
} HfPcrBank;

typedef struct {
    uint32_t count;
    HfPcrBank banks[HF_PCR_BANKS_MAX];
} HfPcrSelection;

/* TPML_PCR_SELECTION from the cursor. Refused: more than 16 banks, a map longer than 4 bytes, a
 * bank twice. Unknown hash algorithms pass (a TPM may list them); they just cannot be computed. */
bool hf_pcr_selection_read(HfReader *r, HfPcrSelection *ret_selection, GError **error);
void hf_pcr_selection_write(const HfPcrSelection *selection, GByteArray *w);
/* "sha256:0,2,4,7", banks joined by '+', "all" for 0 to 23. HF_ERROR_USAGE on anything else:
 * unknown bank, number above 23, number or bank twice, empty. */
bool hf_pcr_selection_parse(const char *text, HfPcrSelection *ret_selection, GError **error);
/* The text form; caller frees. */
char *hf_pcr_selection_text(const HfPcrSelection *selection);
/* Same banks in the same order with the same PCRs (banks with none are skipped; map sizes do not
 * count). */
bool hf_pcr_selection_equal(const HfPcrSelection *a, const HfPcrSelection *b);
unsigned hf_pcr_selection_total(const HfPcrSelection *selection); /* number of PCRs */

/* A digest for a PCR of a bank. */
typedef struct {
    uint16_t hash; /* one we know */
    unsigned index;
    uint8_t digest[HF_HASH_MAX];
} HfPcrValue;

/* "sha256:7:HEX" and nothing else; HF_ERROR_INVALID. */
bool hf_pcr_value_parse(const char *text, HfPcrValue *ret_value, GError **error);

/* PCR values: a list with each (bank, index) at most once. */
typedef struct HfPcrValues HfPcrValues;

HfPcrValues *hf_pcr_values_new(void);
void hf_pcr_values_free(HfPcrValues *values);
/* HF_ERROR_INVALID when the bank is unknown, the size wrong, the index too high or there already.
 */
bool hf_pcr_values_add(HfPcrValues *values, uint16_t hash, unsigned index, const void *digest,
                       size_t size, GError **error);
/* Borrowed; NULL when absent. */
const uint8_t *hf_pcr_values_get(const HfPcrValues *values, uint16_t hash, unsigned index);

/* H over the selected values in order; *error (HF_ERROR_NOT_FOUND) names a PCR without a value. */
bool hf_pcr_values_digest(const HfPcrValues *values, const HfPcrSelection *selection, uint16_t hash,
                          HfDigest *ret_digest, GError **error);

/* The selected values in tpm2_quote's serialized form, which tpm2_checkquote reads; each must be
 * there. */
GBytes *hf_pcr_values_dump(const HfPcrValues *values, const HfPcrSelection *selection);

/* Reads a file of values for `selection`. Three forms, told apart by their content:
 * - text lines "sha256:7:HEX" ('#' starts a comment), each selected PCR exactly once or more PCRs
 * than selected;
 * - concatenated digests in the selection's order (tpm2_quote -F values, tpm2_pcrread -o);
 * - tpm2_quote's serialized form (-F serialized, its default), whose own selection must be equal.
 */
HfPcrValues *hf_pcr_values_parse(const void *data, size_t n, const HfPcrSelection *selection,
                                 GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfPcrValues, hf_pcr_values_free)

#endif
