/*
 * test-engine.c - the engine over the real libtpms, with a storage in memory that can be told to
 * fail: nothing that goes wrong may make a new TPM, lose one, or pass for success.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <glib.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/engine.h"

/* The engine's RAND_bytes asks the C library; this definition comes before it and keeps count. */
static size_t last_draw;
static unsigned draws;
static bool no_random;

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    draws++;
    last_draw = size;
    if (no_random) {
        errno = ENOSYS;
        return -1;
    }
    return (ssize_t)syscall(SYS_getrandom, buffer, size, flags);
}

typedef struct {
    GBytes *blobs[3];
    HfErrorCode load_error[3]; /* 0 (FAILED): works */
    HfErrorCode save_error;
    unsigned saves;
} Memory;

static GBytes *memory_load(void *user, HfBlobKind kind, GError **error)
{
    Memory *memory = user;

    if (memory->load_error[kind - 1]) {
        hf_error_set(error, memory->load_error[kind - 1], "the disk is on fire");
        return NULL;
    }
    if (!memory->blobs[kind - 1]) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "no such blob");
        return NULL;
    }
    return g_bytes_ref(memory->blobs[kind - 1]);
}

static bool memory_save(void *user, HfBlobKind kind, const uint8_t *data, size_t size,
                        GError **error)
{
    Memory *memory = user;

    if (memory->save_error) {
        return hf_error_set(error, memory->save_error, "the disk is full");
    }
    g_clear_pointer(&memory->blobs[kind - 1], g_bytes_unref);
    memory->blobs[kind - 1] = g_bytes_new(data, size);
    memory->saves++;
    return true;
}

static bool memory_remove(void *user, HfBlobKind kind, GError **error)
{
    Memory *memory = user;

    (void)error;
    g_clear_pointer(&memory->blobs[kind - 1], g_bytes_unref);
    return true;
}

static const HfEngineStorage storage = { memory_load, memory_save, memory_remove };

static void memory_clear(Memory *memory)
{
    for (unsigned i = 0; i < 3; i++) {
        g_clear_pointer(&memory->blobs[i], g_bytes_unref);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Memory, memory_clear)

static HfEngine *engine_new(Memory *memory, HfTpmVersion version)
{
    GError *error = NULL;
    HfEngine *engine = hf_engine_new(version, &storage, memory, &error);

    g_assert_no_error(error);
    return engine;
}

static void power_on(HfEngine *engine, bool resume)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = hf_engine_power_on(engine, resume, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(result, ==, 0);
    g_assert_true(hf_engine_running(engine));
}

static void refuses_power_on(HfEngine *engine, bool resume, const char *words)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = hf_engine_power_on(engine, resume, &error);

    g_assert_nonnull(error);
    if (!strstr(error->message, words)) {
        g_error("\"%s\" does not say \"%s\"", error->message, words);
    }
    g_assert_cmpuint(result, !=, 0);
    g_assert_false(hf_engine_running(engine));
}

static uint32_t run(HfEngine *engine, const void *command, size_t size)
{
    const uint8_t *response = NULL;
    size_t got = hf_engine_process(engine, command, size, 0, &response);

    g_assert_cmpuint(got, >=, 10);
    g_assert_cmpuint(hf_fetch_u32(response + 2), ==, got);
    return hf_fetch_u32(response + 6);
}

static GBytes *get_random(HfEngine *engine)
{
    static const uint8_t command[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 32 };
    const uint8_t *response = NULL;
    size_t got = hf_engine_process(engine, command, sizeof command, 0, &response);

    g_assert_cmpuint(got, ==, 44);
    g_assert_cmpuint(hf_fetch_u32(response + 6), ==, 0);
    return g_bytes_new(response + 12, 32);
}

/* TPM2_PCR_Read of one SHA-256 PCR. */
static GBytes *read_pcr(HfEngine *engine, unsigned pcr)
{
    uint8_t command[] = { 0x80, 1, 0, 0, 0, 20, 0, 0, 1, 0x7e, 0, 0, 0, 1, 0, 11, 3, 0, 0, 0 };
    const uint8_t *response = NULL;
    size_t got;

    command[17 + pcr / 8] = (uint8_t)(1u << (pcr % 8));
    got = hf_engine_process(engine, command, sizeof command, 0, &response);
    g_assert_cmpuint(got, >, 32);
    g_assert_cmpuint(hf_fetch_u32(response + 6), ==, 0);
    return g_bytes_new(response + got - 32, 32);
}

static GBytes *get_blob(HfEngine *engine, HfBlobKind kind)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = 99;
    GBytes *blob = hf_engine_get_blob(engine, kind, &result, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(result, ==, 0);
    return blob;
}

static uint32_t set_blob(HfEngine *engine, HfBlobKind kind, GBytes *blob, GError **error)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(blob, &size);

    return hf_engine_set_blob(engine, kind, data, size, error);
}

