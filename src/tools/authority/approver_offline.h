/*
 * approver_offline.h - an approver whose key is not on this host: what it has to sign goes into a
 * directory, and comes back signed.
 *
 *     HEX.digest   the 32 bytes of a SHA-256 digest, HEX its text: what waits
 *     HEX.sig      the approver's signature of it: DER for ECDSA, PKCS#1 v1.5 for RSA
 *
 * A command that needs a signature which is not there writes the digest and fails with
 * HF_ERROR_STATE; run again with the signature beside it, it goes on. Nothing in it is secret.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_APPROVER_OFFLINE_H
#define HOLDFAST_TOOLS_AUTHORITY_APPROVER_OFFLINE_H

#include "pki/signer.h"
#include "tpm2/public.h"

/* The directory is made when it is missing. */
HfSigner *hf_approver_offline_new(const char *dir, const HfPublic *approver, GError **error);
/* For the approver's side: writes HEX.sig of the digest; waiting: only where HEX.digest is there. */
bool hf_approver_offline_answer(const char *dir, const HfDigest *digest, bool waiting,
                                HfSigner *signer, unsigned *signed_count, GError **error);

#endif
