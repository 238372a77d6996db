/*
 * test-tpm2-policy.c - PCR selections and values, and policy digests compared with those a real
 * TPM computes in trial sessions.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "live_tpm.h"
#include "tpm2/constants.h"
#include "tpm2/policy.h"
#include "tpm2/template.h"

#define CC_POLICY_GET_DIGEST 0x00000189u
#define NV_INDEX 0x01800001u

static void test_selection_text(void)
{
    static const char *const good[] = { "sha256:0,2,4,7", "sha256:0,2,4,7+sha1:1", "sha384:23",
                                        "sha1:0+sha512:16,23" };
    static const char *const bad[] = {
        "",           "sha256",
        "sha256:",    "sha256:24",
        "sha256:0,0", "md5:0",
        "sha256:0+",  "sha256:0+sha256:1",
        "sha256:-1",  "sha256:0,",
        "SHA256:0",   "sha256:0 ,1",
        "sha256:1-3", "sha256:99999999999999999999",
        ":0",         "sha256:0:1",
    };
    HfPcrSelection selection;

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *text = NULL;

        g_assert_true(hf_pcr_selection_parse(good[i], &selection, NULL));
        text = hf_pcr_selection_text(&selection);
        g_assert_cmpstr(text, ==, good[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(hf_pcr_selection_parse(bad[i], &selection, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_USAGE);
    }
    g_assert_true(hf_pcr_selection_parse("sha256:all", &selection, NULL));
    g_assert_cmphex(selection.banks[0].mask, ==, 0xffffff);
    g_assert_cmpuint(hf_pcr_selection_total(&selection), ==, 24);
}

static void test_selection_wire(void)
{
    static const uint8_t known[] = { 0, 0, 0, 2, 0, 0x0b, 3, 0x95, 0, 0, 0, 4, 0x03, 2, 0, 0 };
    static const uint8_t twice[] = { 0, 0, 0, 2, 0, 0x0b, 1, 1, 0, 0x0b, 1, 2 };
    static const uint8_t wide[] = { 0, 0, 0, 1, 0, 0x0b, 5, 1, 0, 0, 0, 0 };
    static const uint8_t empty_map[] = { 0, 0, 0, 1, 0, 0x0b, 0 };
    static const uint8_t many[] = { 0, 0, 0, 17 };
    HfReader r = hf_reader(known, sizeof known);
    g_autoptr(GByteArray) w = g_byte_array_new();
    HfPcrSelection selection;
    HfPcrSelection same;
    HfPcrSelection other;

    g_assert_true(hf_pcr_selection_read(&r, &selection, NULL));
    g_assert_true(hf_reader_done(&r));
    hf_pcr_selection_write(&selection, w);
    g_assert_cmpmem(w->data, w->len, known, sizeof known);
    g_assert_true(hf_pcr_selection_parse("sha256:0,2,4,7+sha1:1", &same, NULL));
    g_assert_true(hf_pcr_selection_equal(&selection, &same));
    g_assert_true(hf_pcr_selection_parse("sha1:1+sha256:0,2,4,7", &other, NULL));
    g_assert_false(hf_pcr_selection_equal(&selection, &other));
    g_assert_true(hf_pcr_selection_parse("sha256:0,2,4,7", &other, NULL));
    g_assert_false(hf_pcr_selection_equal(&selection, &other));
    for (size_t n = 0; n < sizeof known; n++) {
        r = hf_reader(known, n);
        g_assert_false(hf_pcr_selection_read(&r, &selection, NULL));
    }
    r = hf_reader(twice, sizeof twice);
    g_assert_false(hf_pcr_selection_read(&r, &selection, NULL));
    r = hf_reader(wide, sizeof wide);
    g_assert_false(hf_pcr_selection_read(&r, &selection, NULL));
    r = hf_reader(empty_map, sizeof empty_map);
    g_assert_false(hf_pcr_selection_read(&r, &selection, NULL));
    r = hf_reader(many, sizeof many);
    g_assert_false(hf_pcr_selection_read(&r, &selection, NULL));
}

static void test_values(void)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    uint8_t digest[64] = { 1 };
    HfPcrSelection selection;
    g_autoptr(GError) error = NULL;
    HfDigest result;

    g_assert_true(hf_pcr_values_add(values, TPM2_ALG_SHA256, 7, digest, 32, &error));
    g_assert_false(hf_pcr_values_add(values, TPM2_ALG_SHA256, 7, digest, 32, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_assert_false(hf_pcr_values_add(values, TPM2_ALG_SHA256, 8, digest, 31, NULL));
    g_assert_false(hf_pcr_values_add(values, TPM2_ALG_SHA256, 32, digest, 32, NULL));
    g_assert_false(hf_pcr_values_add(values, 0x12, 0, digest, 32, NULL));
    g_clear_error(&error);
    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &selection, NULL));
    g_assert_false(hf_pcr_values_digest(values, &selection, TPM2_ALG_SHA256, &result, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, "PCR values: none for sha256:0");
}

/* A file in each of the three forms, then spoiled. */
static void test_values_files(void)
{
    const char *zeros = "0000000000000000000000000000000000000000000000000000000000000000";
    g_autofree char *text = g_strdup_printf("# PCRs\nsha256:0:%s\n\nsha256:7:%s # boot\n", zeros,
                                            "ff00000000000000000000000000000000000000000000000000"
                                            "000000000011");
    g_autofree char *missing = g_strdup_printf("sha256:0:%s\n", zeros);
    g_autofree char *twice = g_strdup_printf("sha256:0:%s\nsha256:0:%s\n", zeros, zeros);
    uint8_t bare[65] = { [32] = 0xff, [63] = 0x11 };
    g_autoptr(HfPcrValues) from_text = NULL;
    g_autoptr(HfPcrValues) from_bare = NULL;
    HfPcrSelection selection;
    HfDigest a;
    HfDigest b;

    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &selection, NULL));
    from_text = hf_pcr_values_parse(text, strlen(text), &selection, NULL);
    from_bare = hf_pcr_values_parse(bare, 64, &selection, NULL);
    g_assert_true(hf_pcr_values_digest(from_text, &selection, TPM2_ALG_SHA256, &a, NULL));
    g_assert_true(hf_pcr_values_digest(from_bare, &selection, TPM2_ALG_SHA256, &b, NULL));
    g_assert_true(hf_digest_equal(&a, &b));
    g_assert_null(hf_pcr_values_parse(bare, 65, &selection, NULL));
    g_assert_null(hf_pcr_values_parse(bare, 63, &selection, NULL));
    g_assert_null(hf_pcr_values_parse(missing, strlen(missing), &selection, NULL));
    g_assert_null(hf_pcr_values_parse(twice, strlen(twice), &selection, NULL));
    g_assert_null(hf_pcr_values_parse("sha256:0:zz\n", 12, &selection, NULL));
    g_assert_null(hf_pcr_values_parse("sha256:0\n", 9, &selection, NULL));
    g_assert_null(hf_pcr_values_parse("", 0, &selection, NULL));
}

