/*
 * ca_attestation.c - the privacy CA's checks, and what it issues.
 *
 * Order: verify, sign, encrypt, record durably, hand out. The certificate never leaves the CA in
 * the clear.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_attestation.h"

#include <string.h>

#include "base/file.h"
#include "pki/chain.h"
#include "pki/endorsement.h"
#include "pki/oid.h"
#include "pki/spki.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_revoked.h"
#include "tools/ca/ca_verify.h"

#define SECONDS_AN_HOUR 3600

/* What is known of one request while it is checked. */
typedef struct {
    const HfCaAkRules *rules;
    const HfCaDir *ca;
    HfAkRequest *request;
    gint64 now;
    HfCertificate *ek_certificate; /* of a virtual TPM; NULL: not one of ours */
    GPtrArray *chain;              /* HfCertificate: EK, vMA, maybe root; virtual only */
    HfChainProof proof;            /* virtual only */
    char *vouched;                 /* who vouches for a TPM that is not virtual */
    HfPublic ek, ak;
    GBytes *ek_spki, *ak_spki;
    GBytes *ek_digest;
} Check;

static void check_clear(Check *c)
{
    g_clear_pointer(&c->request, hf_ak_request_free);
    g_clear_pointer(&c->ek_certificate, hf_certificate_unref);
    g_clear_pointer(&c->chain, g_ptr_array_unref);
    g_clear_pointer(&c->ek_spki, g_bytes_unref);
    g_clear_pointer(&c->ak_spki, g_bytes_unref);
    g_clear_pointer(&c->ek_digest, g_bytes_unref);
    g_free(c->vouched);
}

/* A certificate that says it is a virtual TPM's is held to our profile; everything else is a
 * vendor's, who may write what we do not read. */
static void find_kind(Check *c)
{
    GBytes *der = c->request->parts[HF_AK_REQUEST_EK_CERTIFICATE];
    g_autoptr(HfCertificate) certificate =
        der ? hf_certificate_new(der, "EK certificate", NULL) : NULL;

    if (certificate && hf_certificate_is_virtual(certificate)) {
        c->ek_certificate = g_steal_pointer(&certificate);
    }
}

static bool find_chain(Check *c, GError **error)
{
    GBytes *above = c->request->parts[HF_AK_REQUEST_ABOVE];
    g_autoptr(GPtrArray) given = NULL;

    if (above) {
        given = hf_certificate_parse_bundle(above, "the certificates above the EK's", error);
        if (!given) {
            return false;
        }
    }
    /* The CA's own copies go before the guest's, which may be old ones. */
    c->chain = hf_chain_arrange(c->ek_certificate, c->rules->vmas, given);
    return c->chain->len > 1 ||
           hf_error_set(error, HF_ERROR_NOT_FOUND,
                        "the guest's TPM has no certificate above its EK certificate, and none "
                        "was given here (--vma)");
}

static bool check_vma(Check *c, GError **error)
{
    const HfChainRules rules = { .kind = HF_LEAF_EK, .at = c->now, .crls = c->rules->crls };

    if (!c->ek_certificate) {
        return true;
    }
    return find_chain(c, error) &&
           hf_chain_verify_vma(c->chain, c->rules->vma_roots, &rules, error);
}

static bool check_ek_certificate(Check *c, GError **error)
{
    const HfChainRules rules = {
        .kind = HF_LEAF_EK,
        .at = c->now,
        .hardware_only = c->rules->hardware_only,
        .nested = c->rules->nested,
        .crls = c->rules->crls,
    };
    GBytes *const *parts = c->request->parts;
    g_autoptr(GBytes) spki = NULL;
    HfCaVouched vouched;
    HfPublic ek;

    if (c->ek_certificate) {
        return hf_chain_verify(c->chain, c->rules->vma_roots, &rules, &c->proof, error) &&
               hf_ca_revoked_chain(c->ca, &c->proof, error);
    }
    if (!hf_ca_check_ek(parts[HF_AK_REQUEST_EK], &ek, &spki, error)) {
        return false;
    }
    if (!hf_ca_voucher_ask(c->rules->voucher, c->ca, spki, parts[HF_AK_REQUEST_EK_CERTIFICATE],
                           parts[HF_AK_REQUEST_ABOVE], &vouched, error)) {
        return false;
    }
    c->vouched = vouched.words;
    return true;
}

