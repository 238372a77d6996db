/*
 * ca_verify.c - the checks of a delegation request.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_verify.h"

#include <string.h>

#include "base/error.h"
#include "pki/request.h"
#include "pki/vendor.h"
#include "tools/common/authority_keys.h"
#include "tools/common/pcr_lines.h"
#include "tpm2/approval.h"
#include "tpm2/attest.h"
#include "tpm2/event_log.h"
#include "tpm2/hostkey.h"

typedef struct {
    const HfEvidence *evidence;
    const HfCaExpected *expected;
    HfPublic key;
    HfPublic ak;
    HfTpmName key_name;
    HfTpmName ak_qualified;
    char *name_hex;
    GBytes *spki;
    GBytes *ek_digest;
    bool renewal;
    const HfCaEnvironment *environment;
    bool challenged;
} HfCheck;

static const void *part_data(const HfCheck *check, HfEvidencePart part, size_t *ret_size)
{
    return g_bytes_get_data(check->evidence->parts[part], ret_size);
}

static bool parse_public(GBytes *area, const char *what, HfPublic *ret_public, GError **error)
{
    size_t size = 0;
    const void *data = g_bytes_get_data(area, &size);

    if (!hf_public_parse(data, size, ret_public, error)) {
        g_prefix_error(error, "%s: ", what);
        return false;
    }
    return true;
}

static bool names_known(const HfCheck *check)
{
    for (unsigned i = 0; i < check->expected->known_keys->len; i++) {
        if (strcmp(g_ptr_array_index(check->expected->known_keys, i), check->name_hex) == 0) {
            return true;
        }
    }
    return false;
}

/* The key's public area: what the policy of the fleet demands of a vMA key. */
static bool check_key(HfCheck *check, GError **error)
{
    HfDigest policy = hf_approval_auth_policy(check->expected->approver, HF_APPROVAL_SIGN);
    g_autoptr(HfPublicKey) key = NULL;

    if (!parse_public(check->evidence->parts[HF_EVIDENCE_KEY], "signing key", &check->key, error) ||
        !hf_vma_check(&check->key, &policy, error)) {
        return false;
    }
    key = hf_public_key_of(&check->key, error);
    if (!key) {
        g_prefix_error(error, "signing key: ");
        return false;
    }
    check->spki = hf_public_key_spki(key);
    check->key_name = hf_public_name(&check->key);
    check->name_hex = hf_hex(check->key_name.data, check->key_name.size);
    check->renewal = names_known(check);
    return true;
}

static bool check_request(HfCheck *check, GError **error)
{
    g_autoptr(HfRequest) request = hf_request_parse(check->evidence->parts[HF_EVIDENCE_REQUEST],
                                                    "certification request", error);

    if (!request) {
        return false;
    }
    if (check->spki && !g_bytes_equal(request->spki, check->spki)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "certification request: its key is not the signing key");
    }
    if (!check->spki) {
        check->spki = g_bytes_ref(request->spki);
    }
    return true;
}

/* Exactly the template in everything but the key itself. */
bool hf_ca_check_ak(GBytes *area, HfPublic *ret_ak, GError **error)
{
    g_autoptr(GByteArray) wanted = g_byte_array_new();
    g_autoptr(GByteArray) found = g_byte_array_new();
    HfPublic template;
    HfPublic ak;

    if (!parse_public(area, "attestation key", &ak, error)) {
        return false;
    }
    if (!hf_public_check_ak(&ak, error)) {
        g_prefix_error(error, "attestation key: ");
        return false;
    }
    hf_host_ak_template(&template);
    template.unique_size = ak.unique_size;
    template.y_size = ak.y_size;
    memcpy(template.unique, ak.unique, template.unique_size);
    memcpy(template.y, ak.y, template.y_size);
    hf_public_write(&template, wanted);
    hf_public_write(&ak, found);
    if (wanted->len != found->len || memcmp(wanted->data, found->data, found->len) != 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "attestation key: attributes or scheme are not the template's");
    }
    *ret_ak = ak;
    return true;
}

