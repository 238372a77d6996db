/*
 * challenge.h - holdfast-attest challenge: a credential only the TPM with this EK and AK can open.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_CHALLENGE_H
#define HOLDFAST_TOOLS_ATTEST_CHALLENGE_H

#include "base/options.h"

bool hf_attest_challenge(const HfOptions *options, GError **error);

#endif
