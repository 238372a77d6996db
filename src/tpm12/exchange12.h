/*
 * exchange12.h - one TPM 1.2 command and its response, with or without an owner's proof.
 *
 * A command that needs the owner is sent with an OIAP session of its own (TPM Main Part 1, 13.2):
 * the auth value proves the command and its response, and travels in neither.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM12_EXCHANGE12_H
#define HOLDFAST_TPM12_EXCHANGE12_H

#include "base/bytes.h"
#include "tpm2/command.h"

#define HF_TPM12_AUTH_SIZE 20u

typedef struct {
    GByteArray *bytes;   /* the whole response */
    HfReader parameters; /* into bytes, without header and session */
} HfTpm12Response;

/* Sends `ordinal` with `parameters` (NULL: none). auth: HF_TPM12_AUTH_SIZE bytes, NULL when the
 * command needs nobody's. NULL and HF_ERROR_TPM on any return code but success (*ret_code, may be
 * NULL, has it), HF_ERROR_AUTH when the response does not prove that the TPM knows the auth value,
 * HF_ERROR_INVALID when it is malformed. */
HfTpm12Response *hf_tpm12_exchange(const HfTransport *tpm, uint32_t ordinal,
                                   const GByteArray *parameters, const HfSecret *auth,
                                   uint32_t *ret_code, GError **error);
void hf_tpm12_response_free(HfTpm12Response *response);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfTpm12Response, hf_tpm12_response_free)

#endif
