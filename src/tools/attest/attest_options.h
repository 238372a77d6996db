/*
 * attest_options.h - the command line of holdfast-attest as a table: its program, and the bits of its commands.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_ATTEST_OPTIONS_H
#define HOLDFAST_TOOLS_ATTEST_ATTEST_OPTIONS_H

#include "base/options.h"

enum {
    HF_ATTEST_CHALLENGE = 1 << 0,
    HF_ATTEST_VERIFY = 1 << 1,
    HF_ATTEST_ENROLL = 1 << 2,
    HF_ATTEST_QUOTE = 1 << 3
};

extern const HfProgram hf_attest_program;

#endif
