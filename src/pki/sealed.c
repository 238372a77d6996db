/*
 * sealed.c - {signed part, algorithm, signature}.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/sealed.h"

#include "pki/builder.h"

#include <string.h>

const char *hf_sealed_open(GBytes *der, HfSealed *ret_sealed)
{
    HfSealed sealed = { 0 };
    HfReader r = hf_reader_for(der);
    HfReader outer = hf_der_get(&r, HF_DER_SEQUENCE);
    if (outer.failed) {
        return "it is not a DER SEQUENCE of the size there is";
    }
    sealed.part = hf_der_whole(&outer, HF_DER_SEQUENCE);
    sealed.algorithm = hf_der_whole(&outer, HF_DER_SEQUENCE);
    sealed.signature = hf_der_get(&outer, HF_DER_BITS);
    uint8_t unused = hf_reader_u8(&sealed.signature);
    if (sealed.signature.failed || unused != 0 || !hf_reader_done(&outer)) {
        return "it is not {signed part, algorithm, signature}";
    }
    if (!hf_reader_done(&r)) {
        return "there are bytes after its end";
    }
    *ret_sealed = sealed;
    return NULL;
}

static bool same(const uint8_t *data, size_t n, HfReader found)
{
    return !found.failed && n == found.size && memcmp(data, found.data, n) == 0;
}

bool hf_sealed_algorithm(HfReader found, HfSignAlgorithm *ret_algorithm)
{
    for (unsigned i = HF_SIGN_ECDSA_SHA256; i <= HF_SIGN_RSA_SHA384; i++) {
        g_autoptr(GByteArray) expected = g_byte_array_new();
        hf_builder_put_algorithm(expected, (HfSignAlgorithm)i);
        if (same(expected->data, expected->len, found)) {
            *ret_algorithm = (HfSignAlgorithm)i;
            return true;
        }
    }
    return false;
}

bool hf_sealed_same_algorithm(const HfSealed *sealed, HfReader *tbs)
{
    HfReader inner = hf_der_whole(tbs, HF_DER_SEQUENCE);
    return same(sealed->algorithm.data, sealed->algorithm.size, inner);
}
