/*
 * test-store-slots.c - slots: their bytes, and every way a file can be wrong.
 *
 * What it has in common with other stores in one file is in test-store-file.c; power cuts at every
 * write and sync are in test-store-crash.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "state/format.h"
#include "state/slot_format.h"
#include "store-place.h"

#define FIRST 4096u
#define SECOND (4096u + 32768u)

/* A file with permanent states "one" and "two", of which the second is the last. */
static GByteArray *two_states(const Place *place)
{
    g_autoptr(HfStore) store = place_open(place, NULL);

    store_saves(store, HF_STATE_PERMANENT, "one", 3);
    store_saves(store, HF_STATE_PERMANENT, "two", 3);
    return place_content(place);
}

static void test_layout(Place *place, gconstpointer data)
{
    static const uint8_t magic[] = "holdfast-slots\r\n\1\1\0\200\2\1\0\0\0\0\0\0\0\0\0";
    static const uint8_t head[] = { 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0 };
    g_autoptr(GByteArray) bytes = two_states(place);
    uint8_t digest[32];

    (void)data;
    g_assert_cmpuint(bytes->len, ==, 4096 + 65536);
    g_assert_cmpmem(bytes->data, 32, magic, 32);
    hf_hash_once(HF_HASH_SHA256, bytes->data, 96, digest);
    g_assert_cmpmem(bytes->data + 96, 32, digest, 32);
    g_assert_cmpmem(bytes->data + SECOND, 8, "hfslot\r\n", 8);
    g_assert_cmpmem(bytes->data + SECOND + 8, 16, bytes->data + 32, 16);
    g_assert_cmpmem(bytes->data + SECOND + 24, sizeof head, head, sizeof head);
    g_assert_cmpmem(bytes->data + SECOND + 128 + 16, 3, "two", 3);
    g_assert_cmpmem(bytes->data + FIRST + 128 + 16, 3, "one", 3);
    g_autoptr(HfHash) hash = hf_hash_new(HF_HASH_SHA256);
    hf_hash_update(hash, bytes->data + SECOND, 64);
    hf_hash_update(hash, bytes->data + SECOND + 128, 19);
    hf_hash_finish(hash, digest);
    g_assert_cmpmem(bytes->data + SECOND + 64, 32, digest, 32);
    /* The pairs follow each other without gap or overlap. */
    for (unsigned i = 0; i + 1 < HF_SLOTS; i++) {
        g_assert_cmpuint(hf_slot_offset(i) + hf_slot_room(i), ==, hf_slot_offset(i + 1));
    }
    g_assert_cmpuint(hf_slot_offset(13) + hf_slot_room(13), ==, 8327168);
    g_assert_cmpuint(hf_slot_room(13), >=, HF_STATE_COUNT * HF_STATE_FILE_MAX + HF_SLOT_HEAD_SIZE);
}

/* Three blobs as large as can be, and back to small ones. */
static void test_growth(Place *place, gconstpointer data)
{
    g_autofree uint8_t *blob = g_malloc(HF_STATE_BLOB_MAX + 1);
    g_autoptr(HfStore) store = place_open(place, NULL);
    GError *error = NULL;

    (void)data;
    memset(blob, 'B', HF_STATE_BLOB_MAX + 1);
    for (size_t size = 1000; size <= HF_STATE_BLOB_MAX; size = size * 3 + 1) {
        for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
            store_saves(store, (HfStateKind)kind, blob, size);
            store_loads(store, (HfStateKind)kind, blob, size);
        }
    }
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        store_saves(store, (HfStateKind)kind, blob, HF_STATE_BLOB_MAX);
    }
    g_assert_false(
        store->class->save(store, HF_STATE_PERMANENT, blob, HF_STATE_BLOB_MAX + 1, &error));
    expect_error(error, HF_ERROR_INVALID, "expected 1 to");
    g_autoptr(HfStore) again = place_open(place, NULL);
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        store_loads(again, (HfStateKind)kind, blob, HF_STATE_BLOB_MAX);
    }
    store_saves(again, HF_STATE_PERMANENT, "small", 5);
    store_removes(again, HF_STATE_VOLATILE);
    store_removes(again, HF_STATE_SAVESTATE);
    store_saves(again, HF_STATE_PERMANENT, "small", 5);
    g_autoptr(GByteArray) bytes = place_content(place);
    g_assert_null(memmem(bytes->data, bytes->len, "BBBBBBBB", 8));
    g_assert_cmpuint(bytes->len, ==, 8327168);
    store_loads(again, HF_STATE_PERMANENT, "small", 5);
}

/* A write that was torn after any byte leaves the state of before; damage of any byte of the newer
 * slot too, and of the older slot it is not noticed. */
