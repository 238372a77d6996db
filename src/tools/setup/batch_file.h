/*
 * batch_file.h - the file of --batch: one TPM a line, a line its options.
 *
 * Blank lines and lines whose first character is # are left out. A line is cut into words as a
 * POSIX shell does, with quotes and backslashes and without expansions; the words are options as on
 * the command line. They come after those of the command line, so they win. Options that belong to
 * the run as a whole are refused in a line, those that one TPM only can have on the command line.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_BATCH_FILE_H
#define HOLDFAST_TOOLS_SETUP_BATCH_FILE_H

#include "base/options.h"

#define HF_BATCH_FILE_MAX ((size_t)16 * 1024 * 1024)

typedef struct {
    unsigned number; /* of the line; the first is 1 */
    HfOptions
        *options;      /* of the command line and the line; NULL: it is wrong, and `error` is set */
    const char *state; /* borrowed from the options */
    GError *error;
} HfBatchLine;

typedef struct {
    const HfProgram *program; /* must outlive the lines */
    int argc;                 /* the command line, --batch among it */
    char **argv;
    bool swtpm;
} HfBatchCommand;

/* HfBatchLine, freed with the array. A line that is wrong is an entry, too; a file that is none
 * (not there, no text) is an error. `path` "-" is standard input; `label` is how messages call it. */
GPtrArray *hf_batch_file_read(const char *path, const HfBatchCommand *command, GError **error);
const char *hf_batch_file_label(const char *path);
GPtrArray *hf_batch_file_parse(const char *text, size_t size, const char *label,
                               const HfBatchCommand *command, GError **error);
/* Whether the command line can be that of a batch (HF_ERROR_USAGE). */
bool hf_batch_check(const HfOptions *options, GError **error);

#endif