/* tpm2-tools' dump of structures; sizes and contents as tpm2_quote 5.4 writes them. */
static GByteArray *dump_file(uint16_t lists)
{
    GByteArray *w = g_byte_array_new();

    hf_put_u32_le(w, 1);
    hf_put_u16_le(w, TPM2_ALG_SHA256);
    hf_put_bytes(w, "\x03\x81\x00\x00\x00\x00", 6);
    g_byte_array_set_size(w, 4 + 16 * 8);
    memset(w->data + 12, 0, w->len - 12);
    hf_put_u32_le(w, lists);
    for (unsigned i = 0; i < lists; i++) {
        size_t at = w->len;

        hf_put_u32_le(w, 2);
        for (unsigned j = 0; j < 8; j++) {
            hf_put_u16_le(w, j < 2 ? 32 : 0);
            g_byte_array_set_size(w, w->len + 64);
        }
        memset(w->data + at + 6, 0, 64);
        memset(w->data + at + 6 + 66, 0xab, 32);
    }
    return w;
}

static void test_values_dump(void)
{
    g_autoptr(GByteArray) good = dump_file(1);
    g_autoptr(GByteArray) two = dump_file(2);
    g_autoptr(HfPcrValues) values = NULL;
    HfPcrSelection selection;
    HfPcrSelection other;

    g_assert_cmpuint(good->len, ==, 668);
    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &selection, NULL));
    g_assert_true(hf_pcr_selection_parse("sha256:0,8", &other, NULL));
    values = hf_pcr_values_parse(good->data, good->len, &selection, NULL);
    g_assert_nonnull(values);
    g_assert_cmphex(hf_pcr_values_get(values, TPM2_ALG_SHA256, 7)[31], ==, 0xab);
    g_assert_null(hf_pcr_values_parse(good->data, good->len, &other, NULL));
    g_assert_null(hf_pcr_values_parse(two->data, two->len, &selection, NULL));
    for (size_t n = 0; n < good->len; n++) {
        g_autofree uint8_t *copy = g_memdup2(good->data, n);

        /* 64 bytes are bare digests, rightly. */
        if (n != 64) {
            g_assert_null(hf_pcr_values_parse(copy, n, &selection, NULL));
        }
    }
    good->data[136] = 9; /* digests in the list */
    g_assert_null(hf_pcr_values_parse(good->data, good->len, &selection, NULL));
    good->data[136] = 2;
    good->data[0] = 17; /* banks */
    g_assert_null(hf_pcr_values_parse(good->data, good->len, &selection, NULL));
}

