/*
 * engine_host.c - tries what libcrypto can do.
 *
 * Through the interfaces that honour the configuration of OpenSSL (EVP), as libtpms itself does for
 * most of its work. A refusal for whatever reason counts as "cannot".
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "engine/engine_host.h"

#include <glib.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stddef.h>

#define SIZE_MAX_RSA 256u

static bool has_cipher(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_free(cipher);
    return cipher != NULL;
}

static bool encrypts(int padding)
{
    static const unsigned char input[SIZE_MAX_RSA] = { 0 };
    unsigned char output[SIZE_MAX_RSA];
    size_t size = sizeof(output);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_PKEY_CTX *context = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool done = context && EVP_PKEY_encrypt_init(context) > 0 &&
                EVP_PKEY_CTX_set_rsa_padding(context, padding) > 0 &&
                EVP_PKEY_encrypt(context, output, &size, input,
                                 padding == RSA_NO_PADDING ? sizeof(input) : 1) > 0;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(key);
    return done;
}

static bool signs(unsigned bits, const char *digest)
{
    static const unsigned char input[] = "signed";
    unsigned char output[SIZE_MAX_RSA];
    size_t size = sizeof(output);
    EVP_PKEY *key = EVP_RSA_gen(bits);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = key && context &&
                EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, key, NULL) > 0 &&
                EVP_DigestSign(context, output, &size, input, sizeof(input)) > 0;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return done;
}

/* Whether a check may begin: what is checked does not matter. */
static bool verifies_sha1(void)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done =
        key && context && EVP_DigestVerifyInit_ex(context, NULL, "SHA1", NULL, NULL, key, NULL) > 0;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return done;
}

static bool has_p192(void)
{
    EVP_PKEY *key = EVP_EC_gen("prime192v1");
    EVP_PKEY_free(key);
    return key != NULL;
}

static bool hmacs_sha1(void)
{
    static const unsigned char input[32] = { 0 };
    unsigned char output[EVP_MAX_MD_SIZE];
    size_t size = 0;
    return EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, input, sizeof(input), input, sizeof(input),
                     output, sizeof(output), &size) != NULL;
}

bool hf_host_can(HfHostAbility ability)
{
    switch (ability) {
    case HF_HOST_CAMELLIA: return has_cipher("CAMELLIA-128-CFB");
    case HF_HOST_TDES: return has_cipher("DES-EDE3-CBC");
    case HF_HOST_RSAES: return encrypts(RSA_PKCS1_PADDING);
    case HF_HOST_UNPADDED: return encrypts(RSA_NO_PADDING);
    case HF_HOST_RSA1024: return signs(1024, "SHA256");
    case HF_HOST_P192: return has_p192();
    case HF_HOST_SHA1_SIGN: return signs(2048, "SHA1");
    case HF_HOST_SHA1_VERIFY: return verifies_sha1();
    case HF_HOST_SHA1_HMAC: return hmacs_sha1();
    default: g_assert_not_reached();
    }
}
