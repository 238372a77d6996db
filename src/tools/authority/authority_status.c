/*
 * authority_status.c - `holdfast-authority status`: can certificates be issued now, and if not,
 * why.
 *
 * Reasons have a code for programs and words for people, and say what to do (authority_advice.h); all
 * that can be found are named, not only the first. What an operator should know though it works is a
 * note. When nothing speaks against it the key really signs something.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "crypto/random.h"
#include "hwtpm/hwcounter.h"
#include "hwtpm/hwquote.h"
#include "hwtpm/hwendorsement.h"
#include "pki/crl_set.h"
#include "pki/delegation.h"
#include "tools/authority/authority_advice.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/fields.h"
#include "tools/common/host_connection.h"
#include "tools/common/pcr_lines.h"

#define MONTH_S (30 * 86400)

typedef struct {
    const char *code;
    char *text;
} HfProblem;

typedef struct {
    HfAuthorityDir *authority;
    GArray *problems; /* HfProblem */
    GArray *notes;    /* the same, of what does not keep it from working */
    char *changed;    /* PCRs that differ from the approval, or NULL */
    uint64_t counter; /* 0: not known */
} HfStatus;

static void problem_clear(void *p)
{
    g_free(((HfProblem *)p)->text);
}

static void add(HfStatus *status, const char *code, const char *text)
{
    HfProblem problem = { .code = code, .text = g_strdup(text) };

    g_array_append_val(status->problems, problem);
}

static G_GNUC_PRINTF(3, 4) void note(HfStatus *status, const char *code, const char *format, ...)
{
    HfProblem problem = { .code = code };
    va_list ap;

    va_start(ap, format);
    problem.text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_array_append_val(status->notes, problem);
}

static void check_pcrs(HfStatus *status, const HfApproval *approval, const HfPcrValues *now)
{
    const HfApproval *next = status->authority->next;
    g_autofree char *text = NULL;
    g_autofree char *other = NULL;

    status->changed = hf_pcr_lines_changed(approval->values, now, &approval->selection);
    if (*status->changed) {
        other = next ? hf_pcr_lines_changed(next->values, now, &next->selection) : NULL;
        text = g_strdup_printf("PCRs changed since the approval of %s: %s%s%s%s%s", approval->time,
                               status->changed, next ? "; the state approved beforehand, at " : "",
                               next ? next->time : "", next ? ", is another one, too: " : "",
                               next ? other : "");
        add(status, "pcr-changed", text);
    }
}

/* The approval for a state to come, or one that has come. */
static void note_next(HfStatus *status, const HfApproval *in_force, const HfPcrValues *now)
{
    const HfAuthorityDir *authority = status->authority;
    const HfApproval *next = authority->next;
    g_autofree char *other = NULL;

    if (authority->next_error) {
        note(status, "beforehand-invalid", "%s", authority->next_error->message);
    } else if (next && next == in_force) {
        note(
            status, "in-beforehand",
            "the host is in the state that was approved beforehand, at %s; that of %s is approved, "
            "too",
            next->time, authority->approval->time);
    } else if (next && status->counter > next->generation) {
        note(status, "beforehand-revoked",
             "the state approved beforehand, at %s, is revoked: it is for generation "
             "%" G_GUINT64_FORMAT ", the host TPM's counter is at %" G_GUINT64_FORMAT,
             next->time, next->generation, status->counter);
    } else if (next) {
        other = hf_pcr_lines_changed(next->values, now, &next->selection);
        note(status, "approved-beforehand",
             "a state to come was approved at %s; it has others of %s", next->time, other);
    }
}

