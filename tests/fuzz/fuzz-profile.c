/*
 * fuzz-profile.c - profiles of a TPM 2.0 and their names, as options and files bring them.
 *
 * What is removed for a host in FIPS mode is removed once: the result, taken again, stays as it is.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "engine/engine_profile.h"
#include "fuzz.h"

static const char available[] =
    "{\"AvailableProfiles\":[{\"Name\":\"null\",\"Algorithms\":\"rsa,sha1\"},{\"Name\":\"custom\","
    "\"Algorithms\":\"rsa,rsa-min-size=1024,tdes,tdes-min-size=128,camellia,ecc-min-size=192\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *kept = hf_profile_prepare(text, available, HF_PROFILE_KEEP, &error);
    fuzz_told(kept != NULL, &error);
    g_autofree char *cut = hf_profile_prepare(text, available, HF_PROFILE_FIPS_HOST, &error);
    fuzz_told(cut != NULL, &error);
    g_assert_true(kept || !cut);
    if (cut) {
        g_autofree char *again = hf_profile_prepare(cut, available, HF_PROFILE_FIPS_HOST, &error);
        fuzz_told(again != NULL, &error);
        g_assert_cmpstr(again, ==, cut);
    }
    g_autofree char *named = hf_profile_by_name(text, &error);
    fuzz_told(named != NULL, &error);
    if (named) {
        g_autofree char *taken = hf_profile_prepare(named, available, HF_PROFILE_KEEP, &error);
        g_assert_cmpstr(taken, ==, named);
    }
    return 0;
}
