/*
 * ca_lines.h - the CA's records of lines: a JSON object a line, only ever appended to.
 *
 * An append is durable before it returns. What a crash leaves of one, a last line without its
 * newline, was never acknowledged: it is not read, and the next append removes it. Appending wants the
 * CA's lock (hf_ca_dir_lock). A record is read a line at a time and may be of any size.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_LINES_H
#define HOLDFAST_TOOLS_CA_CA_LINES_H

#include "tools/ca/ca_dir.h"

#define HF_CA_LINE_MAX (64u * 1024u) /* bytes of one line without its newline */
#define HF_CA_LINES_COMPLETE (-1)    /* for `end`: all complete lines */

/* One line without its newline, a zero byte behind it; `where` names file and line. */
typedef bool (*HfCaLineSeen)(const char *line, size_t size, const char *where, void *user,
                             GError **error);
/* All lines of the first `end` bytes, which must be complete lines, until one returns false. A
 * record that is not there has none. */
bool hf_ca_lines_each(const HfCaDir *ca, const char *name, int64_t end, HfCaLineSeen seen,
                      void *user, GError **error);

/* What is in a line; `label` names file and line. NULL and *error when it is malformed. */
typedef gpointer (*HfCaLineParse)(const char *line, const char *label, GError **error);
/* All complete lines parsed, in their order, freed with the array. */
GPtrArray *hf_ca_lines_read(const HfCaDir *ca, const char *name, HfCaLineParse parse,
                            GDestroyNotify free, GError **error);
/* The last line of the first `end` bytes, without its newline; *ret_line NULL when there is none. */
bool hf_ca_lines_last(const HfCaDir *ca, const char *name, int64_t end, char **ret_line,
                      GError **error);
/* line: with its newline. What is behind the first `end` bytes is cut off first. */
bool hf_ca_lines_append(HfCaDir *ca, const char *name, int64_t end, const char *line,
                        GError **error);
/* After all complete lines, unless it is the last of them already. */
bool hf_ca_lines_append_once(HfCaDir *ca, const char *name, const char *line, GError **error);

#endif
