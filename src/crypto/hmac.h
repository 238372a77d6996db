/*
 * hmac.h - HMAC (RFC 2104) over the hashes of hash.h.
 *
 * The same rules as there: algorithms must be known, nothing can fail. Compare results with
 * hf_secret_equal, never with memcmp.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_HMAC_H
#define HOLDFAST_CRYPTO_HMAC_H

#include "crypto/hash.h"

typedef struct HfHmac HfHmac;

/* The key is copied into libcrypto's own memory and wiped there by hf_hmac_free. */
HfHmac *hf_hmac_new(uint16_t alg, const void *key, size_t key_size);
void hf_hmac_update(HfHmac *hmac, const void *data, size_t n);
/* Writes hf_hash_size(alg) bytes; after it only hf_hmac_free is allowed. */
void hf_hmac_finish(HfHmac *hmac, uint8_t *ret_mac);
void hf_hmac_free(HfHmac *hmac);

void hf_hmac_once(uint16_t alg, const void *key, size_t key_size, const void *data, size_t n,
                  uint8_t *ret_mac);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfHmac, hf_hmac_free)

#endif
