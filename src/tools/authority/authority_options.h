/*
 * authority_options.h - the command line of holdfast-authority as a table: its program, and the bits of its commands.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_OPTIONS_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_OPTIONS_H

#include "base/options.h"

enum {
    HF_AUTHORITY_INIT = 1 << 0,
    HF_AUTHORITY_APPROVER_KEY = 1 << 1,
    HF_AUTHORITY_APPROVE = 1 << 2,
    HF_AUTHORITY_BUMP = 1 << 3,
    HF_AUTHORITY_PCRS = 1 << 4,
    HF_AUTHORITY_REQUEST = 1 << 5,
    HF_AUTHORITY_INSTALL = 1 << 6,
    HF_AUTHORITY_STATUS = 1 << 7,
    HF_AUTHORITY_RESPOND = 1 << 8,
    HF_AUTHORITY_ENROL = 1 << 12,
    HF_AUTHORITY_REGISTER = 1 << 13,
    HF_AUTHORITY_DERIVATION = 1 << 9,
    HF_AUTHORITY_SIGN_APPROVAL = 1 << 10,
};

extern const HfProgram hf_authority_program;

#endif
