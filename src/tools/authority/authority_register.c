/*
 * authority_register.c - `holdfast-authority register`: a TPM's certificate that this authority has signed
 * is issued by the fleet's issuer, over a connection.
 *
 * What comes back is held against what was asked before it counts: it is for the same key, says the
 * same of the TPM, and leads to the root of this authority's own certificate.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "pki/chain.h"
#include "pki/holding.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/authority_dir.h"
#include "tools/common/ca_connection.h"
#include "tools/common/enrolment_kinds.h"

/* The EK certificate and the authority's own, DER. */
static GBytes *make_request(const HfCertificate *ek, GPtrArray *chain, const char *path,
                            GError **error)
{
    g_autoptr(HfCertificate) own =
        hf_certificate_new(g_ptr_array_index(chain, 0), "the authority's certificate", error);
    GByteArray *both;

    if (!own || !hf_certificate_signed_by(ek, own, path, error)) {
        if (own) {
            g_prefix_error(error, "not signed by this key of the authority (--key): ");
        }
        return NULL;
    }
    both = g_byte_array_new();
    hf_put_gbytes(both, ek->der);
    hf_put_gbytes(both, own->der);
    return g_byte_array_free_to_bytes(both);
}

static bool same_holding(const HfCertificate *a, const HfCertificate *b)
{
    g_autoptr(GByteArray) first = g_byte_array_new();
    g_autoptr(GByteArray) second = g_byte_array_new();

    return a->holding && b->holding && hf_holding_write(a->holding, first, NULL) &&
           hf_holding_write(b->holding, second, NULL) && first->len == second->len &&
           memcmp(first->data, second->data, first->len) == 0;
}

/* What a device identity says of its TPM; an EK certificate has nothing of it. */
static bool same_tpm(const HfCertificate *a, const HfCertificate *b)
{
    return g_strcmp0(a->tpm_serial, b->tpm_serial) == 0 && !a->bond == !b->bond &&
           (!a->bond || (g_bytes_equal(a->bond, b->bond) && g_bytes_equal(a->subject, b->subject)));
}

static bool check_answer(GPtrArray *answer, const HfCertificate *asked, GPtrArray *chain,
                         GError **error)
{
    HfChainRules rules = { .kind = HF_LEAF_EK, .at = g_get_real_time() / G_USEC_PER_SEC };
    g_autoptr(GPtrArray) roots =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    HfCertificate *root =
        hf_certificate_new(g_ptr_array_index(chain, chain->len - 1), "the authority's root", error);
    HfChainProof proof;

    if (!root) {
        return false;
    }
    g_ptr_array_add(roots, root);
    (void)hf_chain_leaf_kind(asked, &rules.kind); /* whatever it was, the answer is */
    if (!hf_chain_verify(answer, roots, &rules, &proof, error)) {
        g_prefix_error(error, "the server's answer: ");
        return false;
    }
    return (g_bytes_equal(proof.leaf->spki, asked->spki) && same_holding(proof.leaf, asked) &&
            same_tpm(proof.leaf, asked)) ||
           hf_error_set(error, HF_ERROR_AUTH,
                        "the server's answer: it is not the certificate that was asked for");
}

bool hf_authority_command_register(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "ek-certificate");
    const char *out = hf_options_string(options, "out");
    const HfKeyWish wish = hf_authority_wish(options);
    HfLeafKind kind = HF_LEAF_EK;
    g_autoptr(HfAuthorityDir) authority =
        hf_authority_open(hf_options_string(options, "dir"), NULL, &wish, error);
    GPtrArray *chain = authority ? hf_authority_chain(authority, error) : NULL;
    g_autoptr(HfCertificate) ek = chain ? hf_certificate_load(path, error) : NULL;
    g_autoptr(GBytes) request = ek ? make_request(ek, chain, path, error) : NULL;
    g_autoptr(HfCaConnection) ca = request ? hf_ca_connection_new(options, error) : NULL;
    g_autoptr(GBytes) told = ca ? hf_ca_connection_ask(ca, HF_ASK_EK, request, error) : NULL;
    g_autoptr(GPtrArray) answer =
        told ? hf_certificate_parse_bundle(told, "the server's answer", error) : NULL;

    if (!answer || !check_answer(answer, ek, chain, error) ||
        !hf_file_replace(out, g_bytes_get_data(told, NULL), g_bytes_get_size(told), 0644, error)) {
        return false;
    }
    (void)hf_chain_leaf_kind(ek, &kind);
    printf("%s: the %s, issued by the fleet\n", out, hf_chain_kind_text(kind));
    return true;
}