static bool check_ak(HfCheck *check, GError **error)
{
    if (!hf_ca_check_ak(check->evidence->parts[HF_EVIDENCE_AK], &check->ak, error)) {
        return false;
    }
    check->ak_qualified = hf_host_ak_qualified(&check->ak);
    return true;
}

/* The TPM of the attestation key made this key, for this nonce. A renewed key was made for an
 * earlier one, which the first delegation has checked. */
static bool check_creation(HfCheck *check, GError **error)
{
    HfAttestExpected expected = { .key = &check->ak, .signer = &check->ak_qualified };
    size_t attest_size = 0, signature_size = 0, creation_size = 0, outside_size = 0;
    const void *attest = part_data(check, HF_EVIDENCE_CREATION_ATTEST, &attest_size);
    const void *signature = part_data(check, HF_EVIDENCE_CREATION_SIGNATURE, &signature_size);
    const void *creation = part_data(check, HF_EVIDENCE_CREATION, &creation_size);
    const void *outside = part_data(check, HF_EVIDENCE_NONCE, &outside_size);
    HfCreationData data;

    expected.nonce = part_data(check, HF_EVIDENCE_NONCE, &expected.nonce_size);
    if (!hf_creation_data_parse(creation, creation_size, &data, error)) {
        g_prefix_error(error, "creation of the signing key: ");
        return false;
    }
    if (check->renewal) {
        outside = data.outside;
        outside_size = data.outside_size;
    }
    if (!hf_attest_verify_creation(attest, attest_size, signature, signature_size, &expected,
                                   &check->key, creation, creation_size, outside, outside_size,
                                   error)) {
        g_prefix_error(error, "creation of the signing key: ");
        return false;
    }
    return true;
}

/* What everything that the attestation key signed for this request must have in it. */
static HfDigest request_digest(const HfCheck *check)
{
    return hf_evidence_digest(check->evidence->parts[HF_EVIDENCE_NONCE], &check->key_name,
                              check->evidence->parts[HF_EVIDENCE_REQUEST]);
}

static bool check_quote(const HfCheck *check, const HfCaEnvironment *environment, GError **error)
{
    HfDigest extra = request_digest(check);
    HfAttestExpected expected = {
        .key = &check->ak,
        .nonce = extra.data,
        .nonce_size = extra.size,
        .signer = &check->ak_qualified,
        .selection = &environment->selection,
        .values = environment->values,
    };
    size_t quote_size = 0, signature_size = 0;
    const void *quote = part_data(check, HF_EVIDENCE_QUOTE, &quote_size);
    const void *signature = part_data(check, HF_EVIDENCE_QUOTE_SIGNATURE, &signature_size);

    if (!hf_attest_verify_quote(quote, quote_size, signature, signature_size, &expected, NULL,
                                error)) {
        g_prefix_error(error, "quote: ");
        return false;
    }
    return true;
}

/* The counter's value as the TPM certifies it for this request. */
static bool check_generation(const HfCheck *check, const HfCaEnvironment *environment,
                             GError **error)
{
    GBytes *const *parts = check->evidence->parts;
    HfDigest extra = request_digest(check);
    HfAttestExpected expected = {
        .key = &check->ak,
        .nonce = extra.data,
        .nonce_size = extra.size,
        .signer = &check->ak_qualified,
    };
    size_t attest_size = 0, signature_size = 0;
    uint64_t value = 0;
    HfTpmName name;
    HfReader r;

    if (environment->minimum_generation == 0) {
        return true;
    }
    if (!parts[HF_EVIDENCE_COUNTER_INDEX] || !parts[HF_EVIDENCE_COUNTER_ATTEST] ||
        !parts[HF_EVIDENCE_COUNTER_SIGNATURE]) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "generation: the host does not say what its counter is at");
    }
    r = hf_reader_for(parts[HF_EVIDENCE_COUNTER_INDEX]);
    name = hf_approval_counter_name(hf_reader_u32(&r), check->expected->approver);
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID, "generation: counter index: malformed");
    }
    const void *attest = part_data(check, HF_EVIDENCE_COUNTER_ATTEST, &attest_size);
    const void *signature = part_data(check, HF_EVIDENCE_COUNTER_SIGNATURE, &signature_size);

    if (!hf_attest_verify_counter(attest, attest_size, signature, signature_size, &expected, &name,
                                  &value, error)) {
        g_prefix_error(error, "generation: ");
        return false;
    }
    return value >= environment->minimum_generation ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "generation: the host's counter is at %" G_GUINT64_FORMAT
                        ", at least %" G_GUINT64_FORMAT " expected",
                        value, environment->minimum_generation);
}