static void accepts_blob(HfEngine *engine, HfBlobKind kind, GBytes *blob)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = set_blob(engine, kind, blob, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(result, ==, 0);
}

static void refuses_blob(HfEngine *engine, HfBlobKind kind, const void *data, size_t size,
                         const char *words)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(hf_engine_set_blob(engine, kind, data, size, &error), !=, 0);
    g_assert_nonnull(error);
    if (!strstr(error->message, words)) {
        g_error("\"%s\" does not say \"%s\"", error->message, words);
    }
}

static GBytes *with_flipped_byte(GBytes *blob, size_t offset)
{
    GBytes *copy = g_bytes_new(g_bytes_get_data(blob, NULL), g_bytes_get_size(blob));
    gsize size;
    uint8_t *data = g_bytes_unref_to_data(copy, &size);

    data[offset] ^= 1;
    return g_bytes_new_take(data, size);
}

/* A started TPM 2 with its blobs, from which tests resume. */
static void make_tpm(Memory *memory, GBytes **ret_permanent, GBytes **ret_volatile)
{
    g_autoptr(HfEngine) engine = engine_new(memory, HF_TPM_2_0);

    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    if (ret_permanent) {
        *ret_permanent = get_blob(engine, HF_BLOB_PERMANENT);
    }
    if (ret_volatile) {
        *ret_volatile = get_blob(engine, HF_BLOB_VOLATILE);
    }
}

static void test_manufacture(void)
{
    g_auto(Memory) memory = { 0 }, second = { 0 };
    g_autoptr(GBytes) fresh = NULL;
    g_autoptr(GBytes) again = NULL;
    HfEngine *engine = engine_new(&memory, HF_TPM_2_0);

    g_assert_false(hf_engine_running(engine));
    power_on(engine, true);
    g_assert_cmpuint(memory.saves, ==, 1);
    g_assert_null(hf_engine_storage_error(engine));
    fresh = get_blob(engine, HF_BLOB_PERMANENT);
    g_assert_true(g_bytes_equal(fresh, memory.blobs[0]));
    hf_engine_power_off(engine);
    hf_engine_free(engine);

    /* The same TPM in another engine: nothing is made, nothing is stored. */
    engine = engine_new(&memory, HF_TPM_2_0);
    power_on(engine, false);
    again = get_blob(engine, HF_BLOB_PERMANENT);
    g_assert_true(g_bytes_equal(fresh, again));
    g_assert_cmpuint(memory.saves, ==, 1);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    g_assert_cmpuint(memory.saves, ==, 2);
    /* Powering on while it runs is a power cycle: it wants Startup again. */
    power_on(engine, false);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0x100);
    hf_engine_free(engine);

    /* Another TPM has other secrets. */
    make_tpm(&second, NULL, NULL);
    g_assert_false(g_bytes_equal(second.blobs[0], memory.blobs[0]));
}

static void test_random(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);

    draws = 0;
    power_on(engine, true);
    /* What libtpms seeds itself with at manufacture: one draw of 48 bytes, from us. */
    g_assert_cmpuint(draws, ==, 1);
    g_assert_cmpuint(last_draw, ==, 48);
}

static void test_random_fails(void)
{
    if (g_test_subprocess()) {
        static const struct rlimit no_core = { 0, 0 };
        g_auto(Memory) memory = { 0 };
        g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);

        setrlimit(RLIMIT_CORE, &no_core);
        no_random = true;
        (void)hf_engine_power_on(engine, true, NULL);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*no random numbers*");
}

static void test_load_fails(void)
{
    static const HfErrorCode codes[] = { HF_ERROR_IO, HF_ERROR_ACCESS, HF_ERROR_INVALID,
                                         HF_ERROR_AUTH };
    g_auto(Memory) memory = { 0 };
    g_autoptr(GBytes) volatile_blob = NULL;
    g_autoptr(GBytes) permanent = NULL;
    HfEngine *engine;
    unsigned saves;

    /* Nothing there but a permanent state that cannot be read: no TPM comes to be. */
    make_tpm(&memory, &permanent, &volatile_blob);
    saves = memory.saves;
    engine = engine_new(&memory, HF_TPM_2_0);
    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        memory.load_error[0] = codes[i];
        refuses_power_on(engine, true, "the disk is on fire");
    }
    memory.load_error[0] = 0;

    /* The volatile state cannot be read: libtpms alone would start cold without a word. */
    memory.load_error[1] = HF_ERROR_IO;
    refuses_power_on(engine, true, "the disk is on fire");
    power_on(engine, false);
    memory.load_error[1] = 0;
    hf_engine_power_off(engine);
    g_assert_cmpuint(memory.saves, ==, saves);
    hf_engine_free(engine);
}

