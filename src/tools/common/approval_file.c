/*
 * approval_file.c - making, writing and checking approval.json.
 *
 * Loading trusts nothing in the file: the policy is computed again from its parts and the signature
 * verified in software, so that an altered file is told from a host that has changed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/approval_file.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/common/fields.h"
#include "tools/common/pcr_lines.h"

#define FORMAT "holdfast-approval"
#define FORMAT_VERSION 2
#define FORMAT_MINIMUM 1

/* How the members of each use are called. */
static const struct {
    const char *policy;
    const char *signature;
} members[HF_USES] = {
    [HF_USE_SIGN] = { "policy", "signature" },
    [HF_USE_DERIVE] = { "derive-policy", "derive-signature" },
};

void hf_approval_free(HfApproval *approval)
{
    if (!approval) {
        return;
    }
    g_free(approval->time);
    hf_pcr_values_free(approval->values);
    for (unsigned use = 0; use < HF_USES; use++) {
        g_clear_pointer(&approval->signature[use], g_bytes_unref);
    }
    g_free(approval);
}

static bool compute(const HfApprovalSubject *subject, HfApproval *approval, GError **error)
{
    if (!hf_pcr_values_digest(approval->values, &approval->selection, HF_HASH_SHA256,
                              &approval->pcr_digest, error)) {
        return false;
    }
    for (unsigned use = 0; use < HF_USES; use++) {
        approval->policy[use] = hf_approval_environment(&approval->selection, &approval->pcr_digest,
                                                        approval->generation, &subject->counter,
                                                        hf_use_info((HfUse)use)->command_code);
    }
    return true;
}

static bool verify(const HfApprovalSubject *subject, const HfApproval *approval, HfUse use,
                   GError **error)
{
    g_autoptr(HfPublicKey) key = hf_public_key_of(subject->approver, error);
    HfDigest digest = hf_approval_digest(&approval->policy[use], hf_use_info(use)->reference);

    return key && hf_public_key_verify(key,
                                       hf_public_key_kind(key) == HF_KEY_EC ? HF_VERIFY_ECDSA
                                                                            : HF_VERIFY_RSASSA,
                                       HF_HASH_SHA256, digest.data, digest.size,
                                       g_bytes_get_data(approval->signature[use], NULL),
                                       g_bytes_get_size(approval->signature[use]), error);
}

static bool sign(const HfApprovalSubject *subject, HfApproval *approval, HfUse use,
                 HfSigner *signer, GError **error)
{
    HfDigest digest = hf_approval_digest(&approval->policy[use], hf_use_info(use)->reference);

    approval->signature[use] = signer->class->sign(signer, digest.data, digest.size, error);
    if (!approval->signature[use]) {
        return false;
    }
    return verify(subject, approval, use, NULL) ||
           hf_error_set(error, HF_ERROR_POLICY,
                        "the key given is not the approver's key of this authority");
}

HfApproval *hf_approval_sign(const HfApprovalSubject *subject, const HfPcrSelection *selection,
                             HfPcrValues *values, uint64_t generation, HfSigner *signer,
                             GError **error)
{
    g_autoptr(HfApproval) approval = g_new0(HfApproval, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    bool good = true;

    approval->values = values;
    approval->selection = *selection;
    approval->generation = generation;
    approval->time = g_date_time_format_iso8601(now);
    if (!compute(subject, approval, error)) {
        return NULL;
    }
    /* All of them even when one fails: a signer that is elsewhere learns of all at once. */
    for (unsigned use = 0; use < HF_USES; use++) {
        good = sign(subject, approval, (HfUse)use, signer, good ? error : NULL) && good;
    }
    return good ? g_steal_pointer(&approval) : NULL;
}

static void parse_values(HfFields *fields, HfApproval *approval)
{
    g_autofree char *pcrs = hf_fields_text(fields, "pcrs", true);
    g_autofree char *lines = hf_fields_lines(fields, "values");
    g_autoptr(GError) why = NULL;

    if (!hf_pcr_selection_parse(pcrs, &approval->selection, &why)) {
        hf_fields_wrong(fields, "pcrs", why->message);
        return;
    }
    if (!lines) {
        return;
    }
    approval->values = hf_pcr_values_parse(lines, strlen(lines), &approval->selection, &why);
    if (!approval->values) {
        hf_fields_wrong(fields, "values", why->message);
        return;
    }
}

/* Of one use: computed again, verified. */
static bool check_use(const HfApprovalSubject *subject, const HfApproval *approval, HfUse use,
                      GBytes *policy, const char *label, GError **error)
{
    const HfDigest *computed = &approval->policy[use];

    if (!policy && !approval->signature[use]) {
        return true;
    }
    if (!policy || !approval->signature[use]) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: members \"%s\" and \"%s\": both or none expected", label,
                            members[use].policy, members[use].signature);
    }
    if (memcmp(computed->data, g_bytes_get_data(policy, NULL), computed->size) != 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: member \"%s\" does not follow from the other members", label,
                            members[use].policy);
    }
    return verify(subject, approval, use, NULL) ||
           hf_error_set(error, HF_ERROR_AUTH, "%s: the %s is not the approver's", label,
                        members[use].signature);
}

