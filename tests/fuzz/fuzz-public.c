/*
 * fuzz-public.c - public areas of keys and NV indices, and a credential for each key that may have
 * one. What was read is written the same again, for the Name is a digest over it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "tpm2/credential.h"
#include "tpm2/nvindex.h"

static void key(const HfPublic *pub)
{
    GError *error = NULL;
    HfTpmName name = hf_public_name(pub);
    g_autofree char *attributes = hf_public_attributes_text(pub->attributes);
    g_autoptr(HfPublicKey) public = hf_public_key_of(pub, &error);
    g_assert_nonnull(attributes);
    fuzz_told(public != NULL, &error);
    fuzz_told(hf_public_check_ak(pub, &error), &error);
    fuzz_told(hf_public_check_ek(pub, &error), &error);
    g_autoptr(HfCredential) credential = hf_credential_make(pub, &name, "secret", 6, &error);
    fuzz_told(credential != NULL, &error);
}

static void object(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfPublic pub;
    bool ok = hf_public_parse(data, size, &pub, &error);
    fuzz_told(ok, &error);
    if (ok) {
        g_autoptr(GByteArray) bare = g_byte_array_new();
        g_autoptr(GByteArray) sized = g_byte_array_new();
        hf_public_write(&pub, bare);
        hf_public_write_2b(&pub, sized);
        g_assert_true((bare->len == size && memcmp(bare->data, data, size) == 0) ||
                      (sized->len == size && memcmp(sized->data, data, size) == 0));
        key(&pub);
    }
}

static void index_of(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfNvPublic nv;
    bool ok = hf_nv_public_parse(data, size, &nv, &error);
    fuzz_told(ok, &error);
    if (ok) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        hf_nv_public_write(&nv, out);
        g_assert_cmpmem(out->data, out->len, data, size);
        g_assert_cmpuint(hf_nv_public_name(&nv).size, >, 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    object(data, size);
    index_of(data, size);
    return 0;
}