/* Sends a policy command whose parameters are done and has no auth. */
static HfTpmCommand *policy_command(uint32_t code, uint32_t session)
{
    HfTpmCommand *command = hf_tpm_command_new(code);

    hf_tpm_command_handle(command, session);
    return command;
}

static void assert_digest(LiveTpm *live, uint32_t session, const HfDigest *expected)
{
    g_autoptr(HfTpmCommand) command = policy_command(CC_POLICY_GET_DIGEST, session);
    g_autoptr(HfTpmResponse) response = live_tpm_run(live, command);
    HfReader digest = hf_reader_tpm2b(&response->parameters, 64);

    g_assert_cmpmem(digest.data, digest.size, expected->data, expected->size);
}

static void step_pcr(LiveTpm *live, uint32_t session, HfDigest *policy)
{
    g_autoptr(HfTpmCommand) command = policy_command(TPM2_CC_PolicyPCR, session);
    g_autoptr(HfTpmResponse) response = NULL;
    g_autoptr(HfPcrValues) values = NULL;
    HfPcrSelection selection;
    HfDigest digest;

    g_assert_true(hf_pcr_selection_parse("sha256:0,2,4,7+sha1:3", &selection, NULL));
    values = hf_tpm_pcr_read(&live->transport, &selection, NULL);
    g_assert_true(hf_pcr_values_digest(values, &selection, TPM2_ALG_SHA256, &digest, NULL));
    hf_put_tpm2b(hf_tpm_command_parameters(command), digest.data, digest.size);
    hf_pcr_selection_write(&selection, hf_tpm_command_parameters(command));
    response = live_tpm_run(live, command);
    hf_policy_pcr(policy, &selection, &digest);
    assert_digest(live, session, policy);
}

static void step_nv(LiveTpm *live, uint32_t session, HfDigest *policy)
{
    HfNvPublic nv = { NV_INDEX, TPM2_ALG_SHA256, 0x02060002, 0, { 0 }, 8 };
    static const uint8_t operand[8] = { 0, 0, 0, 0, 0, 0, 0, 5 };
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PolicyNV);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    HfTpmName name;

    g_assert_true(hf_tpm_nv_define(&live->transport, TPM2_RH_OWNER, NULL, &nv, NULL, NULL));
    g_assert_true(
        hf_tpm_nv_write(&live->transport, TPM2_RH_OWNER, NULL, NV_INDEX, operand, 8, NULL));
    g_assert_true(hf_tpm_nv_read_public(&live->transport, NV_INDEX, &nv, NULL));
    name = hf_nv_public_name(&nv);
    hf_tpm_command_handle(command, NV_INDEX);
    hf_tpm_command_handle(command, NV_INDEX);
    hf_tpm_command_handle(command, session);
    hf_tpm_command_auth(command, NULL);
    hf_put_tpm2b(w, operand, sizeof operand);
    hf_put_u16(w, 0);
    hf_put_u16(w, TPM2_EO_UNSIGNED_LE);
    response = live_tpm_run(live, command);
    hf_policy_nv(policy, operand, sizeof operand, 0, TPM2_EO_UNSIGNED_LE, &name);
    assert_digest(live, session, policy);
}

