/*
 * test-enrolment.c - what enrolment reads: approved environments, event logs, introductions and
 * challenges; and the mandate, which says in a vMA certificate what was delegated.
 *
 * Each "works" has its refusals; event logs are replayed against values that are computed here, and
 * in tests/cli/enrol.sh against a TPM.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "pki-world.h"
#include "tools/ca/ca_environment.h"
#include "tools/common/enrolment.h"
#include "tpm2/event_log.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "pcrs = sha256:0,7\nsha256:0:" ZEROS "\nsha256:7:" ONES "\n"

static GPtrArray *environments(const char *text, GError **error)
{
    g_autoptr(GBytes) file = g_bytes_new(text, strlen(text));

    return hf_ca_environments_parse(file, "file", error);
}

static void test_environments(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) all = environments(
        "# the fleet\n\n[ rack a ]\n" TWO "minimum-generation = 3\nmigration-policy = none\n"
        "migration-policy=fleet\n  emulator = " ONES "\nevent-log = required\n"
        "[b]\nsha256:0:" ZEROS "\nsha256:2:" ZEROS "\nsha256:4:" ZEROS "\nsha256:7:" ZEROS,
        &error);
    const HfCaEnvironment *a, *b;

    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, 2);
    a = hf_ca_environment_find(all, "rack a");
    b = hf_ca_environment_find(all, "b");
    g_assert_null(hf_ca_environment_find(all, "c"));
    g_assert_cmpuint(a->minimum_generation, ==, 3);
    g_assert_cmpuint(a->migration->len, ==, 2);
    g_assert_cmpuint(a->emulators->len, ==, 1);
    g_assert_true(a->event_log);
    g_assert_cmpint(hf_pcr_values_get(a->values, HF_HASH_SHA256, 7)[31], ==, 0x11);
    g_assert_cmpuint(hf_pcr_selection_total(&b->selection), ==, 4);
    g_assert_cmpuint(b->minimum_generation, ==, 0);
    g_assert_false(b->event_log);
    g_clear_pointer(&all, g_ptr_array_unref);
    all = environments("", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(all->len, ==, 0);
}

static const struct {
    const char *name, *text, *message;
} bad_environments[] = {
    { "before-a-name", TWO, "file: line 1: [NAME] expected before" },
    { "no-name", "[]\n" TWO, "file: line 1: [NAME] expected" },
    { "open-name", "[a\n" TWO, "file: line 1: [NAME] expected" },
    { "control-name", "[a\tb]\n" TWO, "file: line 1: name of the environment" },
    { "twice", "[a]\n" TWO "[a]\n" TWO, "file: line 5: environment \"a\" is there twice" },
    { "no-values", "[a]\n[b]\n" TWO, "file: line 2: environment \"a\": 4 PCR values expected" },
    { "too-few", "[a]\npcrs = sha256:0,2,7\n" TWO, "file: line 3: pcrs is there twice" },
    { "one-missing", "[a]\npcrs = sha256:0,7\nsha256:0:" ZEROS "\n", "file: line 4: environment" },
    { "one-more", "[a]\n" TWO "sha256:8:" ZEROS "\n", "file: line 6: environment" },
    { "same-twice", "[a]\npcrs = sha256:0,7\nsha256:0:" ZEROS "\nsha256:0:" ZEROS "\n",
      "file: line 5: environment" },
    { "short-value", "[a]\npcrs = sha256:0\nsha256:0:00\n", "file: line 4: environment" },
    { "bank", "[a]\npcrs = sha999:0\n", "file: line 2: " },
    { "generation-0", "[a]\nminimum-generation = 0\n" TWO, "file: line 2: minimum-generation" },
    { "generation-sign", "[a]\nminimum-generation = -1\n" TWO, "file: line 2: minimum-generation" },
    { "generation-text", "[a]\nminimum-generation = 1x\n" TWO, "file: line 2: minimum-generation" },
    { "generation-large", "[a]\nminimum-generation = 99999999999999999999\n" TWO,
      "file: line 2: minimum-generation" },
    { "generation-twice", "[a]\nminimum-generation = 1\nminimum-generation = 2\n" TWO,
      "file: line 3: minimum-generation is there twice" },
    { "emulator-short", "[a]\nemulator = 00\n" TWO, "file: line 2: emulator: SHA-256" },
    { "emulator-text", "[a]\nemulator = xyz\n" TWO, "file: line 2: emulator" },
    { "migration-empty", "[a]\nmigration-policy =\n" TWO, "file: line 2: migration-policy" },
    { "event-log", "[a]\nevent-log = maybe\n" TWO, "file: line 2: event-log: \"required\"" },
    { "unknown", "[a]\nfoo = bar\n" TWO, "file: line 2: pcrs, minimum-generation" },
    { "no-utf-8", "[a]\n\xff\n", "file: line 2: UTF-8" },
};

static void test_bad_environment(gconstpointer data)
{
    unsigned row = GPOINTER_TO_UINT(data);
    g_autoptr(GError) error = NULL;

    g_assert_null(environments(bad_environments[row].text, &error));
    g_assert_nonnull(error);
    if (!g_str_has_prefix(error->message, bad_environments[row].message)) {
        g_test_fail_printf("expected \"%s\", found \"%s\"", bad_environments[row].message,
                           error->message);
    }
}

static void test_zero_byte(void)
{
    g_autoptr(GBytes) file = g_bytes_new("[a]\0", 4);
    g_autoptr(GError) error = NULL;

    g_assert_null(hf_ca_environments_parse(file, "file", &error));
    g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
}

/* What is wrong with an event log. */
typedef enum {
    LOG_GOOD,
    LOG_LOCALITY,
    LOG_OLD_FORMAT,
    LOG_NO_ALGORITHM,
    LOG_ALGORITHM_TWICE,
    LOG_DIGEST_SIZE,
    LOG_HEADER_SIZE,
    LOG_FEWER_DIGESTS,
    LOG_DIGEST_TWICE,
    LOG_FOREIGN_DIGEST,
    LOG_PCR,
    LOG_LARGE_DATA,
    LOG_LATE_LOCALITY,
} LogTwist;