static HfApproval *parse(const HfApprovalSubject *subject, GBytes *json, const char *label,
                         GError **error)
{
    g_autoptr(HfFields) fields = hf_fields_parse(json, label, FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfApproval) approval = g_new0(HfApproval, 1);
    g_autoptr(GBytes) policy = NULL;
    g_autoptr(GBytes) derive = NULL;

    if (!fields) {
        return NULL;
    }
    approval->time = hf_fields_text(fields, "time", true);
    parse_values(fields, approval);
    approval->generation = (uint64_t)hf_fields_number(fields, "generation", 0, G_MAXINT64);
    policy = hf_fields_hex(fields, members[HF_USE_SIGN].policy, true, 32, 32);
    approval->signature[HF_USE_SIGN] =
        hf_fields_hex(fields, members[HF_USE_SIGN].signature, true, 8, HF_RSA_MAX_BYTES);
    derive = hf_fields_hex(fields, members[HF_USE_DERIVE].policy, false, 32, 32);
    approval->signature[HF_USE_DERIVE] =
        hf_fields_hex(fields, members[HF_USE_DERIVE].signature, false, 8, HF_RSA_MAX_BYTES);
    if (!hf_fields_finish(fields, error) || !compute(subject, approval, error) ||
        !check_use(subject, approval, HF_USE_SIGN, policy, label, error) ||
        !check_use(subject, approval, HF_USE_DERIVE, derive, label, error)) {
        return NULL;
    }
    return g_steal_pointer(&approval);
}

HfApproval *hf_approval_load(const HfApprovalSubject *subject, int dir, const char *name,
                             const char *label, bool *ret_found, GError **error)
{
    g_autoptr(GBytes) json = NULL;
    bool good = hf_file_read_if_at(dir, name, HF_FIELDS_FILE_MAX, label, &json, error);

    *ret_found = !good || json;
    return json ? parse(subject, json, label, error) : NULL;
}

bool hf_approval_fits(const HfApproval *approval, const HfPcrValues *values)
{
    g_autofree char *changed = hf_pcr_lines_changed(approval->values, values, &approval->selection);

    return *changed == '\0';
}

bool hf_approval_save(const HfApproval *approval, int dir, const char *name, const char *label,
                      GError **error)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, FORMAT_MINIMUM);
    g_autofree char *pcrs = hf_pcr_selection_text(&approval->selection);
    g_autofree char *lines = hf_pcr_lines(approval->values, &approval->selection);
    g_autofree char *text = NULL;

    hf_fields_put(builder, "time", approval->time);
    hf_fields_put(builder, "pcrs", pcrs);
    hf_fields_put_lines(builder, "values", lines);
    hf_fields_put_number(builder, "generation", (int64_t)approval->generation);
    for (unsigned use = 0; use < HF_USES; use++) {
        if (approval->signature[use]) {
            hf_fields_put_hex(builder, members[use].policy, approval->policy[use].data,
                              approval->policy[use].size);
            hf_fields_put_bytes(builder, members[use].signature, approval->signature[use]);
        }
    }
    text = hf_fields_end(builder);
    return hf_file_replace_at(dir, name, text, strlen(text), 0600, label, error);
}
