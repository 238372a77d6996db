/*
 * test-engine-seed.c - an endorsement seed given to a new TPM: the keys that come of it, what stays
 * random, and every state and moment in which it must be refused.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"
#include "engine/permanent_layout.h"
#include "live_tpm.h"
#include "tpm2/constants.h"
#include "tpm2/template.h"

static HfSecret *seed_of(const char *text)
{
    HfSecret *seed = hf_secret_new(HF_ENDORSEMENT_SEED_SIZE);

    hf_hash_once(HF_HASH_SHA512, text, strlen(text), seed->data);
    return seed;
}

static void give_seed(LiveTpm *live, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSecret) seed = seed_of(text);

    hf_engine_set_endorsement_seed(live->engine, seed, &error);
    g_assert_no_error(error);
}

static void start(LiveTpm *live)
{
    g_autoptr(GError) error = NULL;

    hf_tpm_startup(&live->transport, TPM2_SU_CLEAR, &error);
    g_assert_no_error(error);
}

static HfDigest key_of(LiveTpm *live, HfTemplate which)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    HfPublic template;
    HfPublic made;
    uint32_t handle;

    hf_template_public(which, &template);
    hf_tpm_create_primary(&live->transport, hf_template_info(which)->hierarchy, NULL, &template,
                          &handle, &made, &error);
    g_assert_no_error(error);
    g_assert_true(hf_tpm_flush_context(&live->transport, handle, NULL));
    hf_public_write(&made, bytes);
    return hf_digest_of(HF_HASH_SHA256, bytes->data, bytes->len);
}

static HfDigest key_from(const char *seed, HfTemplate which)
{
    g_autoptr(LiveTpm) live = live_tpm_new();

    if (seed) {
        give_seed(live, seed);
    }
    start(live);
    return key_of(live, which);
}

static bool same(HfDigest a, HfDigest b)
{
    return memcmp(a.data, b.data, a.size) == 0;
}

/* The same seed gives the same keys, on every libtpms that is known. The answers are the test's own, not
 * those of the product (reproducible.c): a table that is wrong must not agree with itself. */
static void known_keys(void)
{
    static const struct {
        HfTemplate which;
        const char *seed;
        const char *digest;
    } rows[] = {
        { HF_TEMPLATE_EK_RSA2048, "vtpm-kat-70",
          "5b79986b1cfcceb72c9c04fa0dbf2b5136565ba2ae00efa34056414e21fc2d67" },
        { HF_TEMPLATE_EK_RSA3072, "vtpm-kat-63",
          "08117d560c950204a7f392055e5206a0d513a64aac76086d5e2f4fe97d64ddef" },
        { HF_TEMPLATE_EK_P256, "vtpm-kat-70",
          "4c087c0fcaac51e9292d2d5de3f9d6256a3760c26637f30732188999d24a000f" },
        { HF_TEMPLATE_EK_P384, "vtpm-kat-70",
          "dde41c6ba29fd6ff7395e195e5332b7d05b29aa82c4e75349a7d8b21b145f327" },
        { HF_TEMPLATE_EK_P521, "vtpm-kat-70",
          "8b73af92a956bf58b26be06719d011e78c2940530e11253e1908b38a308e876c" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        HfDigest key = key_from(rows[i].seed, rows[i].which);
        g_autofree char *hex = hf_hex(key.data, key.size);

        g_assert_cmpstr(hex, ==, rows[i].digest);
    }
}

static void only_endorsement(void)
{
    g_autoptr(LiveTpm) live = NULL;
    HfDigest ek[2];
    HfDigest srk[2];

    for (unsigned i = 0; i < 2; i++) {
        live = live_tpm_new();
        give_seed(live, "one");
        start(live);
        ek[i] = key_of(live, HF_TEMPLATE_EK_P256);
        srk[i] = key_of(live, HF_TEMPLATE_SRK_P256);
        live_tpm_free(g_steal_pointer(&live));
    }
    g_assert_true(same(ek[0], ek[1]));
    g_assert_false(same(srk[0], srk[1]));
    g_assert_false(same(ek[0], key_from("two", HF_TEMPLATE_EK_P256)));
    g_assert_false(same(ek[0], key_from(NULL, HF_TEMPLATE_EK_P256)));
}

/* What is stored gives the same keys after a power cycle; nothing else in it is the seed's. */
static void is_stored(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    g_autoptr(GBytes) random = g_bytes_ref(live->permanent);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSecret) seed = seed_of("stored");
    HfPermanentLayout layout;
    HfDigest key;
    size_t size;
    const uint8_t *before = g_bytes_get_data(random, &size);
    const uint8_t *after;

    give_seed(live, "stored");
    after = g_bytes_get_data(live->permanent, &size);
    g_assert_cmpuint(size, ==, g_bytes_get_size(random));
    g_assert_true(hf_permanent_layout(after, size, &layout, &error));
    g_assert_cmpuint(layout.compat_level, ==, HF_SEED_COMPAT_LEVEL);
    for (size_t i = 0; i < size; i++) {
        bool in_seed = i >= layout.at[HF_SEED_ENDORSEMENT] &&
                       i < layout.at[HF_SEED_ENDORSEMENT] + HF_SEED_SIZE;

        g_assert_cmpuint(after[i], ==,
                         in_seed ? seed->data[i - layout.at[HF_SEED_ENDORSEMENT]] : before[i]);
    }
    start(live);
    key = key_of(live, HF_TEMPLATE_EK_P384);
    g_assert_cmpuint(hf_engine_power_on(live->engine, false, &error), ==, 0);
    start(live);
    g_assert_true(same(key, key_of(live, HF_TEMPLATE_EK_P384)));
}

