/*
 * nvindex.c - TPMS_NV_PUBLIC in and out.
 *
 * As strict as public.c: a reader that stops at the first field Part 2 does not allow.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/nvindex.h"

#include <string.h>

#include "base/error.h"

#define NV_INDEX_FIRST 0x01000000u
#define NV_INDEX_LAST 0x01ffffffu

bool hf_nv_public_parse(const void *data, size_t n, HfNvPublic *ret_public, GError **error)
{
    HfReader r = hf_reader(data, n);
    HfNvPublic pub = { 0 };
    HfReader policy;

    pub.index = hf_reader_u32(&r);
    pub.name_alg = hf_reader_u16(&r);
    pub.attributes = hf_reader_u32(&r);
    policy = hf_reader_tpm2b(&r, HF_HASH_MAX);
    pub.size = hf_reader_u16(&r);
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "NV public area: ends early or bytes follow its end");
    }
    if (pub.index < NV_INDEX_FIRST || pub.index > NV_INDEX_LAST) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "NV public area: index: expected 0x01xxxxxx, found 0x%08x", pub.index);
    }
    if (hf_hash_size(pub.name_alg) == 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "NV public area: nameAlg: expected SHA-1 or SHA-2, found 0x%04x",
                            pub.name_alg);
    }
    if (policy.size != 0 && policy.size != hf_hash_size(pub.name_alg)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "NV public area: authPolicy: expected 0 or %zu bytes, found %zu",
                            hf_hash_size(pub.name_alg), policy.size);
    }
    pub.policy_size = (uint16_t)policy.size;
    if (policy.size > 0) {
        memcpy(pub.policy, policy.data, policy.size);
    }
    *ret_public = pub;
    return true;
}

void hf_nv_public_write(const HfNvPublic *pub, GByteArray *w)
{
    hf_put_u32(w, pub->index);
    hf_put_u16(w, pub->name_alg);
    hf_put_u32(w, pub->attributes);
    hf_put_tpm2b(w, pub->policy, pub->policy_size);
    hf_put_u16(w, pub->size);
}

HfTpmName hf_nv_public_name(const HfNvPublic *pub)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    HfTpmName name = { .size = (uint16_t)(2 + hf_hash_size(pub->name_alg)) };

    hf_nv_public_write(pub, w);
    hf_store_u16(name.data, pub->name_alg);
    hf_hash_once(pub->name_alg, w->data, w->len, name.data + 2);
    return name;
}
