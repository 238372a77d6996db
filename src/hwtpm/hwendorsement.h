/*
 * hwendorsement.h - the host TPM's endorsement key: read, and used to answer a challenge.
 *
 * Its public key names the host TPM in certificates; TPM2_ActivateCredential shows that the
 * attestation key is in the TPM that has it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWENDORSEMENT_H
#define HOLDFAST_HWTPM_HWENDORSEMENT_H

#include "hwtpm/hwkey.h"

/* The RSA-2048 endorsement key of the TCG's low-range template, or the P-256 one where the TPM has
 * no RSA or has a certificate for the P-256 one alone. Made for the moment as a primary
 * (endorsement authorisation) when it is not persistent or the persistent one is of another
 * template. ret_certificate: DER from NV, without padding, or NULL when there is none. */
bool hf_endorsement_read(HfConnection *connection, HfPublic *ret_public, GBytes **ret_certificate,
                         GError **error);

/* What the vendor left in NV from 0x01c00100 on: certificates above the endorsement key's, DER one
 * after the other. NULL when there is nothing that can be read as such: it is a convenience. */
GBytes *hf_endorsement_above(HfConnection *connection);

/* TPM2_ActivateCredential with the endorsement key that hf_endorsement_read reads; the secret comes
 * back encrypted by the session. id_object and encrypted_secret are contents of TPM2B_ID_OBJECT and
 * TPM2B_ENCRYPTED_SECRET. HF_ERROR_AUTH when the credential is not for this endorsement key, or
 * not for this attestation key. */
HfSecret *hf_endorsement_activate(HfConnection *connection, HfHostKey *ak, GBytes *id_object,
                                  GBytes *encrypted_secret, GError **error);

#endif
