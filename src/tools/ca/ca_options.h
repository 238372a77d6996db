/*
 * ca_options.h - the command line of holdfast-ca as a table: its program, and the bits of its commands.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_OPTIONS_H
#define HOLDFAST_TOOLS_CA_CA_OPTIONS_H

#include "base/options.h"

enum {
    HF_CA_INIT = 1 << 0,
    HF_CA_NONCE = 1 << 1,
    HF_CA_DELEGATE = 1 << 2,
    HF_CA_LIST = 1 << 3,
    HF_CA_CHALLENGE = 1 << 4,
    HF_CA_CERTIFY = 1 << 5,
    HF_CA_REVOKE = 1 << 6,
    HF_CA_CRL = 1 << 7,
    HF_CA_SERVE = 1 << 8,
    HF_CA_AUDIT = 1 << 9,
    HF_CA_ISSUER = 1 << 10,
    HF_CA_ISSUE = 1 << 11,
};

extern const HfProgram hf_ca_program;

#endif
