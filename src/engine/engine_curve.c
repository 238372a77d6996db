/*
 * engine_curve.c - OpenSSL's own arithmetic for the NIST curves, where libtpms would miss it.
 *
 * libtpms builds its curves from their parameters, so OpenSSL computes with its generic code: an
 * ECDSA signature on P-256 takes 0.25 ms instead of 0.03, one on P-521 1.3 instead of 0.19. This
 * constructor stands before libcrypto's (a symbol of the executable wins, ENGINE_LDFLAGS exports
 * it): parameters that are those of P-256, P-521 or (OpenSSL 3.2) P-384, all three of them, get the
 * named curve; all others get what libcrypto makes of them. Before a named curve is used for the
 * first time in a process, both ways compute the same multiple of the generator; should they differ
 * the named one is never used. The results are the same bit for bit, and the named curves' code
 * takes constant time at least where the generic does.
 * ./configure --disable-curve-shim leaves this file out.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <stdatomic.h>

#include "engine/engine_private.h"
#include "engine/engine_shim.h"

HF_REAL_DECLARE(EC_GROUP *, EC_GROUP_new_curve_GFp,
                (const BIGNUM *p, const BIGNUM *a, const BIGNUM *b, BN_CTX *ctx))
typedef EC_GROUP *(*Constructor)(const BIGNUM *p, const BIGNUM *a, const BIGNUM *b, BN_CTX *ctx);

static const struct {
    int bits;
    int nid;
} curves[] = {
    { 256, NID_X9_62_prime256v1 },
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
    /* Before, it has no arithmetic of its own: the check would cost 1 ms and gain nothing. */
    { 384, NID_secp384r1 },
#endif
    { 521, NID_secp521r1 },
};

enum { VERDICT_NONE, VERDICT_SAME, VERDICT_DIFFERENT };

/* Writable: what the check of each curve found, once a process. */
static atomic_int verdicts[G_N_ELEMENTS(curves)];

/* Writable: libcrypto may come back here when it makes a named curve; that call is for the real
 * one. */
static _Thread_local bool inside;

/* libcrypto's. */
static Constructor real_constructor(void)
{
    Constructor constructor;

    HF_REAL(constructor, EC_GROUP_new_curve_GFp);
    return constructor;
}

static EC_GROUP *named_group(int nid)
{
    EC_GROUP *group;

    inside = true;
    group = EC_GROUP_new_by_curve_name(nid);
    inside = false;
    return group;
}

static bool same_parameters(const EC_GROUP *named, const BIGNUM *p, const BIGNUM *a,
                            const BIGNUM *b, BN_CTX *ctx)
{
    BIGNUM *named_p, *named_a, *named_b;
    bool same;

    BN_CTX_start(ctx);
    named_p = BN_CTX_get(ctx);
    named_a = BN_CTX_get(ctx);
    named_b = BN_CTX_get(ctx);
    same = named_b && EC_GROUP_get_curve(named, named_p, named_a, named_b, ctx) == 1 &&
           BN_cmp(p, named_p) == 0 && BN_cmp(a, named_a) == 0 && BN_cmp(b, named_b) == 0;
    BN_CTX_end(ctx);
    return same;
}

/* x and y of the generator times a number with many bits set and many not. */
static bool known_multiple(const EC_GROUP *group, BIGNUM *x, BIGNUM *y, BN_CTX *ctx)
{
    static const unsigned char digits[] = {
        0x5a, 0xf0, 0x00, 0xff, 0x01, 0x80, 0xc3, 0x3c, 0x96, 0x69, 0x0f,
        0xf1, 0x7e, 0xe7, 0x24, 0x42, 0xd1, 0x1d, 0x55, 0xaa, 0x13, 0x31,
    };
    EC_POINT *point = EC_POINT_new(group);
    BIGNUM *k = BN_bin2bn(digits, sizeof digits, NULL);
    bool done = point && k && EC_POINT_mul(group, point, k, NULL, NULL, ctx) == 1 &&
                EC_POINT_get_affine_coordinates(group, point, x, y, ctx) == 1;

    EC_POINT_free(point);
    BN_free(k);
    return done;
}

/* The curve as libtpms would have it, with the named curve's generator. */
static EC_GROUP *plain_group(const EC_GROUP *named, const BIGNUM *p, const BIGNUM *a,
                             const BIGNUM *b, BN_CTX *ctx)
{
    EC_GROUP *plain = real_constructor()(p, a, b, ctx);
    EC_POINT *generator = plain ? EC_POINT_new(plain) : NULL;
    BIGNUM *x = BN_new();
    BIGNUM *y = BN_new();
    bool done =
        generator && x && y &&
        EC_POINT_get_affine_coordinates(named, EC_GROUP_get0_generator(named), x, y, ctx) == 1 &&
        EC_POINT_set_affine_coordinates(plain, generator, x, y, ctx) == 1 &&
        EC_GROUP_set_generator(plain, generator, EC_GROUP_get0_order(named),
                               EC_GROUP_get0_cofactor(named)) == 1;

    BN_free(x);
    BN_free(y);
    EC_POINT_free(generator);
    if (!done) {
        EC_GROUP_free(plain);
        return NULL;
    }
    return plain;
}

static bool same_results(const EC_GROUP *named, const BIGNUM *p, const BIGNUM *a, const BIGNUM *b,
                         BN_CTX *ctx)
{
    EC_GROUP *plain = plain_group(named, p, a, b, ctx);
    BIGNUM *results[4] = { NULL };
    bool same = plain != NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
        results[i] = BN_new();
        same = same && results[i];
    }
    same = same && known_multiple(plain, results[0], results[1], ctx) &&
           known_multiple(named, results[2], results[3], ctx) &&
           BN_cmp(results[0], results[2]) == 0 && BN_cmp(results[1], results[3]) == 0;
    for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
        BN_free(results[i]);
    }
    EC_GROUP_free(plain);
    return same;
}

/* The named curve of these parameters, or NULL. */
static EC_GROUP *find_named(size_t curve, const BIGNUM *p, const BIGNUM *a, const BIGNUM *b,
                            BN_CTX *ctx)
{
    EC_GROUP *named = named_group(curves[curve].nid);

    if (!named) {
        return NULL;
    }
    if (same_parameters(named, p, a, b, ctx)) {
        if (atomic_load(&verdicts[curve]) == VERDICT_NONE) {
            atomic_store(&verdicts[curve],
                         same_results(named, p, a, b, ctx) ? VERDICT_SAME : VERDICT_DIFFERENT);
        }
        if (atomic_load(&verdicts[curve]) == VERDICT_SAME) {
            return named;
        }
    }
    EC_GROUP_free(named);
    return NULL;
}

EC_GROUP *HF_SHIM(EC_GROUP_new_curve_GFp)(const BIGNUM *p, const BIGNUM *a, const BIGNUM *b,
                                          BN_CTX *ctx)
{
    BN_CTX *own = NULL;
    EC_GROUP *group = NULL;

    for (size_t i = 0; !inside && !group && i < G_N_ELEMENTS(curves); i++) {
        if (BN_num_bits(p) != curves[i].bits || atomic_load(&verdicts[i]) == VERDICT_DIFFERENT) {
            continue;
        }
        own = ctx || own ? own : BN_CTX_new();
        if (ctx || own) {
            group = find_named(i, p, a, b, ctx ? ctx : own);
        }
    }
    BN_CTX_free(own);
    return group ? group : real_constructor()(p, a, b, ctx);
}