/* Is the text of this record one of those that the environment allows? None of them: all are. */
static bool check_allowed(const HfCheck *check, HfEvidencePart part, const GPtrArray *list,
                          const char *what, GError **error)
{
    bool there = check->evidence->parts[part] != NULL;
    size_t size = there ? 0 : strlen(HF_KEY_MODEL_ANY);
    const char *found = there ? part_data(check, part, &size) : HF_KEY_MODEL_ANY;

    for (unsigned i = 0; i < list->len; i++) {
        const char *allowed = g_ptr_array_index(list, i);

        if (strlen(allowed) == size && memcmp(allowed, found, size) == 0) {
            return true;
        }
    }
    return list->len == 0 ||
           hf_error_set(error, HF_ERROR_POLICY, "%s: \"%.*s\" is not one of this environment", what,
                        (int)size, found);
}

static bool check_event_log(const HfCheck *check, const HfCaEnvironment *environment,
                            GError **error)
{
    GBytes *log = check->evidence->parts[HF_EVIDENCE_EVENT_LOG];
    g_autoptr(HfPcrValues) replayed = NULL;

    if (!log) {
        return !environment->event_log ||
               hf_error_set(error, HF_ERROR_POLICY, "event log: required, but the host sent none");
    }
    replayed = hf_event_log_replay(g_bytes_get_data(log, NULL), g_bytes_get_size(log), error);
    return replayed &&
           hf_event_log_check(replayed, &environment->selection, environment->values, error);
}

/* Does the host claim to be there? *ret_changed: the PCRs that speak against it. */
static bool claims(const HfCheck *check, const HfCaEnvironment *environment, char **ret_changed,
                   GError **error)
{
    size_t size = 0;
    const void *data = part_data(check, HF_EVIDENCE_PCRS, &size);
    g_autoptr(HfPcrValues) claimed =
        hf_pcr_values_parse(data, size, &environment->selection, error);

    if (!claimed) {
        g_prefix_error(error, "PCR values: ");
        return false;
    }
    *ret_changed = hf_pcr_lines_changed(environment->values, claimed, &environment->selection);
    return true;
}

/* A host whose TPM is a virtual one is in those environments alone that say so. */
static bool check_nested(const HfCheck *check, const HfCaEnvironment *environment, GError **error)
{
    const HfCaNonce *nonce = check->expected->nonce;
    unsigned levels = nonce ? nonce->nested : 0;

    return levels <= environment->nested ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "the host's TPM is a virtual one, nested %u level%s, and the environment "
                        "allows %u (nested = %u)",
                        levels, levels == 1 ? "" : "s", environment->nested, levels);
}

static bool fits(const HfCheck *check, const HfCaEnvironment *environment, GError **error)
{
    if (!check_quote(check, environment, error) || !check_nested(check, environment, error) ||
        !check_generation(check, environment, error) ||
        !check_allowed(check, HF_EVIDENCE_MIGRATION, environment->migration, "migration policy",
                       error) ||
        !check_allowed(check, HF_EVIDENCE_DEVICE_MODEL, environment->models, "device model",
                       error) ||
        !check_event_log(check, environment, error)) {
        if (*environment->name) {
            g_prefix_error(error, "environment \"%s\": ", environment->name);
        }
        return false;
    }
    return true;
}

/* The first environment that the host is in. If there is none, why the last one that has its PCR
 * values does not do; if none has, which PCRs keep it from the nearest. */