static bool check_ek(Check *c, GError **error)
{
    if (!hf_ca_check_ek(c->request->parts[HF_AK_REQUEST_EK], &c->ek, &c->ek_spki, error)) {
        return false;
    }
    if (c->ek_certificate && !g_bytes_equal(c->ek_certificate->spki, c->ek_spki)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "endorsement key: it is not the key in the EK certificate");
    }
    c->ek_digest = hf_spki_digest(c->ek_spki);
    return true;
}

static bool check_ak(Check *c, GError **error)
{
    GBytes *area = c->request->parts[HF_AK_REQUEST_AK];
    g_autoptr(HfPublicKey) key = NULL;

    if (!hf_public_parse(g_bytes_get_data(area, NULL), g_bytes_get_size(area), &c->ak, error) ||
        !hf_public_check_ak(&c->ak, error) || !(key = hf_public_key_of(&c->ak, error))) {
        return false;
    }
    c->ak_spki = hf_public_key_spki(key);
    if (g_bytes_equal(c->ak_spki, c->ek_spki)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "attestation key: it is the endorsement key itself");
    }
    return true;
}

static bool check_all(Check *c, GError **error)
{
    static const struct {
        const char *name;
        bool (*run)(Check *c, GError **error);
    } checks[] = {
        { "vMA certificate", check_vma },
        { "EK certificate", check_ek_certificate },
        { "endorsement key", check_ek },
        { "attestation key", check_ak },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(checks); i++) {
        if (!checks[i].run(c, error)) {
            g_prefix_error(error, "check \"%s\" failed: ", checks[i].name);
            return false;
        }
    }
    return true;
}

/* Never longer than what it rests on. */
static gint64 end_of(const Check *c, const HfCaDir *ca)
{
    gint64 end = c->now + (gint64)c->rules->hours * SECONDS_AN_HOUR;

    end = MIN(end, ca->root->not_after);
    if (c->ek_certificate) {
        end = MIN(end, c->proof.leaf->not_after);
        end = MIN(end, c->proof.vma->not_after);
        end = MIN(end, c->proof.root->not_after);
        for (unsigned i = 0; i < c->proof.nested; i++) {
            end = MIN(end, c->proof.hosts[i].leaf->not_after);
            end = MIN(end, c->proof.hosts[i].vma->not_after);
            end = MIN(end, c->proof.hosts[i].root->not_after);
        }
    }
    return end;
}

/* The name says nothing of the guest: it is the key's. */
static char *subject_of(const Check *c)
{
    g_autoptr(GBytes) id = hf_spki_key_id(c->ak_spki);
    g_autofree char *hex = hf_hex(g_bytes_get_data(id, NULL), g_bytes_get_size(id));

    return g_strconcat("AK ", hex, NULL);
}

static HfCertificate *issue(const Check *c, HfCaDir *ca, GError **error)
{
    /* The TCG's two are said of hardware alone; they come last, so that they can be left out. */
    const char *policies[4] = { NULL };
    bool hardware = !c->ek_certificate || c->proof.rooted == HF_ROOTED_HARDWARE;
    g_autofree char *subject = subject_of(c);
    HfEndorsement in = {
        .spki = c->ak_spki,
        .vmid = subject,
        .ak_policies = policies,
        .ak_endorsement = c->ek_digest,
        .crl_url = c->rules->crl_url,
        .not_before = c->now,
        .not_after = end_of(c, ca),
    };
    unsigned n = 0;

    if (c->ek_certificate) {
        policies[n++] = hf_rooted_policy(c->proof.rooted);
        in.tpm_manufacturer = c->proof.leaf->tpm_manufacturer;
        in.tpm_model = c->proof.leaf->tpm_model;
        in.tpm_version = c->proof.leaf->tpm_version;
        in.spec_family = c->proof.leaf->spec_family;
        in.spec_level = c->proof.leaf->spec_level;
        in.spec_revision = c->proof.leaf->spec_revision;
        in.holding = c->proof.holding;
    }
    if (hardware) {
        policies[n++] = HF_OID_POLICY_TPM_RESIDENCY;
        policies[n] = HF_OID_POLICY_TPM_FIXED;
    }
    return hf_endorsement_ak(&in, ca->signer, ca->root, error);
}

