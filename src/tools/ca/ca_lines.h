/*
 * ca_lines.h - the CA's records of lines: a JSON object a line, only ever appended to.
 *
 * An append is durable before it returns. What a crash leaves of one, a last line without its
 * newline, was never acknowledged: it is not read, and the next append removes it. Appending wants the
 * CA's lock (hf_ca_dir_lock).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_LINES_H
#define HOLDFAST_TOOLS_CA_CA_LINES_H

#include "tools/ca/ca_dir.h"

#define HF_CA_LINES_MAX (64 * 1024 * 1024) /* bytes of one record */

/* What is in a line; `label` names file and line. NULL and *error when it is malformed. */
typedef gpointer (*HfCaLineParse)(const char *line, const char *label, GError **error);

/* All lines parsed, in their order, freed with the array. A record that is not there has none. */
GPtrArray *hf_ca_lines_read(const HfCaDir *ca, const char *name, HfCaLineParse parse,
                            GDestroyNotify free, GError **error);
/* line: with its newline. */
bool hf_ca_lines_append(HfCaDir *ca, const char *name, const char *line, GError **error);

#endif