static void test_state_wrong(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) volatile_blob = NULL;
    g_autofree uint8_t *huge = g_malloc0(HF_BLOB_MAX + 1);
    HfEngine *engine;
    unsigned saves;

    make_tpm(&memory, &permanent, &volatile_blob);
    saves = memory.saves;
    engine = engine_new(&memory, HF_TPM_2_0);

    g_bytes_unref(memory.blobs[0]);
    memory.blobs[0] = g_bytes_new_static("", 0);
    refuses_power_on(engine, true, "permanent state has 0 bytes");
    g_bytes_unref(memory.blobs[0]);
    memory.blobs[0] = g_bytes_new(huge, HF_BLOB_MAX + 1);
    refuses_power_on(engine, true, "expected 1 to 524288");
    g_bytes_unref(memory.blobs[0]);
    memory.blobs[0] = with_flipped_byte(permanent, 3);
    refuses_power_on(engine, true, "does not start from its state");
    g_bytes_unref(memory.blobs[0]);
    memory.blobs[0] = g_bytes_new_from_bytes(permanent, 0, 700);
    refuses_power_on(engine, true, "does not start from its state");

    g_bytes_unref(memory.blobs[0]);
    memory.blobs[0] = g_bytes_ref(permanent);
    memory.blobs[1] = with_flipped_byte(volatile_blob, 2000);
    refuses_power_on(engine, true, "volatile 8");
    power_on(engine, false);
    hf_engine_power_off(engine);

    /* A volatile state alone: its permanent state is lost, which must not pass for a new TPM. */
    g_clear_pointer(&memory.blobs[0], g_bytes_unref);
    refuses_power_on(engine, true, "no permanent state");
    g_assert_null(memory.blobs[0]);
    g_assert_cmpuint(memory.saves, ==, saves);
    hf_engine_free(engine);
}

static void test_save_fails(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autoptr(GBytes) before = NULL;

    /* During manufacture libtpms returns success. */
    memory.save_error = HF_ERROR_NO_SPACE;
    refuses_power_on(engine, true, "the disk is full");
    g_assert_null(memory.blobs[0]);
    g_assert_true(hf_error_is(hf_engine_storage_error(engine), HF_ERROR_NO_SPACE));

    memory.save_error = 0;
    power_on(engine, true);
    g_assert_null(hf_engine_storage_error(engine));
    before = g_bytes_ref(memory.blobs[0]);

    /* While it runs: the command fails, the TPM stays failed, the error is remembered. */
    memory.save_error = HF_ERROR_IO;
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, HF_TPM_RC_FAILURE);
    g_assert_true(hf_error_is(hf_engine_storage_error(engine), HF_ERROR_IO));
    memory.save_error = 0;
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, HF_TPM_RC_FAILURE);
    g_assert_true(g_bytes_equal(before, memory.blobs[0]));
    power_on(engine, true);
    g_assert_null(hf_engine_storage_error(engine));
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
}

static void test_set_blob(void)
{
    g_auto(Memory) source = { 0 }, target = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) volatile_blob = NULL;
    g_autoptr(GBytes) cached = NULL;
    g_autoptr(GError) error = NULL;
    HfEngine *engine;
    uint32_t result = 0;

    make_tpm(&source, &permanent, &volatile_blob);
    engine = engine_new(&target, HF_TPM_2_0);
    g_assert_null(hf_engine_get_blob(engine, HF_BLOB_PERMANENT, &result, &error));
    g_assert_cmpuint(result, ==, 0x800);
    g_assert_true(hf_error_is(error, HF_ERROR_NOT_FOUND));
    g_clear_error(&error);

    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    cached = get_blob(engine, HF_BLOB_PERMANENT);
    g_assert_true(g_bytes_equal(cached, permanent));
    accepts_blob(engine, HF_BLOB_VOLATILE, volatile_blob);
    g_assert_cmpuint(hf_engine_set_blob(engine, HF_BLOB_SAVESTATE, NULL, 0, NULL), ==, 0);
    g_assert_cmpuint(target.saves, ==, 0);
    power_on(engine, false);
    g_assert_true(g_bytes_equal(target.blobs[0], permanent));
    /* It was running when it was saved. */
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0x100);

    g_assert_cmpuint(set_blob(engine, HF_BLOB_PERMANENT, permanent, &error), ==, 0x26);
    g_assert_true(hf_error_is(error, HF_ERROR_STATE));
    g_assert_cmpuint(run(engine, "\x80\1\0\0\0\14\0\0\1\x7b\0\10", 12), ==, 0);
    g_clear_error(&error);

    /* Once used it is used: the next start is from storage and cold. */
    power_on(engine, false);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    hf_engine_free(engine);
}

static void test_set_blob_over_broken(void)
{
    g_auto(Memory) source = { 0 }, target = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) volatile_blob = NULL;
    HfEngine *engine;

    /* What the storage has is going to be replaced: it need not be readable, and a volatile state
     * in it belongs to the past. */
    make_tpm(&source, &permanent, &volatile_blob);
    target.blobs[0] = g_bytes_new_static("garbage", 7);
    target.blobs[1] = g_bytes_ref(volatile_blob);
    engine = engine_new(&target, HF_TPM_2_0);
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    power_on(engine, true);
    g_assert_true(g_bytes_equal(target.blobs[0], permanent));
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    hf_engine_free(engine);
}

