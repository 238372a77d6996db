/*
 * fuzz-request.c - certification requests (PKCS#10).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "pki/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfRequest) request = hf_request_parse(bytes, "input", &error);
    fuzz_told(request != NULL, &error);
    if (request) {
        g_autofree char *subject = hf_request_subject_text(request);
        g_autofree char *pem = hf_request_pem(request->der);
        g_assert_true(subject && pem && g_utf8_validate(subject, -1, NULL));
    }
    return 0;
}
