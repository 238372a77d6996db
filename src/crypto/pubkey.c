/*
 * pubkey.c - making, checking and describing public keys over libcrypto's EVP_PKEY.
 *
 * Keys enter by one of three doors and all pass check_key, so everything behind it can rely on
 * kind, size and validity. What is done with keys is in pubkey_use.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/pubkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/pubkey_private.h"

#define RSA_DEFAULT_EXPONENT 65537u

typedef struct {
    uint16_t curve;
    uint16_t size;
    const char *name;  /* what people call it */
    const char *group; /* what libcrypto calls it */
} CurveRow;

static const CurveRow curve_rows[] = {
    { HF_CURVE_P256, 32, "P-256", "prime256v1" },
    { HF_CURVE_P384, 48, "P-384", "secp384r1" },
    { HF_CURVE_P521, 66, "P-521", "secp521r1" },
};

static const CurveRow *curve_row(uint16_t curve)
{
    for (size_t i = 0; i < G_N_ELEMENTS(curve_rows); i++) {
        if (curve_rows[i].curve == curve) {
            return &curve_rows[i];
        }
    }
    return NULL;
}

size_t hf_curve_size(uint16_t curve)
{
    const CurveRow *row = curve_row(curve);

    return row ? row->size : 0;
}

const char *hf_curve_name(uint16_t curve)
{
    const CurveRow *row = curve_row(curve);

    return row ? row->name : NULL;
}

/* Puts a message together and forgets libcrypto's queue. */
static void *refuse(GError **error, HfErrorCode code, const char *what)
{
    ERR_clear_error();
    hf_error_set(error, code, "public key: %s", what);
    return NULL;
}

static bool check_rsa(HfPublicKey *key, GError **error)
{
    BIGNUM *e = NULL;
    bool good;

    key->kind = HF_KEY_RSA;
    key->bits = (unsigned)EVP_PKEY_get_bits(key->pkey);
    if (key->bits < 2048 || key->bits > HF_RSA_MAX_BYTES * 8) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "public key: expected RSA of 2048 to 4096 bits, found %u", key->bits);
    }
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
        refuse(error, HF_ERROR_INVALID, "RSA exponent is missing");
        return false;
    }
    good = BN_is_odd(e) && BN_num_bits(e) >= 2 && BN_num_bits(e) <= 32;
    BN_free(e);
    if (!good) {
        refuse(error, HF_ERROR_INVALID, "expected an odd RSA exponent from 3 to 2^32 - 1");
        return false;
    }
    return true;
}

static bool check_ec(HfPublicKey *key, GError **error)
{
    char group[32];
    size_t size = 0;
    EVP_PKEY_CTX *ctx;
    int explicit = 0;
    int valid;

    key->kind = HF_KEY_EC;
    if (EVP_PKEY_get_int_param(key->pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &explicit) == 1 &&
        explicit == 1) {
        refuse(error, HF_ERROR_UNSUPPORTED, "expected a named curve, found explicit parameters");
        return false;
    }
    if (EVP_PKEY_get_group_name(key->pkey, group, sizeof group, &size) != 1) {
        refuse(error, HF_ERROR_UNSUPPORTED, "its curve has no name");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(curve_rows); i++) {
        if (strcmp(curve_rows[i].group, group) == 0) {
            key->curve = curve_rows[i].curve;
        }
    }
    if (key->curve == 0) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "public key: expected curve P-256, P-384 or P-521, found %s", group);
        ERR_clear_error();
        return false;
    }
    key->bits = (unsigned)EVP_PKEY_get_bits(key->pkey);
    ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    valid = ctx ? EVP_PKEY_public_check(ctx) : 0;
    EVP_PKEY_CTX_free(ctx);
    if (valid != 1) {
        refuse(error, HF_ERROR_INVALID, "the point is not on its curve");
        return false;
    }
    return true;
}

/* Takes pkey. */
static HfPublicKey *check_key(EVP_PKEY *pkey, GError **error)
{
    g_autoptr(HfPublicKey) key = g_new0(HfPublicKey, 1);
    bool good = false;

    key->pkey = pkey;
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA: good = check_rsa(key, error); break;
    case EVP_PKEY_EC: good = check_ec(key, error); break;
    default: refuse(error, HF_ERROR_UNSUPPORTED, "expected an RSA or a named-curve ECC key"); break;
    }
    return good ? g_steal_pointer(&key) : NULL;
}

/* The same key with its point uncompressed, so that equal keys have equal encodings. */
static HfPublicKey *normal_form(HfPublicKey *key, GError **error)
{
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    uint16_t curve;

    if (!key || key->kind != HF_KEY_EC) {
        return key;
    }
    hf_public_key_point(key, &x, &y);
    curve = key->curve;
    hf_public_key_free(key);
    return hf_public_key_from_ec(curve, g_bytes_get_data(x, NULL), g_bytes_get_size(x),
                                 g_bytes_get_data(y, NULL), g_bytes_get_size(y), error);
}