static void test_set_blob_refused(void)
{
    g_auto(Memory) source = { 0 }, other = { 0 }, target = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) volatile_blob = NULL;
    g_autoptr(GBytes) foreign = NULL;
    g_autofree uint8_t *huge = g_malloc0(HF_BLOB_MAX + 1);
    HfEngine *engine;

    make_tpm(&source, &permanent, &volatile_blob);
    make_tpm(&other, NULL, &foreign);
    engine = engine_new(&target, HF_TPM_2_0);

    refuses_blob(engine, HF_BLOB_PERMANENT, "rubbish", 7, "permanent state of 7 bytes is refused");
    refuses_power_on(engine, true, "permanent state of 7 bytes is refused");
    refuses_blob(engine, HF_BLOB_PERMANENT, NULL, 0, "without secrets");
    refuses_power_on(engine, true, "without secrets");
    refuses_blob(engine, HF_BLOB_PERMANENT, huge, HF_BLOB_MAX + 1, "at most 524288");
    refuses_blob(engine, HF_BLOB_PERMANENT, g_bytes_get_data(permanent, NULL), 1000, "truncated");
    g_assert_cmpuint(target.saves, ==, 0);

    /* A refused companion takes the accepted one with it. */
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    refuses_blob(engine, HF_BLOB_VOLATILE, g_bytes_get_data(foreign, NULL),
                 g_bytes_get_size(foreign), "EPSeed");
    refuses_power_on(engine, true, "volatile state");
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    refuses_blob(engine, HF_BLOB_SAVESTATE, "x", 1, "has none");
    refuses_power_on(engine, true, "saved state");
    g_assert_cmpuint(target.saves, ==, 0);

    /* The start fails after the blobs are taken: no new TPM at the next attempt. */
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    target.save_error = HF_ERROR_NO_SPACE;
    refuses_power_on(engine, true, "the disk is full");
    target.save_error = 0;
    refuses_power_on(engine, true, "has failed");
    g_assert_cmpuint(target.saves, ==, 0);
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    power_on(engine, true);
    hf_engine_power_off(engine);
    g_assert_true(g_bytes_equal(target.blobs[0], permanent));

    /* The caller's way back to what is stored. */
    refuses_blob(engine, HF_BLOB_PERMANENT, "rubbish", 7, "refused");
    hf_engine_drop_blobs(engine);
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    hf_engine_free(engine);
}

static void test_drop_blobs(void)
{
    g_auto(Memory) source = { 0 }, target = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) now = NULL;
    HfEngine *engine;

    make_tpm(&source, &permanent, NULL);
    make_tpm(&target, NULL, NULL);
    engine = engine_new(&target, HF_TPM_2_0);
    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    hf_engine_drop_blobs(engine);
    power_on(engine, true);
    now = get_blob(engine, HF_BLOB_PERMANENT);
    g_assert_true(g_bytes_equal(now, target.blobs[0]));
    g_assert_false(g_bytes_equal(now, permanent));
    hf_engine_free(engine);
}

static void test_resume(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(GBytes) before = NULL;
    g_autoptr(GBytes) pcr = NULL;
    GBytes *numbers[3] = { NULL };
    uint8_t extend[] = { 0x80, 2, 0, 0, 0, 65, 0,    0, 1,  0x82,        0,          0,
                         0,    7, 0, 0, 0, 9,  0x40, 0, 0,  9,           0,          0,
                         0,    0, 0, 0, 0, 0,  1,    0, 11, [33] = 0xaa, [64] = 0xbb };
    HfEngine *engine = engine_new(&memory, HF_TPM_2_0);

    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    g_assert_cmpuint(run(engine, extend, sizeof extend), ==, 0);
    before = read_pcr(engine, 7);
    memory.blobs[1] = get_blob(engine, HF_BLOB_VOLATILE);
    numbers[0] = get_random(engine);

    /* Two copies of one TPM must not give out the same random numbers. */
    for (unsigned i = 1; i < 3; i++) {
        power_on(engine, true);
        numbers[i] = get_random(engine);
        pcr = read_pcr(engine, 7);
        g_assert_true(g_bytes_equal(pcr, before));
        g_clear_pointer(&pcr, g_bytes_unref);
    }
    g_assert_false(g_bytes_equal(numbers[0], numbers[1]));
    g_assert_false(g_bytes_equal(numbers[0], numbers[2]));
    g_assert_false(g_bytes_equal(numbers[1], numbers[2]));

    /* Hidden: a cold start, and the engine leaves the blob where it is. */
    power_on(engine, false);
    g_assert_nonnull(memory.blobs[1]);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    pcr = read_pcr(engine, 7);
    g_assert_false(g_bytes_equal(pcr, before));
    for (unsigned i = 0; i < 3; i++) {
        g_bytes_unref(numbers[i]);
    }
    hf_engine_free(engine);
}

