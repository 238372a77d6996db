/*
 * mandate.h - our extension in a vMA certificate: what exactly was delegated.
 *
 * The fleet's CA says for which approved environment, host TPM, migration policy, device model and
 * emulators a vMA may issue; what a vMA says in a holding (holding.h) must lie within. The ASN.1 is in oid.h.
 * chain.h holds both together, and so does the issuing side, which then fails early.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_MANDATE_H
#define HOLDFAST_PKI_MANDATE_H

#include "pki/holding.h"

#define HF_MANDATE_EMULATORS_MAX 64
/* Levels of nesting: hosts that are guests of guests. */
#define HF_NESTED_MAX 3

typedef struct {
    char *environment;      /* name of the approved environment, 1 to 64 characters */
    char *migration_policy; /* 1 to 64 characters */
    GBytes *host_ek;        /* hf_spki_digest of the host TPM's EK; NULL: software-rooted */
    uint64_t generation;    /* the host's counter was at least this; 0: not asked */
    char *model_name;       /* of the device model, 1 to 64 characters; NULL: any */
    GPtrArray *emulators;   /* GBytes, digests of 32, 48 or 64 bytes; NULL: any */
    unsigned nested;        /* virtual TPMs that the vMA's key stands on; 0: it is not nested */
    bool on_software;       /* nested: what is below the last of them is software, no hardware */
} HfMandate;

void hf_mandate_free(HfMandate *mandate);
/* Appends the DER value. HF_ERROR_INVALID naming the field that will not do. */
bool hf_mandate_write(const HfMandate *mandate, GByteArray *w, GError **error);
/* NULL when it is malformed or of another version. */
HfMandate *hf_mandate_read(HfReader value);
/* HF_ERROR_POLICY naming what lies outside: migration policy, device model, host TPM, emulator. */
bool hf_mandate_allows(const HfMandate *mandate, const HfHolding *holding, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfMandate, hf_mandate_free)

#endif
