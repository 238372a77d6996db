/*
 * fuzz-certificate.c - certificates: a bundle as it comes from a file or a TPM's NV, and a chain
 * whose last certificate is the one that is trusted.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "pki/chain.h"

static void look(const HfCertificate *certificate)
{
    HfRooted rooted;
    GError *error = NULL;
    g_autofree char *subject = hf_certificate_subject_text(certificate);
    g_autofree char *issuer = hf_certificate_issuer_text(certificate);
    g_autofree char *fingerprint = hf_certificate_fingerprint(certificate);
    g_autofree char *pem = hf_certificate_pem(certificate);
    g_assert_true(subject && issuer && fingerprint && pem);
    g_assert_true(g_utf8_validate(subject, -1, NULL) && g_utf8_validate(issuer, -1, NULL));
    (void)hf_certificate_rooted(certificate, &rooted);
    (void)hf_certificate_has_policy(certificate, "2.23.133.8.1");
    (void)hf_certificate_has_purpose(certificate, "2.23.133.8.1");
    g_autoptr(HfCertificate) again = hf_certificate_new(certificate->der, "again", &error);
    g_assert_no_error(error);
    fuzz_told(hf_certificate_signed_by(certificate, certificate, "input", &error), &error);
}

static void verify(GPtrArray *chain)
{
    g_autoptr(GPtrArray) roots = g_ptr_array_new();
    g_ptr_array_add(roots, chain->pdata[chain->len - 1]);
    for (int kind = HF_LEAF_EK; kind <= HF_LEAF_IDEVID; kind++) {
        GError *error = NULL;
        HfChainProof proof = { 0 };
        const HfCertificate *leaf = chain->pdata[0];
        HfChainRules rules = {
            .kind = (HfLeafKind)kind,
            .at = leaf->not_before,
            .nested = HF_NESTED_MAX,
        };
        bool ok = hf_chain_verify(chain, roots, &rules, &proof, &error);
        g_assert_true(!ok || proof.leaf == leaf);
        g_assert_true(!ok || proof.base != HF_ROOTED_NESTED);
        fuzz_told(ok, &error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfCertificate) one = hf_certificate_new(bytes, "input", &error);
    fuzz_told(one != NULL, &error);
    g_autoptr(GPtrArray) bundle = hf_certificate_parse_bundle(bytes, "input", &error);
    fuzz_told(bundle != NULL, &error);
    if (bundle) {
        g_assert_cmpuint(bundle->len, >, 0);
        g_assert_cmpuint(bundle->len, <=, HF_CERTIFICATE_BUNDLE_MAX);
        for (unsigned i = 0; i < bundle->len; i++) {
            look(bundle->pdata[i]);
        }
        verify(bundle);
        g_autoptr(GPtrArray) arranged = hf_chain_arrange(bundle->pdata[0], NULL, bundle);
        g_assert_true(arranged->pdata[0] == bundle->pdata[0]);
        verify(arranged);
    }
    return 0;
}
