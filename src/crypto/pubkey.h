/*
 * pubkey.h - public keys: read, write, verify with, encrypt to, agree with. Never a private key.
 *
 * A key comes as DER SubjectPublicKeyInfo (rsaEncryption or id-ecPublicKey with a named curve) or
 * as raw numbers (as TPMs and JSON give them) and is checked on the way in: RSA of 2048 to 4096
 * bits with an odd exponent >= 3, a point on P-256, P-384 or P-521. So an HfPublicKey is always
 * usable. Numbers are big-endian.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_PUBKEY_H
#define HOLDFAST_CRYPTO_PUBKEY_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

typedef struct HfPublicKey HfPublicKey;

typedef enum { HF_KEY_RSA = 1, HF_KEY_EC } HfKeyKind;

/* TPM_ECC_CURVE values. */
typedef enum { HF_CURVE_P256 = 0x0003, HF_CURVE_P384 = 0x0004, HF_CURVE_P521 = 0x0005 } HfCurve;

typedef enum { HF_VERIFY_RSASSA = 1, HF_VERIFY_RSAPSS, HF_VERIFY_ECDSA } HfVerifyScheme;

#define HF_RSA_MAX_BYTES 512u
#define HF_EC_MAX_BYTES 66u

/* All of them: NULL and *error (HF_ERROR_INVALID; HF_ERROR_UNSUPPORTED for a kind of key or curve
 * we do not know) when the key is not acceptable. Trailing bytes after the DER are refused. */
HfPublicKey *hf_public_key_from_spki(const void *der, size_t n, GError **error);
HfPublicKey *hf_public_key_from_rsa(const void *modulus, size_t n, uint32_t exponent,
                                    GError **error);
/* x, y: at most the curve's size; shorter ones are taken as having lost leading zeros. */
HfPublicKey *hf_public_key_from_ec(uint16_t curve, const void *x, size_t x_size, const void *y,
                                   size_t y_size, GError **error);
void hf_public_key_free(HfPublicKey *key);

HfKeyKind hf_public_key_kind(const HfPublicKey *key);
unsigned hf_public_key_bits(const HfPublicKey *key);  /* modulus or field: 2048, 384, 521 */
uint16_t hf_public_key_curve(const HfPublicKey *key); /* HfCurve; 0 for RSA */
bool hf_public_key_equal(const HfPublicKey *a, const HfPublicKey *b);
/* "RSA-2048", "ECC P-384"; caller frees. */
char *hf_public_key_describe(const HfPublicKey *key);

GBytes *hf_public_key_spki(const HfPublicKey *key); /* DER, uncompressed point */
/* Modulus without leading zeros. Asserts an RSA key. */
GBytes *hf_public_key_modulus(const HfPublicKey *key, uint32_t *ret_exponent);
/* Both at the curve's full size. Asserts an EC key. */
void hf_public_key_point(const HfPublicKey *key, GBytes **ret_x, GBytes **ret_y);

/* Bytes of a coordinate: 32, 48, 66; 0 for an unknown curve. */
size_t hf_curve_size(uint16_t curve);
/* "P-256", ... or NULL. */
const char *hf_curve_name(uint16_t curve);

/* Verifies a signature over a digest. `hash` is a TPM_ALG_ID of hash.h and must be of digest_size.
 * ECDSA signatures are DER SEQUENCE {r, s}; RSAPSS takes any salt length. HF_ERROR_AUTH when it
 * does not verify, HF_ERROR_INVALID when scheme and key do not go together. */
bool hf_public_key_verify(const HfPublicKey *key, HfVerifyScheme scheme, uint16_t hash,
                          const void *digest, size_t digest_size, const void *signature,
                          size_t signature_size, GError **error);

/* DER SEQUENCE {INTEGER r, INTEGER s} from unsigned big-endian numbers of at most 66 bytes. */
GBytes *hf_ecdsa_der(const void *r, size_t r_size, const void *s, size_t s_size);

/* RSAES-OAEP with `hash` for both label and MGF1. The label is taken as it is, with its
 * terminating zero if the protocol has one ("IDENTITY\0"). Asserts an RSA key. */
GBytes *hf_public_key_encrypt_oaep(const HfPublicKey *key, uint16_t hash, const void *label,
                                   size_t label_size, const void *plain, size_t n, GError **error);

/* One-pass ECDH: makes an ephemeral key on the same curve; gives its public point and the x
 * coordinate of the shared point, all at full size. Asserts an EC key. */
bool hf_public_key_agree(const HfPublicKey *key, GBytes **ret_x, GBytes **ret_y, HfSecret **ret_z,
                         GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfPublicKey, hf_public_key_free)

#endif
