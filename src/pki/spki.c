/*
 * spki.c - public keys as certificates see them; the arithmetic is in crypto/pubkey.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/spki.h"

#include "base/error.h"
#include "crypto/hash.h"
#include "pki/der.h"
#include "pki/oid.h"

#define KEY_ID_SIZE 20
#define DIGEST_SIZE 32

static const struct {
    uint16_t hash;
    HfKeyKind kind;
    HfVerifyScheme scheme;
    const char *oid;
} algorithms[] = {
    [HF_SIGN_ECDSA_SHA256] = { HF_HASH_SHA256, HF_KEY_EC, HF_VERIFY_ECDSA, HF_OID_ECDSA_SHA256 },
    [HF_SIGN_ECDSA_SHA384] = { HF_HASH_SHA384, HF_KEY_EC, HF_VERIFY_ECDSA, HF_OID_ECDSA_SHA384 },
    [HF_SIGN_RSA_SHA256] = { HF_HASH_SHA256, HF_KEY_RSA, HF_VERIFY_RSASSA, HF_OID_RSA_SHA256 },
    [HF_SIGN_RSA_SHA384] = { HF_HASH_SHA384, HF_KEY_RSA, HF_VERIFY_RSASSA, HF_OID_RSA_SHA384 },
};

uint16_t hf_sign_algorithm_hash(HfSignAlgorithm algorithm)
{
    g_assert((size_t)algorithm < G_N_ELEMENTS(algorithms));
    return algorithms[algorithm].hash;
}

const char *hf_sign_algorithm_oid(HfSignAlgorithm algorithm)
{
    g_assert((size_t)algorithm < G_N_ELEMENTS(algorithms));
    return algorithms[algorithm].oid;
}

HfPublicKey *hf_spki_key(GBytes *spki, const char *what, GError **error)
{
    size_t n = 0;
    const void *der = g_bytes_get_data(spki, &n);
    g_autoptr(HfPublicKey) key = hf_public_key_from_spki(der, n, error);
    if (!key) {
        g_prefix_error(error, "%s: ", what);
        return NULL;
    }
    g_autoptr(GBytes) canonical = hf_public_key_spki(key);
    if (!g_bytes_equal(canonical, spki)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: the public key is not in its canonical encoding (uncompressed point, "
                     "shortest numbers)",
                     what);
        return NULL;
    }
    return g_steal_pointer(&key);
}

GBytes *hf_spki_key_id(GBytes *spki)
{
    HfReader r = hf_reader_for(spki);
    HfReader sequence = hf_der_get(&r, HF_DER_SEQUENCE);
    (void)hf_der_get(&sequence, HF_DER_SEQUENCE);
    HfReader bits = hf_der_get(&sequence, HF_DER_BITS);
    uint8_t unused = hf_reader_u8(&bits);
    if (!hf_reader_done(&r) || !hf_reader_done(&sequence) || bits.failed || unused != 0) {
        return NULL;
    }
    uint8_t digest[DIGEST_SIZE];
    hf_hash_once(HF_HASH_SHA256, bits.data + bits.offset, hf_reader_left(&bits), digest);
    return g_bytes_new(digest, KEY_ID_SIZE);
}

GBytes *hf_spki_digest(GBytes *spki)
{
    size_t n = 0;
    const void *der = g_bytes_get_data(spki, &n);
    uint8_t digest[DIGEST_SIZE];
    hf_hash_once(HF_HASH_SHA256, der, n, digest);
    return g_bytes_new(digest, sizeof digest);
}

bool hf_spki_algorithm(GBytes *spki, const char *what, HfSignAlgorithm *ret, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(spki, what, error);
    if (!key) {
        return false;
    }
    unsigned bits = hf_public_key_bits(key);
    if (hf_public_key_kind(key) == HF_KEY_RSA) {
        *ret = bits > 3072 ? HF_SIGN_RSA_SHA384 : HF_SIGN_RSA_SHA256;
        return true;
    }
    if (bits != 256 && bits != 384) {
        g_autofree char *found = hf_public_key_describe(key);
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: certificates are signed with RSA, P-256 or P-384, found %s", what,
                            found);
    }
    *ret = bits == 256 ? HF_SIGN_ECDSA_SHA256 : HF_SIGN_ECDSA_SHA384;
    return true;
}

bool hf_spki_verify(GBytes *spki, HfSignAlgorithm algorithm, GBytes *data, GBytes *signature,
                    const char *what, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(spki, what, error);
    if (!key) {
        return false;
    }
    if (hf_public_key_kind(key) != algorithms[algorithm].kind) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s: the signature does not verify (its algorithm is not one of the "
                            "signer's key)",
                            what);
    }
    HfDigest digest = hf_digest_of(algorithms[algorithm].hash, g_bytes_get_data(data, NULL),
                                   g_bytes_get_size(data));
    g_autoptr(GError) cause = NULL;
    if (!hf_public_key_verify(key, algorithms[algorithm].scheme, digest.alg, digest.data,
                              digest.size, g_bytes_get_data(signature, NULL),
                              g_bytes_get_size(signature), &cause)) {
        return hf_error_set(error, HF_ERROR_AUTH, "%s: the signature does not verify", what);
    }
    return true;
}