static void test_resume_before_startup(void)
{
    g_auto(Memory) memory = { 0 };
    GBytes *numbers[2] = { NULL };
    HfEngine *engine = engine_new(&memory, HF_TPM_2_0);

    power_on(engine, true);
    memory.blobs[1] = get_blob(engine, HF_BLOB_VOLATILE);
    for (unsigned i = 0; i < 2; i++) {
        power_on(engine, true);
        g_assert_cmpuint(run(engine, "\x80\1\0\0\0\14\0\0\1\x44\0\0", 12), ==, 0);
        numbers[i] = get_random(engine);
    }
    g_assert_false(g_bytes_equal(numbers[0], numbers[1]));
    g_bytes_unref(numbers[0]);
    g_bytes_unref(numbers[1]);
    hf_engine_free(engine);
}

/* TPM2_CreatePrimary of an RSA-3072 storage key in the owner hierarchy: a prime search. */
static const uint8_t create_rsa3072[] = {
    0x80, 2, 0,    0, 0,    67,   0, 0, 1, 0x31, 0x40, 0, 0, 1, 0,   0, 0, 9, 0x40, 0, 0, 9, 0, 0,
    0,    0, 0,    0, 4,    0,    0, 0, 0, 0,    26,   0, 1, 0, 0xb, 0, 3, 4, 0x72, 0, 0, 0, 6, 0,
    128,  0, 0x43, 0, 0x10, 0x0c, 0, 0, 0, 0,    0,    0, 0, 0, 0,   0, 0, 0, 0,
};

static gpointer cancel_when_busy(gpointer user)
{
    HfEngine *engine = user;
    gint64 deadline = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (!hf_engine_busy(engine)) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
    }
    g_assert_cmpuint(hf_engine_cancel(engine), ==, 0);
    return NULL;
}

static void test_cancel(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);

    g_assert_cmpuint(hf_engine_cancel(engine), ==, 0);
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    /* The first use of the owner's hierarchy stores once and asks to be sent again. */
    for (unsigned i = 0; i < 20; i++) {
        GThread *thread = g_thread_new("cancel", cancel_when_busy, engine);
        uint32_t code = run(engine, create_rsa3072, sizeof create_rsa3072);

        g_thread_join(thread);
        g_assert_cmphex(code, ==, 0x909);
        g_assert_false(hf_engine_busy(engine));
    }
    /* With nothing running a cancel means nothing, to the next command neither. */
    g_assert_cmpuint(hf_engine_cancel(engine), ==, 0);
    g_assert_cmpuint(run(engine, create_rsa3072, sizeof create_rsa3072), ==, 0);
}

static void test_framing(void)
{
    static const char startup[] = "\x80\1\0\0\0\14\0\0\1\x44\0\0";
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autofree uint8_t *large = g_malloc0(100000);

    power_on(engine, true);
    for (size_t n = 0; n < 12; n++) {
        g_assert_cmphex(run(engine, startup, n), ==, n < 6 ? 0x9a : 0x142);
    }
    g_assert_cmphex(run(engine, startup, 12), ==, 0);
    memcpy(large, "\x80\1\0\0\x13\x88\0\0\1\x44", 10);
    g_assert_cmphex(run(engine, large, 5000), ==, 0x142);
    g_assert_cmphex(run(engine, large, 100000), ==, 0x142);
    g_assert_cmphex(run(engine, "\x80\1\0\0\0\12\0\0\xff\xff", 10), ==, 0x143);
}

static void test_auto_shutdown(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autoptr(GError) error = NULL;
    unsigned saves;

    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    power_on(engine, true);
    saves = memory.saves;
    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    g_assert_cmpuint(memory.saves, ==, saves);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    saves = memory.saves;
    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    g_assert_cmpuint(memory.saves, ==, saves + 1);
    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    g_assert_cmpuint(memory.saves, ==, saves + 1);
    /* It was Shutdown(STATE): a start that resumes is allowed. */
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 1), ==, 0);
    /* The guest shuts down itself, then does something more. */
    g_assert_cmpuint(run(engine, "\x80\1\0\0\0\14\0\0\1\x45\0\1", 12), ==, 0);
    saves = memory.saves;
    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    g_assert_cmpuint(memory.saves, ==, saves);
    g_assert_cmpuint(run(engine, "\x80\1\0\0\0\14\0\0\1\x7b\0\10", 12), ==, 0);
    memory.save_error = HF_ERROR_NO_SPACE;
    g_assert_false(hf_engine_auto_shutdown(engine, &error));
    g_assert_nonnull(strstr(error->message, "the disk is full"));
}

