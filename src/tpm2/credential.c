/*
 * credential.c - MakeCredential: seed to the endorsement key, secret and Name under the seed.
 *
 * outer = HMAC over encIdentity and Name, inner = AES-CFB of the secret as a TPM2B; keys for both
 * by KDFa from the seed ("INTEGRITY", "STORAGE" bound to the Name).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/credential.h"

#include <string.h>

#include "base/error.h"
#include "crypto/aead.h"
#include "crypto/hmac.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "tpm2/constants.h"

#define FILE_MAGIC 0xbadcc0deu
#define FILE_VERSION 1u
#define ID_OBJECT_MAX (2u + HF_HASH_MAX + 2u + HF_HASH_MAX)

/* The label's terminating zero is part of it in RSA-OAEP. */
static const char identity_label[] = "IDENTITY";

/* A random seed, wrapped to an RSA key. */
static GBytes *wrap_rsa(const HfPublic *ek, const HfPublicKey *key, HfSecret **ret_seed,
                        GError **error)
{
    g_autoptr(HfSecret) seed = hf_secret_new(hf_hash_size(ek->name_alg));
    GBytes *wrapped;

    hf_random_bytes(seed->data, seed->size);
    wrapped = hf_public_key_encrypt_oaep(key, ek->name_alg, identity_label, sizeof identity_label,
                                         seed->data, seed->size, error);
    if (wrapped) {
        *ret_seed = g_steal_pointer(&seed);
    }
    return wrapped;
}

/* A seed agreed on with an ECC key: the ephemeral point is what travels. */
static GBytes *wrap_ecc(const HfPublic *ek, const HfPublicKey *key, HfSecret **ret_seed,
                        GError **error)
{
    g_autoptr(GByteArray) point = g_byte_array_new();
    g_autoptr(HfSecret) seed = hf_secret_new(hf_hash_size(ek->name_alg));
    g_autoptr(HfSecret) z = NULL;
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    g_autoptr(GBytes) ek_x = NULL;
    g_autoptr(GBytes) ek_y = NULL;

    if (!hf_public_key_agree(key, &x, &y, &z, error)) {
        return NULL;
    }
    hf_public_key_point(key, &ek_x, &ek_y);
    hf_kdf_e(ek->name_alg, z->data, z->size, identity_label, g_bytes_get_data(x, NULL),
             g_bytes_get_size(x), g_bytes_get_data(ek_x, NULL), g_bytes_get_size(ek_x), seed->data,
             seed->size);
    hf_put_tpm2b(point, g_bytes_get_data(x, NULL), g_bytes_get_size(x));
    hf_put_tpm2b(point, g_bytes_get_data(y, NULL), g_bytes_get_size(y));
    *ret_seed = g_steal_pointer(&seed);
    return g_byte_array_free_to_bytes(g_steal_pointer(&point));
}

/* integrityHMAC as TPM2B, then encIdentity. */
static GBytes *protect(const HfPublic *ek, const HfSecret *seed, const HfTpmName *object,
                       const void *secret, size_t secret_size)
{
    size_t digest_size = hf_hash_size(ek->name_alg);
    g_autoptr(HfSecret) aes = hf_secret_new(ek->symmetric.bits / 8u);
    g_autoptr(HfSecret) hmac_key = hf_secret_new(digest_size);
    g_autoptr(HfSecret) plain = hf_secret_new(2 + secret_size);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(HfHmac) hmac = NULL;
    uint8_t cipher[2 + HF_HASH_MAX];
    uint8_t mac[HF_HASH_MAX];

    hf_kdf_a(ek->name_alg, seed->data, seed->size, "STORAGE", object->data, object->size, NULL, 0,
             aes->data, aes->size);
    hf_kdf_a(ek->name_alg, seed->data, seed->size, "INTEGRITY", NULL, 0, NULL, 0, hmac_key->data,
             hmac_key->size);
    hf_store_u16(plain->data, (uint16_t)secret_size);
    memcpy(plain->data + 2, secret, secret_size);
    hf_cfb_encrypt(aes->data, aes->size, NULL, plain->data, plain->size, cipher);
    hmac = hf_hmac_new(ek->name_alg, hmac_key->data, hmac_key->size);
    hf_hmac_update(hmac, cipher, plain->size);
    hf_hmac_update(hmac, object->data, object->size);
    hf_hmac_finish(hmac, mac);
    hf_put_tpm2b(out, mac, digest_size);
    hf_put_bytes(out, cipher, plain->size);
    return g_byte_array_free_to_bytes(g_steal_pointer(&out));
}

HfCredential *hf_credential_make(const HfPublic *ek, const HfTpmName *object, const void *secret,
                                 size_t secret_size, GError **error)
{
    g_autoptr(HfCredential) credential = NULL;
    g_autoptr(HfPublicKey) key = NULL;
    g_autoptr(HfSecret) seed = NULL;

    if (!hf_public_check_ek(ek, error)) {
        return NULL;
    }
    if (secret_size == 0 || secret_size > hf_hash_size(ek->name_alg)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "credential: expected a secret of 1 to %zu bytes, found %zu",
                     hf_hash_size(ek->name_alg), secret_size);
        return NULL;
    }
    key = hf_public_key_of(ek, error);
    if (!key) {
        return NULL;
    }
    credential = g_new0(HfCredential, 1);
    credential->encrypted_secret = ek->type == TPM2_ALG_RSA ? wrap_rsa(ek, key, &seed, error)
                                                            : wrap_ecc(ek, key, &seed, error);
    if (!credential->encrypted_secret) {
        return NULL;
    }
    credential->id_object = protect(ek, seed, object, secret, secret_size);
    return g_steal_pointer(&credential);
}

void hf_credential_free(HfCredential *credential)
{
    if (credential) {
        g_clear_pointer(&credential->id_object, g_bytes_unref);
        g_clear_pointer(&credential->encrypted_secret, g_bytes_unref);
        g_free(credential);
    }
}

static void put_2b(GByteArray *w, GBytes *bytes)
{
    hf_put_tpm2b(w, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

GBytes *hf_credential_to_file(const HfCredential *credential)
{
    GByteArray *w = g_byte_array_new();

    hf_put_u32(w, FILE_MAGIC);
    hf_put_u32(w, FILE_VERSION);
    put_2b(w, credential->id_object);
    put_2b(w, credential->encrypted_secret);
    return g_byte_array_free_to_bytes(w);
}

HfCredential *hf_credential_from_file(const void *data, size_t n, GError **error)
{
    HfReader r = hf_reader(data, n);
    uint32_t magic = hf_reader_u32(&r);
    uint32_t version = hf_reader_u32(&r);
    HfReader id = hf_reader_tpm2b(&r, ID_OBJECT_MAX);
    HfReader secret = hf_reader_tpm2b(&r, HF_RSA_MAX_BYTES);
    HfCredential *credential;

    if (n >= 8 && (magic != FILE_MAGIC || version != FILE_VERSION)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "credential file: expected magic 0x%08x and version %u, found 0x%08x and %u",
                     FILE_MAGIC, FILE_VERSION, magic, version);
        return NULL;
    }
    if (!hf_reader_done(&r) || id.size == 0 || secret.size == 0) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "credential file: ends early, has an empty part or bytes after its end");
        return NULL;
    }
    credential = g_new0(HfCredential, 1);
    credential->id_object = g_bytes_new(id.data, id.size);
    credential->encrypted_secret = g_bytes_new(secret.data, secret.size);
    return credential;
}
