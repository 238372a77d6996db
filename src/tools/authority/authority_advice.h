/*
 * authority_advice.h - what an operator is told to do about what `status` has found.
 *
 * Codes are for programs and never change their meaning; holdfast-authority(1) lists them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_ADVICE_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_ADVICE_H

/* A sentence without its full stop. An unknown code is the programmer's error and asserts. */
const char *hf_authority_advice(const char *code);

#endif