static void test_hash(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autoptr(GBytes) plain = NULL;
    g_autoptr(GBytes) measured = NULL;
    g_autoptr(GBytes) drtm = NULL;
    bool bit = true;

    power_on(engine, true);
    g_assert_cmpuint(hf_engine_get_established(engine, &bit), ==, 0);
    g_assert_false(bit);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    plain = read_pcr(engine, 0);

    power_on(engine, true);
    g_assert_cmpuint(hf_engine_hash_start(engine), ==, 0);
    g_assert_cmpuint(hf_engine_hash_data(engine, (const uint8_t *)"firmware", 8), ==, 0);
    g_assert_cmpuint(hf_engine_hash_end(engine), ==, 0);
    g_assert_cmpuint(hf_engine_get_established(engine, &bit), ==, 0);
    g_assert_true(bit);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    measured = read_pcr(engine, 0);
    g_assert_false(g_bytes_equal(plain, measured));

    g_assert_cmpuint(hf_engine_reset_established(engine, 0), ==, 0x3d);
    g_assert_cmpuint(hf_engine_get_established(engine, &bit), ==, 0);
    g_assert_true(bit);
    g_assert_cmpuint(hf_engine_reset_established(engine, 3), ==, 0);
    g_assert_cmpuint(hf_engine_get_established(engine, &bit), ==, 0);
    g_assert_false(bit);

    g_assert_cmpuint(hf_engine_hash_start(engine), ==, 0);
    g_assert_cmpuint(hf_engine_hash_data(engine, (const uint8_t *)"kernel", 6), ==, 0);
    g_assert_cmpuint(hf_engine_hash_end(engine), ==, 0);
    drtm = read_pcr(engine, 17);
    g_assert_cmpuint(((const uint8_t *)g_bytes_get_data(drtm, NULL))[0], !=, 0xff);
}

static void test_locality(void)
{
    /* TPM2_PCR_Reset of PCR 20: allowed from locality 2, not from 0. */
    static const uint8_t reset[] = { 0x80, 2, 0, 0, 0,    27, 0, 0, 1, 0x3d, 0, 0, 0, 20,
                                     0,    0, 0, 9, 0x40, 0,  0, 9, 0, 0,    0, 0, 0 };
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    const uint8_t *response = NULL;

    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);
    hf_engine_process(engine, reset, sizeof reset, 0, &response);
    g_assert_cmphex(hf_fetch_u32(response + 6), ==, 0x907);
    hf_engine_process(engine, reset, sizeof reset, 2, &response);
    g_assert_cmphex(hf_fetch_u32(response + 6), ==, 0);
    hf_engine_process(engine, reset, sizeof reset, 0, &response);
    g_assert_cmphex(hf_fetch_u32(response + 6), ==, 0x907);
}

static void test_buffer_and_info(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autofree char *info = NULL;
    uint32_t min = 0, max = 0, size;

    size = hf_engine_buffer_size(engine, 0, &min, &max);
    g_assert_cmpuint(max, ==, HF_TPM_BUFFER_MAX);
    g_assert_cmpuint(min, >, 2000);
    g_assert_cmpuint(size, >=, min);
    g_assert_cmpuint(hf_engine_buffer_size(engine, 1, &min, &max), ==, min);
    g_assert_cmpuint(hf_engine_buffer_size(engine, 0xf80, &min, &max), ==, 0xf80);
    g_assert_cmpuint(hf_engine_buffer_size(engine, 0xffffffff, &min, &max), ==, max);
    info = hf_engine_info(engine, 7);
    g_assert_nonnull(strstr(info, "\"family\":\"2.0\""));
}

/* A TPM in failure mode: libtpms then prints the command. */
static void fail_with_secret(HfEngine *engine, Memory *memory)
{
    memory->save_error = HF_ERROR_IO;
    g_assert_cmphex(hf_engine_startup(engine, 0), ==, HF_TPM_RC_FAILURE);
}

static void test_quiet(void)
{
    if (g_test_subprocess()) {
        g_auto(Memory) memory = { 0 };
        g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);

        power_on(engine, true);
        fail_with_secret(engine, &memory);
        memory.save_error = 0;
        g_clear_pointer(&memory.blobs[0], g_bytes_unref);
        memory.blobs[0] = g_bytes_new_static("garbage", 7);
        g_assert_cmpuint(hf_engine_power_on(engine, true, NULL), !=, 0);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("");
    g_test_trap_assert_stdout_unmatched("*tpm2*");
}

static void test_debug(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    char text[4096] = "";
    int ends[2];

    g_assert_cmpint(pipe(ends), ==, 0);
    hf_engine_set_debug(engine, ends[1], 1, "vtpm");
    power_on(engine, true);
    fail_with_secret(engine, &memory);
    close(ends[1]);
    g_assert_cmpint(read(ends[0], text, sizeof text - 1), >, 0);
    g_assert_nonnull(strstr(text, "failure mode"));
    close(ends[0]);
    hf_engine_set_debug(engine, -1, 0, NULL);
}