static void refused(LiveTpm *live, const HfSecret *seed, HfErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(hf_engine_set_endorsement_seed(live->engine, seed, &error));
    g_test_message("%s", error->message);
    g_assert_true(hf_error_is(error, code));
    g_assert_nonnull(strstr(error->message, words));
    g_assert_false(hf_engine_running(live->engine));
}

static void refuses_moments(void)
{
    g_autoptr(HfSecret) seed = seed_of("late");
    g_autoptr(HfSecret) zero = hf_secret_new(HF_ENDORSEMENT_SEED_SIZE);
    g_autoptr(HfSecret) small = hf_secret_copy(seed->data, 32);
    LiveTpm *live = live_tpm_new();

    start(live); /* one command is too many */
    refused(live, seed, HF_ERROR_STATE, "made just now");
    live_tpm_free(live);

    live = live_tpm_new();
    g_assert_cmpuint(hf_engine_power_on(live->engine, false, NULL), ==, 0); /* of what is stored */
    refused(live, seed, HF_ERROR_STATE, "made just now");
    live_tpm_free(live);

    live = live_tpm_new();
    give_seed(live, "late");
    refused(live, seed, HF_ERROR_STATE, "made just now"); /* not twice */
    live_tpm_free(live);

    live = live_tpm_new();
    hf_engine_power_off(live->engine);
    refused(live, seed, HF_ERROR_STATE, "made just now");
    live_tpm_free(live);

    live = live_tpm_new();
    refused(live, zero, HF_ERROR_INVALID, "not all zero");
    live_tpm_free(live);

    live = live_tpm_new();
    refused(live, small, HF_ERROR_INVALID, "64 bytes expected");
    live_tpm_free(live);
}

static void refuses_versions(void)
{
    static const uint32_t known[] = { 0x000900, 0x000902, 0x000a02, 0x000b00, 0x000bff };
    static const uint32_t unknown[] = { 0, 0x000800, 0x0008ff, 0x000c00, 0x010000, 0xffffffff };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        g_assert_true(hf_engine_seed_known(known[i], NULL));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(hf_engine_seed_known(unknown[i], &error));
        g_assert_true(hf_error_is(error, HF_ERROR_UNSUPPORTED));
    }
}

/* The layout's reader: every truncation, and every byte of structure that is another one. */
static void refuses_forms(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    size_t size;
    const uint8_t *blob = g_bytes_get_data(live->permanent, &size);
    g_autofree uint8_t *copy = g_memdup2(blob, size);
    HfPermanentLayout layout;
    unsigned taken = 0;

    g_assert_true(hf_permanent_layout(blob, size, &layout, NULL));
    for (size_t n = 0; n < size; n++) {
        g_autofree uint8_t *cut = g_memdup2(blob, MAX(n, 1)); /* for the sanitizer */
        g_autoptr(GError) error = NULL;

        g_assert_false(hf_permanent_layout(cut, n, &layout, &error));
        g_assert_true(hf_error_is(error, HF_ERROR_UNSUPPORTED) ||
                      hf_error_is(error, HF_ERROR_STATE));
    }
    for (size_t i = 0; i < size; i++) {
        HfPermanentLayout found;

        copy[i] ^= 0x40;
        if (hf_permanent_layout(copy, size, &found, NULL)) {
            g_assert_cmpmem(found.at, sizeof found.at, layout.at, sizeof layout.at);
            taken++;
        }
        copy[i] ^= 0x40;
    }
    /* Contents may differ; the seeds' place never moves, and structure is noticed. */
    g_assert_cmpuint(taken, <, size);
    for (size_t i = 0; i < 8; i++) { /* headers: versions and magics */
        bool is_minimum = i >= 6;

        copy[i] ^= 0x40;
        g_assert_cmpint(hf_permanent_layout(copy, size, &layout, NULL), ==, is_minimum);
        copy[i] ^= 0x40;
    }
    copy[layout.at[HF_SEED_ENDORSEMENT] - 1] = 20; /* seeds of another size */
    g_assert_false(hf_permanent_layout(copy, size, &layout, NULL));
}

static void refuses_owned(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    g_autoptr(HfSecret) auth = hf_secret_copy("secret", 6);
    g_autoptr(GError) error = NULL;
    HfPermanentLayout layout;

    start(live);
    g_assert_true(
        hf_tpm_hierarchy_change_auth(&live->transport, TPM2_RH_ENDORSEMENT, NULL, auth, NULL));
    g_assert_false(hf_permanent_layout(g_bytes_get_data(live->permanent, NULL),
                                       g_bytes_get_size(live->permanent), &layout, &error));
    g_assert_nonnull(strstr(error->message, "not a new one"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/seed/known-keys", known_keys);
    g_test_add_func("/engine/seed/only-endorsement", only_endorsement);
    g_test_add_func("/engine/seed/is-stored", is_stored);
    g_test_add_func("/engine/seed/refuses-moments", refuses_moments);
    g_test_add_func("/engine/seed/refuses-versions", refuses_versions);
    g_test_add_func("/engine/seed/refuses-forms", refuses_forms);
    g_test_add_func("/engine/seed/refuses-owned", refuses_owned);
    return g_test_run();
}