static bool check_environment(HfCheck *check, GError **error)
{
    GPtrArray *environments = check->expected->environments;
    g_autofree char *nearest = NULL;
    g_autoptr(GError) reason = NULL;

    for (unsigned i = 0; i < environments->len; i++) {
        const HfCaEnvironment *environment = g_ptr_array_index(environments, i);
        g_autofree char *changed = NULL;
        g_autoptr(GError) local = NULL;

        if (claims(check, environment, &changed, &local)) {
            if (!*changed && fits(check, environment, &local)) {
                check->environment = environment;
                return true;
            }
            if (*changed && (!nearest || strlen(changed) < strlen(nearest))) {
                g_free(nearest);
                nearest = g_steal_pointer(&changed);
            }
        }
        if (local) {
            g_clear_error(&reason);
            reason = g_steal_pointer(&local);
        }
    }
    if (reason) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
    return hf_error_set(error, HF_ERROR_POLICY,
                        "PCR values: the host is in no approved environment: %s",
                        nearest ? nearest : "none is approved");
}

bool hf_ca_check_ek(GBytes *area, HfPublic *ret_ek, GBytes **ret_spki, GError **error)
{
    g_autoptr(HfPublicKey) key = NULL;
    HfPublic ek;

    if (!parse_public(area, "endorsement key", &ek, error)) {
        return false;
    }
    if (!hf_public_check_ek(&ek, error) || !(key = hf_public_key_of(&ek, error))) {
        g_prefix_error(error, "endorsement key: ");
        return false;
    }
    *ret_ek = ek;
    *ret_spki = hf_public_key_spki(key);
    return true;
}

/* Whose certificate says that it is a virtual TPM was challenged as such or gets nothing. */
static bool check_virtual(const HfCheck *check, GError **error)
{
    const HfCaNonce *nonce = check->expected->nonce;
    GBytes *der = check->evidence->parts[HF_EVIDENCE_EK_CERTIFICATE];
    g_autoptr(HfCertificate) certificate = hf_certificate_new(der, "EK certificate", NULL);

    return !certificate || !hf_certificate_is_virtual(certificate) ||
           (nonce && nonce->nested > 0) ||
           hf_error_set(
               error, HF_ERROR_POLICY,
               "endorsement key: its certificate is one of a virtual TPM, and the host was "
               "not challenged as a nested one (holdfast-ca challenge --vma-root)");
}

/* A nested host's TPM may be rooted in software in the end. */
static bool check_base(const HfCheck *check, GError **error)
{
    const HfCaNonce *nonce = check->expected->nonce;

    return !nonce || !nonce->on_software || check->expected->allow_software ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "the host's virtual TPM is software-rooted; --allow-software delegates to "
                        "it all the same");
}

/* The endorsement key as claimed, with its certificate where there is one. */
static bool check_endorsement(HfCheck *check, GError **error)
{
    GBytes *const *parts = check->evidence->parts;
    g_autoptr(GBytes) spki = NULL;
    HfDigest digest;
    HfPublic ek;

    if (!hf_ca_check_ek(parts[HF_EVIDENCE_EK], &ek, &spki, error)) {
        return false;
    }
    if (parts[HF_EVIDENCE_EK_CERTIFICATE]) {
        g_autoptr(GBytes) certified = hf_vendor_key(parts[HF_EVIDENCE_EK_CERTIFICATE], error);

        if (!certified) {
            return false;
        }
        if (!g_bytes_equal(certified, spki)) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "endorsement key: its certificate is for another key");
        }
        if (!check_virtual(check, error)) {
            return false;
        }
    }
    digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
    check->ek_digest = g_bytes_new(digest.data, digest.size);
    return true;
}

/* The TPM with the endorsement key has opened what was made for this attestation key. */
static bool check_answer(HfCheck *check, GError **error)
{
    const HfCaNonce *nonce = check->expected->nonce;
    GBytes *answer = check->evidence->parts[HF_EVIDENCE_ANSWER];
    HfTpmName ak = hf_public_name(&check->ak);
    g_autoptr(GBytes) wanted = NULL;

    if (!nonce || !nonce->secret) {
        return check->expected->allow_unproved_ek ||
               hf_error_set(error, HF_ERROR_POLICY,
                            "endorsement key: nothing proves that the attestation key is in its "
                            "TPM: have the host answer a challenge (holdfast-ca challenge); "
                            "--allow-unproved-ek delegates all the same");
    }
    if (g_bytes_get_size(nonce->ak_name) != ak.size ||
        memcmp(g_bytes_get_data(nonce->ak_name, NULL), ak.data, ak.size) != 0) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "attestation key: another one than was challenged");
    }
    if (!g_bytes_equal(nonce->ek_digest, check->ek_digest)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "endorsement key: another one than was challenged");
    }
    if (!answer) {
        return hf_error_set(error, HF_ERROR_AUTH, "answer: missing, and the host was challenged");
    }
    wanted = hf_evidence_answer(check->evidence, nonce->secret);
    if (g_bytes_get_size(answer) != g_bytes_get_size(wanted) ||
        !hf_secret_equal(g_bytes_get_data(answer, NULL), g_bytes_get_data(wanted, NULL),
                         g_bytes_get_size(wanted))) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "answer: wrong: it does not come from the TPM that was challenged, or "
                            "not with this request");
    }
    check->challenged = true;
    return true;
}

