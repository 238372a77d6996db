/*
 * pubkey_use.c - verifying, encrypting and agreeing with a public key.
 *
 * The keys are valid already (pubkey.c). What can fail is the peer's doing and reported;
 * libcrypto's own error queue is emptied, its texts mean nothing to an operator.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/pubkey_private.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

static const EVP_MD *md_for(uint16_t hash)
{
    switch (hash) {
    case HF_HASH_SHA1: return EVP_sha1();
    case HF_HASH_SHA256: return EVP_sha256();
    case HF_HASH_SHA384: return EVP_sha384();
    case HF_HASH_SHA512: return EVP_sha512();
    default: return NULL;
    }
}

/* Padding of the RSA schemes; nothing for ECDSA. */
static bool set_scheme(EVP_PKEY_CTX *ctx, HfVerifyScheme scheme, const EVP_MD *md)
{
    if (EVP_PKEY_CTX_set_signature_md(ctx, md) != 1) {
        return false;
    }
    switch (scheme) {
    case HF_VERIFY_RSASSA: return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    case HF_VERIFY_RSAPSS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO) == 1;
    case HF_VERIFY_ECDSA: return true;
    default: return false;
    }
}

bool hf_public_key_verify(const HfPublicKey *key, HfVerifyScheme scheme, uint16_t hash,
                          const void *digest, size_t digest_size, const void *signature,
                          size_t signature_size, GError **error)
{
    HfKeyKind wanted = scheme == HF_VERIFY_ECDSA ? HF_KEY_EC : HF_KEY_RSA;
    const EVP_MD *md = md_for(hash);
    g_autoptr(EVP_PKEY_CTX) ctx = NULL;
    int result;

    if (key->kind != wanted) {
        return hf_error_set(
            error, HF_ERROR_INVALID, "signature scheme is for %s keys, but the key is %s",
            wanted == HF_KEY_EC ? "ECC" : "RSA", key->kind == HF_KEY_EC ? "ECC" : "RSA");
    }
    if (!md || digest_size != hf_hash_size(hash)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "digest of %zu bytes does not fit hash algorithm 0x%04x", digest_size,
                            hash);
    }
    ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    if (!ctx || EVP_PKEY_verify_init(ctx) != 1 || !set_scheme(ctx, scheme, md)) {
        ERR_clear_error();
        return hf_error_set(error, HF_ERROR_FAILED, "libcrypto cannot verify with this scheme");
    }
    result = EVP_PKEY_verify(ctx, signature, signature_size, digest, digest_size);
    ERR_clear_error();
    if (result != 1) {
        return hf_error_set(error, HF_ERROR_AUTH, "signature does not verify with the key");
    }
    return true;
}

static void put_integer(GByteArray *w, const uint8_t *number, size_t n)
{
    while (n > 1 && number[0] == 0) {
        number++;
        n--;
    }
    hf_put_u8(w, 0x02);
    if (n == 0) {
        hf_put_u8(w, 1);
        hf_put_u8(w, 0);
        return;
    }
    hf_put_u8(w, (uint8_t)(n + (number[0] >> 7)));
    if (number[0] & 0x80) {
        hf_put_u8(w, 0);
    }
    hf_put_bytes(w, number, n);
}

GBytes *hf_ecdsa_der(const void *r, size_t r_size, const void *s, size_t s_size)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    g_autoptr(GByteArray) der = g_byte_array_new();

    g_assert(r_size <= HF_EC_MAX_BYTES && s_size <= HF_EC_MAX_BYTES);
    put_integer(body, r, r_size);
    put_integer(body, s, s_size);
    hf_put_u8(der, 0x30);
    if (body->len > 127) {
        hf_put_u8(der, 0x81);
    }
    hf_put_u8(der, (uint8_t)body->len);
    hf_put_bytes(der, body->data, body->len);
    return g_byte_array_free_to_bytes(g_steal_pointer(&der));
}

GBytes *hf_public_key_encrypt_oaep(const HfPublicKey *key, uint16_t hash, const void *label,
                                   size_t label_size, const void *plain, size_t n, GError **error)
{
    g_autoptr(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    const EVP_MD *md = md_for(hash);
    uint8_t out[HF_RSA_MAX_BYTES];
    size_t size = sizeof out;
    void *own_label;

    g_assert(key->kind == HF_KEY_RSA && md);
    if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    if (label_size > 0) {
        own_label = OPENSSL_memdup(label, label_size);
        if (!own_label || EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, own_label, (int)label_size) != 1) {
            g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
        }
    }
    if (EVP_PKEY_encrypt(ctx, out, &size, plain, n) != 1) {
        ERR_clear_error();
        hf_error_set(error, HF_ERROR_INVALID, "%zu bytes do not fit into one OAEP block of RSA-%u",
                     n, key->bits);
        return NULL;
    }
    return g_bytes_new(out, size);
}

/* Takes the ephemeral key, which must be on the curve of `key`. */
static HfSecret *derive(EVP_PKEY *ephemeral, const HfPublicKey *key)
{
    g_autoptr(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new(ephemeral, NULL);
    g_autoptr(HfSecret) z = hf_secret_new(hf_curve_size(key->curve));
    size_t size = z->size;
    bool good = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
                EVP_PKEY_derive_set_peer(ctx, key->pkey) == 1 &&
                EVP_PKEY_derive(ctx, z->data, &size) == 1 && size == z->size;

    ERR_clear_error();
    return good ? g_steal_pointer(&z) : NULL;
}

bool hf_public_key_agree(const HfPublicKey *key, GBytes **ret_x, GBytes **ret_y, HfSecret **ret_z,
                         GError **error)
{
    g_autoptr(EVP_PKEY_CTX) ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    g_autoptr(HfSecret) z = NULL;
    HfPublicKey ephemeral = { .kind = HF_KEY_EC, .curve = key->curve };
    bool good;

    g_assert(key->kind == HF_KEY_EC);
    if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_keygen(ctx, &ephemeral.pkey) != 1) {
        g_error("%s: libcrypto failed; is memory used up?", G_STRFUNC);
    }
    z = derive(ephemeral.pkey, key);
    good = z != NULL;
    if (good) {
        hf_public_key_point(&ephemeral, ret_x, ret_y);
        *ret_z = g_steal_pointer(&z);
    }
    EVP_PKEY_free(ephemeral.pkey);
    return good || hf_error_set(error, HF_ERROR_FAILED, "key agreement failed");
}
