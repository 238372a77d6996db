/*
 * fuzz-frame.c - the data channel's framing: a command is found at one place, however many bytes
 * are there, and never reaches past them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "emulator/command_frame.h"
#include "fuzz.h"

static void check(const HfCommandFrame *frame, size_t size)
{
    g_assert_cmpuint(frame->used, <=, size);
    g_assert_cmpuint(frame->offset, <=, frame->used);
    g_assert_cmpuint(frame->size, <=, frame->used - frame->offset);
}

static void stream(const uint8_t *data, size_t size, bool headers)
{
    while (size > 0) {
        HfCommandFrame frame = { 0 };
        size_t there = MIN(size, HF_COMMAND_FRAME_MAX);
        bool found = hf_command_frame_find(data, there, headers, &frame);
        if (!found) {
            frame = hf_command_frame_rest(data, there, headers);
        }
        check(&frame, there);
        g_assert_cmpuint(frame.used, >, 0);
        /* A full buffer must always give a command, or the channel would wait for ever. */
        g_assert_true(found || there < HF_COMMAND_FRAME_MAX);
        data += frame.used;
        size -= frame.used;
    }
}

/* The first command, byte by byte. */
static void pieces(const uint8_t *data, size_t size, bool headers)
{
    for (size_t n = 1; n <= MIN(size, HF_COMMAND_FRAME_MAX); n++) {
        HfCommandFrame frame = { 0 };
        if (hf_command_frame_find(data, n, headers, &frame)) {
            check(&frame, n);
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int headers = 0; headers < 2; headers++) {
        stream(data, size, headers != 0);
        pieces(data, size, headers != 0);
    }
    return 0;
}
