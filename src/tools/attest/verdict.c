/*
 * verdict.c - the checks of `verify`, as a table.
 *
 * Order matters for what an operator reads, not for safety: all must pass. From the outside in:
 * whose key (its certificate, or the TPM's chain and a challenge), is it an AK, did it sign this, is
 * this what was asked for, and last of all what it says about the boot. The quote is read with our
 * own parser because others leave out checks (magic, selection).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/verdict.h"

#include "base/error.h"
#include "base/file.h"
#include "pki/spki.h"
#include "tools/attest/attest_input.h"
#include "tools/attest/crl_seen.h"
#include "tpm2/constants.h"
#include "tpm2/hostkey.h"

/* Is the key of the AK's certificate the AK? */
static bool check_ak_key(const HfVerdict *v, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_public_key_of(&v->ak, error);
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;

    if (!spki) {
        return false;
    }
    return g_bytes_equal(v->ak_proof.leaf->spki, spki) ||
           hf_error_set(error, HF_ERROR_AUTH,
                        "the AK certificate is for another key than the attestation key");
}

/* The AK's and those of the CAs above it, by the lists of their issuers. */
static bool check_ak_revoked(HfVerdict *v, GError **error)
{
    for (unsigned i = 0; v->crls && i < v->ak_chain->len; i++) {
        const HfCertificate *of = v->ak_chain->pdata[i];
        bool last = g_bytes_equal(of->issuer, v->ak_proof.root->subject) &&
                    g_bytes_equal(of->authority_id, v->ak_proof.root->key_id);
        const HfCertificate *issuer = last ? v->ak_proof.root : NULL;

        if (!last) {
            g_assert(i + 1 < v->ak_chain->len); /* the chain was verified */
            issuer = v->ak_chain->pdata[i + 1];
        }
        if (!hf_crl_set_check(v->crls, of, i ? "certificate of the privacy CA" : "AK certificate",
                              issuer, "certificate of the privacy CA", v->now,
                              i ? NULL : &v->ak_crl, error)) {
            return false;
        }
        if (last) {
            break;
        }
    }
    return true;
}

/* What a nested TPM rests on in the end, the chain alone can say. */
static bool check_ak_rooted(const HfVerdict *v, GError **error)
{
    const HfAkProof *ak = &v->ak_proof;

    if (ak->is_virtual && ak->rooted == HF_ROOTED_NESTED && v->nested == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the TPM is nested, its host's TPM is a virtual one, and that is not "
                            "accepted (--nested)");
    }
    if (!v->hardware_only || !ak->is_virtual || ak->rooted == HF_ROOTED_HARDWARE ||
        (ak->rooted == HF_ROOTED_NESTED && v->roots->len > 0)) {
        return true;
    }
    return hf_error_set(
        error, HF_ERROR_POLICY, "the TPM is %s, but only hardware-rooted ones are accepted%s",
        hf_rooted_text(ak->rooted),
        ak->rooted == HF_ROOTED_NESTED ? " (with --root its chain can say what it rests on)" : "");
}

static bool check_ak_certificate(HfVerdict *v, GError **error)
{
    if (!hf_ak_chain_verify(v->ak_chain, v->ca_roots, v->now, &v->ak_proof, error) ||
        !check_ak_revoked(v, error) || !check_ak_key(v, error)) {
        return false;
    }
    return check_ak_rooted(v, error);
}

static HfChainRules chain_rules(const HfVerdict *v, HfLeafKind kind)
{
    return (HfChainRules){
        .kind = kind,
        .at = v->now,
        .hardware_only = v->hardware_only,
        .nested = v->nested,
        .crls = v->crls,
    };
}

/* The word of the authority that made the key together with the TPM. */
static bool check_iak_certificate(HfVerdict *v, GError **error)
{
    HfChainRules rules = chain_rules(v, HF_LEAF_IAK);
    g_autoptr(GPtrArray) above =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);

    for (unsigned i = 1; i < v->ak_chain->len; i++) {
        g_ptr_array_add(above, hf_certificate_ref(v->ak_chain->pdata[i]));
    }
    v->chain = hf_chain_arrange(v->ak_chain->pdata[0], v->given_chain, above);
    if (!hf_chain_verify(v->chain, v->roots, &rules, &v->proof, error)) {
        return false;
    }
    v->ak_proof = (HfAkProof){ .leaf = v->proof.leaf,
                               .issuer = v->proof.vma,
                               .root = v->proof.root,
                               .is_virtual = true,
                               .rooted = v->proof.rooted };
    return check_ak_key(v, error);
}