static void test_tpm12(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autoptr(GBytes) running = NULL;
    g_autoptr(GError) error = NULL;
    HfEngine *engine;
    uint32_t result = 0;
    bool bit = true;

    if (!hf_engine_supports(HF_TPM_1_2)) {
        g_test_skip("this libtpms has no TPM 1.2");
        return;
    }
    engine = engine_new(&memory, HF_TPM_1_2);
    memory.load_error[0] = HF_ERROR_IO;
    refuses_power_on(engine, true, "the disk is on fire");
    memory.load_error[0] = 0;
    memory.save_error = HF_ERROR_NO_SPACE;
    refuses_power_on(engine, true, "the disk is full");
    memory.save_error = 0;
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_cancel(engine), ==, HF_TPM_FAIL);
    g_assert_cmpuint(hf_engine_startup(engine, 1), ==, 0);
    g_assert_true(hf_engine_auto_shutdown(engine, &error));
    g_assert_cmpuint(hf_engine_get_established(engine, &bit), ==, 0);
    g_assert_false(bit);
    /* TPM_SaveState fills the third blob; TPM_Startup(STATE) takes it. */
    g_assert_cmpuint(run(engine, "\0\xc1\0\0\0\12\0\0\0\x98", 10), ==, 0);
    g_assert_nonnull(memory.blobs[2]);
    permanent = get_blob(engine, HF_BLOB_PERMANENT);
    running = get_blob(engine, HF_BLOB_VOLATILE);
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 2), ==, 0);
    hf_engine_power_off(engine);

    accepts_blob(engine, HF_BLOB_PERMANENT, permanent);
    accepts_blob(engine, HF_BLOB_VOLATILE, running);
    power_on(engine, true);
    g_assert_cmpuint(run(engine, "\0\xc1\0\0\0\14\0\0\0\x99\0\1", 12), ==, 0x26);
    hf_engine_power_off(engine);
    refuses_blob(engine, HF_BLOB_PERMANENT, "rubbish", 7, "refused");
    refuses_power_on(engine, true, "refused");
    g_assert_null(hf_engine_get_blob(engine, HF_BLOB_SAVESTATE, &result, NULL));
    g_assert_cmpuint(result, ==, 0x800);
    hf_engine_free(engine);
}

/* TCG's templates L-2 (P-256) and H-3 (P-384) of endorsement keys, as TPM2B_PUBLIC. */
static const char ek_p256[] =
    "007a0023000b000300b20020837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"
    "00060080004300100003001000200000000000000000000000000000000000000000000000000000000000000000"
    "00200000000000000000000000000000000000000000000000000000000000000000";
static const char ek_p384[] =
    "004a0023000c000300f20030b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419ca"
    "cb47ba09699646150f9fc000f3f80e1200060100004300100004001000000000";

/* SHA-256 of the TPMT_PUBLIC of the endorsement key that `template` makes of this seed; a TPM like
 * `memory`'s gets the seed, SHA-512 of a text, in place of its own. */
static char *endorsement_key(GBytes *permanent, const char *seed_text, const char *template)
{
    /* Where a fresh permanent state without a profile has the endorsement primary seed. */
    enum { SEED_AT = 532, SEED_SIZE = 64 };
    g_auto(Memory) memory = { 0 };
    g_autoptr(HfEngine) engine = engine_new(&memory, HF_TPM_2_0);
    g_autoptr(GChecksum) seed = g_checksum_new(G_CHECKSUM_SHA512);
    g_autoptr(GBytes) public = hf_hex_parse(template, "template", NULL);
    g_autoptr(GByteArray) command = g_byte_array_new();
    g_autoptr(GBytes) patched = NULL;
    gsize size = SEED_SIZE;
    uint8_t *blob = g_memdup2(g_bytes_get_data(permanent, NULL), g_bytes_get_size(permanent));
    const uint8_t *response = NULL;

    g_assert_nonnull(public);
    g_checksum_update(seed, (const guchar *)seed_text, -1);
    g_checksum_get_digest(seed, blob + SEED_AT, &size);
    patched = g_bytes_new_take(blob, g_bytes_get_size(permanent));
    accepts_blob(engine, HF_BLOB_PERMANENT, patched);
    power_on(engine, true);
    g_assert_cmpuint(hf_engine_startup(engine, 0), ==, 0);

    hf_put_u16(command, 0x8002);
    hf_put_u32(command, 0);
    hf_put_u32(command, 0x131);
    hf_put_u32(command, 0x4000000b);
    hf_put_bytes(command, "\0\0\0\11\100\0\0\11\0\0\0\0\0\0\4\0\0\0\0", 19);
    hf_put_gbytes(command, public);
    hf_put_bytes(command, "\0\0\0\0\0\0", 6);
    hf_set_u32_at(command, 2, command->len);
    if (hf_engine_process(engine, command->data, command->len, 0, &response) &&
        hf_fetch_u32(response + 6) == 0x922) {
        hf_engine_process(engine, command->data, command->len, 0, &response);
    }
    g_assert_cmphex(hf_fetch_u32(response + 6), ==, 0);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, response + 20,
                                       hf_fetch_u16(response + 18));
}

