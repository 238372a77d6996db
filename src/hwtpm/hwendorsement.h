/*
 * hwendorsement.h - the host TPM's endorsement key: read, never used.
 *
 * Its public key names the host TPM in certificates; the challenge that ties the attestation key
 * to it (ActivateCredential) belongs to the enrolment protocol.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWENDORSEMENT_H
#define HOLDFAST_HWTPM_HWENDORSEMENT_H

#include "hwtpm/connection.h"
#include "tpm2/public.h"

/* The RSA-2048 endorsement key of the TCG's low-range template, or the P-256 one where the TPM has
 * no RSA. Made for the moment as a primary (endorsement authorisation) when it is not persistent
 * or the persistent one is of another template. ret_certificate: DER from NV, or NULL when there is
 * none. */
bool hf_endorsement_read(HfConnection *connection, HfPublic *ret_public, GBytes **ret_certificate,
                         GError **error);

#endif
