/*
 * engine_rsa.c - RSA private keys with their primes, where libtpms gives OpenSSL none.
 *
 * libtpms (0.9) hands over n, e and d only, so every private operation is one exponentiation of
 * full length. This RSA_set0_key stands before libcrypto's (engine_shim.h) and lets it do its work;
 * where it has just added d alone, as libtpms does, the primes are computed from n, e and d and
 * added with the values for the Chinese remainder theorem (d must be the inverse of e modulo
 * (p - 1)(q - 1), as libtpms computes it; any other key is left as it is). The result of an operation is the same
 * number: there is only one, and OpenSSL itself raises it to e again and falls back to d when it is
 * not right.
 *
 * What was computed is kept for a few keys, in locked memory, until the TPM is switched off; libtpms
 * keeps the same keys' d for as long. The computation itself happens once a key; it takes a time
 * that depends on the lengths of its numbers only, as far as BN_div does. Operations are
 * OpenSSL's own, blinded and in constant time. Before the first key is used in that way, both ways
 * compute the same operation; should they differ no key is.
 * ./configure --disable-rsa-shim leaves this file out.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "config.h"

#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <string.h>

#include "engine/engine_private.h"
#include "engine/engine_shim.h"

#define SLOTS 6u /* persistent keys in use, and the three transient ones of libtpms */
#define MODULUS_MAX 512u
#define PRIME_MAX (MODULUS_MAX / 2)

HF_REAL_DECLARE(int, RSA_set0_key, (RSA * r, BIGNUM *n, BIGNUM *e, BIGNUM *d))
typedef int (*SetKey)(RSA *r, BIGNUM *n, BIGNUM *e, BIGNUM *d);

enum { P, Q, DMP1, DMQ1, IQMP, PARTS }; /* q is the smaller prime */

typedef struct {
    uint64_t used; /* 0: empty; the smallest is replaced first */
    uint64_t e;
    uint16_t size; /* of n; the parts have half of it */
    uint8_t n[MODULUS_MAX];
    uint8_t part[PARTS][PRIME_MAX];
} Slot;

typedef enum { VERDICT_NONE, VERDICT_SAME, VERDICT_DIFFERENT } Verdict;

typedef struct {
    Verdict verdict;
    uint64_t uses;
    Slot slots[SLOTS];
} Cache;

static Cache *cache_of(HfSecret *secret)
{
    return (void *)secret->data;
}

HfSecret *hf_rsa_cache_new(void)
{
    return hf_secret_new(sizeof(Cache));
}

void hf_rsa_cache_clear(HfSecret *secret)
{
    Cache *cache = cache_of(secret);

    if (cache->uses > 0) {
        explicit_bzero(cache->slots, sizeof(cache->slots));
        cache->uses = 0;
    }
}

/* The root of a square; *root may be anything when it is none. Newton's steps from above. */
static bool square_root(BIGNUM *root, const BIGNUM *square, BN_CTX *ctx)
{
    BIGNUM *next = BN_CTX_get(ctx);
    bool done = next && BN_one(root) && BN_lshift(root, root, (BN_num_bits(square) + 1) / 2);

    while (done && !BN_is_zero(root)) {
        done = BN_div(next, NULL, square, root, ctx) && BN_add(next, next, root) &&
               BN_rshift1(next, next);
        if (!done || BN_cmp(next, root) >= 0) {
            break;
        }
        done = BN_copy(root, next) != NULL;
    }
    return done && BN_sqr(next, root, ctx) && BN_cmp(next, square) == 0;
}

/* p + q from n, e, d: e d - 1 is k (p - 1)(q - 1) with k < e, so k can be read off its first digits.
 */
static bool sum_of_primes(BIGNUM *sum, const BIGNUM *n, const BIGNUM *e, const BIGNUM *d,
                          BN_CTX *ctx)
{
    BIGNUM *multiple = BN_CTX_get(ctx);
    BIGNUM *k = BN_CTX_get(ctx);
    BIGNUM *phi = BN_CTX_get(ctx);
    BIGNUM *rest = BN_CTX_get(ctx);

    return rest && BN_mul(multiple, e, d, ctx) && BN_sub_word(multiple, 1) &&
           BN_div(k, NULL, multiple, n, ctx) && BN_add_word(k, 1) &&
           BN_div(phi, rest, multiple, k, ctx) && BN_is_zero(rest) && BN_sub(sum, n, phi) &&
           BN_add_word(sum, 1) && !BN_is_negative(sum);
}

