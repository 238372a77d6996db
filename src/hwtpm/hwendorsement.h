/*
 * hwendorsement.h - a TPM's endorsement key: read, used to answer a challenge, parent of a guest's
 * attestation key.
 *
 * Its public key names the TPM in certificates; TPM2_ActivateCredential shows that the attestation
 * key is in the TPM that has it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWENDORSEMENT_H
#define HOLDFAST_HWTPM_HWENDORSEMENT_H

#include "hwtpm/hwkey.h"
#include "tpm2/template.h"

/* Uses the endorsement key of this template (HF_TEMPLATE_EK_*) from now on. */
void hf_endorsement_use(HfConnection *connection, HfTemplate which);

/* The endorsement key of the TCG's templates: the one of hf_endorsement_use; else the first with a
 * certificate in NV of RSA-2048, P-256, P-384, RSA-3072; else RSA-2048, or P-256 where the TPM has
 * no RSA. Made for the moment as a primary (endorsement authorisation) when it is not persistent or
 * the persistent one is of another template. ret_certificate: DER from NV, without padding, or NULL
 * when there is none. */
bool hf_endorsement_read(HfConnection *connection, HfPublic *ret_public, GBytes **ret_certificate,
                         GError **error);

/* SHA-256 of the key's DER SubjectPublicKeyInfo: what a host is known by. */
GBytes *hf_endorsement_digest(const HfPublic *ek, GError **error);

/* What the vendor left in NV from 0x01c00100 on: certificates above the endorsement key's, DER one
 * after the other. NULL when there is nothing that can be read as such: it is a convenience. */
GBytes *hf_endorsement_above(HfConnection *connection);

/* TPM2_ActivateCredential with the endorsement key that hf_endorsement_read reads; the secret comes
 * back encrypted by the session. id_object and encrypted_secret are contents of TPM2B_ID_OBJECT and
 * TPM2B_ENCRYPTED_SECRET. HF_ERROR_AUTH when the credential is not for this endorsement key, or
 * not for this attestation key. */
HfSecret *hf_endorsement_activate(HfConnection *connection, HfHostKey *ak, GBytes *id_object,
                                  GBytes *encrypted_secret, GError **error);

/* A key of this template under that endorsement key, and the key loaded from its blob.
 * HF_ERROR_STATE when the TPM, with that endorsement key, does not know the blob as its own. */
HfKeyBlob *hf_endorsement_create(HfConnection *connection, const HfPublic *template,
                                 GError **error);
HfHostKey *hf_endorsement_load(HfConnection *connection, const HfKeyBlob *blob, GError **error);

#endif
