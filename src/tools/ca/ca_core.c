/*
 * ca_core.c - what the fleet's CA does with a host's two letters.
 *
 * The credential of a challenge can be opened by the TPM that has the endorsement key, and by it
 * only if it has the attestation key too. So the answer ties both together; that the endorsement
 * key is a TPM's is what vendor or operator vouch for.
 *
 * Delegation, in this order: verify, sign, record the act durably, use up the nonce, list the
 * certificate as issued, hand out. A certificate that is not in the records never leaves the CA.
 * The directory is locked from the first look at the nonce to the end, so a CA that serves and
 * commands beside it do not come between.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_core.h"

#include <string.h>

#include "base/file.h"
#include "crypto/random.h"
#include "pki/delegation.h"
#include "pki/spki.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_revoked.h"
#include "tools/ca/ca_verify.h"
#include "tools/common/authority_keys.h"
#include "tools/common/enrolment.h"
#include "tpm2/credential.h"

/* What stands for the environment of an authority that is in none. */
#define SOFTWARE "software"
#define SECRET_SIZE 32

static bool credential(HfCaNonce *nonce, const HfPublic *ek, const HfPublic *ak,
                       HfChallenge *challenge, GError **error)
{
    HfTpmName name = hf_public_name(ak);
    g_autoptr(HfCredential) made = NULL;

    nonce->secret = hf_secret_new(SECRET_SIZE);
    hf_random_bytes(nonce->secret->data, SECRET_SIZE);
    made = hf_credential_make(ek, &name, nonce->secret->data, SECRET_SIZE, error);
    if (!made) {
        g_prefix_error(error, "endorsement key: ");
        return false;
    }
    nonce->ak_name = g_bytes_new(name.data, name.size);
    challenge->ak_name = g_bytes_ref(nonce->ak_name);
    challenge->credential = g_bytes_ref(made->id_object);
    challenge->seed = g_bytes_ref(made->encrypted_secret);
    return true;
}

/* Is a challenge of any use to it? */
static bool check_delegable(const HfCaRules *rules, const HfCaVouched *vouched, GError **error)
{
    return !vouched->on_software || !rules->only_delegable || rules->allow_software ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "the host's virtual TPM is software-rooted: that is not allowed");
}

static bool challenge_host(const HfCaRules *rules, const HfCaDir *ca,
                           const HfIntroduction *introduction, HfCaNonce *nonce,
                           HfChallenge *challenge, GError **error)
{
    GBytes *const *parts = introduction->parts;
    g_autoptr(GBytes) spki = NULL;
    HfCaVouched vouched;
    HfPublic ek, ak;

    if (!hf_ca_check_ak(parts[HF_INTRODUCTION_AK], &ak, error) ||
        !hf_ca_check_ek(parts[HF_INTRODUCTION_EK], &ek, &spki, error)) {
        return false;
    }
    nonce->ek_digest = hf_spki_digest(spki);
    if (!hf_ca_voucher_ask(rules->voucher, ca, spki, parts[HF_INTRODUCTION_EK_CERTIFICATE],
                           parts[HF_INTRODUCTION_ABOVE], &vouched, error)) {
        return false;
    }
    nonce->vouched = vouched.words;
    nonce->nested = vouched.nested;
    nonce->on_software = vouched.on_software;
    nonce->chain = vouched.chain;
    nonce->roots = vouched.roots;
    return check_delegable(rules, &vouched, error) && credential(nonce, &ek, &ak, challenge, error);
}

/* The checks that need no lock. */
static bool consider(const HfCaRules *rules, const HfCaDir *ca, const HfIntroduction *introduction,
                     HfCaNonce *nonce, HfChallenge *challenge, GError **error)
{
    if (introduction->rooted == HF_ROOTED_HARDWARE) {
        return challenge_host(rules, ca, introduction, nonce, challenge, error);
    }
    return !rules->only_delegable || rules->allow_software ||
           hf_error_set(error, HF_ERROR_POLICY, "the host is software-rooted: that is not allowed");
}

GBytes *hf_ca_challenge(HfCaDir *ca, const HfCaRules *rules, GBytes *introduction,
                        const char *label, char **ret_vouched, GError **error)
{
    g_autoptr(HfIntroduction) read = hf_introduction_read(introduction, label, error);
    g_autoptr(HfChallenge) challenge = g_new0(HfChallenge, 1);
    g_autoptr(HfCaNonce) nonce = hf_ca_nonce_new();
    GError *local = NULL;
    hf_autofd int lock = -1;

    challenge->nonce = g_bytes_ref(nonce->nonce);
    if (!read) {
        return NULL;
    }
    if (!consider(rules, ca, read, nonce, challenge, &local)) {
        hf_ca_act_refused(ca, HF_AUDIT_CHALLENGE, NULL, nonce->ek_digest, &local);
        g_propagate_error(error, local);
        return NULL;
    }
    lock = hf_ca_act_begin(ca, error);
    if (lock < 0 || !hf_ca_nonce_give(ca, nonce, error)) {
        return NULL;
    }
    *ret_vouched = g_steal_pointer(&nonce->vouched);
    return hf_challenge_write(challenge);
}

