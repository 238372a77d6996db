/*
 * hash.c - SHA-1 and SHA-2 through libcrypto's EVP interface.
 *
 * One table of algorithms serves every function. A failure inside libcrypto cannot be handled by
 * anyone (it means no memory): abort.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

/* The bare functions of SHA-256 are "deprecated", and stay: TLS libraries of a decade call them. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

typedef struct {
    uint16_t alg;
    uint16_t size;
    const char *name;
    const EVP_MD *(*md)(void);
} HashRow;

static const HashRow hash_rows[] = {
    { HF_HASH_SHA1, 20, "sha1", EVP_sha1 },
    { HF_HASH_SHA256, 32, "sha256", EVP_sha256 },
    { HF_HASH_SHA384, 48, "sha384", EVP_sha384 },
    { HF_HASH_SHA512, 64, "sha512", EVP_sha512 },
};

struct HfHash {
    EVP_MD_CTX *ctx;
    uint16_t alg;
};

static const HashRow *hash_row(uint16_t alg)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hash_rows); i++) {
        if (hash_rows[i].alg == alg) {
            return &hash_rows[i];
        }
    }
    return NULL;
}

size_t hf_hash_size(uint16_t alg)
{
    const HashRow *row = hash_row(alg);

    return row ? row->size : 0;
}

const char *hf_hash_name(uint16_t alg)
{
    const HashRow *row = hash_row(alg);

    return row ? row->name : NULL;
}

uint16_t hf_hash_by_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hash_rows); i++) {
        if (strcmp(hash_rows[i].name, name) == 0) {
            return hash_rows[i].alg;
        }
    }
    return 0;
}

void hf_hash_once(uint16_t alg, const void *data, size_t n, uint8_t *ret_digest)
{
    const HashRow *row = hash_row(alg);

    g_assert(row);
    if (EVP_Digest(data, n, ret_digest, NULL, row->md(), NULL) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hash_sha256_pieces(const HfHashPiece *pieces, size_t count, uint8_t *ret_digest)
{
    SHA256_CTX ctx;
    bool done = SHA256_Init(&ctx) == 1;

    for (size_t i = 0; i < count; i++) {
        done = done && SHA256_Update(&ctx, pieces[i].data, pieces[i].size) == 1;
    }
    if (!done || SHA256_Final(ret_digest, &ctx) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hash_sha256_bare(const void *data, size_t n, uint8_t *ret_digest)
{
    const HfHashPiece piece = { data, n };

    hf_hash_sha256_pieces(&piece, 1, ret_digest);
}

HfDigest hf_digest_of(uint16_t alg, const void *data, size_t n)
{
    HfDigest digest = hf_digest_zero(alg);

    hf_hash_once(alg, data, n, digest.data);
    return digest;
}

HfDigest hf_digest_zero(uint16_t alg)
{
    HfDigest digest = { .alg = alg, .size = (uint16_t)hf_hash_size(alg) };

    g_assert(digest.size != 0);
    return digest;
}

bool hf_digest_equal(const HfDigest *a, const HfDigest *b)
{
    return a->alg == b->alg && a->size == b->size && hf_secret_equal(a->data, b->data, a->size);
}

HfHash *hf_hash_new(uint16_t alg)
{
    const HashRow *row = hash_row(alg);
    HfHash *hash = g_new0(HfHash, 1);

    g_assert(row);
    hash->alg = alg;
    hash->ctx = EVP_MD_CTX_new();
    if (!hash->ctx || EVP_DigestInit_ex(hash->ctx, row->md(), NULL) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    return hash;
}

void hf_hash_update(HfHash *hash, const void *data, size_t n)
{
    if (n > 0 && EVP_DigestUpdate(hash->ctx, data, n) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hash_finish(HfHash *hash, uint8_t *ret_digest)
{
    if (EVP_DigestFinal_ex(hash->ctx, ret_digest, NULL) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
}

void hf_hash_free(HfHash *hash)
{
    if (hash) {
        EVP_MD_CTX_free(hash->ctx);
        g_free(hash);
    }
}
