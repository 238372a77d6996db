/*
 * fuzz-state.c - a state file, read with no key and with keys of either size; and the text of a key
 * file. What a plain file gives is wrapped and read again.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "base/error.h"
#include "fuzz.h"
#include "state/envelope.h"
#include "state/format.h"
#include "state/keys.h"

static void records(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfFormat format = { 0 };
    HfFormatFault fault = HF_FORMAT_OK;
    bool ok = hf_format_read(&format, data, size, "input", &fault, &error);
    fuzz_told(ok, &error);
    g_assert_cmpint(ok, ==, fault == HF_FORMAT_OK);
    for (uint16_t tag = 0; ok && tag <= HF_FORMAT_MIGRATION_IV; tag++) {
        HfReader value;
        bool found = false;
        fuzz_told(hf_format_look(format.body, tag, "record", "input", &value, &found, &error),
                  &error);
    }
}

static void unwrap(HfEnvelope *envelope, const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) stored = g_bytes_new(data, size);
    g_autoptr(GBytes) blob = envelope->class->unwrap(envelope, stored, "input", &error);
    g_assert_false(hf_error_is(error, HF_ERROR_NOT_FOUND));
    fuzz_told(blob != NULL, &error);
    if (!blob) {
        return;
    }
    gsize n = 0;
    const uint8_t *plain = g_bytes_get_data(blob, &n);
    g_assert_cmpuint(n, >, 0);
    g_autoptr(GBytes) wrapped = envelope->class->wrap(envelope, plain, n, "input", &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) again = envelope->class->unwrap(envelope, wrapped, "input", &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(blob, again));
}

static void keys(const uint8_t *data, size_t size)
{
    static const HfKeyForm forms[] = { HF_KEY_HEX, HF_KEY_BINARY, HF_KEY_SHA512 };
    const char *path = fuzz_file(data, size);
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        GError *error = NULL;
        HfKeySource source = {
            .option = "--key", .file = path, .fd = -1, .form = forms[i], .size = 32
        };
        g_autoptr(HfSecret) key = hf_key_read(&source, &error);
        g_assert_true(!key || key->size == 32);
        fuzz_told(key != NULL, &error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(HfSecret) key = hf_secret_new(32); /* the same as gen_corpus.py's: 0, 1, 2 ... */
    g_autoptr(HfSecret) half = hf_secret_new(16);
    for (uint8_t i = 0; i < 32; i++) {
        key->data[i] = i;
        half->data[i % 16] = i % 16;
    }
    g_autoptr(HfEnvelope) plain = hf_envelope_plain_new();
    g_autoptr(HfEnvelope) aes = hf_envelope_aes_new(key);
    g_autoptr(HfEnvelope) aes_half = hf_envelope_aes_new(half);
    records(data, size);
    unwrap(plain, data, size);
    unwrap(aes, data, size);
    unwrap(aes_half, data, size);
    if (size <= 128) {
        keys(data, size);
    }
    return 0;
}