static const struct {
    const char *name;
    LogTwist twist;
    const char *message;
} bad_logs[] = {
    { "old-format", LOG_OLD_FORMAT, "event log: header: the crypto-agile format" },
    { "no-algorithm", LOG_NO_ALGORITHM, "event log: header: 1 to 8 algorithms" },
    { "algorithm-twice", LOG_ALGORITHM_TWICE,
      "event log: header: algorithm 0x000b is there twice" },
    { "digest-size", LOG_DIGEST_SIZE, "event log: header: algorithm 0x000b" },
    { "header-size", LOG_HEADER_SIZE, "event log: header: its size" },
    { "fewer-digests", LOG_FEWER_DIGESTS, "event log: event 1: a digest of each" },
    { "digest-twice", LOG_DIGEST_TWICE,
      "event log: event 1: a digest of each algorithm expected, once" },
    { "foreign-digest", LOG_FOREIGN_DIGEST, "event log: event 1: a digest of each" },
    { "pcr", LOG_PCR, "event log: event 1: a PCR from 0 to 15" },
    { "large-data", LOG_LARGE_DATA, "event log: event 2: its data are larger" },
    { "late-locality", LOG_LATE_LOCALITY, "event log: event 3: a start-up locality" },
};

static void put_header(GByteArray *w, LogTwist twist)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    uint8_t zeros[20] = { 0 };

    hf_put_bytes(data, twist == LOG_OLD_FORMAT ? "Spec ID Event02" : "Spec ID Event03", 16);
    hf_put_u32_le(data, 0);
    hf_put_bytes(data, "\0\2\0\2", 4);
    hf_put_u32_le(data, twist == LOG_NO_ALGORITHM ? 0 : 2);
    hf_put_u16_le(data, twist == LOG_ALGORITHM_TWICE ? HF_HASH_SHA256 : HF_HASH_SHA1);
    hf_put_u16_le(data, twist == LOG_ALGORITHM_TWICE ? 32 : 20);
    hf_put_u16_le(data, HF_HASH_SHA256);
    hf_put_u16_le(data, twist == LOG_DIGEST_SIZE ? 31 : 32);
    hf_put_u8(data, 0);
    if (twist == LOG_HEADER_SIZE) {
        hf_put_u8(data, 0);
    }
    hf_put_u32_le(w, 0);
    hf_put_u32_le(w, 3);
    hf_put_bytes(w, zeros, 20);
    hf_put_u32_le(w, data->len);
    hf_put_bytes(w, data->data, data->len);
}

