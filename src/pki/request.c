/*
 * request.c - PKCS#10 requests (RFC 2986).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/request.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/der.h"
#include "pki/name.h"
#include "pki/pem.h"
#include "pki/sealed.h"
#include "pki/spki.h"

#define PEM_TYPE "CERTIFICATE REQUEST"

GBytes *hf_request_new(const char *organization, const char *common_name, HfSigner *signer,
                       GError **error)
{
    g_autoptr(GBytes) subject = hf_name_new(organization, common_name, error);
    if (!subject) {
        return NULL;
    }
    GByteArray *w = g_byte_array_new();
    size_t information = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_uint(w, 0); /* v1 */
    hf_put_gbytes(w, subject);
    hf_put_gbytes(w, signer->spki);
    hf_der_put(w, HF_DER_CONTEXT_OF(0), NULL, 0); /* no attributes */
    hf_der_end(w, information);
    g_autoptr(GBytes) part = g_byte_array_free_to_bytes(w);
    return hf_builder_seal(part, signer, "the certification request", error);
}

static bool read_request(HfRequest *request, const HfSealed *sealed)
{
    HfReader copy = sealed->part;
    HfReader information = hf_der_get(&copy, HF_DER_SEQUENCE);
    uint64_t version = hf_der_uint(&information);
    HfReader subject = hf_der_whole(&information, HF_DER_SEQUENCE);
    HfReader spki = hf_der_whole(&information, HF_DER_SEQUENCE);
    (void)hf_der_get(&information, HF_DER_CONTEXT_OF(0));
    if (!hf_reader_done(&information) || version != 0) {
        return false;
    }
    request->subject = hf_der_bytes(subject);
    request->spki = hf_der_bytes(spki);
    return true;
}

static GBytes *without_armour(GBytes *data, const char *label, GError **error)
{
    if (!hf_pem_is_text(data)) {
        return g_bytes_ref(data);
    }
    g_autoptr(GPtrArray) blocks = hf_pem_read(data, PEM_TYPE, 1, label, error);
    return blocks ? g_bytes_ref(blocks->pdata[0]) : NULL;
}

HfRequest *hf_request_parse(GBytes *data, const char *label, GError **error)
{
    g_autoptr(HfRequest) request = g_new0(HfRequest, 1);
    HfSignAlgorithm algorithm = HF_SIGN_ECDSA_SHA256;
    HfSealed sealed;
    request->der = without_armour(data, label, error);
    if (!request->der) {
        return NULL;
    }
    if (hf_sealed_open(request->der, &sealed) || !read_request(request, &sealed)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s is not a valid certification request (PKCS#10)",
                     label);
        return NULL;
    }
    if (!hf_spki_algorithm(request->spki, label, &algorithm, error)) {
        return NULL;
    }
    if (!hf_sealed_algorithm(sealed.algorithm, &algorithm)) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "%s: signed with an algorithm that is not accepted (RSA or ECDSA with "
                     "SHA-256 or SHA-384 is)",
                     label);
        return NULL;
    }
    g_autoptr(GBytes) part = hf_der_bytes(sealed.part);
    g_autoptr(GBytes) signature = hf_der_bytes(sealed.signature);
    return hf_spki_verify(request->spki, algorithm, part, signature, label, error)
               ? g_steal_pointer(&request)
               : NULL;
}

void hf_request_free(HfRequest *request)
{
    if (request) {
        g_clear_pointer(&request->der, g_bytes_unref);
        g_clear_pointer(&request->subject, g_bytes_unref);
        g_clear_pointer(&request->spki, g_bytes_unref);
        g_free(request);
    }
}

char *hf_request_pem(GBytes *der)
{
    return hf_pem_write(der, PEM_TYPE);
}

char *hf_request_subject_text(const HfRequest *request)
{
    return hf_name_text(request->subject);
}