HfPublicKey *hf_public_key_from_spki(const void *der, size_t n, GError **error)
{
    const unsigned char *p = der;
    EVP_PKEY *pkey;

    if (n == 0 || n > 4096) {
        return refuse(error, HF_ERROR_INVALID, "SubjectPublicKeyInfo is empty or above 4096 bytes");
    }
    pkey = d2i_PUBKEY(NULL, &p, (long)n);
    if (!pkey) {
        return refuse(error, HF_ERROR_INVALID, "not a DER SubjectPublicKeyInfo of a valid key");
    }
    if (p != (const unsigned char *)der + n) {
        EVP_PKEY_free(pkey);
        return refuse(error, HF_ERROR_INVALID, "bytes follow the SubjectPublicKeyInfo");
    }
    return normal_form(check_key(pkey, error), error);
}

/* Takes the builder. NULL when libcrypto refuses the numbers. */
static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

HfPublicKey *hf_public_key_from_rsa(const void *modulus, size_t n, uint32_t exponent,
                                    GError **error)
{
    OSSL_PARAM_BLD *bld = NULL;
    BIGNUM *number = NULL;
    EVP_PKEY *pkey;

    if (n == 0 || n > HF_RSA_MAX_BYTES) {
        return refuse(error, HF_ERROR_INVALID, "RSA modulus is empty or above 512 bytes");
    }
    number = BN_bin2bn(modulus, (int)n, NULL);
    if (!number || !BN_is_odd(number)) {
        BN_free(number);
        return refuse(error, HF_ERROR_INVALID, "RSA modulus is even");
    }
    bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, number);
    OSSL_PARAM_BLD_push_uint(bld, OSSL_PKEY_PARAM_RSA_E,
                             exponent ? exponent : RSA_DEFAULT_EXPONENT);
    pkey = pkey_from("RSA", bld);
    BN_free(number);
    return pkey ? check_key(pkey, error)
                : refuse(error, HF_ERROR_INVALID, "RSA numbers are not a key");
}

HfPublicKey *hf_public_key_from_ec(uint16_t curve, const void *x, size_t x_size, const void *y,
                                   size_t y_size, GError **error)
{
    const CurveRow *row = curve_row(curve);
    uint8_t point[1 + 2 * HF_EC_MAX_BYTES] = { 4 };
    OSSL_PARAM_BLD *bld = NULL;
    EVP_PKEY *pkey;

    if (!row) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "public key: expected curve P-256, P-384 or P-521, found 0x%04x", curve);
        return NULL;
    }
    if (x_size == 0 || y_size == 0 || x_size > row->size || y_size > row->size) {
        return refuse(error, HF_ERROR_INVALID, "a coordinate is empty or larger than its curve");
    }
    memcpy(point + 1 + row->size - x_size, x, x_size);
    memcpy(point + 1 + 2u * row->size - y_size, y, y_size);
    bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, row->group, 0);
    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2u * row->size);
    pkey = pkey_from("EC", bld);
    return pkey ? check_key(pkey, error)
                : refuse(error, HF_ERROR_INVALID, "the point is not on its curve");
}

void hf_public_key_free(HfPublicKey *key)
{
    if (key) {
        EVP_PKEY_free(key->pkey);
        g_free(key);
    }
}

HfKeyKind hf_public_key_kind(const HfPublicKey *key)
{
    return key->kind;
}

unsigned hf_public_key_bits(const HfPublicKey *key)
{
    return key->bits;
}

uint16_t hf_public_key_curve(const HfPublicKey *key)
{
    return key->curve;
}

bool hf_public_key_equal(const HfPublicKey *a, const HfPublicKey *b)
{
    return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

char *hf_public_key_describe(const HfPublicKey *key)
{
    return key->kind == HF_KEY_RSA ? g_strdup_printf("RSA-%u", key->bits)
                                   : g_strdup_printf("ECC %s", hf_curve_name(key->curve));
}

GBytes *hf_public_key_spki(const HfPublicKey *key)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key->pkey, &der);
    GBytes *bytes;

    g_assert(n > 0);
    bytes = g_bytes_new(der, (size_t)n);
    OPENSSL_free(der);
    return bytes;
}

GBytes *hf_public_key_modulus(const HfPublicKey *key, uint32_t *ret_exponent)
{
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    uint8_t *out;
    size_t size;

    g_assert(key->kind == HF_KEY_RSA);
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    size = (size_t)BN_num_bytes(n);
    out = g_malloc(size);
    BN_bn2bin(n, out);
    *ret_exponent = (uint32_t)BN_get_word(e);
    BN_free(n);
    BN_free(e);
    return g_bytes_new_take(out, size);
}

void hf_public_key_point(const HfPublicKey *key, GBytes **ret_x, GBytes **ret_y)
{
    size_t size = hf_curve_size(key->curve);
    BIGNUM *x = NULL;
    BIGNUM *y = NULL;
    uint8_t out[HF_EC_MAX_BYTES];

    g_assert(key->kind == HF_KEY_EC);
    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) != 1 ||
        EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) != 1 ||
        BN_bn2binpad(x, out, (int)size) != (int)size) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    *ret_x = g_bytes_new(out, size);
    if (BN_bn2binpad(y, out, (int)size) != (int)size) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    *ret_y = g_bytes_new(out, size);
    BN_free(x);
    BN_free(y);
}
