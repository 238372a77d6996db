/*
 * esys_bytes.h - tpm2-tss structures to bytes and back, inside src/hwtpm.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_ESYS_BYTES_H
#define HOLDFAST_HWTPM_ESYS_BYTES_H

#include "hwtpm/esys.h"
#include "tpm2/public.h"

/* TPMT_PUBLIC, without the size of the TPM2B. */
GBytes *hf_esys_public_bytes(const TPM2B_PUBLIC *area);
GBytes *hf_esys_creation_bytes(const TPM2B_CREATION_DATA *data);
GBytes *hf_esys_ticket_bytes(const TPMT_TK_CREATION *ticket);
GBytes *hf_esys_signature_bytes(const TPMT_SIGNATURE *signature);
GBytes *hf_esys_name_bytes(ESYS_CONTEXT *esys, ESYS_TR handle, GError **error);

/* Each takes exactly the whole of `bytes`; HF_ERROR_INVALID naming `what` otherwise. */
bool hf_esys_public_parse(GBytes *bytes, const char *what, TPM2B_PUBLIC *ret_area, GError **error);
bool hf_esys_ticket_parse(GBytes *bytes, const char *what, TPMT_TK_CREATION *ret_ticket,
                          GError **error);
/* Between tpm2-tss' and our own public area. */
bool hf_esys_template(const HfPublic *template, TPM2B_PUBLIC *ret_area, GError **error);
bool hf_esys_public_read(const TPM2B_PUBLIC *area, HfPublic *ret_public, GError **error);
/* Copies into one of the TPM2B types that hold a buffer of `max` bytes. */
bool hf_esys_buffer_fill(GBytes *bytes, const char *what, UINT16 *ret_size, BYTE *ret_buffer,
                         size_t max, GError **error);
#define HF_ESYS_FILL(bytes, what, tpm2b, error)                                                    \
    hf_esys_buffer_fill((bytes), (what), &(tpm2b)->size, (tpm2b)->buffer, sizeof((tpm2b)->buffer), \
                        (error))

#endif
