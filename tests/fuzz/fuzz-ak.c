/*
 * fuzz-ak.c - requests for AK certificates and their answers, as files bring them.
 *
 * An answer made for a request's keys, where they are keys, reads back. What reads as an answer does
 * not open with a secret it was not made with.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/common/ak_enrolment.h"

static bool parse(GBytes *area, HfPublic *ret_public)
{
    return hf_public_parse(g_bytes_get_data(area, NULL), g_bytes_get_size(area), ret_public, NULL);
}

static void answer_to(const HfAkRequest *request)
{
    GError *error = NULL;
    HfPublic ek, ak;

    if (!parse(request->parts[HF_AK_REQUEST_EK], &ek) ||
        !parse(request->parts[HF_AK_REQUEST_AK], &ak)) {
        return;
    }
    g_autoptr(GBytes) plain = g_bytes_new_static("certificates", 12);
    g_autoptr(HfAkAnswer) answer = hf_ak_answer_seal(request, &ek, &ak, plain, &error);
    fuzz_told(answer != NULL, &error);
    if (answer) {
        g_autoptr(GBytes) file = hf_ak_answer_write(answer);
        g_autoptr(HfAkAnswer) again = hf_ak_answer_read(file, "answer", &error);
        g_assert_true(again && g_bytes_equal(again->sealed, answer->sealed));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfAkRequest) request = hf_ak_request_read(bytes, "input", &error);
    fuzz_told(request != NULL, &error);
    if (request) {
        answer_to(request);
    }
    g_autoptr(HfAkAnswer) answer = hf_ak_answer_read(bytes, "input", &error);
    fuzz_told(answer != NULL, &error);
    if (answer) {
        g_autoptr(HfSecret) secret = hf_secret_new(32);
        g_assert_null(hf_ak_answer_open(answer, secret, &error));
        fuzz_told(false, &error);
    }
    return 0;
}
