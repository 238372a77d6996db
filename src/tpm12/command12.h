/*
 * command12.h - the commands with which a TPM 1.2 is manufactured and looked at.
 *
 * TPM Main Specification 1.2, Part 3. For code that owns a TPM with nobody else on it. Errors are
 * those of exchange12.h. Auth values are HF_TPM12_AUTH_SIZE bytes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM12_COMMAND12_H
#define HOLDFAST_TPM12_COMMAND12_H

#include "crypto/pubkey.h"
#include "tpm12/exchange12.h"

/* NV: attributes and the index whose definition locks the NV memory. */
#define HF_TPM12_NV_OWNERWRITE 0x00000002u
#define HF_TPM12_NV_OWNERREAD 0x00020000u
#define HF_TPM12_NV_LOCK 0xffffffffu

#define HF_TPM12_NO_SPACE 17u /* return code */

bool hf_tpm12_startup(const HfTransport *tpm, GError **error); /* ST_CLEAR */

/* Allows the presence command, then says that somebody is there, until the next power cycle. */
bool hf_tpm12_assert_presence(const HfTransport *tpm, GError **error);
/* Both need presence; the second takes effect at the next power cycle. */
bool hf_tpm12_enable(const HfTransport *tpm, GError **error);
bool hf_tpm12_activate(const HfTransport *tpm, GError **error);
bool hf_tpm12_continue_self_test(const HfTransport *tpm, GError **error);

/* The endorsement key, RSA-2048. Checks that the answer belongs to the question. */
HfPublicKey *hf_tpm12_create_ek(const HfTransport *tpm, GError **error);
/* NULL and HF_ERROR_TPM once there is an owner. */
HfPublicKey *hf_tpm12_read_ek(const HfTransport *tpm, GError **error);
/* The same for the owner. */
HfPublicKey *hf_tpm12_owner_read_ek(const HfTransport *tpm, const HfSecret *owner, GError **error);
/* The auth values travel encrypted to `ek`. Makes the storage root key. */
bool hf_tpm12_take_ownership(const HfTransport *tpm, const HfPublicKey *ek, const HfSecret *owner,
                             const HfSecret *srk, GError **error);

bool hf_tpm12_nv_define(const HfTransport *tpm, uint32_t index, uint32_t attributes, uint32_t size,
                        GError **error);
bool hf_tpm12_nv_lock(const HfTransport *tpm, GError **error);
/* While NV memory is not locked, nobody's authorisation is needed. In pieces. */
bool hf_tpm12_nv_write(const HfTransport *tpm, uint32_t index, const void *data, size_t size,
                       GError **error);
GBytes *hf_tpm12_nv_read(const HfTransport *tpm, uint32_t index, size_t size, const HfSecret *owner,
                         GError **error);
/* Attributes and size of an index. */
bool hf_tpm12_nv_public(const HfTransport *tpm, uint32_t index, uint32_t *ret_attributes,
                        uint32_t *ret_size, GError **error);

#endif