static void test_torn(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) old = two_states(place);
    g_autoptr(GByteArray) new = NULL;
    const size_t size = 128 + 19; /* of a slot: "two", then in its place "six" */

    (void)data;
    {
        g_autoptr(HfStore) store = place_open(place, NULL);
        store_saves(store, HF_STATE_PERMANENT, "six", 3);
    }
    new = place_content(place);
    for (size_t n = 0; n <= size; n++) {
        g_autoptr(GByteArray) torn = g_byte_array_new();
        g_byte_array_append(torn, old->data, old->len);
        memcpy(torn->data + FIRST, new->data + FIRST, n);
        place_put(place, torn->data, torn->len);
        g_autoptr(HfStore) store = place_open(place, NULL);
        bool whole = memcmp(torn->data + FIRST, new->data + FIRST, size) == 0;
        store_loads(store, HF_STATE_PERMANENT, whole ? "six" : "two", 3);
    }
    for (size_t n = 0; n < size; n++) {
        const size_t at[] = { FIRST + n, SECOND + n };
        if (n >= 96 && n < 128) {
            continue; /* the tag; see below */
        }
        for (size_t which = 0; which < G_N_ELEMENTS(at); which++) {
            new->data[at[which]] ^= 0x10;
            place_put(place, new->data, new->len);
            g_autoptr(HfStore) store = place_open(place, NULL);
            store_loads(store, HF_STATE_PERMANENT, which == 0 ? "two" : "six", 3);
            store_saves(store, HF_STATE_PERMANENT, "next", 4);
            store_loads(store, HF_STATE_PERMANENT, "next", 4);
            new->data[at[which]] ^= 0x10;
        }
    }
}

/* Nothing that was a TPM is ever taken for an empty file. */
static void test_never_empty(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) good = two_states(place);

    (void)data;
    for (unsigned i = 0; i < 3; i++) {
        g_autofree uint8_t *bytes = g_memdup2(good->data, good->len);
        if (i < 2) {
            bytes[FIRST + 70] ^= 1;
            bytes[SECOND + 70] ^= 1;
        } else {
            memset(bytes + FIRST, 0, 65536);
        }
        place_put(place, bytes, i == 1 ? FIRST + 100 : good->len);
        place_refuses(place, HF_ERROR_INVALID, "it is damaged");
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, bytes, i == 1 ? FIRST + 100 : good->len);
    }
    for (size_t n = 16; n < good->len; n += n < 200 ? 1 : 977) {
        place_put(place, good->data, n);
        if (n >= SECOND + 128 + 19) {
            g_autoptr(HfStore) store = place_open(place, NULL);
            store_loads(store, HF_STATE_PERMANENT, "two", 3);
        } else if (n >= FIRST + 128 + 19) {
            g_autoptr(HfStore) store = place_open(place, NULL);
            store_loads(store, HF_STATE_PERMANENT, "one", 3);
        } else {
            place_refuses(place, HF_ERROR_INVALID, n < 128 ? "truncated" : "it is damaged");
        }
    }
}

static void seal_header(uint8_t *bytes)
{
    hf_hash_once(HF_HASH_SHA256, bytes, 96, bytes + 96);
}

static void test_wrong_headers(Place *place, gconstpointer data)
{
    static const struct {
        size_t at;
        uint8_t value;
        bool sealed;
        HfErrorCode code;
        const char *words;
    } faults[] = {
        { 17, 2, true, HF_ERROR_UNSUPPORTED, "found version 2" },
        { 17, 0, true, HF_ERROR_UNSUPPORTED, "found version 0" },
        { 19, 127, true, HF_ERROR_UNSUPPORTED, "one of 127" },
        { 20, 3, true, HF_ERROR_INVALID, "family" },
        { 20, 1, true, HF_ERROR_INVALID,
          "expected the state of a TPM 2.0, found that of a TPM 1.2" },
        { 21, 3, true, HF_ERROR_UNSUPPORTED, "unknown flags 0x2" },
        { 40, 99, false, HF_ERROR_INVALID, "its SHA-256 is not right" },
        { 100, 99, false, HF_ERROR_INVALID, "its SHA-256 is not right" },
        { 3, 'x', false, HF_ERROR_INVALID, "left alone" },
    };
    g_autoptr(GByteArray) good = two_states(place);

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree uint8_t *bytes = g_memdup2(good->data, good->len);
        bytes[faults[i].at] = faults[i].value;
        if (faults[i].sealed) {
            seal_header(bytes);
        }
        place_put(place, bytes, good->len);
        place_refuses(place, faults[i].code, faults[i].words);
        g_autoptr(GByteArray) after = place_content(place);
        g_assert_cmpmem(after->data, after->len, bytes, good->len);
    }
    /* A later version that this reader may read. */
    good->data[16] = 7;
    seal_header(good->data);
    place_put(place, good->data, good->len);
    g_autoptr(HfStore) store = place_open(place, NULL);
    store_loads(store, HF_STATE_PERMANENT, "two", 3);
}

static void seal_slot(const GByteArray *bytes, size_t at, HfEnvelope *envelope)
{
    HfSlotHead head;

    (void)hf_slot_head_read(&head, bytes->data + at, 0, bytes->data + 32);
    hf_slot_seal(&head, bytes->data + 32, envelope, bytes->data + at);
}

