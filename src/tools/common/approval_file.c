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
#include "tpm2/approval.h"
#include "tpm2/constants.h"

#define FORMAT "holdfast-approval"
#define FORMAT_VERSION 1

void hf_approval_free(HfApproval *approval)
{
    if (!approval) {
        return;
    }
    g_free(approval->time);
    hf_pcr_values_free(approval->values);
    g_clear_pointer(&approval->signature, g_bytes_unref);
    g_free(approval);
}

static bool compute(const HfApprovalSubject *subject, HfApproval *approval, GError **error)
{
    if (!hf_pcr_values_digest(approval->values, &approval->selection, HF_HASH_SHA256,
                              &approval->pcr_digest, error)) {
        return false;
    }
    approval->policy =
        hf_approval_environment(&approval->selection, &approval->pcr_digest, approval->generation,
                                &subject->counter, TPM2_CC_Sign);
    return true;
}

static bool verify(const HfApprovalSubject *subject, const HfApproval *approval, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_public_key_of(subject->approver, error);
    HfDigest digest = hf_approval_digest(&approval->policy, HF_APPROVAL_SIGN);

    return key && hf_public_key_verify(key,
                                       hf_public_key_kind(key) == HF_KEY_EC ? HF_VERIFY_ECDSA
                                                                            : HF_VERIFY_RSASSA,
                                       HF_HASH_SHA256, digest.data, digest.size,
                                       g_bytes_get_data(approval->signature, NULL),
                                       g_bytes_get_size(approval->signature), error);
}

HfApproval *hf_approval_sign(const HfApprovalSubject *subject, const HfPcrSelection *selection,
                             HfPcrValues *values, uint64_t generation, HfSigner *signer,
                             GError **error)
{
    g_autoptr(HfApproval) approval = g_new0(HfApproval, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    HfDigest digest;

    approval->values = values;
    approval->selection = *selection;
    approval->generation = generation;
    approval->time = g_date_time_format_iso8601(now);
    if (!compute(subject, approval, error)) {
        return NULL;
    }
    digest = hf_approval_digest(&approval->policy, HF_APPROVAL_SIGN);
    approval->signature = signer->class->sign(signer, digest.data, digest.size, error);
    if (!approval->signature) {
        return NULL;
    }
    if (!verify(subject, approval, NULL)) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "the key given is not the approver's key of this authority");
        return NULL;
    }
    return g_steal_pointer(&approval);
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

static HfApproval *parse(const HfApprovalSubject *subject, GBytes *json, const char *label,
                         GError **error)
{
    g_autoptr(HfFields) fields = hf_fields_parse(json, label, FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfApproval) approval = g_new0(HfApproval, 1);
    g_autoptr(GBytes) policy = NULL;

    if (!fields) {
        return NULL;
    }
    approval->time = hf_fields_text(fields, "time", true);
    parse_values(fields, approval);
    approval->generation = (uint64_t)hf_fields_number(fields, "generation", 0, G_MAXINT64);
    policy = hf_fields_hex(fields, "policy", true, 32, 32);
    approval->signature = hf_fields_hex(fields, "signature", true, 8, HF_RSA_MAX_BYTES);
    if (!hf_fields_finish(fields, error) || !compute(subject, approval, error)) {
        return NULL;
    }
    if (memcmp(approval->policy.data, g_bytes_get_data(policy, NULL), approval->policy.size) != 0) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: member \"policy\" does not follow from the other members", label);
        return NULL;
    }
    if (!verify(subject, approval, NULL)) {
        hf_error_set(error, HF_ERROR_AUTH, "%s: the signature is not the approver's", label);
        return NULL;
    }
    return g_steal_pointer(&approval);
}

HfApproval *hf_approval_load(const HfApprovalSubject *subject, int dir, const char *label,
                             bool *ret_found, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) json =
        hf_file_read_at(dir, HF_APPROVAL_FILE, HF_FIELDS_FILE_MAX, label, &local);

    *ret_found = !hf_error_is(local, HF_ERROR_NOT_FOUND);
    if (!json) {
        if (*ret_found) {
            g_propagate_error(error, g_steal_pointer(&local));
        }
        return NULL;
    }
    return parse(subject, json, label, error);
}

bool hf_approval_save(const HfApproval *approval, int dir, const char *label, GError **error)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, FORMAT_VERSION);
    g_autofree char *pcrs = hf_pcr_selection_text(&approval->selection);
    g_autofree char *lines = hf_pcr_lines(approval->values, &approval->selection);
    g_autofree char *text = NULL;

    hf_fields_put(builder, "time", approval->time);
    hf_fields_put(builder, "pcrs", pcrs);
    hf_fields_put_lines(builder, "values", lines);
    hf_fields_put_number(builder, "generation", (int64_t)approval->generation);
    hf_fields_put_hex(builder, "policy", approval->policy.data, approval->policy.size);
    hf_fields_put_bytes(builder, "signature", approval->signature);
    text = hf_fields_end(builder);
    return hf_file_replace_at(dir, HF_APPROVAL_FILE, text, strlen(text), 0600, label, error);
}
