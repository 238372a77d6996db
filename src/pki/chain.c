/*
 * chain.c - leaf <- vMA <- root, every check on its own; and so on outward where they are nested.
 *
 * The order: who issued whom, then signatures, then what each certificate may do. So nothing is
 * believed of a certificate (its policies, its extension) before its signature was checked, and
 * nothing of a host before it is known to be the one that the level below names.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/chain.h"

#include "base/error.h"
#include "pki/oid.h"
#include "pki/spki.h"

#include <string.h>

typedef struct {
    const HfChainRules *rules;
    HfCertificate *leaf;
    HfCertificate *vma;
    HfCertificate *root;
    const char *leaf_name; /* "EK certificate", for messages */
    HfRooted rooted;
    const HfCrl *crl;
    unsigned level; /* 0: the TPM itself, 1: its host's, ... */
} Chain;

#define VMA_NAME "vMA certificate"
#define ROOT_NAME "root certificate"

static bool check_ek_names(const Chain *c, GError **error);
static bool check_platform_names(const Chain *c, GError **error);
static bool check_identity_names(const Chain *c, GError **error);

/* What each kind of leaf is called, is for, and how it names its TPM. */
static const struct {
    const char *name;
    const char *purpose;
    bool (*check_names)(const Chain *c, GError **error);
    bool only_signs;
} leaf_kinds[] = {
    [HF_LEAF_EK] = { "EK certificate", HF_OID_PURPOSE_EK, check_ek_names, false },
    [HF_LEAF_PLATFORM] = { "platform certificate", HF_OID_PURPOSE_PLATFORM, check_platform_names,
                           false },
    [HF_LEAF_IAK] = { "IAK certificate", HF_OID_PURPOSE_AK, check_identity_names, true },
    [HF_LEAF_IDEVID] = { "IDevID certificate", HF_OID_PURPOSE_IDENTITY, check_identity_names,
                         true },
};

bool hf_chain_leaf_kind(const HfCertificate *leaf, HfLeafKind *ret_kind)
{
    for (size_t i = 0; leaf->purposes && i < G_N_ELEMENTS(leaf_kinds); i++) {
        if (g_strv_length(leaf->purposes) == 1 &&
            strcmp(leaf->purposes[0], leaf_kinds[i].purpose) == 0) {
            *ret_kind = (HfLeafKind)i;
            return true;
        }
    }
    return false;
}

const char *hf_chain_kind_text(HfLeafKind kind)
{
    return leaf_kinds[kind].name;
}

static bool is_empty_name(GBytes *name)
{
    return g_bytes_get_size(name) == 2;
}

/* Who issued whom, by name. */
static bool check_order(const Chain *c, GError **error)
{
    if (g_bytes_equal(c->vma->subject, c->vma->issuer)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "there is no " VMA_NAME " between the %s and the root", c->leaf_name);
    }
    if (is_empty_name(c->leaf->issuer) || !g_bytes_equal(c->leaf->issuer, c->vma->subject)) {
        g_autofree char *issuer = hf_certificate_issuer_text(c->leaf);
        g_autofree char *found = hf_certificate_subject_text(c->vma);
        return hf_error_set(error, HF_ERROR_AUTH,
                            "the issuer of the %s is \"%s\", but the next certificate is the one "
                            "of \"%s\"",
                            c->leaf_name, issuer, found);
    }
    return true;
}

/* The trusted root that issued the vMA certificate; `given` is the chain's own third, or NULL. */
static HfCertificate *find_root(const HfCertificate *vma, const HfCertificate *given,
                                GPtrArray *roots, GError **error)
{
    for (unsigned i = 0; i < roots->len; i++) {
        HfCertificate *root = roots->pdata[i];
        bool is_issuer = g_bytes_equal(root->subject, vma->issuer) && root->key_id &&
                         vma->authority_id && g_bytes_equal(root->key_id, vma->authority_id);
        if (given ? g_bytes_equal(given->der, root->der) : is_issuer) {
            return root;
        }
    }
    g_autofree char *name =
        given ? hf_certificate_subject_text(given) : hf_certificate_issuer_text(vma);
    hf_error_set(error, HF_ERROR_AUTH,
                 given ? "the root \"%s\" at the end of the chain is not one of the trusted roots"
                       : "the issuer \"%s\" of the " VMA_NAME " is not one of the trusted roots",
                 name);
    return NULL;
}

