/*
 * fuzz-evidence.c - delegation requests: the parcel, and the CA's verdict on what is in it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/ca/ca_verify.h"
#include "tools/common/evidence.h"
#include "tpm2/template.h"

static void judge(const HfEvidence *evidence)
{
    GError *error = NULL;
    HfPublic approver;
    HfCaEnvironment *environment = hf_ca_environment_new("here");
    HfCaVerdict verdict = { 0 };
    g_autoptr(GPtrArray) environments =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_ca_environment_free);
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    HfCaExpected expected = { .approver = &approver,
                              .environments = environments,
                              .known_keys = known,
                              .allow_software = true };
    hf_template_public(HF_TEMPLATE_SRK_P256, &approver);
    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &environment->selection, NULL));
    g_clear_pointer(&environment->values, hf_pcr_values_free);
    environment->values = hf_pcr_values_new();
    g_ptr_array_add(environments, environment);
    bool ok = hf_ca_verify(evidence, &expected, &verdict, &error);
    /* Nobody has this approver's key. */
    g_assert_true(!ok || verdict.rooted == HF_ROOTED_SOFTWARE);
    fuzz_told(ok, &error);
    if (ok) {
        hf_ca_verdict_clear(&verdict);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) file = g_bytes_new(data, size);
    g_autoptr(HfEvidence) evidence = hf_evidence_read(file, "input", &error);
    fuzz_told(evidence != NULL, &error);
    if (evidence) {
        judge(evidence);
        g_autoptr(GBytes) written = hf_evidence_write(evidence);
        g_autoptr(HfEvidence) again = hf_evidence_read(written, "again", &error);
        g_assert_no_error(error);
    }
    return 0;
}
