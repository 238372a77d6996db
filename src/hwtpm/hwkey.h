/*
 * hwkey.h - the keys in the host TPM: storage root, attestation key, policy-bound keys.
 *
 * Templates are those of tpm2/hostkey.h and tpm2/template.h. Public areas in files are bytes of a
 * TPMT_PUBLIC, creation data of a TPMS_CREATION_DATA, tickets of a TPMT_TK_CREATION, without size
 * prefix (TPM 2.0 Library, part 2).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWKEY_H
#define HOLDFAST_HWTPM_HWKEY_H

#include "hwtpm/connection.h"
#include "tpm2/hostkey.h"

#define HF_SRK_HANDLE 0x81000001U
#define HF_KEY_AUTH_MAX 32u /* bytes of an authorisation value */

/* Finds the SRK and starts the salted session. The persistent object at `handle` is used when its
 * public area is the TCG P-256 storage template's (any unique field); else the SRK is created from
 * that template as a transient object (owner authorisation). pinned_name: the Name it must have
 * (HF_ERROR_STATE "TPM replaced ..." otherwise), NULL on first use. ret_name may be NULL. */
bool hf_storage_open(HfConnection *connection, uint32_t handle, GBytes *pinned_name,
                     GBytes **ret_name, GError **error);

/* A key as it lies in files: usable only by the TPM and under the SRK that made it. */
typedef struct HfKeyBlob {
    GBytes *public_area;
    GBytes *private_area;
    GBytes *creation_data;
    GBytes *creation_hash;
    GBytes *creation_ticket;
} HfKeyBlob;

void hf_key_blob_free(HfKeyBlob *blob);

/* A vMA signing key (tpm2/hostkey.h) under the SRK. outside_info: goes into the creation data, as
 * long as a digest at most. */
HfKeyBlob *hf_key_create(HfConnection *connection, HfVmaAlgorithm algorithm, const HfDigest *policy,
                         GBytes *outside_info, GError **error);

/* A derivation key (tpm2/hostkey.h) under the SRK. */
HfKeyBlob *hf_key_create_derivation(HfConnection *connection, const HfDigest *policy,
                                    GError **error);

/* A CA's signing key (tpm2/hostkey.h) under the SRK. auth: the value that authorises its use, NULL:
 * none. The TPM counts wrong ones (dictionary attack protection). */
HfKeyBlob *hf_key_create_with_auth(HfConnection *connection, const HfSecret *auth, GError **error);

/* A loaded key; flushed by free. The connection must outlive it. */
typedef struct HfHostKey HfHostKey;

/* HF_ERROR_STATE when the TPM does not know the blob as its own. what: "signing key", for people. */
HfHostKey *hf_key_load(HfConnection *connection, const HfKeyBlob *blob, const char *what,
                       GError **error);
/* The host AK: restricted P-256 signing key, primary in the endorsement hierarchy. */
HfHostKey *hf_key_attestation(HfConnection *connection, GError **error);
void hf_host_key_free(HfHostKey *key);
const HfPublic *hf_host_key_public(const HfHostKey *key); /* borrowed */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfKeyBlob, hf_key_blob_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfHostKey, hf_host_key_free)

#endif
