/*
 * command_frame.c - framing of the data channel.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/command_frame.h"

#include "base/bytes.h"

#define SEND_COMMAND 8u
#define PREFIX_SIZE 9u
#define COMMAND_MIN 10u
#define COMMAND_MAX 4096u

static bool has_prefix(const uint8_t *data, size_t size, bool headers)
{
    return headers && size >= 4 && hf_fetch_u32(data) == SEND_COMMAND;
}

HfCommandFrame hf_command_frame_rest(const uint8_t *data, size_t size, bool headers)
{
    HfCommandFrame frame = { .used = size, .size = size };
    if (has_prefix(data, size, headers) && size >= PREFIX_SIZE) {
        frame.prefixed = true;
        frame.locality = data[4];
        frame.offset = PREFIX_SIZE;
        frame.size = size - PREFIX_SIZE;
    }
    return frame;
}

bool hf_command_frame_find(const uint8_t *data, size_t size, bool headers,
                           HfCommandFrame *ret_frame)
{
    bool prefixed = has_prefix(data, size, headers);
    size_t size_at = prefixed ? 5 : 2; /* of the field that tells the size */
    if (size < size_at + 4) {
        return false;
    }
    HfCommandFrame frame = hf_command_frame_rest(data, size, headers);
    uint32_t told = hf_fetch_u32(data + size_at);
    if (told >= COMMAND_MIN && told <= COMMAND_MAX) {
        frame.size = told;
        frame.used = frame.offset + told;
    } else if (told > COMMAND_MAX && size < frame.offset + COMMAND_MIN) {
        return false; /* a header at least is on its way */
    }
    if (size < frame.used) {
        return false;
    }
    *ret_frame = frame;
    return true;
}
