/*
 * authority_sign.c - `holdfast-authority sign-approval`: the approver's side of an offline approval.
 *
 * It signs no digest that it was given: each is computed anew from the PCR values, generation and
 * counter that the approver names, without a TPM. What approve --offline left of other values stays
 * unsigned.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/authority/approver_offline.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_files.h"
#include "tools/common/approval_file.h"

typedef struct {
    const char *dir;
    HfSigner *signer;
    HfPublic approver;
    HfPcrSelection selection;
    uint32_t counter_index;
    unsigned count;
} Job;

static bool prepare(Job *job, const HfOptions *options, GError **error)
{
    g_autoptr(HfPublicKey) key = NULL;

    if (!job->dir || !hf_options_has(options, "approver-key")) {
        return hf_error_set(error, HF_ERROR_USAGE, "--offline and --approver-key expected");
    }
    if (!hf_authority_number(options, "counter-index", 0x01800000, 0x01bfffff, &job->counter_index,
                             error) ||
        !hf_pcr_selection_parse(hf_options_string(options, "pcrs"), &job->selection, error)) {
        return false;
    }
    job->signer = hf_authority_key_signer(options, error);
    key = job->signer ? hf_public_key_from_spki(g_bytes_get_data(job->signer->spki, NULL),
                                                g_bytes_get_size(job->signer->spki), error)
                      : NULL;
    return key && hf_approver_public(key, &job->approver, error);
}

/* Of a counter that never counted: good once, before anything was approved. */
static bool sign_first(Job *job, GError **error)
{
    HfDigest approved = hf_approval_first_bump();
    HfDigest digest = hf_approval_digest(&approved, HF_APPROVAL_BUMP);

    return hf_approver_offline_answer(job->dir, &digest, true, job->signer, &job->count, error);
}

static bool sign_environment(Job *job, const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "pcr-values");
    uint64_t generation = (uint64_t)hf_options_int(options, "generation");
    HfTpmName counter = hf_approval_counter_name(job->counter_index, &job->approver);
    g_autoptr(GBytes) file = hf_file_read(path, 65536, error);
    g_autoptr(HfPcrValues) values = NULL;
    HfDigest pcrs;

    values = file ? hf_pcr_values_parse(g_bytes_get_data(file, NULL), g_bytes_get_size(file),
                                        &job->selection, error)
                  : NULL;
    if (!values || !hf_pcr_values_digest(values, &job->selection, HF_HASH_SHA256, &pcrs, error)) {
        g_prefix_error(error, "--pcr-values: ");
        return false;
    }
    for (unsigned use = 0; use < HF_USES; use++) {
        const HfUseInfo *info = hf_use_info((HfUse)use);
        HfDigest approved = hf_approval_environment(&job->selection, &pcrs, generation, &counter,
                                                    info->command_code);
        HfDigest digest = hf_approval_digest(&approved, info->reference);

        if (!hf_approver_offline_answer(job->dir, &digest, true, job->signer, &job->count, error)) {
            return false;
        }
    }
    return true;
}

static bool run(Job *job, const HfOptions *options, GError **error)
{
    bool environment = hf_options_has(options, "pcr-values");

    if (!prepare(job, options, error)) {
        return false;
    }
    if (environment != hf_options_has(options, "generation")) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--pcr-values and --generation: both expected, or none of them for the "
                            "counter's first value");
    }
    if (!(environment ? sign_environment(job, options, error) : sign_first(job, error))) {
        return false;
    }
    return job->count > 0 ||
           hf_error_set(error, HF_ERROR_NOT_FOUND,
                        "%s: nothing waits there for a signature of these values by this key",
                        job->dir);
}

bool hf_authority_command_sign_approval(const HfOptions *options, GError **error)
{
    Job job = { .dir = hf_options_string(options, "offline") };
    bool done = run(&job, options, error);

    if (done) {
        printf("%s: %u signed\n", job.dir, job.count);
    }
    hf_signer_free(job.signer);
    return done;
}