/* Name, key identifier and signature of one step. */
static bool check_step(const HfCertificate *c, const char *name, const HfCertificate *issuer,
                       const char *issuer_name, GError **error)
{
    if (!g_bytes_equal(c->issuer, issuer->subject)) {
        return hf_error_set(error, HF_ERROR_AUTH, "the %s was not issued by the %s that was given",
                            name, issuer_name);
    }
    if (!c->authority_id || !issuer->key_id) {
        return hf_error_set(error, HF_ERROR_INVALID, "the %s has no key identifier%s",
                            c->authority_id ? issuer_name : name,
                            c->authority_id ? "" : " of its issuer");
    }
    if (!g_bytes_equal(c->authority_id, issuer->key_id)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "the issuer's key identifier in the %s is not the one of the %s", name,
                            issuer_name);
    }
    return hf_certificate_signed_by(c, issuer, name, error);
}

/* Asked of both CAs. */
static bool check_ca(const HfCertificate *c, const char *name, GError **error)
{
    if (!c->is_ca || !c->basic_constraints_critical) {
        return hf_error_set(error, HF_ERROR_POLICY, "the %s is not one of a CA%s", name,
                            c->is_ca ? ": its basic constraints are not critical" : "");
    }
    if (!c->has_key_usage || !(c->key_usage & HF_USAGE_CERTIFICATES)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the key usage of the %s does not allow to sign certificates", name);
    }
    return true;
}

bool hf_chain_check_root(const HfCertificate *root, gint64 at, GError **error)
{
    if (!hf_certificate_check_usable(root, ROOT_NAME, at, error) ||
        !check_ca(root, ROOT_NAME, error)) {
        return false;
    }
    if (root->path_length == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the path length of the " ROOT_NAME " allows no CA below it");
    }
    return true;
}

static bool check_root(const Chain *c, GError **error)
{
    return hf_chain_check_root(c->root, c->rules->at, error);
}

/* Before what the vMA certificate says of itself: "revoked" is the answer also when it expired. */
static bool check_revoked(Chain *c, GError **error)
{
    return !c->rules->crls || hf_crl_set_check(c->rules->crls, c->vma, VMA_NAME, c->root, ROOT_NAME,
                                               c->rules->at, &c->crl, error);
}

static bool check_vma(const Chain *c, GError **error)
{
    const char *purposes[] = { HF_OID_PURPOSE_EK, leaf_kinds[c->rules->kind].purpose };
    if (!hf_certificate_check_usable(c->vma, VMA_NAME, c->rules->at, error) ||
        !check_ca(c->vma, VMA_NAME, error)) {
        return false;
    }
    if (c->vma->path_length != 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the path length of the " VMA_NAME
                            " is not 0: it could have CAs below it");
    }
    if (!c->vma->key_usage_critical) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the key usage of the " VMA_NAME " is not critical");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(purposes); i++) {
        if (!hf_certificate_has_purpose(c->vma, purposes[i])) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "the " VMA_NAME " lacks the extended key usage %s", purposes[i]);
        }
    }
    return true;
}