/* The key signed all of the request, the parts that nothing else covers too. */
static bool check_proof(HfCheck *check, GError **error)
{
    GBytes *proof = check->evidence->parts[HF_EVIDENCE_PROOF];
    g_autoptr(HfPublicKey) key = hf_public_key_from_spki(g_bytes_get_data(check->spki, NULL),
                                                         g_bytes_get_size(check->spki), error);
    HfVerifyScheme scheme;
    HfDigest digest;
    bool longer;

    if (!key) {
        return false;
    }
    scheme = hf_public_key_kind(key) == HF_KEY_EC ? HF_VERIFY_ECDSA : HF_VERIFY_RSASSA;
    longer = hf_public_key_bits(key) == 384 || hf_public_key_bits(key) > 3072;
    digest = hf_evidence_proof(check->evidence, longer ? HF_HASH_SHA384 : HF_HASH_SHA256);
    return hf_public_key_verify(key, scheme, digest.alg, digest.data, digest.size,
                                g_bytes_get_data(proof, NULL), g_bytes_get_size(proof), NULL) ||
           hf_error_set(error, HF_ERROR_AUTH,
                        "proof: the signing key did not sign this request as it is");
}

static bool check_hardware(HfCheck *check, GError **error)
{
    if (!check->expected->approver) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--approver-public expected: the request is hardware-rooted");
    }
    return check_key(check, error) && check_request(check, error) && check_ak(check, error) &&
           check_creation(check, error) && check_environment(check, error) &&
           check_endorsement(check, error) && check_answer(check, error) &&
           check_base(check, error) && check_proof(check, error);
}

static bool check_software(HfCheck *check, GError **error)
{
    if (!check->expected->allow_software) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the request is software-rooted: its key is in no TPM; "
                            "--allow-software delegates to it all the same");
    }
    if (!check_request(check, error)) {
        return false;
    }
    check->key_name = hf_evidence_software_name(check->spki);
    check->name_hex = hf_hex(check->key_name.data, check->key_name.size);
    check->renewal = names_known(check);
    return check_proof(check, error);
}

void hf_ca_verdict_clear(HfCaVerdict *verdict)
{
    g_clear_pointer(&verdict->spki, g_bytes_unref);
    g_clear_pointer(&verdict->ek_digest, g_bytes_unref);
    g_clear_pointer(&verdict->key_name, g_free);
}

bool hf_ca_verify(const HfEvidence *evidence, const HfCaExpected *expected,
                  HfCaVerdict *ret_verdict, GError **error)
{
    HfCheck check = { .evidence = evidence, .expected = expected };
    HfCaVerdict verdict = { .rooted = evidence->rooted };
    bool good = evidence->rooted == HF_ROOTED_HARDWARE ? check_hardware(&check, error)
                                                       : check_software(&check, error);

    verdict.spki = check.spki;
    verdict.key_name = check.name_hex;
    verdict.ek_digest = check.ek_digest;
    verdict.renewal = check.renewal;
    verdict.environment = check.environment;
    verdict.ek_challenged = check.challenged;
    if (check.challenged && expected->nonce->nested > 0) {
        verdict.rooted = HF_ROOTED_NESTED;
        verdict.nested = expected->nonce->nested;
        verdict.on_software = expected->nonce->on_software;
    }
    if (!good) {
        hf_ca_verdict_clear(&verdict);
        return false;
    }
    *ret_verdict = verdict;
    return true;
}