static HfAkAnswer *encrypt(const Check *c, const HfCaDir *ca, const HfCertificate *certificate,
                           GError **error)
{
    GByteArray *both = g_byte_array_new();
    g_autoptr(GBytes) plain = NULL;

    hf_put_gbytes(both, certificate->der);
    hf_put_gbytes(both, ca->root->der);
    plain = g_byte_array_free_to_bytes(both);
    return hf_ak_answer_seal(c->request, &c->ek, &c->ak, plain, error);
}

static bool record(const Check *c, HfCaDir *ca, const HfCertificate *certificate, const char *tpm,
                   GError **error)
{
    const HfHolding *holding = c->ek_certificate ? c->proof.holding : NULL;
    const HfMandate *mandate = c->ek_certificate ? c->proof.vma->mandate : NULL;
    HfTpmName name = hf_public_name(&c->ak);
    g_autoptr(HfAuditEntry) act = hf_audit_entry_new(HF_AUDIT_CERTIFY);
    GBytes *host = holding && holding->host_ek ? holding->host_ek : c->ek_digest;
    HfIssued *entry = act->facts;

    hf_audit_entry_certificate(act, certificate);
    entry->rooted = g_strdup_printf("attestation key, %s", tpm);
    entry->key = hf_hex(name.data, name.size);
    entry->migration_policy = g_strdup(holding ? holding->migration_policy : "none");
    entry->platform = g_strdup(c->ek_certificate ? c->proof.leaf->tpm_model : "unknown");
    entry->host_ek = hf_hex(g_bytes_get_data(host, NULL), g_bytes_get_size(host));
    entry->ek_proof =
        c->ek_certificate ? hf_certificate_subject_text(c->proof.vma) : g_strdup(c->vouched);
    entry->environment = g_strdup(mandate ? mandate->environment : NULL);
    return hf_ca_act_commit(ca, act, error);
}

/* For people: what the TPM is, and what it rests on in the end. */
static char *tpm_text(const Check *c)
{
    if (!c->ek_certificate) {
        return g_strdup("hardware TPM");
    }
    return c->proof.nested > 0
               ? g_strdup_printf("virtual TPM, nested %u level%s, %s", c->proof.nested,
                                 c->proof.nested == 1 ? "" : "s", hf_rooted_text(c->proof.base))
               : g_strdup_printf("virtual TPM, %s", hf_rooted_text(c->proof.rooted));
}

static HfCaAttested *attest(Check *c, HfCaDir *ca, GError **error)
{
    g_autoptr(HfCaAttested) attested = g_new0(HfCaAttested, 1);
    g_autoptr(HfAkAnswer) answer = NULL;

    attested->tpm = tpm_text(c);
    attested->certificate = issue(c, ca, error);
    answer = attested->certificate ? encrypt(c, ca, attested->certificate, error) : NULL;
    if (!answer || !record(c, ca, attested->certificate, attested->tpm, error)) {
        return NULL;
    }
    attested->answer = hf_ak_answer_write(answer);
    return g_steal_pointer(&attested);
}

HfCaAttested *hf_ca_attest(HfCaDir *ca, const HfCaAkRules *rules, GBytes *request,
                           const char *label, GError **error)
{
    Check c = { .rules = rules, .ca = ca, .now = g_get_real_time() / G_USEC_PER_SEC };
    HfCaAttested *attested = NULL;
    GError *local = NULL;
    hf_autofd int lock = -1;

    c.request = hf_ak_request_read(request, label, error);
    if (!c.request) {
        return NULL;
    }
    find_kind(&c);
    if (!check_all(&c, &local)) {
        hf_ca_act_refused(ca, HF_AUDIT_CERTIFY, NULL, c.ek_digest, &local);
        g_propagate_error(error, local);
    } else {
        lock = hf_ca_act_begin(ca, error);
        attested = lock >= 0 ? attest(&c, ca, error) : NULL;
    }
    check_clear(&c);
    return attested;
}

void hf_ca_attested_free(HfCaAttested *attested)
{
    if (attested) {
        g_clear_pointer(&attested->certificate, hf_certificate_unref);
        g_clear_pointer(&attested->answer, g_bytes_unref);
        g_free(attested->tpm);
        g_free(attested);
    }
}
