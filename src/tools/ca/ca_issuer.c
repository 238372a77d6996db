/*
 * ca_issuer.c - EK, IAK and IDevID certificates that vMAs have asked for.
 *
 * Order: verify, sign, record, keep, hand out. What is kept is only so that the same request gets
 * the same answer: after a crash between record and file it is issued once more.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_issuer.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/endorsement.h"
#include "pki/oid.h"
#include "pki/spki.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_key.h"
#include "tools/ca/ca_revoked.h"

#define SECONDS_A_DAY 86400
#define COMMON_NAME "holdfast fleet issuer"

/* One request on its way. */
typedef struct {
    HfCaDir *ca;
    int dir; /* issuer/ */
    char *path;
    HfSigner *signer;
    GPtrArray *chain; /* EK, vMA */
    HfLeafKind kind;
    HfChainProof proof;
    gint64 now;
} Issue;

static void issue_clear(Issue *issue)
{
    hf_fd_close(&issue->dir);
    hf_signer_free(issue->signer);
    g_clear_pointer(&issue->chain, g_ptr_array_unref);
    g_free(issue->path);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Issue, issue_clear)

void hf_ca_ek_free(HfCaEk *ek)
{
    if (ek) {
        g_clear_pointer(&ek->certificate, hf_certificate_unref);
        g_clear_pointer(&ek->issuer, hf_certificate_unref);
        g_free(ek);
    }
}

GBytes *hf_ca_ek_pem(const HfCaEk *ek)
{
    g_autofree char *own = hf_certificate_pem(ek->certificate);
    g_autofree char *above = hf_certificate_pem(ek->issuer);
    char *both = g_strconcat(own, above, NULL);

    return g_bytes_new_take(both, strlen(both));
}

static char *issuer_name(const HfSigner *signer)
{
    g_autoptr(GBytes) id = hf_spki_key_id(signer->spki);
    g_autofree char *hex = hf_hex(g_bytes_get_data(id, NULL), g_bytes_get_size(id));

    return g_strconcat(COMMON_NAME " ", hex, NULL);
}

static bool record_issuer(HfCaDir *ca, const HfSigner *signer, const char *name, GError **error)
{
    g_autoptr(HfAuditEntry) act = hf_audit_entry_new(HF_AUDIT_ISSUER);

    act->digest = hf_audit_digest_text(signer->spki);
    act->facts->subject = g_strdup(name);
    return hf_ca_act_commit(ca, act, error);
}

bool hf_ca_issuer_make(HfCaDir *ca, const char *key, const char *algorithm, char **ret_name,
                       GError **error)
{
    g_autofree char *path = g_build_filename(ca->path, HF_CA_ISSUER, NULL);
    g_autoptr(HfSigner) signer = NULL;
    g_autofree char *name = NULL;
    hf_autofd int lock = hf_ca_act_begin(ca, error);
    hf_autofd int dir = lock >= 0 ? hf_dir_make(path, 0700, error) : -1;

    if (dir < 0) {
        return false;
    }
    signer = hf_ca_key_make(dir, path, key, algorithm, ca->pin, error);
    name = signer ? issuer_name(signer) : NULL;
    if (!signer) {
        return false;
    }
    if (g_bytes_equal(signer->spki, ca->root->spki)) {
        hf_error_set(error, HF_ERROR_POLICY, "the issuer's key is the key of the root itself");
    } else if (record_issuer(ca, signer, name, error)) {
        *ret_name = g_steal_pointer(&name);
        return true;
    }
    hf_ca_key_remove(dir);
    return false;
}

static bool open_issuer(Issue *issue, GError **error)
{
    issue->path = g_build_filename(issue->ca->path, HF_CA_ISSUER, NULL);
    issue->dir = hf_dir_open_at(issue->ca->fd, HF_CA_ISSUER, NULL);
    if (issue->dir < 0) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "this CA issues no certificates of TPMs (holdfast-ca issuer)");
    }
    issue->signer = hf_ca_key_open(issue->dir, issue->path, issue->ca->pin, error);
    return issue->signer != NULL;
}

/* The TPM's certificate, and the vMA's from the request or from those that are known. */
static bool read_request(Issue *issue, GBytes *request, const char *label, GPtrArray *vmas,
                         GError **error)
{
    g_autoptr(GPtrArray) given = hf_certificate_parse_bundle(request, label, error);
    g_autoptr(GPtrArray) above =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);

    if (!given) {
        return false;
    }
    for (unsigned i = 1; i < given->len; i++) {
        g_ptr_array_add(above, hf_certificate_ref(given->pdata[i]));
    }
    issue->chain = hf_chain_arrange(given->pdata[0], vmas, above);
    if (!hf_chain_leaf_kind(given->pdata[0], &issue->kind) || issue->kind == HF_LEAF_PLATFORM) {
        issue->kind = HF_LEAF_EK; /* as which it will be refused */
    }
    return true;
}

static char *file_name(const char *prefix, const HfCertificate *of)
{
    g_autofree char *digest = hf_audit_digest_text(of->der);

    return g_strconcat(prefix, digest, NULL);
}

