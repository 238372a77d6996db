/*
 * crl_issue.c - revocation lists, made and signed.
 *
 * As with certificates, what the signer answers is not believed: the list is parsed again and
 * verified before anybody sees it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/crl.h"

#include "base/error.h"
#include "pki/builder.h"
#include "pki/extension.h"
#include "pki/oid.h"

static void put_extension(GByteArray *w, const char *oid, GByteArray *value)
{
    size_t extension = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_oid(w, oid);
    hf_der_put(w, HF_DER_OCTETS, value->data, value->len);
    hf_der_end(w, extension);
    g_byte_array_unref(value);
}

static void put_entry(GByteArray *w, const HfCrlEntry *entry)
{
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_number(w, entry->serial, entry->size);
    hf_der_put_time(w, entry->when);
    if (entry->reason != HF_CRL_UNSPECIFIED) { /* RFC 5280: then it should be absent */
        size_t extensions = hf_der_begin(w, HF_DER_SEQUENCE);
        GByteArray *value = g_byte_array_new();
        uint8_t reason = (uint8_t)entry->reason;
        hf_der_put(value, HF_DER_ENUMERATED, &reason, 1);
        put_extension(w, HF_OID_CRL_REASON, value);
        hf_der_end(w, extensions);
    }
    hf_der_end(w, sequence);
}

static GBytes *write_tbs(const HfCrlInput *in, HfSignAlgorithm algorithm,
                         const HfCertificate *issuer)
{
    GByteArray *w = g_byte_array_new();
    size_t tbs = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_uint(w, 1); /* v2 */
    hf_builder_put_algorithm(w, algorithm);
    hf_put_gbytes(w, issuer->subject);
    hf_der_put_time(w, in->this_update);
    hf_der_put_time(w, in->next_update);
    if (in->entries->len > 0) { /* absent when nothing is revoked */
        size_t entries = hf_der_begin(w, HF_DER_SEQUENCE);
        for (unsigned i = 0; i < in->entries->len; i++) {
            put_entry(w, &g_array_index(in->entries, HfCrlEntry, i));
        }
        hf_der_end(w, entries);
    }
    size_t tagged = hf_der_begin(w, HF_DER_CONTEXT_OF(0));
    size_t extensions = hf_der_begin(w, HF_DER_SEQUENCE);
    put_extension(w, HF_OID_AUTHORITY_KEY_ID, hf_extension_authority_id(issuer->key_id));
    GByteArray *number = g_byte_array_new();
    hf_der_put_uint(number, in->number);
    put_extension(w, HF_OID_CRL_NUMBER, number);
    hf_der_end(w, extensions);
    hf_der_end(w, tagged);
    hf_der_end(w, tbs);
    return g_byte_array_free_to_bytes(w);
}

static bool check_input(const HfCrlInput *in, const HfSigner *signer, const HfCertificate *issuer,
                        GError **error)
{
    if (!g_bytes_equal(signer->spki, issuer->spki)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "the signing key is not the one in the issuer's certificate");
    }
    if (!issuer->is_ca || !(issuer->key_usage & HF_USAGE_CRL) || !issuer->key_id) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the issuer's certificate does not allow to sign revocation lists");
    }
    if (in->this_update < issuer->not_before || in->this_update > issuer->not_after) {
        return hf_error_set(error, HF_ERROR_POLICY, "the issuer's certificate %s",
                            in->this_update < issuer->not_before ? "is not valid yet"
                                                                 : "has expired");
    }
    if (in->next_update <= in->this_update || in->next_update > HF_DER_TIME_NEVER) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the next revocation list must come after this one");
    }
    return hf_crl_sort(in->entries) ||
           hf_error_set(error, HF_ERROR_INVALID, "a serial number is to be revoked twice");
}

HfCrl *hf_crl_issue(const HfCrlInput *in, HfSigner *signer, const HfCertificate *issuer,
                    GError **error)
{
    if (!check_input(in, signer, issuer, error)) {
        return NULL;
    }
    g_autoptr(GBytes) tbs = write_tbs(in, signer->algorithm, issuer);
    g_autoptr(GBytes) der = hf_builder_seal(tbs, signer, "the revocation list", error);
    return der ? hf_crl_new(der, "the new revocation list", error) : NULL;
}
