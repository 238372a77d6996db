/*
 * process.h - what the stages of the sandbox share; private to src/sandbox.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_SANDBOX_PROCESS_H
#define HOLDFAST_SANDBOX_PROCESS_H

#include <glib.h>
#include <stdbool.h>

/* Makes the process not dumpable. The kernel resets this whenever a process changes its user or
 * gives up capabilities, so those steps call it again. */
bool hf_process_hide(GError **error);

/* HF_ERROR_STATE when the process has several threads: `step` binds the calling one only. Without
 * /proc the question cannot be answered, and is answered with true. */
bool hf_process_is_single(const char *step, GError **error);

#endif
