/*
 * authority_key.h - a further signing key for an authority that is there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_KEY_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_KEY_H

#include "base/options.h"

/* The migration policy of a new key that was given none. */
const char *hf_authority_migration_policy(const char *given);
/* `init --key NAME` for an existing authority. HF_ERROR_EXISTS when there is a key of this name, or
 * one for the same migration policy and device model. */
bool hf_authority_add_key(const HfOptions *options, GError **error);

#endif
