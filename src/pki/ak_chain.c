/*
 * ak_chain.c - AK certificate <- privacy CA, every check on its own.
 *
 * From the AK upward: the pinned CA that issued it is looked for at every step, so certificates that
 * the guest sends can only lead to one, never stand in for one.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/ak_chain.h"

#include "base/error.h"
#include "pki/oid.h"

#define LEAF_NAME "AK certificate"
#define CA_NAME "certificate of the privacy CA"

static bool is_issuer(const HfCertificate *ca, const HfCertificate *of)
{
    return g_bytes_get_size(of->issuer) > 2 && g_bytes_equal(ca->subject, of->issuer) &&
           ca->key_id && of->authority_id && g_bytes_equal(ca->key_id, of->authority_id);
}

static HfCertificate *pinned_issuer(const HfCertificate *of, GPtrArray *roots)
{
    for (unsigned i = 0; i < roots->len; i++) {
        if (is_issuer(roots->pdata[i], of)) {
            return roots->pdata[i];
        }
    }
    return NULL;
}

/* depth: CA certificates between this one and the AK's. */
static bool check_ca(const HfCertificate *c, int depth, gint64 at, GError **error)
{
    if (!hf_certificate_check_usable(c, CA_NAME, at, error)) {
        return false;
    }
    if (!c->is_ca || !c->basic_constraints_critical || !c->has_key_usage ||
        !(c->key_usage & HF_USAGE_CERTIFICATES)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " CA_NAME " is not one of a CA that may sign certificates");
    }
    if (c->path_length >= 0 && depth > c->path_length) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the path length of the " CA_NAME " is %d, but %d CAs are below it",
                            c->path_length, depth);
    }
    if (c->purposes && !hf_certificate_has_purpose(c, HF_OID_PURPOSE_AK)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " CA_NAME " may not issue for attestation keys: it lacks the "
                            "extended key usage %s",
                            HF_OID_PURPOSE_AK);
    }
    if (c->mandate || hf_certificate_is_virtual(c)) {
        return hf_error_set(
            error, HF_ERROR_POLICY,
            "the " CA_NAME " is one of an authority that makes virtual TPMs (vMA): "
            "its word for a key is an IAK certificate, below the root of its fleet");
    }
    return true;
}

static bool check_leaf(const HfCertificate *c, gint64 at, GError **error)
{
    if (!hf_certificate_check_usable(c, LEAF_NAME, at, error)) {
        return false;
    }
    if (c->is_ca || !c->has_key_usage || c->key_usage != HF_USAGE_SIGNATURE) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the key usage of the " LEAF_NAME " is not the one of a key that signs "
                            "and no more");
    }
    if (!hf_certificate_has_purpose(c, HF_OID_PURPOSE_AK)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " LEAF_NAME " lacks the extended key usage %s", HF_OID_PURPOSE_AK);
    }
    if (g_strv_length(c->purposes) != 1) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " LEAF_NAME " has further extended key usages beside %s",
                            HF_OID_PURPOSE_AK);
    }
    return true;
}

static bool unknown_root(const HfCertificate *last, GError **error)
{
    g_autofree char *name = hf_certificate_issuer_text(last);

    return hf_error_set(error, HF_ERROR_AUTH,
                        "the issuer \"%s\" of the " LEAF_NAME
                        " is not, and is not below, one of the pinned privacy CAs",
                        name);
}

/* What the certificate says of the TPM: one of our policies, or none where it is no virtual one. */
static bool read_claims(const HfCertificate *leaf, HfAkProof *proof, GError **error)
{
    proof->is_virtual = hf_certificate_rooted(leaf, &proof->rooted);
    if (!proof->is_virtual && hf_certificate_is_virtual(leaf)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " LEAF_NAME " has more than one of the policies of a virtual TPM "
                            "(hardware-rooted, software-rooted, nested)");
    }
    return true;
}

/* A pinned one, which ends the way up, or the next that was given. */
static HfCertificate *find_issuer(GPtrArray *chain, unsigned depth, const HfCertificate *below,
                                  GPtrArray *roots, HfAkProof *proof)
{
    HfCertificate *ca = pinned_issuer(below, roots);

    proof->root = ca;
    if (!ca && depth + 1 < chain->len && depth + 2 < HF_AK_CHAIN_MAX &&
        is_issuer(chain->pdata[depth + 1], below)) {
        ca = chain->pdata[depth + 1];
    }
    if (depth == 0) {
        proof->issuer = ca;
    }
    return ca;
}

bool hf_ak_chain_verify(GPtrArray *chain, GPtrArray *roots, gint64 at, HfAkProof *ret_proof,
                        GError **error)
{
    HfCertificate *leaf = chain->len > 0 ? chain->pdata[0] : NULL;
    HfCertificate *below = leaf;
    HfAkProof proof = { .leaf = leaf };

    if (!leaf) {
        return hf_error_set(error, HF_ERROR_INVALID, "there is no " LEAF_NAME);
    }
    for (unsigned depth = 0; !proof.root; depth++) {
        HfCertificate *ca = find_issuer(chain, depth, below, roots, &proof);

        if (!ca) {
            return unknown_root(below, error);
        }
        if (!hf_certificate_signed_by(below, ca, depth == 0 ? LEAF_NAME : CA_NAME, error) ||
            !check_ca(ca, (int)depth, at, error)) {
            return false;
        }
        below = ca;
    }
    if (!check_leaf(leaf, at, error) || !read_claims(leaf, &proof, error)) {
        return false;
    }
    if (ret_proof) {
        *ret_proof = proof;
    }
    return true;
}