/* What the key may do must fit the kind of key; nothing of a CA's. */
static bool check_leaf_usage(const Chain *c, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_spki_key(c->leaf->spki, c->leaf_name, error);
    if (!key) {
        return false;
    }
    unsigned other =
        hf_public_key_kind(key) == HF_KEY_RSA ? HF_USAGE_KEY_ENCIPHERMENT : HF_USAGE_KEY_AGREEMENT;
    unsigned allowed = HF_USAGE_SIGNATURE | (leaf_kinds[c->rules->kind].only_signs ? 0 : other);
    if (!c->leaf->has_key_usage || !c->leaf->key_usage_critical || c->leaf->key_usage == 0 ||
        (c->leaf->key_usage & ~allowed)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the key usage of the %s is not the one of a TPM's key", c->leaf_name);
    }
    if (!hf_certificate_has_purpose(c->leaf, leaf_kinds[c->rules->kind].purpose)) {
        return hf_error_set(error, HF_ERROR_POLICY, "the %s lacks the extended key usage %s",
                            c->leaf_name, leaf_kinds[c->rules->kind].purpose);
    }
    if (g_strv_length(c->leaf->purposes) != 1) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the %s has further extended key usages beside %s", c->leaf_name,
                            leaf_kinds[c->rules->kind].purpose);
    }
    return true;
}

static bool check_ek_names(const Chain *c, GError **error)
{
    const HfCertificate *leaf = c->leaf;
    HfRooted rooted = HF_ROOTED_HARDWARE;
    /* swtpm has the machine's name there, and so has a CA that stands in for swtpm's. */
    bool may_have_name = hf_certificate_rooted(leaf, &rooted) && rooted == HF_ROOTED_SOFTWARE;
    if (!may_have_name && !is_empty_name(leaf->subject)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the subject of the EK certificate is not "
                            "empty");
    }
    if (!leaf->has_alt_name || !leaf->alt_name_critical) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the EK certificate has no critical subject alternative name");
    }
    if (leaf->alt_name_foreign || !leaf->tpm_manufacturer || !leaf->tpm_model ||
        !leaf->tpm_version || leaf->platform_manufacturer || leaf->platform_model ||
        leaf->platform_version) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the subject alternative name of the EK certificate is not TPM "
                            "manufacturer, model and version alone");
    }
    if (!leaf->spec_family) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the EK certificate does not name the TPM specification");
    }
    return true;
}

static bool check_platform_names(const Chain *c, GError **error)
{
    const HfCertificate *leaf = c->leaf;
    if (is_empty_name(leaf->subject)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the subject of the platform certificate is empty");
    }
    if (leaf->alt_name_foreign || !leaf->platform_manufacturer || !leaf->platform_model ||
        !leaf->platform_version) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the subject alternative name of the platform certificate is not "
                            "platform manufacturer, model and version");
    }
    return true;
}

static bool check_identity_names(const Chain *c, GError **error)
{
    const HfCertificate *leaf = c->leaf;
    if (is_empty_name(leaf->subject)) {
        return hf_error_set(error, HF_ERROR_INVALID, "the subject of the %s is empty",
                            c->leaf_name);
    }
    if (!leaf->tpm_serial || leaf->alt_name_foreign) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the subject alternative name of the %s is not the serial number of "
                            "a TPM (hardwareModuleName)",
                            c->leaf_name);
    }
    return leaf->bond ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "the %s does not say of which endorsement key's TPM it is", c->leaf_name);
}

static bool check_leaf(const Chain *c, GError **error)
{
    const HfCertificate *leaf = c->leaf;
    if (!hf_certificate_check_usable(leaf, c->leaf_name, c->rules->at, error)) {
        return false;
    }
    if (!leaf->has_basic_constraints || !leaf->basic_constraints_critical) {
        return hf_error_set(error, HF_ERROR_INVALID, "the %s has no critical basic constraints",
                            c->leaf_name);
    }
    if (leaf->authority_has_more) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the %s names its issuer by more than the key identifier",
                            c->leaf_name);
    }
    return check_leaf_usage(c, error) && leaf_kinds[c->rules->kind].check_names(c, error);
}

