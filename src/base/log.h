/*
 * log.h - where a program's messages go.
 *
 * Only the program decides to log; libraries return errors. A line is "PREFIX: MESSAGE" on stderr,
 * or on a log file. As swtpm does, a message is printed when its level is at most the log's: level
 * 1 is what an operator needs, 2 adds protocol traffic, 5 and up the engine's own debugging. One
 * process has one log: this is one of the named writable globals.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_LOG_H
#define HOLDFAST_BASE_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* Sends messages to fd (kept open, not owned); -1: nowhere. Default: stderr, level 1, no prefix. */
void hf_log_to_fd(int fd);
/* Sends messages to stdout, and what hf_log_error says to stderr alone: who runs the program sees
 * both. */
void hf_log_to_output(void);
void hf_log_set_level(unsigned level);
unsigned hf_log_level(void);
/* Copied; NULL: none. */
void hf_log_set_prefix(const char *prefix);

/* One line; a newline is added, control characters are shown as \xNN. Thread-safe, one write. */
void hf_log(unsigned level, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* "CONTEXT: MESSAGE" of an error at level 1, on the log AND, when that goes elsewhere, on stderr too
 * (libvirt shows a program's stderr when it dies). */
void hf_log_error(const char *context, const GError *error);
/* GLib's own last words (no memory) come here, too: its handler would ask the kernel for things
 * that a sandbox refuses. GLib then ends the process. */
void hf_log_take_glib(void);
/* Whether hf_log_dump prints: traffic holds passwords and keys. Default: no. */
void hf_log_set_dumps(bool dumps);
/* Hex dump at `level`, in the shape of swtpm's log: "TITLE length N", then 16 bytes a line. */
void hf_log_dump(unsigned level, const char *title, const void *data, size_t n);

#endif
