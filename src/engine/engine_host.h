/*
 * engine_host.h - what this host's libcrypto can do, found out by doing it.
 *
 * A host in FIPS mode, or with a strict configuration of OpenSSL, refuses algorithms that libtpms
 * would use; a profile can leave them out (engine_profile.h). Each question costs up to 50 ms (an
 * RSA key is made); nothing is remembered.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_HOST_H
#define HOLDFAST_ENGINE_HOST_H

#include <stdbool.h>

typedef enum {
    HF_HOST_CAMELLIA,
    HF_HOST_TDES,
    HF_HOST_RSAES,       /* RSA-2048 encryption with the padding of PKCS #1 1.5 */
    HF_HOST_UNPADDED,    /* ... with no padding */
    HF_HOST_RSA1024,     /* RSA-1024 signatures */
    HF_HOST_P192,        /* the curve NIST P-192 */
    HF_HOST_SHA1_SIGN,   /* RSA-2048 signatures over SHA-1 */
    HF_HOST_SHA1_VERIFY, /* ... and their check */
    HF_HOST_SHA1_HMAC,
} HfHostAbility;

bool hf_host_can(HfHostAbility ability);

#endif
