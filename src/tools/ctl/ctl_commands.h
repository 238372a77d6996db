/*
 * ctl_commands.h - the commands of holdfast-ctl, a row each.
 *
 * A command speaks with one emulator over an open control channel, prints facts on stdout (words,
 * or one JSON object with --json) and returns false with *error when the emulator refused or an
 * operand is wrong (HF_ERROR_USAGE, found before anything is sent).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CTL_CTL_COMMANDS_H
#define HOLDFAST_TOOLS_CTL_CTL_COMMANDS_H

#include <glib.h>
#include <stdbool.h>

#include "base/options.h"
#include "control/client.h"

typedef enum {
    HF_CTL_CAPABILITIES,
    HF_CTL_INIT,
    HF_CTL_STOP,
    HF_CTL_SHUTDOWN,
    HF_CTL_ESTABLISHED,
    HF_CTL_RESET_ESTABLISHED,
    HF_CTL_LOCALITY,
    HF_CTL_HASH,
    HF_CTL_CANCEL,
    HF_CTL_STORE_VOLATILE,
    HF_CTL_SAVE,
    HF_CTL_LOAD,
    HF_CTL_CONFIG,
    HF_CTL_BUFFER_SIZE,
    HF_CTL_INFO,
    HF_CTL_LOCK_STORAGE,
} HfCtlCommand;

/* For HfCommand.bit and HfOption.where. */
#define HF_CTL_BIT(command) (1u << (command))

/* For HfProgram.commands. */
const HfCommand *hf_ctl_commands(void);

/* Checks the operands and opens the file to be sent, so that a wrong command line is found without
 * an emulator; then calls `connect` and runs the command. */
typedef HfControlClient *(*HfCtlConnect)(const HfOptions *options, GError **error);
bool hf_ctl_run(const HfOptions *options, HfCtlConnect connect, GError **error);

#endif