static bool check_policy(const Chain *c, const char *oid, GError **error)
{
    const HfCertificate *both[] = { c->leaf, c->vma };
    for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
        if (!hf_certificate_has_policy(both[i], oid)) {
            return hf_error_set(error, HF_ERROR_POLICY, "the %s lacks the policy %s",
                                i == 0 ? c->leaf_name : VMA_NAME, oid);
        }
    }
    return true;
}

static bool check_depth(const Chain *c, GError **error)
{
    unsigned allowed = MIN(c->rules->nested, HF_NESTED_MAX);
    if (c->rooted != HF_ROOTED_NESTED || c->level < allowed) {
        return true;
    }
    if (allowed == 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the TPM is nested, its host's TPM is a virtual one, and that is not "
                            "accepted%s",
                            c->rules->hardware_only ? ": only hardware-rooted ones are accepted"
                                                    : "");
    }
    return hf_error_set(error, HF_ERROR_POLICY,
                        "the TPM is nested more than %u level%s deep, which is what is accepted",
                        allowed, allowed == 1 ? "" : "s");
}

/* To what it holds must be said, and lie within what was delegated. */
static bool check_holding(const Chain *c, GError **error)
{
    if (c->rooted != HF_ROOTED_SOFTWARE && (!c->leaf->holding || !c->leaf->holding->host_ek)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the %s says %s but does not name the host TPM", c->leaf_name,
                            hf_rooted_text(c->rooted));
    }
    if (c->vma->mandate && c->leaf->holding &&
        !hf_mandate_allows(c->vma->mandate, c->leaf->holding, error)) {
        g_prefix_error(error, "the %s is outside of what the " VMA_NAME " allows: ", c->leaf_name);
        return false;
    }
    return true;
}

/* The root says that the key lives in a TPM, or that it is the fleet's issuer's, who issues only what a
 * vMA with such a key has asked for. */
static bool is_vouched(const HfCertificate *vma)
{
    return (hf_certificate_has_policy(vma, HF_OID_POLICY_TPM_RESIDENCY) &&
            hf_certificate_has_policy(vma, HF_OID_POLICY_TPM_FIXED)) ||
           hf_certificate_has_policy(vma, HF_OID_POLICY_ISSUER);
}

/* Finds what the TPM is rooted in: the leaf says it, the vMA certificate must allow it. */
static bool check_rooted(Chain *c, GError **error)
{
    if (!hf_certificate_rooted(c->leaf, &c->rooted)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the %s does not have exactly one of the policies of a virtual TPM "
                            "(hardware-rooted, software-rooted, nested)",
                            c->leaf_name);
    }
    if (!check_policy(c, hf_rooted_policy(c->rooted), error) || !check_depth(c, error)) {
        return false;
    }
    if (c->rules->hardware_only && c->rooted == HF_ROOTED_SOFTWARE) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the TPM is software-rooted, but only hardware-rooted ones are "
                            "accepted");
    }
    if (c->rooted == HF_ROOTED_HARDWARE && !is_vouched(c->vma)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the " VMA_NAME " does not say that its key was verified to live in a "
                            "TPM");
    }
    return check_holding(c, error) &&
           (!c->rules->required_policy || check_policy(c, c->rules->required_policy, error));
}

/* The certificates of one level from chain[at] on: the leaf and the CAs that follow it. */
static bool begin(Chain *c, GPtrArray *chain, unsigned *at, const HfChainRules *rules,
                  GError **error)
{
    unsigned first = *at;
    unsigned end = first + 1;
    *c = (Chain){ .rules = rules, .level = c->level };
    c->leaf_name = leaf_kinds[rules->kind].name;
    c->leaf = first < chain->len ? chain->pdata[first] : NULL;
    if (c->leaf && c->leaf->is_ca) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the first certificate is one of a CA, expected the %s (the order is "
                            "%s, %s, %s)",
                            c->leaf_name, c->leaf_name, VMA_NAME, ROOT_NAME);
    }
    while (end < chain->len && ((HfCertificate *)chain->pdata[end])->is_ca) {
        end++;
    }
    /* What is no CA in the second place is refused for that, not for its place. */
    if (end == first + 1 && end < chain->len) {
        end++;
    }
    if (!c->leaf || end - first < 2 || end - first > 3) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "exactly one CA stands between a TPM's certificate and the root: "
                            "expected a chain of 2 or 3 certificates, found %u",
                            c->leaf ? end - first : 0);
    }
    c->vma = chain->pdata[first + 1];
    c->root = end - first == 3 ? chain->pdata[first + 2] : NULL; /* as given, not trusted yet */
    *at = end;
    return true;
}