/* (p - q)² is (p + q)² - 4 n. False when n has no two such primes. */
static bool find_primes(BIGNUM *part[PARTS], const BIGNUM *n, const BIGNUM *e, const BIGNUM *d,
                        BN_CTX *ctx)
{
    BIGNUM *sum = BN_CTX_get(ctx);
    BIGNUM *difference = BN_CTX_get(ctx);
    BIGNUM *square = BN_CTX_get(ctx);
    BIGNUM *four_n = BN_CTX_get(ctx);

    return four_n && sum_of_primes(sum, n, e, d, ctx) && BN_sqr(square, sum, ctx) &&
           BN_lshift(four_n, n, 2) && BN_sub(square, square, four_n) && !BN_is_negative(square) &&
           square_root(difference, square, ctx) && BN_add(part[P], sum, difference) &&
           BN_rshift1(part[P], part[P]) && BN_sub(part[Q], sum, difference) &&
           BN_rshift1(part[Q], part[Q]) && BN_mul(square, part[P], part[Q], ctx) &&
           BN_cmp(square, n) == 0 && BN_num_bytes(part[P]) == BN_num_bytes(n) / 2 &&
           BN_num_bytes(part[Q]) == BN_num_bytes(n) / 2;
}

/* d mod (p - 1), d mod (q - 1), and 1/q mod p as a power, which OpenSSL computes in constant time.
 */
static bool find_exponents(BIGNUM *part[PARTS], const BIGNUM *d, BN_CTX *ctx)
{
    BIGNUM *less = BN_CTX_get(ctx);
    BIGNUM *one = BN_CTX_get(ctx);

    return one && BN_sub(less, part[P], BN_value_one()) && BN_mod(part[DMP1], d, less, ctx) &&
           BN_sub_word(less, 1) &&
           BN_mod_exp_mont_consttime(part[IQMP], part[Q], less, part[P], ctx, NULL) &&
           BN_sub(less, part[Q], BN_value_one()) && BN_mod(part[DMQ1], d, less, ctx) &&
           BN_mod_mul(one, part[IQMP], part[Q], part[P], ctx) && BN_is_one(one);
}

/* One operation both ways. */
static bool same_result(BIGNUM *part[PARTS], const BIGNUM *n, const BIGNUM *d, BN_CTX *ctx)
{
    BIGNUM *m = BN_CTX_get(ctx);
    BIGNUM *plain = BN_CTX_get(ctx);
    BIGNUM *from_p = BN_CTX_get(ctx);
    BIGNUM *from_q = BN_CTX_get(ctx);

    return from_q && BN_rshift(m, n, 3) && BN_add_word(m, 12345) &&
           BN_mod_exp_mont_consttime(plain, m, d, n, ctx, NULL) &&
           BN_mod(from_p, m, part[P], ctx) &&
           BN_mod_exp_mont_consttime(from_p, from_p, part[DMP1], part[P], ctx, NULL) &&
           BN_mod(from_q, m, part[Q], ctx) &&
           BN_mod_exp_mont_consttime(from_q, from_q, part[DMQ1], part[Q], ctx, NULL) &&
           BN_mod_sub(from_p, from_p, from_q, part[P], ctx) &&
           BN_mod_mul(from_p, from_p, part[IQMP], part[P], ctx) &&
           BN_mul(from_p, from_p, part[Q], ctx) && BN_add(from_p, from_p, from_q) &&
           BN_cmp(from_p, plain) == 0;
}

static Slot *find_slot(Cache *cache, const uint8_t *n, size_t size, uint64_t e)
{
    for (size_t i = 0; i < SLOTS; i++) {
        Slot *slot = &cache->slots[i];
        if (slot->used > 0 && slot->size == size && slot->e == e && memcmp(slot->n, n, size) == 0) {
            return slot;
        }
    }
    return NULL;
}

