/*
 * reference.h - reference values: how a machine must have booted.
 *
 * A text file with one or more named boots (holdfast-attest(5)); a machine must be as one of them
 * says in all of its lines. Judges only what was proved before: PCR values of a verified quote, and
 * events of a log that leads to them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_REFERENCE_H
#define HOLDFAST_TOOLS_ATTEST_REFERENCE_H

#include "tpm2/event_log.h"

#define HF_REFERENCE_FILE_MAX (1024u * 1024u)

/* What is held against the reference. */
typedef struct {
    HfPcrSelection selection; /* what was quoted */
    HfPcrValues *values;      /* of all of it */
    HfPcrValues *replayed;    /* by the event log; NULL: there is none */
    GArray *events;           /* HfReferenceEvent, in the log's order */
    unsigned log_events;      /* number of the last one that extends a PCR */
} HfReferenceFacts;

typedef struct {
    HfPcrValue value;
    unsigned number; /* in the log; 0 in a reference */
    uint32_t type;   /* EV_*; 0 in a reference */
    bool optional;   /* in a reference: a line "may" */
} HfReferenceEvent;

/* Owns nothing but replayed and events; values are borrowed. log may be NULL. False when the log is
 * malformed. */
bool hf_reference_facts_fill(HfReferenceFacts *facts, const HfPcrSelection *selection,
                             HfPcrValues *values, GBytes *log, GError **error);
void hf_reference_facts_clear(HfReferenceFacts *facts);

typedef struct HfReference HfReference;

/* HF_ERROR_INVALID naming label and line. */
HfReference *hf_reference_parse(GBytes *text, const char *label, GError **error);
HfReference *hf_reference_load(const char *path, GError **error);
void hf_reference_free(HfReference *reference);

/* HF_ERROR_USAGE naming the first PCR of the reference that is not selected. */
bool hf_reference_check_selection(const HfReference *reference, const HfPcrSelection *selection,
                                  GError **error);

/* The name of the first boot that fits, borrowed; NULL when none does: then *ret_differences
 * (texts, freed with the array) says what is other than in the nearest one, of which
 * *ret_nearest (borrowed) is the name. */
const char *hf_reference_match(const HfReference *reference, const HfReferenceFacts *facts,
                               const char **ret_nearest, GPtrArray **ret_differences);

/* The facts as a reference with one boot of this name: a line for each PCR, and the events as
 * comments, where the log leads to the PCR. Caller frees. */
char *hf_reference_write(const HfReferenceFacts *facts, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfReference, hf_reference_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HfReferenceFacts, hf_reference_facts_clear)

#endif
