/*
 * pubkey_private.h - the inside of HfPublicKey, for the files of src/crypto only.
 *
 * Shared by pubkey.c (keys in, facts out) and pubkey_use.c (what is done with a key).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_PUBKEY_PRIVATE_H
#define HOLDFAST_CRYPTO_PUBKEY_PRIVATE_H

#include <openssl/evp.h>

#include "crypto/pubkey.h"

struct HfPublicKey {
    EVP_PKEY *pkey;
    HfKeyKind kind;
    unsigned bits;
    uint16_t curve; /* 0 for RSA */
};

#endif
