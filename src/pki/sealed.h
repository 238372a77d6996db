/*
 * sealed.h - what is signed in X.509 and PKCS#10, taken apart: SEQUENCE { signed part,
 * AlgorithmIdentifier, BIT STRING }; private to pki.
 *
 * The counterpart of hf_builder_seal. Nothing is verified here: certificate.c, request.c and crl.c
 * read the signed part and then ask spki.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SEALED_H
#define HOLDFAST_PKI_SEALED_H

#include "pki/der.h"
#include "pki/signer.h"

/* All borrowed from the DER. */
typedef struct {
    HfReader part;      /* with its tag and length: what was signed */
    HfReader algorithm; /* with its tag and length */
    HfReader signature; /* the octets of the bit string */
} HfSealed;

/* Returns what is wrong, or NULL. Nothing may follow the structure. */
const char *hf_sealed_open(GBytes *der, HfSealed *ret_sealed);

/* Which of our algorithms an AlgorithmIdentifier is, byte for byte; false: none of them. */
bool hf_sealed_algorithm(HfReader found, HfSignAlgorithm *ret_algorithm);

/* Takes the signed part's own AlgorithmIdentifier, which must be the outer one byte for byte. */
bool hf_sealed_same_algorithm(const HfSealed *sealed, HfReader *tbs);

#endif