bool hf_chain_verify_vma(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                         GError **error)
{
    Chain c = { 0 };
    unsigned at = 0;
    if (!begin(&c, chain, &at, rules, error)) {
        return false;
    }
    c.root = find_root(c.vma, c.root, roots, error);
    return c.root && check_step(c.vma, VMA_NAME, c.root, ROOT_NAME, error) &&
           check_root(&c, error) && check_vma(&c, error);
}

static bool verify_level(Chain *c, GPtrArray *chain, unsigned *at, GPtrArray *roots,
                         const HfChainRules *rules, GError **error)
{
    if (!begin(c, chain, at, rules, error) || !check_order(c, error)) {
        return false;
    }
    c->root = find_root(c->vma, c->root, roots, error);
    return c->root && check_step(c->vma, VMA_NAME, c->root, ROOT_NAME, error) &&
           check_step(c->leaf, c->leaf_name, c->vma, VMA_NAME, error) && check_root(c, error) &&
           check_revoked(c, error) && check_vma(c, error) && check_leaf(c, error) &&
           check_rooted(c, error);
}

static bool is_key(GBytes *spki, GBytes *digest)
{
    g_autoptr(GBytes) found = hf_spki_digest(spki);
    return g_bytes_equal(found, digest);
}

/* Is `host` the EK certificate of the TPM that the level below stands on, and none that was passed
 * before? */
static bool check_host(const Chain *levels, unsigned level, const HfCertificate *host,
                       GError **error)
{
    GBytes *wanted = levels[level - 1].leaf->holding->host_ek;
    if (!is_key(host->spki, wanted)) {
        g_autofree char *hex = hf_hex(g_bytes_get_data(wanted, NULL), g_bytes_get_size(wanted));
        return hf_error_set(error, HF_ERROR_AUTH,
                            "its EK certificate is that of another TPM: SHA-256 %s of the key "
                            "expected",
                            hex);
    }
    for (unsigned i = 0; i < level; i++) {
        if (g_bytes_equal(levels[i].leaf->spki, host->spki)) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "the chain goes in a circle: this TPM was passed before");
        }
    }
    return true;
}

/* What the mandates say of the levels must be what was found. */
static bool check_levels(const Chain *levels, unsigned count, GError **error)
{
    HfRooted base = levels[count - 1].rooted;
    for (unsigned i = 0; i < count; i++) {
        const HfMandate *mandate = levels[i].vma->mandate;
        bool good =
            !mandate ||
            (mandate->nested == count - 1 - i &&
             (mandate->nested == 0 || mandate->on_software == (base == HF_ROOTED_SOFTWARE)));
        if (!good) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "level %u: the " VMA_NAME
                                " was delegated to as %u levels nested%s, "
                                "found %u%s",
                                i, mandate->nested, mandate->on_software ? " on software" : "",
                                count - 1 - i, base == HF_ROOTED_SOFTWARE ? " on software" : "");
        }
    }
    return true;
}