/* Of a virtual TPM, or of a vendor's? Ours are known by our policies. */
static HfCertificate *virtual_certificate(const HfVerdict *v)
{
    g_autoptr(HfCertificate) certificate =
        hf_certificate_new(v->ek_certificate, "EK certificate", NULL);

    return certificate && hf_certificate_is_virtual(certificate) ? g_steal_pointer(&certificate)
                                                                 : NULL;
}

/* Of evidence what belongs together is picked out, the verifier's own copies before the guest's. Who
 * gives all himself gives it in order. */
static bool gather_chain(HfVerdict *v, HfCertificate *leaf, GError **error)
{
    g_autoptr(GPtrArray) above = NULL;

    if (v->certified) {
        above = v->ek_above
                    ? hf_certificate_parse_bundle(v->ek_above, "certificates above the EK's", error)
                    : NULL;
        if (v->ek_above && !above) {
            return false;
        }
        v->chain = hf_chain_arrange(leaf, v->given_chain, above);
        return true;
    }
    v->chain = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    g_ptr_array_add(v->chain, hf_certificate_ref(leaf));
    for (unsigned i = 0; i < v->given_chain->len; i++) {
        g_ptr_array_add(v->chain, hf_certificate_ref(v->given_chain->pdata[i]));
    }
    return true;
}

static bool check_virtual(HfVerdict *v, HfCertificate *leaf, GError **error)
{
    HfChainRules rules = chain_rules(v, HF_LEAF_EK);

    if (v->roots->len == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the EK certificate is one of a virtual TPM, and no root of those is "
                            "pinned (--root)");
    }
    v->ek_virtual = gather_chain(v, leaf, error) &&
                    hf_chain_verify(v->chain, v->roots, &rules, &v->proof, error);
    return v->ek_virtual;
}

static bool check_chain(HfVerdict *v, GError **error)
{
    g_autoptr(HfCertificate) leaf = NULL;

    if (!v->ek_certificate) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the evidence has no EK certificate, and a root for one is given");
    }
    leaf = virtual_certificate(v);
    if (leaf || !v->certified) {
        if (!leaf) {
            leaf = hf_certificate_new(v->ek_certificate, "EK certificate", error);
        }
        return leaf && check_virtual(v, leaf, error);
    }
    if (hf_vendor_roots_count(v->vendors) == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the EK certificate is not one of a virtual TPM, and no vendor root is "
                            "pinned (--ek-roots)");
    }
    return hf_vendor_verify(v->vendors, v->ek_certificate, v->ek_above, &v->vendor_root, error);
}

/* Without certificate and area there is nothing to say of an EK. */
static bool has_ek(const HfVerdict *v)
{
    return v->ek_certificate || v->ek_area;
}

static bool take_given_ek(HfVerdict *v, GError **error)
{
    g_autoptr(HfPublicKey) key = NULL;
    g_autoptr(GBytes) certified = NULL;

    if (!hf_public_parse(g_bytes_get_data(v->ek_area, NULL), g_bytes_get_size(v->ek_area), &v->ek,
                         error) ||
        !(key = hf_public_key_of(&v->ek, error))) {
        return false;
    }
    v->ek_spki = hf_public_key_spki(key);
    if (!v->ek_certificate) {
        return true;
    }
    certified = hf_vendor_key(v->ek_certificate, error);
    return certified &&
           (g_bytes_equal(certified, v->ek_spki) ||
            hf_error_set(error, HF_ERROR_AUTH, "it is not the key in the EK certificate"));
}

static bool check_ek(HfVerdict *v, GError **error)
{
    if (v->ek_area) {
        v->has_ek = take_given_ek(v, error) && hf_public_check_ek(&v->ek, error);
        return v->has_ek;
    }
    v->ek_spki = hf_vendor_key(v->ek_certificate, error);
    v->has_ek = v->ek_spki && hf_attest_input_ek(v->ek_spki, v->ek_path, &v->ek, error) &&
                hf_public_check_ek(&v->ek, error);
    return v->has_ek;
}

