/*
 * fuzz-enrolment.c - what a host and the fleet's CA send each other before a delegation, and the
 * file of approved environments. What was read is written the same again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/ca/ca_environment.h"
#include "tools/common/enrolment.h"

static void introduction(GBytes *file)
{
    GError *error = NULL;
    g_autoptr(HfIntroduction) read = hf_introduction_read(file, "input", &error);
    fuzz_told(read != NULL, &error);
    if (read) {
        g_autoptr(GBytes) written = hf_introduction_write(read);
        g_autoptr(HfIntroduction) again = hf_introduction_read(written, "written", &error);
        g_assert_no_error(error);
        g_autoptr(GBytes) twice = hf_introduction_write(again);
        g_assert_true(g_bytes_equal(written, twice));
    }
}

static void challenge(GBytes *file)
{
    GError *error = NULL;
    g_autoptr(HfChallenge) read = hf_challenge_read(file, "input", &error);
    fuzz_told(read != NULL, &error);
    if (read) {
        g_autoptr(GBytes) written = hf_challenge_write(read);
        g_autoptr(HfChallenge) again = hf_challenge_read(written, "written", &error);
        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(read->nonce, again->nonce));
    }
}

static void environments(GBytes *file)
{
    GError *error = NULL;
    g_autoptr(GPtrArray) read = hf_ca_environments_parse(file, "input", &error);
    fuzz_told(read != NULL, &error);
    for (unsigned i = 0; read && i < read->len; i++) {
        const HfCaEnvironment *one = read->pdata[i];
        g_assert_nonnull(hf_ca_environment_find(read, one->name));
        g_assert_nonnull(one->values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) file = g_bytes_new(data, size);
    introduction(file);
    challenge(file);
    environments(file);
    return 0;
}