void hf_ca_delegated_free(HfCaDelegated *delegated)
{
    if (!delegated) {
        return;
    }
    g_clear_pointer(&delegated->certificate, hf_certificate_unref);
    g_free(delegated->environment);
    g_free(delegated);
}

static char *part_text(const HfEvidence *evidence, HfEvidencePart part)
{
    GBytes *bytes = evidence->parts[part];

    return bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
}

static char *ek_proof(const HfCaVerdict *verdict, const HfCaNonce *nonce)
{
    if (verdict->rooted == HF_ROOTED_SOFTWARE) {
        return NULL;
    }
    return g_strdup(verdict->ek_challenged ? nonce->vouched : "unproved");
}

static bool commit(HfCaDir *ca, const HfEvidence *evidence, const HfCaVerdict *verdict,
                   const HfCaNonce *nonce, const HfCertificate *certificate, GError **error)
{
    g_autoptr(HfAuditEntry) act = hf_audit_entry_new(HF_AUDIT_DELEGATE);
    HfIssued *entry = act->facts;

    act->nonce = hf_hex(g_bytes_get_data(nonce->nonce, NULL), g_bytes_get_size(nonce->nonce));
    hf_audit_entry_certificate(act, certificate);
    entry->rooted = g_strdup(hf_rooted_text(verdict->rooted));
    entry->key = g_strdup(verdict->key_name);
    entry->migration_policy = part_text(evidence, HF_EVIDENCE_MIGRATION);
    entry->device_model = part_text(evidence, HF_EVIDENCE_DEVICE_MODEL);
    entry->platform = part_text(evidence, HF_EVIDENCE_PLATFORM);
    entry->host_tpm = part_text(evidence, HF_EVIDENCE_HOST_TPM);
    if (verdict->ek_digest) {
        entry->host_ek = hf_hex(g_bytes_get_data(verdict->ek_digest, NULL),
                                g_bytes_get_size(verdict->ek_digest));
    }
    entry->ek_proof = ek_proof(verdict, nonce);
    entry->identity_keys =
        hf_delegation_has_identity_keys(certificate) ? g_strdup(HF_ISSUED_YES) : NULL;
    entry->environment = g_strdup(verdict->environment ? verdict->environment->name : SOFTWARE);
    return hf_ca_act_commit(ca, act, error);
}

static HfCertificate *issue(const HfCaRules *rules, HfCaDir *ca, const HfEvidence *evidence,
                            const HfCaVerdict *verdict, GError **error)
{
    g_autofree char *migration = part_text(evidence, HF_EVIDENCE_MIGRATION);
    g_autofree char *model = part_text(evidence, HF_EVIDENCE_DEVICE_MODEL);
    const HfCaEnvironment *environment = verdict->environment;
    HfMandate mandate = {
        .environment = environment ? environment->name : (char *)(uintptr_t)SOFTWARE,
        .migration_policy = migration,
        .model_name = g_strcmp0(model, HF_KEY_MODEL_ANY) == 0 ? NULL : model,
        .host_ek = verdict->ek_digest,
        .nested = verdict->nested,
        .on_software = verdict->on_software,
        .generation = environment ? environment->minimum_generation : 0,
        .emulators = environment && environment->emulators->len > 0 ? environment->emulators : NULL,
    };
    const HfDelegation in = {
        .mandate = &mandate,
        .spki = verdict->spki,
        .rooted = verdict->rooted,
        .policy_unit = model ? migration : NULL,
        .model_unit = model,
        .organization = rules->organization,
        .name_constraints = rules->name_constraints,
        .identity_keys = rules->identity_keys,
        .crl_url = rules->crl_url,
        .not_before = g_get_real_time() / G_USEC_PER_SEC,
        .days = rules->days,
    };

    return hf_delegation_new(&in, ca->signer, ca->root, error);
}

/* Hex Names of all keys that were delegated to before. */
static GPtrArray *known_keys(HfCaDir *ca, GError **error)
{
    g_autoptr(GPtrArray) issued = hf_ca_dir_issued(ca, error);
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);

    if (!issued) {
        return NULL;
    }
    for (unsigned i = 0; i < issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(issued, i);

        g_ptr_array_add(keys, g_strdup(entry->key));
    }
    return g_steal_pointer(&keys);
}