static void check_generation(HfStatus *status, const HfApproval *approval)
{
    HfAuthorityDir *authority = status->authority;
    g_autoptr(GError) error = NULL;
    HfCounter *counter = hf_authority_counter(authority, &error);
    g_autofree char *text = NULL;

    if (!counter || !hf_counter_value(counter, &status->counter, &error)) {
        add(status, hf_error_is(error, HF_ERROR_TPM) ? "tpm-failed" : "generation-unknown",
            error->message);
        return;
    }
    if (status->counter > approval->generation) {
        text =
            g_strdup_printf("generation revoked: the approval is for generation %" G_GUINT64_FORMAT
                            ", the host TPM's counter is at %" G_GUINT64_FORMAT,
                            approval->generation, status->counter);
        add(status, "generation-revoked", text);
    }
}

/* Is it the TPM that it was, and only what was in it is gone? What it says is believed here as far as
 * an operator's advice goes. */
static bool same_endorsement(const HfAuthorityDir *authority)
{
    const HfManifest *manifest = authority->manifest;
    g_autoptr(HfConnection) connection = hf_host_connection(authority->tcti, NULL);
    g_autoptr(GBytes) certificate = NULL;
    g_autoptr(GBytes) digest = NULL;
    HfPublic ek;

    if (!connection || !hf_storage_open(connection, manifest->srk_handle, NULL, NULL, NULL) ||
        !hf_endorsement_read(connection, &ek, &certificate, NULL)) {
        return false;
    }
    digest = hf_endorsement_digest(&ek, NULL);
    return digest && g_bytes_equal(digest, manifest->host_ek);
}

static void add_unconnected(HfStatus *status, const GError *error)
{
    const char *code = "tpm-failed";

    if (hf_error_is(error, HF_ERROR_IO)) {
        code = "tpm-unreachable";
    } else if (hf_error_is(error, HF_ERROR_STATE)) {
        code = same_endorsement(status->authority) ? "tpm-cleared" : "tpm-replaced";
    }
    add(status, code, error->message);
}

/* Approved, in this state, for this generation? */
static void check_approval(HfStatus *status, HfConnection *connection)
{
    g_autoptr(GError) error = NULL;
    const HfApproval *approval = hf_authority_in_force(status->authority, &error);
    g_autoptr(HfPcrValues) now =
        approval ? hf_hwpcr_read(connection, &approval->selection, &error) : NULL;

    if (!now) {
        add(status, "tpm-failed", error->message);
        return;
    }
    check_pcrs(status, approval, now);
    check_generation(status, approval);
    note_next(status, approval, now);
}

/* Of a host whose TPM is a virtual one: what its guests need of it, and verifiers of them. */
static void check_host_chain(HfStatus *status)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) chain = hf_authority_host_chain(status->authority, &error);
    g_autoptr(GPtrArray) all =
        chain ? hf_certificate_parse_bundle(chain, "certificates of the host TPM", &error) : NULL;

    if (!all) {
        add(status, "no-host-chain", error->message);
        return;
    }
    for (unsigned i = 0; i < all->len; i++) {
        const HfCertificate *certificate = g_ptr_array_index(all, i);

        if (now > certificate->not_after) {
            g_autofree char *name = hf_certificate_subject_text(certificate);

            note(status, "host-chain-expired",
                 "a certificate above that of the host TPM has expired: %s", name);
        }
    }
}

static void check_host(HfStatus *status)
{
    HfAuthorityDir *authority = status->authority;
    g_autoptr(GError) error = NULL;
    HfConnection *connection;

    if (authority->approval_error) {
        add(status, "approval-invalid", authority->approval_error->message);
    } else if (!authority->approval) {
        add(status, "no-approval", "nothing approved yet: run holdfast-authority approve");
    }
    connection = hf_authority_connection(authority, &error);
    if (!connection) {
        add_unconnected(status, error);
        return;
    }
    if (authority->approval) {
        check_approval(status, connection);
    }
    if (authority->facts.rooted == HF_ROOTED_NESTED) {
        check_host_chain(status);
    }
}

