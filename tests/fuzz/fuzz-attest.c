/*
 * fuzz-attest.c - what a TPM signed: attestation, signature, creation data, Names; and the verifier
 * over the two halves of an input "attestation, signature" (u16 size before each).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "tpm2/attest.h"
#include "tpm2/hostkey.h"

static void parse(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfAttest attest;
    HfTpmSignature signature;
    HfCreationData creation;
    HfTpmName name;
    HfReader r = hf_reader(data, size);
    fuzz_told(hf_attest_parse(data, size, &attest, &error), &error);
    fuzz_told(hf_creation_data_parse(data, size, &creation, &error), &error);
    fuzz_told(hf_tpm_name_read(&r, "name", &name, &error), &error);
    bool ok = hf_tpm_signature_parse(data, size, &signature, &error);
    fuzz_told(ok, &error);
    if (ok) {
        g_autoptr(GBytes) der = hf_tpm_signature_der(&signature);
        g_assert_nonnull(der);
    }
}

/* The generator of P-256 as an attestation key: a valid point whose private key signs nothing. */
static void make_key(HfPublic *key)
{
    static const char x[] = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    static const char y[] = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    g_autoptr(GBytes) px = hf_hex_parse(x, "x", NULL);
    g_autoptr(GBytes) py = hf_hex_parse(y, "y", NULL);
    hf_host_ak_template(key);
    key->unique_size = key->y_size = 32;
    memcpy(key->unique, g_bytes_get_data(px, NULL), 32);
    memcpy(key->y, g_bytes_get_data(py, NULL), 32);
}

static void verify(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfPublic key;
    HfPcrSelection selection;
    HfReader r = hf_reader(data, size);
    HfReader attest = hf_reader_tpm2b(&r, HF_ATTEST_MAX);
    HfReader signature = hf_reader_tpm2b(&r, HF_ATTEST_MAX);
    if (!hf_reader_done(&r)) {
        return;
    }
    make_key(&key);
    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &selection, NULL));
    HfAttestExpected expected = {
        .key = &key, .nonce = "nonce", .nonce_size = 5, .selection = &selection
    };
    fuzz_told(hf_attest_verify_quote(attest.data, attest.size, signature.data, signature.size,
                                     &expected, NULL, &error),
              &error);
    fuzz_told(hf_attest_verify_certify(attest.data, attest.size, signature.data, signature.size,
                                       &expected, &key, NULL, &error),
              &error);
    fuzz_told(hf_attest_verify_creation(attest.data, attest.size, signature.data, signature.size,
                                        &expected, &key, data, MIN(size, 64), "nonce", 5, &error),
              &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    verify(data, size);
    return 0;
}
