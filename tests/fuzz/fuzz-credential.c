/*
 * fuzz-credential.c - tpm2-tools' credential files, and hex.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tpm2/credential.h"
#include "tpm2/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfReader r = hf_reader(data, size);
    g_autofree char *why = hf_response_text(hf_reader_u32(&r));
    g_assert_nonnull(why);
    g_autoptr(HfCredential) credential = hf_credential_from_file(data, size, &error);
    fuzz_told(credential != NULL, &error);
    if (credential) {
        g_autoptr(GBytes) out = hf_credential_to_file(credential);
        g_assert_cmpmem(g_bytes_get_data(out, NULL), g_bytes_get_size(out), data, size);
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GBytes) bytes = hf_hex_parse(text, "input", &error);
    fuzz_told(bytes != NULL, &error);
    g_autofree char *hex = hf_hex(data, size);
    g_autoptr(GBytes) again = hf_hex_parse(hex, "hex", &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again), data, size);
    return 0;
}