/* What was kept under this name and is still good; NULL without an error when there is none. */
static HfCertificate *kept(const Issue *issue, const char *name, const HfCertificate *issuer)
{
    g_autoptr(GBytes) file = hf_file_read_at(issue->dir, name, HF_CERTIFICATE_FILE_MAX, name, NULL);
    g_autoptr(GPtrArray) all = file ? hf_certificate_parse_bundle(file, name, NULL) : NULL;
    HfCertificate *certificate = all ? all->pdata[0] : NULL;

    return certificate && issue->now < certificate->not_after &&
                   hf_certificate_signed_by(certificate, issuer, name, NULL)
               ? hf_certificate_ref(certificate)
               : NULL;
}

static char *issuer_file(const Issue *issue)
{
    return file_name("of-", issue->proof.vma);
}

static char *ek_file(const Issue *issue)
{
    return file_name("ek-", issue->proof.leaf);
}

/* What was issued for this request before and is revoked is not issued again. */
static bool check_kept(const Issue *issue, GError **error)
{
    g_autofree char *issuer_name = issuer_file(issue);
    g_autofree char *ek_name = ek_file(issue);
    g_autoptr(HfCertificate) issuer = kept(issue, issuer_name, issue->ca->root);
    g_autoptr(HfCertificate) ek = issuer ? kept(issue, ek_name, issuer) : NULL;

    return (!issuer || hf_ca_revoked_check(issue->ca, "the issuer's certificate for this authority",
                                           issuer, error)) &&
           (!ek || hf_ca_revoked_check(issue->ca, "it", ek, error));
}

/* Like any relying party; nested authorities issue themselves. */
static bool check_request(Issue *issue, bool hardware_only, GError **error)
{
    const HfChainRules rules = {
        .kind = issue->kind,
        .at = issue->now,
        .hardware_only = hardware_only,
    };
    g_autoptr(GPtrArray) roots =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    HfSignAlgorithm algorithm = 0; /* only whether it is a key of the kinds that we know */

    g_ptr_array_add(roots, hf_certificate_ref(issue->ca->root));
    if (!hf_chain_verify(issue->chain, roots, &rules, &issue->proof, error) ||
        !hf_ca_revoked_chain(issue->ca, &issue->proof, error) ||
        !hf_spki_algorithm(issue->proof.leaf->spki, "the TPM's key", &algorithm, error)) {
        return false;
    }
    if (!issue->proof.leaf->holding) {
        return hf_error_set(error, HF_ERROR_INVALID, "the %s does not say to what its TPM holds",
                            hf_chain_kind_text(issue->kind));
    }
    if (hf_certificate_has_policy(issue->proof.vma, HF_OID_POLICY_ISSUER)) {
        return hf_error_set(error, HF_ERROR_STATE, "the %s is one of the issuer's already",
                            hf_chain_kind_text(issue->kind));
    }
    return check_kept(issue, error);
}

static bool keep(const Issue *issue, const char *name, const HfCertificate *certificate,
                 GError **error)
{
    g_autofree char *label = g_build_filename(issue->path, name, NULL);
    g_autofree char *pem = hf_certificate_pem(certificate);

    return hf_file_replace_at(issue->dir, name, pem, strlen(pem), 0600, label, error);
}

/* The members of a record that both certificates have. */
static HfAuditEntry *begin_record(const Issue *issue, HfAuditEvent event,
                                  const HfCertificate *certificate, const char *what)
{
    const HfHolding *holding = issue->proof.leaf->holding;
    const HfMandate *mandate = issue->proof.vma->mandate;
    HfAuditEntry *act = hf_audit_entry_new(event);
    HfIssued *facts = act->facts;

    hf_audit_entry_certificate(act, certificate);
    facts->rooted = g_strdup_printf("%s, %s", what, hf_rooted_text(issue->proof.rooted));
    facts->key = hf_audit_digest_text(certificate->spki);
    facts->migration_policy = g_strdup(holding->migration_policy);
    facts->device_model = g_strdup(holding->model_name);
    facts->platform = g_strdup(issue->kind == HF_LEAF_EK ? issue->proof.leaf->tpm_model
                                                         : issue->proof.leaf->tpm_serial);
    facts->identity_keys =
        hf_delegation_has_identity_keys(certificate) ? g_strdup(HF_ISSUED_YES) : NULL;
    if (holding->host_ek) {
        facts->host_ek =
            hf_hex(g_bytes_get_data(holding->host_ek, NULL), g_bytes_get_size(holding->host_ek));
    }
    facts->ek_proof = hf_certificate_subject_text(issue->proof.vma);
    facts->environment = g_strdup(mandate ? mandate->environment : NULL);
    return act;
}

