/*
 * tool_run.h - runs another program to its end, with a deadline, and listens to it.
 *
 * The program gets /dev/null as its input, this process's environment and no descriptor but the
 * three. What it writes to standard output goes to the log line by line; what it writes to standard
 * error is the reason when it fails. It and what it starts are killed when the deadline passes, and
 * it is killed when this process ends.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_TOOL_RUN_H
#define HOLDFAST_TOOLS_SETUP_TOOL_RUN_H

#include <glib.h>
#include <stdbool.h>

/* argv[0] is a path, or a name that is looked for in PATH. NULL at the end. False unless it exits
 * with 0. Must be called from the only thread. */
bool hf_tool_run(const char *const *argv, unsigned seconds, GError **error);

#endif
