/*
 * command_frame.h - where one TPM command ends in the bytes of the data channel.
 *
 * A command is framed by its own size field; it may arrive in pieces, and the next may follow at
 * once. A TPM 2 also takes the header of the TCG's command server: u32 8 (TPM_SEND_COMMAND), u8
 * locality, u32 size, command; its answer is u32 size, response, u32 0.
 *
 * A size field that no command can have (under 10, over 4096) tells nothing. Then everything that
 * has arrived is taken as one command, which the TPM refuses in band; a client that sends a command
 * at a time, as all do, stays in step.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_COMMAND_FRAME_H
#define HOLDFAST_EMULATOR_COMMAND_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest command with the longest header before it. */
#define HF_COMMAND_FRAME_MAX (4096u + 9u)

typedef struct {
    size_t offset;    /* of the command */
    size_t size;      /* of the command */
    size_t used;      /* bytes it takes in all */
    bool prefixed;    /* it came with a header, which the answer must have too */
    uint8_t locality; /* of the header */
} HfCommandFrame;

/* Finds the command at the start of `size` bytes; false when more bytes are needed. `headers`: the
 * TCG header is known (TPM 2). */
bool hf_command_frame_find(const uint8_t *data, size_t size, bool headers,
                           HfCommandFrame *ret_frame);
/* Everything there is as one command, for when no more comes. */
HfCommandFrame hf_command_frame_rest(const uint8_t *data, size_t size, bool headers);

#endif
