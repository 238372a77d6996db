/*
 * keygen.c - libcrypto makes the RSA key and wipes what it frees.
 *
 * GnuTLS would make one as well, and leave its numbers in memory that it has freed. With keys on
 * curves it is the other way round.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "crypto/keygen.h"

#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "base/error.h"

#define PBKDF2_ROUNDS 100000
#define SALT_SIZE 16

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_SIG, X509_SIG_free)

static HfSecret *taken(unsigned char *der, int size)
{
    HfSecret *secret = size > 0 ? hf_secret_copy(der, (size_t)size) : NULL;
    if (der) {
        OPENSSL_clear_free(der, size > 0 ? (size_t)size : 0);
    }
    return secret;
}

static HfSecret *write_plain(PKCS8_PRIV_KEY_INFO *info)
{
    unsigned char *der = NULL;
    int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    return taken(der, size);
}

static HfSecret *write_encrypted(PKCS8_PRIV_KEY_INFO *info, const HfSecret *password)
{
    g_autoptr(X509_SIG) sealed =
        PKCS8_encrypt(-1, EVP_aes_256_cbc(), (const char *)password->data, (int)password->size,
                      NULL, SALT_SIZE, PBKDF2_ROUNDS, info);
    unsigned char *der = NULL;
    int size = sealed ? i2d_X509_SIG(sealed, &der) : -1;
    return taken(der, size);
}

HfSecret *hf_keygen_rsa(unsigned bits, const HfSecret *password, GError **error)
{
    g_autoptr(EVP_PKEY) key = EVP_RSA_gen(bits);
    g_autoptr(PKCS8_PRIV_KEY_INFO) info = key ? EVP_PKEY2PKCS8(key) : NULL;
    HfSecret *der = NULL;
    if (info) {
        der = password ? write_encrypted(info, password) : write_plain(info);
    }
    if (!der) {
        hf_error_set(error, HF_ERROR_FAILED, "libcrypto cannot make an RSA key of %u bits", bits);
    }
    return der;
}