static void put_event(GByteArray *w, uint32_t pcr, uint32_t type, uint8_t fill, const char *data,
                      size_t size, LogTwist twist)
{
    uint8_t digest[32];

    memset(digest, fill, sizeof(digest));
    hf_put_u32_le(w, pcr);
    hf_put_u32_le(w, type);
    hf_put_u32_le(w, twist == LOG_FEWER_DIGESTS ? 1 : 2);
    hf_put_u16_le(w, twist == LOG_DIGEST_TWICE ? HF_HASH_SHA256 : HF_HASH_SHA1);
    hf_put_bytes(w, digest, twist == LOG_DIGEST_TWICE ? 32 : 20);
    hf_put_u16_le(w, twist == LOG_FOREIGN_DIGEST ? HF_HASH_SHA384 : HF_HASH_SHA256);
    hf_put_bytes(w, digest, 32);
    hf_put_u32_le(w, (uint32_t)size);
    hf_put_bytes(w, data, size);
}

static void put_locality(GByteArray *w)
{
    put_event(w, 0, 3, 0, "StartupLocality\0\3", 17, LOG_GOOD);
}

static GBytes *make_log(LogTwist twist)
{
    GByteArray *w = g_byte_array_new();

    put_header(w, twist);
    if (twist == LOG_LOCALITY) {
        put_locality(w);
    }
    put_event(w, twist == LOG_PCR ? 24 : 0, 8, 0xaa, "first", 5, twist);
    put_event(w, 7, 1, 0xbb, "", 0, LOG_GOOD);
    if (twist == LOG_LARGE_DATA) {
        hf_set_u32_at(w, w->len - 4, 0xffffffff);
    }
    if (twist == LOG_LATE_LOCALITY) {
        put_locality(w);
    }
    put_event(w, 0, 3, 0xcc, "another no action", 17, LOG_GOOD);
    put_event(w, 7, 1, 0xdd, "x", 1, LOG_GOOD);
    return g_byte_array_free_to_bytes(w);
}

static void extend(uint8_t *pcr, uint8_t fill)
{
    uint8_t both[64];

    memcpy(both, pcr, 32);
    memset(both + 32, fill, 32);
    hf_hash_once(HF_HASH_SHA256, both, sizeof(both), pcr);
}

static HfPcrValues *replay(GBytes *log, GError **error)
{
    return hf_event_log_replay(g_bytes_get_data(log, NULL), g_bytes_get_size(log), error);
}

static void check_log(LogTwist twist, uint8_t first)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) log = make_log(twist);
    g_autoptr(HfPcrValues) values = replay(log, &error);
    g_autoptr(HfPcrValues) quoted = hf_pcr_values_new();
    uint8_t zero[32] = { 0 }, seven[32] = { 0 }, two[32] = { 0 };
    HfPcrSelection selection;

    g_assert_no_error(error);
    zero[31] = first;
    extend(zero, 0xaa);
    extend(seven, 0xbb);
    extend(seven, 0xdd);
    g_assert_cmpmem(hf_pcr_values_get(values, HF_HASH_SHA256, 0), 32, zero, 32);
    g_assert_cmpmem(hf_pcr_values_get(values, HF_HASH_SHA256, 7), 32, seven, 32);
    g_assert_cmpmem(hf_pcr_values_get(values, HF_HASH_SHA256, 2), 32, two, 32);
    g_assert_nonnull(hf_pcr_values_get(values, HF_HASH_SHA1, 7));
    g_assert_null(hf_pcr_values_get(values, HF_HASH_SHA256, 16));
    g_assert_true(hf_pcr_selection_parse("sha256:0,7,8", &selection, NULL));
    g_assert_true(hf_pcr_values_add(quoted, HF_HASH_SHA256, 0, zero, 32, NULL));
    g_assert_true(hf_pcr_values_add(quoted, HF_HASH_SHA256, 7, seven, 32, NULL));
    /* PCR 8 and up: others than the firmware extend them too. */
    g_assert_true(hf_pcr_values_add(quoted, HF_HASH_SHA256, 8, seven, 32, NULL));
    g_assert_true(hf_event_log_check(values, &selection, quoted, &error));
    g_assert_true(hf_pcr_values_add(quoted, HF_HASH_SHA256, 2, seven, 32, NULL));
    g_assert_true(hf_pcr_selection_parse("sha256:0,2,7", &selection, NULL));
    g_assert_false(hf_event_log_check(values, &selection, quoted, &error));
    world_refused(&error, HF_ERROR_POLICY, "another value of PCR 2");
    g_assert_true(hf_pcr_selection_parse("sha384:0", &selection, NULL));
    g_assert_false(hf_event_log_check(values, &selection, quoted, &error));
    world_refused(&error, HF_ERROR_POLICY, "no bank of algorithm 0x000c");
}

