/*
 * secret_source.h - where a program gets a PIN or password from: file:, fd: or env:, never from the
 * command line itself.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_SECRET_SOURCE_H
#define HOLDFAST_TOOLS_COMMON_SECRET_SOURCE_H

#include "base/secret.h"

/* "file:NAME" (kept like a private key: pki/keyfile.h), "fd:NUMBER" (read to its end), "env:NAME"
 * (removed from the environment). One newline at the end is not part of it. option: how messages call
 * it. HF_ERROR_USAGE for any other form: its text is not repeated, it may be the secret. */
HfSecret *hf_secret_source_read(const char *how, const char *option, GError **error);

#endif