static Slot *free_slot(Cache *cache)
{
    Slot *oldest = &cache->slots[0];

    for (size_t i = 1; i < SLOTS; i++) {
        if (cache->slots[i].used < oldest->used) {
            oldest = &cache->slots[i];
        }
    }
    explicit_bzero(oldest, sizeof(*oldest));
    return oldest;
}

static bool fill_slot(Slot *slot, BIGNUM *part[PARTS], const uint8_t *n, size_t size, uint64_t e)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (BN_bn2binpad(part[i], slot->part[i], (int)size / 2) < 0) {
            return false;
        }
    }
    memcpy(slot->n, n, size);
    slot->size = (uint16_t)size;
    slot->e = e;
    return true;
}

/* The parts of a key that is not in the cache, into the cache. */
static Slot *make_slot(Cache *cache, const BIGNUM *n, const BIGNUM *e, const BIGNUM *d,
                       const uint8_t *bytes, size_t size)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *part[PARTS] = { NULL };
    Slot *slot = NULL;
    bool good = ctx != NULL;

    for (size_t i = 0; i < PARTS; i++) {
        part[i] = BN_new();
        good = good && part[i];
    }
    if (good) {
        BN_CTX_start(ctx);
        good = find_primes(part, n, e, d, ctx) && find_exponents(part, d, ctx);
        if (good && cache->verdict == VERDICT_NONE) {
            cache->verdict = same_result(part, n, d, ctx) ? VERDICT_SAME : VERDICT_DIFFERENT;
        }
        BN_CTX_end(ctx);
    }
    if (good && cache->verdict == VERDICT_SAME) {
        slot = free_slot(cache);
        slot = fill_slot(slot, part, bytes, size, BN_get_word(e)) ? slot : NULL;
    }
    for (size_t i = 0; i < PARTS; i++) {
        BN_clear_free(part[i]);
    }
    BN_CTX_free(ctx);
    return slot;
}

static void attach(RSA *r, const Slot *slot)
{
    BIGNUM *part[PARTS];
    bool good = true;

    for (size_t i = 0; i < PARTS; i++) {
        part[i] = BN_bin2bn(slot->part[i], slot->size / 2, NULL);
        good = good && part[i];
    }
    if (good && RSA_set0_factors(r, part[P], part[Q]) == 1) {
        part[P] = part[Q] = NULL;
        if (RSA_set0_crt_params(r, part[DMP1], part[DMQ1], part[IQMP]) == 1) {
            part[DMP1] = part[DMQ1] = part[IQMP] = NULL;
        }
    }
    for (size_t i = 0; i < PARTS; i++) {
        BN_clear_free(part[i]);
    }
}

/* Adds primes and exponents to a key of n, e and d, where that can be done. */
static void complete(RSA *r, Cache *cache)
{
    const BIGNUM *n = NULL, *e = NULL, *d = NULL, *p = NULL;
    uint8_t bytes[MODULUS_MAX];
    Slot *slot = NULL;

    RSA_get0_key(r, &n, &e, &d);
    RSA_get0_factors(r, &p, NULL);
    if (!n || !e || !d || p || cache->verdict == VERDICT_DIFFERENT || BN_num_bits(e) > 32 ||
        BN_is_zero(e) || BN_num_bits(n) < 512 || BN_num_bytes(n) > (int)MODULUS_MAX ||
        BN_num_bits(n) % 16 != 0) {
        return;
    }
    size_t size = (size_t)BN_bn2bin(n, bytes);
    slot = find_slot(cache, bytes, size, BN_get_word(e));
    slot = slot ? slot : make_slot(cache, n, e, d, bytes, size);
    if (slot) {
        slot->used = ++cache->uses;
        attach(r, slot);
    }
}

int HF_SHIM(RSA_set0_key)(RSA *r, BIGNUM *n, BIGNUM *e, BIGNUM *d)
{
    HfSecret *secret = hf_engine_rsa_cache();
    SetKey real;
    int result;

    HF_REAL(real, RSA_set0_key);
    result = real(r, n, e, d);
    if (result == 1 && secret && d && !n && !e) {
        complete(r, cache_of(secret));
    }
    return result;
}