static void test_event_log(void)
{
    check_log(LOG_GOOD, 0);
    check_log(LOG_LOCALITY, 3);
}

static void test_bad_log(gconstpointer data)
{
    unsigned row = GPOINTER_TO_UINT(data);
    g_autoptr(GBytes) log = make_log(bad_logs[row].twist);
    g_autoptr(GError) error = NULL;

    g_assert_null(replay(log, &error));
    g_assert_nonnull(error);
    if (!g_str_has_prefix(error->message, bad_logs[row].message)) {
        g_test_fail_printf("expected \"%s\", found \"%s\"", bad_logs[row].message, error->message);
    }
}

/* Only where an event ends the beginning of a log is a log. */
static void test_log_prefixes(void)
{
    g_autoptr(GBytes) log = make_log(LOG_GOOD);
    unsigned good = 0;

    for (size_t n = 0; n < g_bytes_get_size(log); n++) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(log, 0, n);
        g_autoptr(HfPcrValues) values = replay(part, NULL);

        good += values != NULL;
    }
    g_assert_cmpuint(good, ==, 4); /* the header alone, and with one to three events */
}

static void test_letters(void)
{
    g_autoptr(HfIntroduction) introduction = hf_introduction_new(HF_ROOTED_SOFTWARE);
    g_autoptr(HfIntroduction) again = NULL;
    g_autoptr(GBytes) file = NULL;
    HfChallenge challenge = { .nonce = g_bytes_new("0123456789abcdef0123456789ABCDEF", 32) };
    g_autoptr(GBytes) written = hf_challenge_write(&challenge);
    g_autoptr(HfChallenge) read = hf_challenge_read(written, "file", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_bytes_equal(read->nonce, challenge.nonce));
    g_assert_null(read->credential);
    introduction->parts[HF_INTRODUCTION_MIGRATION] = g_bytes_new("none", 4);
    introduction->parts[HF_INTRODUCTION_PLATFORM] = g_bytes_new("a|b|c", 5);
    file = hf_introduction_write(introduction);
    again = hf_introduction_read(file, "file", NULL);
    g_assert_nonnull(again);
    g_clear_pointer(&again, hf_introduction_free);
    introduction->parts[HF_INTRODUCTION_EK] = g_bytes_new("x", 1);
    g_clear_pointer(&file, g_bytes_unref);
    file = hf_introduction_write(introduction);
    g_assert_null(hf_introduction_read(file, "file", &error));
    world_refused(&error, HF_ERROR_INVALID, "EK: not expected in a software-rooted introduction");
    for (size_t n = 0; n < g_bytes_get_size(written); n++) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(written, 0, n);

        g_assert_null(hf_challenge_read(part, "file", NULL));
        g_assert_null(hf_introduction_read(part, "file", NULL));
    }
    g_bytes_unref(challenge.nonce);
}

static HfCertificate *vma_with(World *world, const HfMandate *mandate, GError **error)
{
    const HfDelegation in = {
        .spki = world->vma_key->spki,
        .rooted = world->vma_key->rooted,
        .organization = "Fleet",
        .mandate = mandate,
        .not_before = WORLD_BIRTH,
        .days = 365,
    };

    return hf_delegation_new(&in, world->root_key, world->root, error);
}

/* The EK certificate of the world, made under a vMA certificate that says nothing, below one of the
 * same key that has this mandate; refused with `text`, or accepted when that is NULL. So is the
 * issuing. */
