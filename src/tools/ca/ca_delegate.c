/*
 * ca_delegate.c - `holdfast-ca delegate`: from a verified request to a delegation certificate.
 *
 * Order: verify, use up the nonce, sign, record durably, hand out. A certificate that is not in the
 * record never leaves the CA.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/file.h"
#include "pki/delegation.h"
#include "pki/pem.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_dir.h"
#include "tools/ca/ca_verify.h"
#include "tools/common/parcel.h"
#include "tpm2/hostkey.h"

/* What stands for the name of an environment that has none. */
#define HF_CA_UNNAMED "unnamed"
#define HF_CA_SOFTWARE "software"

typedef struct {
    HfPublic approver;
    HfCaExpected expected;
} HfRules;

static void rules_clear(HfRules *rules)
{
    g_clear_pointer(&rules->expected.environments, g_ptr_array_unref);
    g_clear_pointer(&rules->expected.known_keys, g_ptr_array_unref);
}

static bool load_approver(const char *path, HfPublic *ret_approver, GError **error)
{
    g_autoptr(GBytes) pem = hf_file_read(path, 65536, error);
    g_autoptr(GPtrArray) blocks = pem ? hf_pem_read(pem, "PUBLIC KEY", 1, path, error) : NULL;
    g_autoptr(HfPublicKey) key = NULL;
    GBytes *der;

    if (!blocks) {
        return false;
    }
    der = g_ptr_array_index(blocks, 0);
    key = hf_public_key_from_spki(g_bytes_get_data(der, NULL), g_bytes_get_size(der), error);
    if (!key || !hf_approver_public(key, ret_approver, error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    return true;
}

/* Files of values without a name. */
static bool load_values(const HfOptions *options, GPtrArray *environments, GError **error)
{
    const char *const *files = hf_options_list(options, "approved-pcrs");
    HfPcrSelection selection;

    if (!hf_pcr_selection_parse(hf_options_string(options, "pcrs"), &selection, error)) {
        return false;
    }
    for (; *files; files++) {
        g_autoptr(HfCaEnvironment) environment = hf_ca_environment_new(HF_CA_UNNAMED);
        g_autoptr(GBytes) file = hf_file_read(*files, 65536, error);

        if (!file) {
            return false;
        }
        environment->selection = selection;
        environment->values = hf_pcr_values_parse(g_bytes_get_data(file, NULL),
                                                  g_bytes_get_size(file), &selection, error);
        if (!environment->values) {
            g_prefix_error(error, "%s: ", *files);
            return false;
        }
        g_ptr_array_add(environments, g_steal_pointer(&environment));
    }
    return true;
}

/* The named ones of --environments, or of the CA's own file; NULL when there is no file. */
static bool load_named(const HfOptions *options, HfCaDir *ca, GPtrArray **ret_named, GError **error)
{
    const char *path = hf_options_string(options, "environments");
    g_autofree char *own = g_build_filename(ca->path, HF_CA_ENVIRONMENTS_FILE, NULL);
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) file = hf_file_read(path ? path : own, HF_CA_ENVIRONMENTS_SIZE_MAX, &local);

    *ret_named = NULL;
    if (!file && !path && hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        return true;
    }
    if (!file) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    *ret_named = hf_ca_environments_parse(file, path ? path : own, error);
    return *ret_named != NULL;
}

/* With --approved-pcrs alone, only those count. */
static bool load_environments(const HfOptions *options, HfCaDir *ca, GPtrArray *environments,
                              GError **error)
{
    const char *const *names = hf_options_list(options, "environment");
    g_autoptr(GPtrArray) named = NULL;

    if (!load_values(options, environments, error) || !load_named(options, ca, &named, error)) {
        return false;
    }
    for (; *names; names++) {
        HfCaEnvironment *environment = named ? hf_ca_environment_find(named, *names) : NULL;
        unsigned at = 0;

        if (!environment) {
            return hf_error_set(error, HF_ERROR_NOT_FOUND,
                                "--environment: no environment \"%s\" is approved", *names);
        }
        (void)g_ptr_array_find(named, environment, &at);
        g_ptr_array_add(environments, g_ptr_array_steal_index(named, at));
    }
    if (named && environments->len == 0) {
        g_ptr_array_extend_and_steal(environments, g_steal_pointer(&named));
    }
    return true;
}

static bool load_rules(const HfOptions *options, HfCaDir *ca, HfRules *rules, GError **error)
{
    const char *approver = hf_options_string(options, "approver-public");
    g_autoptr(GPtrArray) issued = hf_ca_dir_issued(ca, error);

    rules->expected.environments =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_ca_environment_free);
    rules->expected.known_keys = g_ptr_array_new_with_free_func(g_free);
    rules->expected.allow_unproved_ek = hf_options_flag(options, "allow-unproved-ek");
    rules->expected.allow_software = hf_options_flag(options, "allow-software");
    if (!issued || !load_environments(options, ca, rules->expected.environments, error)) {
        return false;
    }
    for (unsigned i = 0; i < issued->len; i++) {
        const HfIssued *entry = g_ptr_array_index(issued, i);

        g_ptr_array_add(rules->expected.known_keys, g_strdup(entry->key));
    }
    if (approver) {
        if (!load_approver(approver, &rules->approver, error)) {
            return false;
        }
        rules->expected.approver = &rules->approver;
    }
    return true;
}

static char *part_text(const HfEvidence *evidence, HfEvidencePart part)
{
    GBytes *bytes = evidence->parts[part];

    return bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
}