/* A month before, or where it is valid for a short time a third of that. */
static void note_expiry(HfStatus *status, const HfCertificate *certificate)
{
    gint64 left = certificate->not_after - g_get_real_time() / G_USEC_PER_SEC;
    gint64 validity = certificate->not_after - certificate->not_before;

    if (left < MIN(MONTH_S, validity / 3)) {
        g_autofree char *when = hf_crl_time_text(certificate->not_after);

        note(status, "certificate-expiring", "the certificate expires at %s", when);
    }
}

/* Only the CA's list can say it; the host does not hear of it by itself. */
static void check_revoked(HfStatus *status, const char *const *lists)
{
    const HfAuthorityDir *authority = status->authority;
    g_autoptr(HfCrlSet) set = hf_crl_set_new();
    g_autoptr(GError) error = NULL;
    HfCrlAnswer answer;

    for (; *lists; lists++) {
        if (!hf_crl_set_load(set, *lists, &error)) {
            add(status, "revocation-unknown", error->message);
            return;
        }
    }
    answer = hf_crl_set_ask(set, authority->certificate, "certificate",
                            g_ptr_array_index(authority->above, 0), "CA's certificate",
                            g_get_real_time() / G_USEC_PER_SEC, NULL, &error);
    if (answer != HF_CRL_ANSWER_GOOD) {
        add(status, answer == HF_CRL_ANSWER_UNKNOWN ? "revocation-unknown" : "certificate-revoked",
            error->message);
    }
}

static const char *unusable(const HfCertificate *certificate)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    if (!certificate) {
        return "no-certificate";
    }
    return now < certificate->not_before ? "certificate-early" : "certificate-expired";
}

static void check_certificate(HfStatus *status, const char *const *lists)
{
    HfAuthorityDir *authority = status->authority;
    g_autoptr(GError) error = NULL;

    if (authority->certificate && authority->above && authority->above->len > 0 && *lists) {
        check_revoked(status, lists);
    }
    if (authority->certificate_error) {
        add(status, "certificate-invalid", authority->certificate_error->message);
    } else if (!hf_authority_certificate(authority, &error)) {
        add(status, unusable(authority->certificate), error->message);
    } else {
        note_expiry(status, authority->certificate);
    }
}

/* A signature over a digest nobody knows a message for. */
static void check_signature(HfStatus *status)
{
    HfAuthorityDir *authority = status->authority;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) signature = NULL;
    HfSigner *signer = hf_authority_signer(authority, &error);
    uint8_t digest[48];
    size_t size;

    if (signer && authority->certificate &&
        !g_bytes_equal(signer->spki, authority->certificate->spki)) {
        add(status, "certificate-invalid", "the certificate installed is for another key");
        return;
    }
    if (signer) {
        size = signer->algorithm == HF_SIGN_ECDSA_SHA384 || signer->algorithm == HF_SIGN_RSA_SHA384
                   ? 48
                   : 32;
        hf_random_bytes(digest, sizeof(digest));
        signature = signer->class->sign(signer, digest, size, &error);
    }
    if (!signature) {
        add(status, hf_error_is(error, HF_ERROR_STATE) ? "tpm-replaced" : "sign-failed",
            error->message);
    }
}

/* Whether endorsement keys can be made reproducible; certificates are issued without, too. */
static const char *derivation_text(const HfAuthorityDir *authority)
{
    if (authority->derivation_error) {
        return "broken";
    }
    if (!authority->derivation) {
        return "none";
    }
    return authority->approval && authority->approval->signature[HF_USE_DERIVE] ? "approved"
                                                                                : "not approved";
}

static void put_key(JsonBuilder *builder, const HfAuthorityDir *authority)
{
    const HfAuthorityKey *key = authority->entry;

    hf_fields_put(builder, "key", key->name);
    hf_fields_put(builder, "migration-policy", key->migration_policy);
    hf_fields_put(builder, "device-model",
                  key->device_model ? key->device_model : HF_KEY_MODEL_ANY);
    if (authority->certificate) {
        g_autofree char *subject = hf_certificate_subject_text(authority->certificate);

        hf_fields_put(builder, "certificate", subject);
        hf_fields_put_number(builder, "certificate-not-after", authority->certificate->not_after);
        hf_fields_put_flag(builder, "identity-keys",
                           hf_delegation_has_identity_keys(authority->certificate));
    }
}

