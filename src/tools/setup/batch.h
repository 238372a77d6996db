/*
 * batch.h - many TPMs in one call (--batch): as many at a time as there are processors.
 *
 * Each TPM is made in a process of its own by exactly what makes a single one, so whatever happens
 * to it happens to no other; the authority's key is in one more process (signing_desk.h). Nothing
 * is remembered between runs: a TPM that is complete is there, one that is not is not, so the same
 * call again makes what is missing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_BATCH_H
#define HOLDFAST_TOOLS_SETUP_BATCH_H

#include "tools/setup/batch_file.h"

/* Makes the TPM of these options, in a process that has nothing open but the log and the seat at
 * the signing desk. *ret_kept: there was one, and it was left alone. */
typedef bool (*HfBatchMake)(const HfOptions *options, int seat, bool *ret_kept, void *user,
                            GError **error);

typedef struct {
    const char *name; /* of the file, in messages */
    const char *program;
    unsigned jobs; /* at a time */
    bool quiet;    /* no word of a single TPM but how it ended */
    HfBatchMake make;
    void *user;
} HfBatch;

/* False when one of them could not be made; what went wrong with it is on stderr by then, and the
 * error counts them. */
bool hf_batch_run(const HfBatch *batch, GPtrArray *lines, GError **error);

#endif