static void step_command_code(LiveTpm *live, uint32_t session, HfDigest *policy)
{
    g_autoptr(HfTpmCommand) command = policy_command(TPM2_CC_PolicyCommandCode, session);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_put_u32(hf_tpm_command_parameters(command), TPM2_CC_Sign);
    response = live_tpm_run(live, command);
    hf_policy_command_code(policy, TPM2_CC_Sign);
    assert_digest(live, session, policy);
}

static void step_or(LiveTpm *live, uint32_t session, HfDigest *policy)
{
    HfDigest branches[2] = { *policy, hf_digest_of(TPM2_ALG_SHA256, "other", 5) };
    g_autoptr(HfTpmCommand) command = policy_command(TPM2_CC_PolicyOR, session);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_put_u32(w, 2);
    hf_put_tpm2b(w, branches[0].data, branches[0].size);
    hf_put_tpm2b(w, branches[1].data, branches[1].size);
    response = live_tpm_run(live, command);
    hf_policy_or(policy, branches, 2);
    assert_digest(live, session, policy);
}

/* A trial session takes any ticket. */
static void step_authorize(LiveTpm *live, uint32_t session, HfDigest *policy, const char *ref)
{
    g_autoptr(HfTpmCommand) command = policy_command(TPM2_CC_PolicyAuthorize, session);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    HfTpmName name;
    HfPublic pub;

    hf_template_public(HF_TEMPLATE_SRK_P256, &pub);
    name = hf_public_name(&pub);
    hf_put_tpm2b(w, policy->data, policy->size);
    hf_put_tpm2b(w, ref, strlen(ref));
    hf_put_tpm2b(w, name.data, name.size);
    hf_put_u16(w, 0x8022); /* TPM_ST_VERIFIED */
    hf_put_u32(w, TPM2_RH_NULL);
    hf_put_u16(w, 0);
    response = live_tpm_run(live, command);
    hf_policy_authorize(policy, &name, ref, strlen(ref));
    assert_digest(live, session, policy);
}

static void step_secret(LiveTpm *live, uint32_t session, HfDigest *policy)
{
    HfTpmName owner = hf_tpm_name_of_handle(TPM2_RH_OWNER);
    g_autoptr(GBytes) ref = g_bytes_new("ref", 3);

    live_tpm_policy_secret(live, session, TPM2_RH_OWNER, ref);
    hf_policy_secret(policy, &owner, "ref", 3);
    assert_digest(live, session, policy);
}

static void test_policy_against_tpm(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    HfDigest policy = hf_digest_zero(TPM2_ALG_SHA256);
    uint32_t session;

    g_assert_true(hf_tpm_startup(&live->transport, TPM2_SU_CLEAR, NULL));
    session = live_tpm_session(live, LIVE_TRIAL);
    assert_digest(live, session, &policy);
    step_pcr(live, session, &policy);
    step_nv(live, session, &policy);
    step_command_code(live, session, &policy);
    step_or(live, session, &policy);
    step_secret(live, session, &policy);
    step_authorize(live, session, &policy, "vma-sign");
    step_authorize(live, session, &policy, "");
}

/* Policy A of the EK templates is PolicySecret(TPM_RH_ENDORSEMENT). */
static void test_policy_a(void)
{
    HfTpmName endorsement = hf_tpm_name_of_handle(TPM2_RH_ENDORSEMENT);
    HfDigest policy = hf_digest_zero(TPM2_ALG_SHA256);
    HfDigest approval;
    HfDigest by_hand;
    HfPublic pub;

    hf_template_public(HF_TEMPLATE_EK_RSA2048, &pub);
    hf_policy_secret(&policy, &endorsement, NULL, 0);
    g_assert_cmpmem(pub.policy, pub.policy_size, policy.data, policy.size);
    approval = hf_policy_approval(&policy, NULL, 0);
    by_hand = hf_digest_of(TPM2_ALG_SHA256, policy.data, policy.size);
    g_assert_true(hf_digest_equal(&approval, &by_hand));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm2/pcr/selection-text", test_selection_text);
    g_test_add_func("/tpm2/pcr/selection-wire", test_selection_wire);
    g_test_add_func("/tpm2/pcr/values", test_values);
    g_test_add_func("/tpm2/pcr/values-files", test_values_files);
    g_test_add_func("/tpm2/pcr/values-dump", test_values_dump);
    g_test_add_func("/tpm2/policy/against-tpm", test_policy_against_tpm);
    g_test_add_func("/tpm2/policy/policy-a", test_policy_a);
    return g_test_run();
}