/* Numbers: the same twice, the highest there is, an older slot of another file. */
static void test_numbers(Place *place, gconstpointer data)
{
    g_autoptr(HfEnvelope) plain = hf_envelope_plain_new();
    g_autoptr(GByteArray) good = two_states(place);
    GError *error = NULL;

    (void)data;
    g_autofree uint8_t *slot = g_memdup2(good->data + FIRST, 4096);
    good->data[FIRST + 31] = 2;
    seal_slot(good, FIRST, plain);
    place_put(place, good->data, good->len);
    place_refuses(place, HF_ERROR_INVALID, "slots 0 and 1 both have the number 2");
    memset(good->data + FIRST + 24, 0xff, 8);
    seal_slot(good, FIRST, plain);
    place_put(place, good->data, good->len);
    g_autoptr(HfStore) store = place_open(place, NULL);
    store_loads(store, HF_STATE_PERMANENT, "one", 3);
    g_assert_false(store->class->save(store, HF_STATE_PERMANENT, slot, 1, &error));
    expect_error(g_steal_pointer(&error), HF_ERROR_INVALID, "no higher number");
    store_loads(store, HF_STATE_PERMANENT, "one", 3);
    /* Whole, but of another file. */
    memset(good->data + FIRST + 8, 0x77, 16);
    place_put(place, good->data, good->len);
    g_autoptr(HfStore) other = place_open(place, NULL);
    store_loads(other, HF_STATE_PERMANENT, "two", 3);
}

/* --- with a key --- */

static HfSecret *key_of(uint8_t fill)
{
    HfSecret *key = hf_secret_new(32);

    memset(key->data, fill, key->size);
    return key;
}

static void expect_auth(const Place *place, HfEnvelope *envelope, HfErrorCode code,
                        const char *words)
{
    const HfStoreConfig config = { .tpm2 = true, .envelope = envelope };
    g_autoptr(HfStore) store = place_open(place, &config);
    GError *error = NULL;

    g_assert_null(store->class->load(store, HF_STATE_PERMANENT, &error));
    expect_error(g_steal_pointer(&error), code, words);
    g_assert_false(store->class->save(store, HF_STATE_VOLATILE, (const uint8_t *)"x", 1, &error));
    expect_error(error, HF_ERROR_AUTH, "not put together with this key");
}

static void test_key(Place *place, gconstpointer data)
{
    g_autoptr(HfSecret) key = key_of(1);
    g_autoptr(HfSecret) wrong = key_of(2);
    g_autoptr(HfEnvelope) aes = hf_envelope_aes_new(key);
    g_autoptr(HfEnvelope) other = hf_envelope_aes_new(wrong);
    g_autoptr(HfEnvelope) plain = hf_envelope_plain_new();
    const HfStoreConfig config = { .tpm2 = true, .envelope = aes };
    HfSlotHead head;

    (void)data;
    {
        g_autoptr(HfStore) store = place_open(place, &config);
        store_saves(store, HF_STATE_PERMANENT, "secret words", 12);
        store_saves(store, HF_STATE_VOLATILE, "secret memory", 13);
        store_loads(store, HF_STATE_PERMANENT, "secret words", 12);
    }
    g_autoptr(GByteArray) good = place_content(place);
    g_assert_null(memmem(good->data, good->len, "secret", 6));
    expect_auth(place, other, HF_ERROR_AUTH, "(permall)");
    expect_auth(place, plain, HF_ERROR_STATE, "is encrypted, and no key was given");
    /* Both blobs as they are, one in the place of the other. */
    g_assert_cmpint(hf_slot_head_read(&head, good->data + SECOND, 1, good->data + 32), ==,
                    HF_SLOT_HEAD);
    g_assert_cmpuint(head.size[0], ==, head.size[1]);
    g_autofree uint8_t *blob = g_memdup2(good->data + SECOND + 128, head.size[0]);
    memcpy(good->data + SECOND + 128, good->data + SECOND + 128 + head.size[0], head.size[0]);
    memcpy(good->data + SECOND + 128 + head.size[0], blob, head.size[0]);
    g_autofree uint8_t *tag = g_memdup2(good->data + SECOND + 96, 32);
    seal_slot(good, SECOND, plain);
    memcpy(good->data + SECOND + 96, tag, 32);
    place_put(place, good->data, good->len);
    expect_auth(place, aes, HF_ERROR_AUTH, "not put together with this key");
    expect_auth(place, other, HF_ERROR_AUTH, "(permall)");
    /* Plain state with a key. */
    g_assert_cmpint(g_remove(place->path), ==, 0);
    g_autoptr(GByteArray) clear = two_states(place);
    expect_auth(place, aes, HF_ERROR_STATE, "is not encrypted, and a key was given");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Place *, gconstpointer);
    } tests[] = {
        { "/slots/layout", test_layout },
        { "/slots/growth", test_growth },
        { "/slots/torn", test_torn },
        { "/slots/never-empty", test_never_empty },
        { "/slots/wrong-headers", test_wrong_headers },
        { "/slots/numbers", test_numbers },
        { "/slots/key", test_key },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Place, "slots", place_new, tests[i].test, place_free);
    }
    return g_test_run();
}