static void check_mandate(World *world, const HfMandate *mandate, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) vma = vma_with(world, mandate, &error);
    g_autoptr(HfCertificate) leaf = NULL;
    g_autoptr(HfCertificate) under = NULL;
    g_autoptr(GPtrArray) chain = NULL;

    g_assert_no_error(error);
    g_assert_cmpstr(vma->mandate->environment, ==, mandate->environment);
    g_assert_cmpuint(vma->mandate->generation, ==, mandate->generation);
    leaf = hf_endorsement_ek(&world->ek, world->vma_key, world->vma, &error);
    g_assert_no_error(error);
    chain = world_chain(leaf, vma, NULL);
    under = hf_endorsement_ek(&world->ek, world->vma_key, vma, text ? NULL : &error);
    g_assert_no_error(error);
    g_assert_true((under != NULL) == (text == NULL));
    g_assert_true(hf_chain_verify(chain, world->roots, &world->rules, NULL, &error) == !text);
    if (text) {
        world_refused(&error, HF_ERROR_POLICY, text);
    }
}

static void test_mandate(void)
{
    g_autoptr(World) world = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GPtrArray) emulators = g_ptr_array_new();
    g_autoptr(GBytes) other = g_bytes_new(ZEROS, 32);
    g_autoptr(GError) error = NULL;
    HfMandate mandate = { .environment = (char *)(uintptr_t) "rack a",
                          .migration_policy = (char *)(uintptr_t) "none",
                          .host_ek = world->host_digest,
                          .generation = 5 };

    check_mandate(world, &mandate, NULL);
    g_ptr_array_add(emulators, other);
    mandate.emulators = emulators;
    check_mandate(world, &mandate, "an emulator that is not approved");
    g_ptr_array_add(emulators, world->host_digest);
    check_mandate(world, &mandate, NULL);
    world->holding.device_model = NULL;
    check_mandate(world, &mandate, "no measurement of the emulator");
    world->holding.device_model = world->host_digest;
    mandate.host_ek = other;
    check_mandate(world, &mandate, "another host TPM");
    mandate.host_ek = world->host_digest;
    mandate.migration_policy = (char *)(uintptr_t) "fleet";
    check_mandate(world, &mandate, "migration policy \"none\", but the vMA was delegated");
    mandate.environment = (char *)(uintptr_t) "";
    g_assert_null(vma_with(world, &mandate, &error));
    world_refused(&error, HF_ERROR_INVALID, "name of the environment");
    mandate.environment = (char *)(uintptr_t) "x";
    g_ptr_array_set_size(emulators, 0);
    g_assert_null(vma_with(world, &mandate, &error));
    world_refused(&error, HF_ERROR_INVALID, "emulators: 1 to 64");
}

/* Any byte of it another, any part of it alone: another mandate or none, but nothing bad. */
static void test_mandate_bytes(void)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    HfMandate mandate = { .environment = (char *)(uintptr_t) "rack a",
                          .migration_policy = (char *)(uintptr_t) "none",
                          .generation = 300 };

    g_assert_true(hf_mandate_write(&mandate, w, NULL));
    for (size_t n = 0; n < w->len; n++) {
        g_autoptr(HfMandate) part = hf_mandate_read(hf_reader(w->data, n));

        g_assert_null(part);
    }
    for (size_t n = 0; n < w->len * 8; n++) {
        w->data[n / 8] ^= (uint8_t)(1u << (n % 8));
        hf_mandate_free(hf_mandate_read(hf_reader(w->data, w->len)));
        w->data[n / 8] ^= (uint8_t)(1u << (n % 8));
    }
    g_autoptr(HfMandate) whole = hf_mandate_read(hf_reader(w->data, w->len));

    g_assert_cmpuint(whole->generation, ==, 300);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/enrolment/environments", test_environments);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_environments); i++) {
        g_autofree char *path =
            g_strconcat("/enrolment/environments/", bad_environments[i].name, NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_bad_environment);
    }
    g_test_add_func("/enrolment/environments/zero-byte", test_zero_byte);
    g_test_add_func("/enrolment/event-log", test_event_log);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_logs); i++) {
        g_autofree char *path = g_strconcat("/enrolment/event-log/", bad_logs[i].name, NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_bad_log);
    }
    g_test_add_func("/enrolment/event-log/prefixes", test_log_prefixes);
    g_test_add_func("/enrolment/letters", test_letters);
    g_test_add_func("/enrolment/mandate", test_mandate);
    g_test_add_func("/enrolment/mandate/bytes", test_mandate_bytes);
    return g_test_run();
}