/* The issuer's certificate for this vMA's: what was delegated to the host, to the issuer. */
static HfCertificate *certify_issuer(const Issue *issue, GError **error)
{
    const HfCertificate *vma = issue->proof.vma;
    gint64 days = (vma->not_after - issue->now) / SECONDS_A_DAY;
    g_autofree char *name = issuer_name(issue->signer);
    const HfDelegation in = {
        .mandate = vma->mandate,
        .spki = issue->signer->spki,
        .rooted = issue->proof.rooted,
        .fleet_issuer = true,
        .identity_keys = hf_delegation_has_identity_keys(vma),
        .common_name = name,
        .crl_url = vma->crl_url,
        .not_before = issue->now,
        .days = (unsigned)CLAMP(days, 0, HF_DELEGATION_DAYS_MAX),
    };

    if (days < 1) {
        hf_error_set(error, HF_ERROR_STATE,
                     "the vMA certificate ends within a day: it has to be renewed first");
        return NULL;
    }
    return hf_delegation_new(&in, issue->ca->signer, issue->ca->root, error);
}

static HfCertificate *find_issuer(const Issue *issue, GError **error)
{
    g_autofree char *name = issuer_file(issue);
    g_autoptr(HfCertificate) issuer = kept(issue, name, issue->ca->root);
    g_autoptr(HfAuditEntry) act = NULL;

    if (issuer && g_bytes_equal(issuer->spki, issue->signer->spki)) {
        return g_steal_pointer(&issuer);
    }
    g_clear_pointer(&issuer, hf_certificate_unref);
    issuer = certify_issuer(issue, error);
    if (!issuer) {
        return NULL;
    }
    act = begin_record(issue, HF_AUDIT_DELEGATE, issuer, "fleet issuer");
    return hf_ca_act_commit(issue->ca, act, error) && keep(issue, name, issuer, error)
               ? g_steal_pointer(&issuer)
               : NULL;
}

static HfCertificate *certify(const Issue *issue, const HfCertificate *issuer, GError **error)
{
    static HfCertificate *(*const make[])(const HfEndorsement *in, HfSigner *signer,
                                          const HfCertificate *issuer, GError **error) = {
        [HF_LEAF_EK] = hf_endorsement_ek,
        [HF_LEAF_IAK] = hf_endorsement_iak,
        [HF_LEAF_IDEVID] = hf_endorsement_idevid,
    };
    const HfCertificate *leaf = issue->proof.leaf;
    bool signs = (leaf->key_usage & HF_USAGE_SIGNATURE) != 0;
    bool decrypts = (leaf->key_usage & ~HF_USAGE_SIGNATURE) != 0;
    const HfEndorsement in = {
        .spki = leaf->spki,
        .use = (signs ? HF_ENDORSEMENT_SIGN : 0u) | (decrypts ? HF_ENDORSEMENT_DECRYPT : 0u),
        .tpm_manufacturer = leaf->tpm_manufacturer,
        .tpm_model = leaf->tpm_model,
        .tpm_version = leaf->tpm_version,
        .spec_family = leaf->spec_family,
        .spec_level = leaf->spec_level,
        .spec_revision = leaf->spec_revision,
        .ak_endorsement = leaf->bond,
        .tpm_serial = leaf->tpm_serial,
        .subject = leaf->subject,
        .holding = leaf->holding,
        .not_before = issue->now,
        .not_after = leaf->not_after == HF_DER_TIME_NEVER ? -1 : leaf->not_after,
    };

    /* What it is rooted in was verified; that the key is another one's does not change it. */
    issue->signer->rooted = issue->proof.rooted;
    return make[issue->kind](&in, issue->signer, issuer, error);
}

static HfCaEk *issue_all(const Issue *issue, GError **error)
{
    g_autoptr(HfCaEk) ek = g_new0(HfCaEk, 1);
    g_autofree char *name = ek_file(issue);
    g_autoptr(HfAuditEntry) act = NULL;

    ek->rooted = issue->proof.rooted;
    ek->kind = issue->kind;
    ek->issuer = find_issuer(issue, error);
    if (!ek->issuer) {
        return NULL;
    }
    ek->certificate = kept(issue, name, ek->issuer);
    if (ek->certificate) {
        ek->again = true;
        return g_steal_pointer(&ek);
    }
    ek->certificate = certify(issue, ek->issuer, error);
    if (!ek->certificate) {
        return NULL;
    }
    act = begin_record(issue, HF_AUDIT_ISSUE, ek->certificate, hf_chain_kind_text(issue->kind));
    return hf_ca_act_commit(issue->ca, act, error) && keep(issue, name, ek->certificate, error)
               ? g_steal_pointer(&ek)
               : NULL;
}

HfCaEk *hf_ca_issue(HfCaDir *ca, GBytes *request, const char *label, GPtrArray *vmas,
                    bool hardware_only, GError **error)
{
    g_auto(Issue) issue = { .ca = ca, .dir = -1, .now = g_get_real_time() / G_USEC_PER_SEC };
    GError *local = NULL;
    hf_autofd int lock = -1;

    if (!open_issuer(&issue, error) || !read_request(&issue, request, label, vmas, error)) {
        return NULL;
    }
    if (!check_request(&issue, hardware_only, &local)) {
        hf_ca_act_refused(ca, HF_AUDIT_ISSUE, NULL, NULL, &local);
        g_propagate_error(error, local);
        return NULL;
    }
    lock = hf_ca_act_begin(ca, error);
    return lock >= 0 ? issue_all(&issue, error) : NULL;
}