/* The privacy CA certified the AK for a TPM with this endorsement key, and of this kind. */
static bool check_bond(HfVerdict *v, GError **error)
{
    g_autoptr(GBytes) digest = hf_spki_digest(v->ek_spki);
    const HfAkProof *ak = &v->ak_proof;

    if (!ak->leaf->bond) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the AK certificate does not say in which TPM the key is");
    }
    if (!g_bytes_equal(ak->leaf->bond, digest)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "the AK certificate is for a key in another TPM than the one with this "
                            "endorsement key");
    }
    if ((v->ek_virtual && (!ak->is_virtual || ak->rooted != v->proof.rooted)) ||
        (v->vendor_root && ak->is_virtual)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the AK certificate says %s, the EK certificate %s",
                            ak->is_virtual ? hf_rooted_text(ak->rooted) : "hardware TPM",
                            v->ek_virtual ? hf_rooted_text(v->proof.rooted) : "hardware TPM");
    }
    return true;
}

static bool check_activation(HfVerdict *v, GError **error)
{
    uint8_t value[HF_CHALLENGE_SIZE];
    bool equal;

    if (v->activated->size != HF_CHALLENGE_SIZE) {
        return hf_error_set(error, HF_ERROR_AUTH, "expected %u bytes from the TPM, found %zu",
                            HF_CHALLENGE_SIZE, v->activated->size);
    }
    hf_attest_challenge_value(v->secret, v->proof.leaf, &v->ak_name, value);
    equal = hf_secret_equal(value, v->activated->data, sizeof value);
    explicit_bzero(value, sizeof value);
    if (!equal) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "the TPM's answer is not the one to this challenge for this EK and "
                            "attestation key");
    }
    return true;
}

static bool check_ak(HfVerdict *v, GError **error)
{
    return hf_public_check_ak(&v->ak, error);
}

static bool check_quote(HfVerdict *v, GError **error)
{
    return hf_attest_parse(g_bytes_get_data(v->quote, NULL), g_bytes_get_size(v->quote), &v->attest,
                           error) &&
           hf_attest_check_type(&v->attest, TPM2_ST_ATTEST_QUOTE, error);
}

static bool check_signature(HfVerdict *v, GError **error)
{
    return hf_tpm_signature_parse(g_bytes_get_data(v->signature, NULL),
                                  g_bytes_get_size(v->signature), &v->tpm_signature, error) &&
           hf_tpm_signature_verify(&v->tpm_signature, &v->ak, g_bytes_get_data(v->quote, NULL),
                                   g_bytes_get_size(v->quote), error);
}

static bool check_nonce(HfVerdict *v, GError **error)
{
    return hf_attest_check_nonce(&v->attest, g_bytes_get_data(v->nonce, NULL),
                                 g_bytes_get_size(v->nonce), error);
}

static bool check_selection(HfVerdict *v, GError **error)
{
    return hf_attest_check_selection(&v->attest, &v->selection, error);
}

/* The qualified Name in the quote is made of the AK's and of all its parents': the TPM itself says
 * under which EK the AK is, and that an IAK is under none. An AK need not be under the EK where nobody asks for it. */
static bool check_signer(HfVerdict *v, GError **error)
{
    HfTpmName expected =
        v->manufactured ? hf_guest_iak_qualified(&v->ak) : hf_guest_ak_qualified(&v->ek, &v->ak);
    g_autoptr(GError) local = NULL;

    if (v->manufactured) {
        return hf_attest_check_signer(&v->attest, &expected, error);
    }

    v->below_ek = hf_attest_check_signer(&v->attest, &expected, &local);
    if (!v->below_ek && v->signer_needed) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    return true;
}

static bool check_values(HfVerdict *v, GError **error)
{
    if (v->values_text) {
        v->values = hf_pcr_values_parse(g_bytes_get_data(v->values_text, NULL),
                                        g_bytes_get_size(v->values_text), &v->selection, error);
    }
    return v->values && hf_reference_facts_fill(&v->facts, &v->selection, v->values, NULL, error) &&
           hf_attest_check_pcrs(&v->attest, v->tpm_signature.hash, v->values, error);
}

static bool check_event_log(HfVerdict *v, GError **error)
{
    hf_reference_facts_clear(&v->facts);
    return hf_reference_facts_fill(&v->facts, &v->selection, v->values, v->event_log, error) &&
           hf_event_log_check(v->facts.replayed, &v->selection, v->values, error);
}