static void test_known_keys(void)
{
    g_auto(Memory) memory = { 0 };
    g_autoptr(GBytes) permanent = NULL;
    g_autofree char *p256 = NULL;
    g_autofree char *p384 = NULL;
    g_autofree char *other = NULL;

    make_tpm(&memory, &permanent, NULL);
    if (g_bytes_get_size(permanent) != 1299) {
        g_test_skip("this libtpms writes a profile: the place of the seed is another");
        return;
    }
    p256 = endorsement_key(permanent, "vtpm-kat-70", ek_p256);
    g_assert_cmpstr(p256, ==, "4c087c0fcaac51e9292d2d5de3f9d6256a3760c26637f30732188999d24a000f");
    p384 = endorsement_key(permanent, "vtpm-kat-70", ek_p384);
    g_assert_cmpstr(p384, ==, "dde41c6ba29fd6ff7395e195e5332b7d05b29aa82c4e75349a7d8b21b145f327");
    other = endorsement_key(permanent, "vtpm-kat-71", ek_p256);
    g_assert_cmpstr(other, !=, p256);
}

/* Takes a named curve apart and has it made again from its parameters, b made larger by `change`.
 */
static int remade_curve(int nid, unsigned change)
{
    EC_GROUP *(*constructor)(const BIGNUM *, const BIGNUM *, const BIGNUM *, BN_CTX *) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "EC_GROUP_new_curve_GFp");
    EC_GROUP *group = EC_GROUP_new_by_curve_name(nid);
    BIGNUM *p = BN_new(), *a = BN_new(), *b = BN_new();
    EC_GROUP *made;
    int name;

    /* What libtpms finds under this name. */
    memcpy(&constructor, &found, sizeof constructor);
    g_assert_cmpint(EC_GROUP_get_curve(group, p, a, b, NULL), ==, 1);
    g_assert_cmpint(BN_add_word(b, change), ==, 1);
    made = constructor(p, a, b, NULL);
    g_assert_nonnull(made);
    name = EC_GROUP_get_curve_name(made);
    BN_free(p);
    BN_free(a);
    BN_free(b);
    EC_GROUP_free(group);
    EC_GROUP_free(made);
    return name;
}

static void test_curves(void)
{
#ifdef HF_CURVE_SHIM
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(remade_curve(NID_X9_62_prime256v1, 0), ==, NID_X9_62_prime256v1);
        g_assert_cmpint(remade_curve(NID_secp521r1, 0), ==, NID_secp521r1);
    }
#else
    g_assert_cmpint(remade_curve(NID_X9_62_prime256v1, 0), ==, NID_undef);
#endif
    /* Nearly the parameters, and those of another curve of the same size. */
    g_assert_cmpint(remade_curve(NID_X9_62_prime256v1, 1), ==, NID_undef);
    g_assert_cmpint(remade_curve(NID_secp256k1, 0), ==, NID_undef);
    g_assert_cmpint(remade_curve(NID_secp224r1, 0), ==, NID_undef);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/manufacture", test_manufacture);
    g_test_add_func("/engine/random", test_random);
    g_test_add_func("/engine/random-fails", test_random_fails);
    g_test_add_func("/engine/load-fails", test_load_fails);
    g_test_add_func("/engine/state-wrong", test_state_wrong);
    g_test_add_func("/engine/save-fails", test_save_fails);
    g_test_add_func("/engine/set-blob", test_set_blob);
    g_test_add_func("/engine/set-blob-over-broken", test_set_blob_over_broken);
    g_test_add_func("/engine/set-blob-refused", test_set_blob_refused);
    g_test_add_func("/engine/drop-blobs", test_drop_blobs);
    g_test_add_func("/engine/resume", test_resume);
    g_test_add_func("/engine/resume-before-startup", test_resume_before_startup);
    g_test_add_func("/engine/cancel", test_cancel);
    g_test_add_func("/engine/framing", test_framing);
    g_test_add_func("/engine/auto-shutdown", test_auto_shutdown);
    g_test_add_func("/engine/hash", test_hash);
    g_test_add_func("/engine/locality", test_locality);
    g_test_add_func("/engine/buffer-and-info", test_buffer_and_info);
    g_test_add_func("/engine/quiet", test_quiet);
    g_test_add_func("/engine/debug", test_debug);
    g_test_add_func("/engine/known-keys", test_known_keys);
    g_test_add_func("/engine/curves", test_curves);
    g_test_add_func("/engine/tpm-1.2", test_tpm12);
    return g_test_run();
}
