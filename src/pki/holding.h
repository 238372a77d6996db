/*
 * holding.h - what our own certificate extension says: to what the virtual TPM holds fast.
 *
 * The ASN.1 is in oid.h. A verifier that knows nothing of virtual TPMs skips the extension; one
 * that does sees the host TPM, the emulator's measurement, the policy and whether the TPM may move.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_HOLDING_H
#define HOLDFAST_PKI_HOLDING_H

#include "base/bytes.h"

/* The migration policy of a virtual TPM that never leaves its host. */
#define HF_HOLDING_NOT_MIGRATABLE "none"
/* The device models that are TPMs. Others have names of their own. */
#define HF_MODEL_TPM12 "tpm-1.2"
#define HF_MODEL_TPM20 "tpm-2.0"

/* Digests are of 32, 48 or 64 bytes (SHA-256, SHA-384, SHA-512), or NULL when there is nothing to
 * say: a software-rooted TPM has no host EK. */
typedef struct {
    GBytes *host_ek;              /* hf_spki_digest of the host TPM's EK */
    GBytes *device_model;         /* measurement of the emulator's code */
    GBytes *tcb_policy;           /* authPolicy of the vMA key, or the approved policy */
    const char *migration_policy; /* 1 to 64 characters; "none" = not migratable */
    bool reproducible;
    const char *model_name; /* of the device model: "tpm-1.2", "tpm-2.0"; NULL: not said */
} HfHolding;

/* Appends the DER value. Refuses digests of other sizes and a bad policy name. */
bool hf_holding_write(const HfHolding *holding, GByteArray *w, GError **error);
/* Reads the DER value; NULL when it is malformed or of another version. Caller frees with
 * hf_holding_free (only what this function made). */
HfHolding *hf_holding_read(HfReader value);
void hf_holding_free(HfHolding *holding);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfHolding, hf_holding_free)

#endif