static void put_facts(JsonBuilder *builder, const HfStatus *status)
{
    const HfAuthorityDir *authority = status->authority;
    const HfManifest *manifest = authority->manifest;
    const HfApproval *approval = authority->in_force ? authority->in_force : authority->approval;

    hf_fields_put(builder, "signer", manifest->host_tpm ? "host-tpm" : "file");
    hf_fields_put(builder, "rooted", hf_rooted_text(authority->facts.rooted));
    put_key(builder, authority);
    hf_fields_put(builder, "host-tpm", manifest->host_tpm_text);
    hf_fields_put(builder, "tcti", authority->tcti);
    hf_fields_put_bytes(builder, "host-ek", manifest->host_ek);
    hf_fields_put(builder, "derivation-key", derivation_text(authority));
    if (approval) {
        hf_fields_put(builder, "approved-at", approval->time);
        hf_fields_put_number(builder, "approved-generation", (int64_t)approval->generation);
        hf_fields_put_bytes(builder, "approved-policy", authority->facts.tcb_digest);
    }
    if (status->counter > 0) {
        hf_fields_put_number(builder, "generation", (int64_t)status->counter);
    }
    if (status->changed && *status->changed) {
        hf_fields_put(builder, "pcrs-changed", status->changed);
    }
}

static void put_array(JsonBuilder *builder, const char *name, const GArray *problems)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < problems->len; i++) {
        const HfProblem *problem = &g_array_index(problems, HfProblem, i);

        json_builder_begin_object(builder);
        hf_fields_put(builder, "code", problem->code);
        hf_fields_put(builder, "text", problem->text);
        hf_fields_put(builder, "to-do", hf_authority_advice(problem->code));
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void put_problems(JsonBuilder *builder, const HfStatus *status)
{
    hf_fields_put_flag(builder, "works", status->problems->len == 0);
    put_array(builder, "problems", status->problems);
    put_array(builder, "notes", status->notes);
}

/* `others`: HfStatus of the further keys. */
static void print_json(const HfStatus *status, GPtrArray *others)
{
    JsonBuilder *builder = hf_fields_begin("holdfast-authority-status", 1, 1);
    g_autofree char *text = NULL;

    put_problems(builder, status);
    if (status->authority) {
        put_facts(builder, status);
    }
    json_builder_set_member_name(builder, "further-keys");
    json_builder_begin_array(builder);
    for (unsigned i = 0; i < others->len; i++) {
        const HfStatus *other = g_ptr_array_index(others, i);

        json_builder_begin_object(builder);
        put_problems(builder, other);
        if (other->authority) {
            put_key(builder, other->authority);
        }
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    text = hf_fields_end(builder);
    fputs(text, stdout);
}

static void print_array(const GArray *problems, const char *key, const char *what)
{
    for (unsigned i = 0; i < problems->len; i++) {
        const HfProblem *problem = &g_array_index(problems, HfProblem, i);

        printf("%s%s%s: %s\n    to do: %s\n", key ? key : "", key ? ": " : "", what, problem->text,
               hf_authority_advice(problem->code));
    }
}

static void print_words(const HfStatus *status, const char *dir, bool several)
{
    const HfAuthorityDir *authority = status->authority;
    g_autofree char *key = several && authority ? hf_authority_key_text(authority->entry) : NULL;

    if (status->problems->len == 0) {
        g_assert(authority); /* that it cannot be opened would be a problem */
        printf(
            "%s: works (%s%s, %s%s%s)\n", dir,
            authority->manifest->host_tpm ? authority->manifest->host_tpm_text : "software-rooted",
            authority->facts.rooted == HF_ROOTED_NESTED ? ", nested" : "",
            key ? "key " : "migration policy ", key ? key : authority->entry->migration_policy,
            hf_delegation_has_identity_keys(authority->certificate) ? ", also IAK and IDevID" : "");
    }
    print_array(status->problems, key, "does not work");
    print_array(status->notes, key, "note");
}

static HfStatus *status_new(void)
{
    HfStatus *status = g_new0(HfStatus, 1);

    status->problems = g_array_new(FALSE, FALSE, sizeof(HfProblem));
    status->notes = g_array_new(FALSE, FALSE, sizeof(HfProblem));
    g_array_set_clear_func(status->problems, problem_clear);
    g_array_set_clear_func(status->notes, problem_clear);
    return status;
}

static void status_free(void *data)
{
    HfStatus *status = data;

    g_array_unref(status->problems);
    g_array_unref(status->notes);
    g_free(status->changed);
    hf_authority_free(status->authority);
    g_free(status);
}

/* Opens the key and finds everything that speaks against it. What concerns the host is asked with
 * the first one alone. */
static HfStatus *look(const HfOptions *options, const HfKeyWish *wish, bool host)
{
    HfStatus *status = status_new();
    g_autoptr(GError) local = NULL;

    status->authority = hf_authority_open_key(hf_options_string(options, "dir"),
                                              hf_options_string(options, "tcti"), wish, &local);
    if (!status->authority) {
        add(status,
            hf_error_is(local, HF_ERROR_NOT_FOUND) && !wish->name ? "no-authority" : "invalid",
            local->message);
        return status;
    }
    if (host && status->authority->manifest->host_tpm) {
        check_host(status);
    }
    if (status->problems->len == 0) {
        check_signature(status);
    }
    check_certificate(status, hf_options_list(options, "crl"));
    /* One connection at a time. */
    hf_signer_free(g_steal_pointer(&status->authority->signer));
    hf_counter_free(g_steal_pointer(&status->authority->shared_counter));
    hf_connection_free(g_steal_pointer(&status->authority->connection));
    return status;
}

/* The keys after the first; none when one is asked for, or the authority cannot be read. */
static GPtrArray *look_further(const HfOptions *options, const HfStatus *first, bool chosen)
{
    GPtrArray *others = g_ptr_array_new_with_free_func(status_free);
    g_autoptr(GPtrArray) keys = chosen || !first->authority
                                    ? NULL
                                    : hf_authority_keys(hf_options_string(options, "dir"), NULL);

    for (unsigned i = 1; keys && i < keys->len; i++) {
        const HfAuthorityKey *key = g_ptr_array_index(keys, i);
        const HfKeyWish wish = { .name = key->name };

        g_ptr_array_add(others, look(options, &wish, first->problems->len > 0));
    }
    return others;
}

bool hf_authority_command_status(const HfOptions *options, bool *ret_works, GError **error)
{
    const HfKeyWish wish = hf_authority_wish(options);
    bool chosen = wish.name || wish.migration_policy || wish.device_model;
    const char *dir = hf_options_string(options, "dir");
    HfStatus *status = look(options, &wish, true);
    g_autoptr(GPtrArray) others = look_further(options, status, chosen);

    (void)error;
    *ret_works = status->problems->len == 0;
    for (unsigned i = 0; i < others->len; i++) {
        *ret_works = *ret_works && ((HfStatus *)g_ptr_array_index(others, i))->problems->len == 0;
    }
    if (hf_options_flag(options, "json")) {
        print_json(status, others);
    } else {
        print_words(status, dir, chosen || others->len > 0);
        for (unsigned i = 0; i < others->len; i++) {
            print_words(g_ptr_array_index(others, i), dir, true);
        }
    }
    status_free(status);
    return true;
}
