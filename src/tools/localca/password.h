/*
 * password.h - a password as swtpm's tools are told it: pass:, file:, fd:, env: or as it is.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_LOCALCA_PASSWORD_H
#define HOLDFAST_TOOLS_LOCALCA_PASSWORD_H

#include "base/secret.h"

/* pass:TEXT, TEXT; file:NAME and fd:NUMBER: the whole content, a newline at its end included;
 * env:NAME. NULL and *error with swtpm's words otherwise. */
HfSecret *hf_password_read(const char *how, GError **error);

#endif