static bool record(HfCaDir *ca, const HfEvidence *evidence, const HfCaVerdict *verdict,
                   const char *proof, const HfCertificate *certificate, GError **error)
{
    g_autoptr(HfIssued) entry = g_new0(HfIssued, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    entry->time = g_date_time_format_iso8601(now);
    entry->serial =
        hf_hex(g_bytes_get_data(certificate->serial, NULL), g_bytes_get_size(certificate->serial));
    entry->subject = hf_certificate_subject_text(certificate);
    entry->rooted = g_strdup(hf_rooted_text(verdict->rooted));
    entry->key = g_strdup(verdict->key_name);
    entry->migration_policy = part_text(evidence, HF_EVIDENCE_MIGRATION);
    entry->platform = part_text(evidence, HF_EVIDENCE_PLATFORM);
    entry->host_tpm = part_text(evidence, HF_EVIDENCE_HOST_TPM);
    if (verdict->ek_digest) {
        entry->host_ek = hf_hex(g_bytes_get_data(verdict->ek_digest, NULL),
                                g_bytes_get_size(verdict->ek_digest));
    }
    entry->ek_proof = g_strdup(proof);
    entry->environment =
        g_strdup(verdict->environment ? verdict->environment->name : HF_CA_SOFTWARE);
    entry->not_after = certificate->not_after;
    return hf_ca_dir_record(ca, entry, error);
}

static HfCertificate *issue(const HfOptions *options, HfCaDir *ca, const HfEvidence *evidence,
                            const HfCaVerdict *verdict, GError **error)
{
    g_autofree char *migration = part_text(evidence, HF_EVIDENCE_MIGRATION);
    const HfCaEnvironment *environment = verdict->environment;
    HfMandate mandate = {
        .environment = environment ? environment->name : (char *)(uintptr_t)HF_CA_SOFTWARE,
        .migration_policy = migration,
        .host_ek = verdict->ek_digest,
        .generation = environment ? environment->minimum_generation : 0,
        .emulators = environment && environment->emulators->len > 0 ? environment->emulators : NULL,
    };
    const HfDelegation in = {
        .mandate = &mandate,
        .spki = verdict->spki,
        .rooted = verdict->rooted,
        .organization = hf_options_string(options, "organization"),
        .name_constraints = hf_options_flag(options, "name-constraints"),
        .crl_url = hf_options_string(options, "crl-url"),
        .not_before = g_get_real_time() / G_USEC_PER_SEC,
        .days = (unsigned)hf_options_int(options, "days"),
    };

    return hf_delegation_new(&in, ca->signer, ca->root, error);
}

static bool hand_out(const char *out, const HfCertificate *certificate, const HfCertificate *root,
                     GError **error)
{
    g_autofree char *own = hf_certificate_pem(certificate);
    g_autofree char *above = hf_certificate_pem(root);
    g_autofree char *both = g_strconcat(own, above, NULL);

    return hf_file_replace(out, both, strlen(both), 0644, error);
}

static void report(const char *out, const HfCaVerdict *verdict, const HfCertificate *certificate)
{
    g_autofree char *subject = hf_certificate_subject_text(certificate);

    printf("%s: %s to %s (%s%s%s)\n", out, verdict->renewal ? "delegation renewed" : "delegated",
           subject, hf_rooted_text(verdict->rooted), verdict->environment ? ", environment " : "",
           verdict->environment ? verdict->environment->name : "");
    if (verdict->rooted == HF_ROOTED_HARDWARE && !verdict->ek_challenged) {
        printf("note: nothing proves that the host's attestation key is in the TPM of its "
               "endorsement key\n");
    }
}

static char *ek_proof(const HfCaVerdict *verdict, const HfCaNonce *nonce)
{
    if (verdict->rooted != HF_ROOTED_HARDWARE) {
        return NULL;
    }
    return g_strdup(verdict->ek_challenged ? nonce->vouched : "unproved");
}

static bool delegate(const HfOptions *options, HfCaDir *ca, const HfEvidence *evidence,
                     HfRules *rules, GError **error)
{
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaNonce) nonce = hf_ca_nonce_find(ca, evidence->parts[HF_EVIDENCE_NONCE], error);
    g_autofree char *proof = NULL;
    g_autoptr(HfCertificate) certificate = NULL;
    HfCaVerdict verdict = { 0 };
    bool done;

    rules->expected.nonce = nonce;
    if (!nonce || !hf_ca_verify(evidence, &rules->expected, &verdict, error)) {
        return false;
    }
    proof = ek_proof(&verdict, nonce);
    certificate =
        hf_ca_nonce_use(ca, nonce, error) ? issue(options, ca, evidence, &verdict, error) : NULL;
    done = certificate && record(ca, evidence, &verdict, proof, certificate, error) &&
           hand_out(out, certificate, ca->root, error);
    if (done) {
        report(out, &verdict, certificate);
    }
    hf_ca_verdict_clear(&verdict);
    return done;
}

bool hf_ca_command_delegate(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    g_autoptr(HfCaDir) ca = hf_ca_dir_open(hf_options_string(options, "dir"), error);
    g_autoptr(HfEvidence) evidence = NULL;
    g_autoptr(GBytes) file = NULL;
    HfRules rules = { 0 };
    bool done;

    file = ca ? hf_file_read(path, HF_PARCEL_FILE_MAX, error) : NULL;
    evidence = file ? hf_evidence_read(file, path, error) : NULL;
    if (!evidence) {
        return false;
    }
    done = load_rules(options, ca, &rules, error) && delegate(options, ca, evidence, &rules, error);
    rules_clear(&rules);
    return done;
}
