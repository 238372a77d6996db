/*
 * fuzz-eventlog.c - a firmware's event log: replayed, or refused with a reason; twice the same.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tpm2/event_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(HfPcrValues) values = hf_event_log_replay(data, size, &error);
    fuzz_told(values != NULL, &error);
    if (values) {
        g_autoptr(HfPcrValues) again = hf_event_log_replay(data, size, &error);
        HfPcrSelection selection = { 0 };
        g_assert_no_error(error);
        g_assert_true(hf_pcr_selection_parse("sha256:0,1,2,3,4,5,6,7", &selection, &error));
        bool same = hf_event_log_check(values, &selection, again, &error);
        g_assert_true(same || error->message[0] != '\0'); /* or the log has no such bank */
        g_clear_error(&error);
    }
    return 0;
}