/* What a nested host stands on may have been revoked, or have expired, since it was challenged. */
static bool still_vouched(const HfCaDir *ca, const HfCaRules *rules, const HfCaNonce *nonce,
                          GError **error)
{
    if (nonce->nested > 0 &&
        !hf_ca_voucher_again(ca, rules->crls, nonce->chain, nonce->roots, error)) {
        g_prefix_error(error, "verified again since the challenge: ");
        return false;
    }
    return true;
}

/* Is the request true, and may it be granted? ret_nonce: the one that it answers. */
static bool judge(HfCaDir *ca, const HfCaRules *rules, const HfEvidence *evidence,
                  HfCaNonce **ret_nonce, HfCaVerdict *ret_verdict, GError **error)
{
    g_autoptr(HfCaNonce) nonce = hf_ca_nonce_find(ca, evidence->parts[HF_EVIDENCE_NONCE], error);
    g_autoptr(GPtrArray) known = nonce ? known_keys(ca, error) : NULL;
    const HfCaExpected expected = {
        .approver = rules->has_approver ? &rules->approver : NULL,
        .environments = rules->environments,
        .known_keys = known,
        .allow_software = rules->allow_software,
        .nonce = nonce,
        .allow_unproved_ek = rules->allow_unproved_ek,
    };

    if (!known || !hf_ca_verify(evidence, &expected, ret_verdict, error) ||
        !hf_ca_revoked_allows(ca, ret_verdict->key_name, error) ||
        !still_vouched(ca, rules, nonce, error)) {
        return false;
    }
    *ret_nonce = g_steal_pointer(&nonce);
    return true;
}

/* What a key's certificate was issued for names it as its issuer: a renewal keeps the name. */
static bool keeps_name(HfCaDir *ca, const HfCaVerdict *verdict, const HfCertificate *certificate,
                       GError **error)
{
    g_autoptr(GPtrArray) issued = verdict->renewal ? hf_ca_dir_issued(ca, error) : NULL;
    g_autofree char *subject = hf_certificate_subject_text(certificate);

    for (unsigned i = issued ? issued->len : 0; i-- > 0;) {
        const HfIssued *entry = g_ptr_array_index(issued, i);

        if (strcmp(entry->key, verdict->key_name) == 0) {
            return strcmp(entry->subject, subject) == 0 ||
                   hf_error_set(error, HF_ERROR_POLICY,
                                "renewal: the key's certificate is for \"%s\", found \"%s\" "
                                "(--organization): what was issued until now would lose its issuer",
                                entry->subject, subject);
        }
    }
    return issued || !verdict->renewal;
}

/* From a verdict to the recorded certificate. */
static HfCaDelegated *grant(HfCaDir *ca, const HfEvidence *evidence, const HfCaNonce *nonce,
                            const HfCaVerdict *verdict, HfCertificate *certificate, GError **error)
{
    g_autoptr(HfCaDelegated) delegated = g_new0(HfCaDelegated, 1);

    delegated->rooted = verdict->rooted;
    delegated->environment = g_strdup(verdict->environment ? verdict->environment->name : NULL);
    delegated->renewal = verdict->renewal;
    delegated->ek_challenged = verdict->ek_challenged;
    delegated->certificate = hf_certificate_ref(certificate);
    return commit(ca, evidence, verdict, nonce, delegated->certificate, error)
               ? g_steal_pointer(&delegated)
               : NULL;
}

HfCaDelegated *hf_ca_delegate(HfCaDir *ca, const HfCaRules *rules, GBytes *request,
                              const char *label, GError **error)
{
    g_autoptr(HfEvidence) evidence = hf_evidence_read(request, label, error);
    hf_autofd int lock = evidence ? hf_ca_act_begin(ca, error) : -1;
    g_autoptr(HfCaNonce) nonce = NULL;
    g_autoptr(HfCertificate) certificate = NULL;
    HfCaDelegated *delegated = NULL;
    HfCaVerdict verdict = { 0 };
    GError *local = NULL;

    if (lock < 0) {
        return NULL;
    }
    if (judge(ca, rules, evidence, &nonce, &verdict, &local) &&
        (certificate = issue(rules, ca, evidence, &verdict, &local)) &&
        keeps_name(ca, &verdict, certificate, &local)) {
        delegated = grant(ca, evidence, nonce, &verdict, certificate, error);
    } else {
        hf_fd_close(&lock);
        hf_ca_act_refused(ca, HF_AUDIT_DELEGATE, evidence->parts[HF_EVIDENCE_NONCE], NULL, &local);
        g_propagate_error(error, local);
    }
    hf_ca_verdict_clear(&verdict);
    return delegated;
}

GBytes *hf_ca_delegated_pem(const HfCaDir *ca, const HfCaDelegated *delegated)
{
    g_autofree char *own = hf_certificate_pem(delegated->certificate);
    g_autofree char *above = hf_certificate_pem(ca->root);
    char *both = g_strconcat(own, above, NULL);

    return g_bytes_new_take(both, strlen(both));
}