/* From the host's TPM outward, as long as they are nested. */
static bool verify_hosts(Chain *levels, unsigned *count, GPtrArray *chain, unsigned *at,
                         GPtrArray *roots, const HfChainRules *rules, GError **error)
{
    HfChainRules outer = *rules;
    outer.kind = HF_LEAF_EK;
    outer.required_policy = NULL;
    for (; levels[*count - 1].rooted == HF_ROOTED_NESTED; ++*count) {
        Chain *c = &levels[*count];
        bool good;
        c->level = *count;
        if (*at >= chain->len) {
            good = hf_error_set(error, HF_ERROR_NOT_FOUND,
                                "the TPM is a virtual one, and its EK certificate and that of the "
                                "vMA above it are missing");
        } else {
            good = check_host(levels, *count, chain->pdata[*at], error) &&
                   verify_level(c, chain, at, roots, &outer, error);
        }
        if (!good) {
            g_prefix_error(error, "host TPM, level %u: ", *count);
            return false;
        }
    }
    return true;
}

static void fill_proof(const Chain *levels, unsigned count, HfChainProof *proof)
{
    const Chain *c = &levels[0];
    *proof = (HfChainProof){ .rooted = c->rooted,
                             .base = levels[count - 1].rooted,
                             .leaf = c->leaf,
                             .vma = c->vma,
                             .root = c->root,
                             .holding = c->leaf->holding,
                             .crl = c->crl,
                             .nested = count - 1 };
    for (unsigned i = 1; i < count; i++) {
        proof->hosts[i - 1] = (HfChainHost){ .rooted = levels[i].rooted,
                                             .leaf = levels[i].leaf,
                                             .vma = levels[i].vma,
                                             .root = levels[i].root,
                                             .crl = levels[i].crl };
    }
}

bool hf_chain_verify(GPtrArray *chain, GPtrArray *roots, const HfChainRules *rules,
                     HfChainProof *ret_proof, GError **error)
{
    Chain levels[1 + HF_NESTED_MAX] = { 0 };
    unsigned count = 1, at = 0;
    if (!verify_level(&levels[0], chain, &at, roots, rules, error) ||
        !verify_hosts(levels, &count, chain, &at, roots, rules, error) ||
        !check_levels(levels, count, error)) {
        return false;
    }
    if (at != chain->len) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%u certificates follow the chain of a TPM that is %s", chain->len - at,
                            hf_rooted_text(levels[count - 1].rooted));
    }
    if (ret_proof) {
        fill_proof(levels, count, ret_proof);
    }
    return true;
}

static HfCertificate *find_issuer(GPtrArray *among, const HfCertificate *of)
{
    for (unsigned i = 0; among && i < among->len; i++) {
        HfCertificate *c = among->pdata[i];
        if (c->is_ca && g_bytes_equal(c->subject, of->issuer) && c->key_id && of->authority_id &&
            g_bytes_equal(c->key_id, of->authority_id)) {
            return c;
        }
    }
    return NULL;
}

static HfCertificate *find_host(GPtrArray *among, GBytes *ek)
{
    for (unsigned i = 0; among && i < among->len; i++) {
        HfCertificate *c = among->pdata[i];
        if (!c->is_ca && is_key(c->spki, ek)) {
            return c;
        }
    }
    return NULL;
}

GPtrArray *hf_chain_arrange(HfCertificate *leaf, GPtrArray *own, GPtrArray *given)
{
    GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    HfCertificate *next = leaf;
    for (unsigned level = 0; next && level <= HF_NESTED_MAX; level++) {
        HfRooted rooted = HF_ROOTED_HARDWARE;
        HfCertificate *vma = find_issuer(own, next);
        vma = vma ? vma : find_issuer(given, next);
        g_ptr_array_add(chain, hf_certificate_ref(next));
        if (!vma) {
            break;
        }
        g_ptr_array_add(chain, hf_certificate_ref(vma));
        GBytes *host =
            hf_certificate_rooted(next, &rooted) && rooted == HF_ROOTED_NESTED && next->holding
                ? next->holding->host_ek
                : NULL;
        next = host ? find_host(own, host) : NULL;
        next = host && !next ? find_host(given, host) : next;
    }
    for (unsigned i = 0; chain->len == 1 && given && i < given->len; i++) {
        g_ptr_array_add(chain, hf_certificate_ref(given->pdata[i]));
    }
    return chain;
}