static bool check_reference(HfVerdict *v, GError **error)
{
    g_autofree char *first = NULL;

    v->boot = hf_reference_match(v->reference, &v->facts, &v->nearest, &v->differences);
    if (v->boot) {
        return true;
    }
    first = g_strdup(v->differences->pdata[0]);
    if (v->differences->len > 1) {
        return hf_error_set(error, HF_ERROR_POLICY, "not as \"%s\": %s, and %u more", v->nearest,
                            first, v->differences->len - 1);
    }
    return hf_error_set(error, HF_ERROR_POLICY, "not as \"%s\": %s", v->nearest, first);
}

static bool is_certified(const HfVerdict *v)
{
    return v->certified && !v->manufactured;
}

static bool is_manufactured(const HfVerdict *v)
{
    return v->manufactured;
}

static bool is_challenged(const HfVerdict *v)
{
    return !v->certified;
}

static bool wants_chain(const HfVerdict *v)
{
    return !v->manufactured &&
           (!v->certified || v->roots->len > 0 || hf_vendor_roots_count(v->vendors) > 0);
}

static bool wants_bond(const HfVerdict *v)
{
    return v->certified && v->has_ek;
}

static bool wants_signer(const HfVerdict *v)
{
    return v->has_ek || v->manufactured;
}

static bool has_values(const HfVerdict *v)
{
    return v->values || v->values_text;
}

static bool has_log(const HfVerdict *v)
{
    return v->values && v->event_log;
}

static bool has_reference(const HfVerdict *v)
{
    return v->reference != NULL;
}

typedef struct {
    const char *name;
    bool (*applies)(const HfVerdict *v); /* NULL: always */
    bool (*run)(HfVerdict *v, GError **error);
} Check;

static const Check checks[] = {
    { "AK certificate", is_certified, check_ak_certificate },
    { "IAK certificate", is_manufactured, check_iak_certificate },
    { "EK certificate chain", wants_chain, check_chain },
    { "endorsement key", has_ek, check_ek },
    { "bond", wants_bond, check_bond },
    { "credential activation", is_challenged, check_activation },
    { "attestation key", NULL, check_ak },
    { "quote", NULL, check_quote },
    { "signature", NULL, check_signature },
    { "nonce", NULL, check_nonce },
    { "PCR selection", NULL, check_selection },
    { "signer", wants_signer, check_signer },
    { "PCR values", has_values, check_values },
    { "event log", has_log, check_event_log },
    { "reference values", has_reference, check_reference },
};
G_STATIC_ASSERT(G_N_ELEMENTS(checks) <= HF_VERDICT_CHECKS_MAX);

/* A signer that need not be the EK's child has not passed where it is none. */
static bool tells(const HfVerdict *v, const Check *check)
{
    return check->run != check_signer || v->below_ek || v->manufactured;
}

static bool write_reference(const HfVerdict *v, GError **error)
{
    g_autofree char *text = NULL;

    if (!v->reference_out) {
        return true;
    }
    text = hf_reference_write(&v->facts, "boot");
    return hf_file_replace(v->reference_out, text, strlen(text), 0644, error);
}

/* A genuine list is remembered whatever came of it: above all when it says that somebody is revoked. */
static bool remember_crls(const HfVerdict *v, GError **error)
{
    return !v->crls || !v->crl_seen || hf_crl_seen_save(v->crl_seen, v->crls, error);
}

static HfVerdictOutcome run_checks(HfVerdict *verdict, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(checks); i++) {
        const Check *check = &checks[i];

        if (check->applies && !check->applies(verdict)) {
            continue;
        }
        if (!check->run(verdict, error)) {
            verdict->failed = check->name;
            g_prefix_error(error, "check \"%s\" failed: ", check->name);
            return check->run == check_reference ? HF_VERDICT_OTHER : HF_VERDICT_REFUSED;
        }
        if (tells(verdict, check)) {
            verdict->passed[verdict->passed_count++] = check->name;
        }
    }
    return HF_VERDICT_GOOD;
}

HfVerdictOutcome hf_verdict_reach(HfVerdict *verdict, GError **error)
{
    HfVerdictOutcome outcome;

    verdict->ak_name = hf_public_name(&verdict->ak);
    verdict->passed_count = 0;
    outcome = run_checks(verdict, error);
    if (outcome == HF_VERDICT_REFUSED) {
        (void)remember_crls(verdict, NULL);
        return outcome;
    }
    if (outcome == HF_VERDICT_OTHER) {
        return remember_crls(verdict, NULL) ? outcome : HF_VERDICT_REFUSED;
    }
    return remember_crls(verdict, error) && write_reference(verdict, error) ? outcome
                                                                            : HF_VERDICT_REFUSED;
}
