/*
 * cbc.h - AES in CBC mode, whole blocks, for the state files of other programs.
 *
 * No padding and no integrity: both are the business of the format that uses it (src/state). New
 * formats of our own use aead.h. NIST SP 800-38A.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_CBC_H
#define HOLDFAST_CRYPTO_CBC_H

#include <stddef.h>
#include <stdint.h>

#define HF_CBC_BLOCK_SIZE 16u

/* key_size 16 or 32, n a multiple of the block size (both asserted). iv is one block. out has room
 * for n bytes and may be in. */
void hf_cbc_encrypt(const uint8_t *key, size_t key_size, const uint8_t iv[HF_CBC_BLOCK_SIZE],
                    const uint8_t *in, size_t n, uint8_t *out);
void hf_cbc_decrypt(const uint8_t *key, size_t key_size, const uint8_t iv[HF_CBC_BLOCK_SIZE],
                    const uint8_t *in, size_t n, uint8_t *out);

#endif
