/*
 * hash.h - SHA-1 and SHA-2 by TPM algorithm identifier, in one call or in pieces.
 *
 * The numbers are TPM_ALG_ID values, so that a hash algorithm read from TPM bytes needs no
 * translation: check it with hf_hash_size() != 0 first, every other function here asserts that the
 * algorithm is known. libcrypto failing to hash means that memory ran out: that aborts, as GLib
 * does, so no function here can fail.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_HASH_H
#define HOLDFAST_CRYPTO_HASH_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HF_HASH_SHA1 = 0x0004, /* for PCR banks and old quotes only */
    HF_HASH_SHA256 = 0x000b,
    HF_HASH_SHA384 = 0x000c,
    HF_HASH_SHA512 = 0x000d,
};

#define HF_HASH_MAX 64u /* bytes of the largest digest */

/* A digest that knows its algorithm. size == hf_hash_size(alg). */
typedef struct {
    uint16_t alg;
    uint16_t size;
    uint8_t data[HF_HASH_MAX];
} HfDigest;

/* Digest size in bytes; 0 for an algorithm we do not know. */
size_t hf_hash_size(uint16_t alg);
/* "sha1", "sha256", ...; NULL when unknown. */
const char *hf_hash_name(uint16_t alg);
/* The reverse; 0 when unknown. */
uint16_t hf_hash_by_name(const char *name);

/* ret_digest gets hf_hash_size(alg) bytes. */
void hf_hash_once(uint16_t alg, const void *data, size_t n, uint8_t *ret_digest);

/* SHA-256 by libcrypto's bare functions, which make it neither set up its providers nor read its
 * configuration: that takes longer than starting a TPM. For telling damage from whole; what has to
 * do with keys goes through the others. ret_digest gets 32 bytes. */
typedef struct {
    const void *data;
    size_t size;
} HfHashPiece;

void hf_hash_sha256_pieces(const HfHashPiece *pieces, size_t count, uint8_t *ret_digest);
void hf_hash_sha256_bare(const void *data, size_t n, uint8_t *ret_digest);

HfDigest hf_digest_of(uint16_t alg, const void *data, size_t n);
/* All zero, of the algorithm's size. */
HfDigest hf_digest_zero(uint16_t alg);
/* Same algorithm and same bytes; constant time in the bytes. */
bool hf_digest_equal(const HfDigest *a, const HfDigest *b);

typedef struct HfHash HfHash;

HfHash *hf_hash_new(uint16_t alg);
void hf_hash_update(HfHash *hash, const void *data, size_t n);
/* Ends the computation; after it only hf_hash_free is allowed. */
void hf_hash_finish(HfHash *hash, uint8_t *ret_digest);
void hf_hash_free(HfHash *hash);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfHash, hf_hash_free)

#endif
