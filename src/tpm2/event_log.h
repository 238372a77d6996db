/*
 * event_log.h - the firmware's event log, replayed to PCR values.
 *
 * The crypto-agile format of the TCG PC Client Platform Firmware Profile, as the kernel shows it in
 * /sys/kernel/security/tpm0/binary_bios_measurements: a TCG_PCR_EVENT of the old form whose data
 * begin with "Spec ID Event03", then TCG_PCR_EVENT2. Little-endian. Parsing is strict: every event
 * has a digest of each announced algorithm, once, and the bytes end with an event. The log is a
 * claim; it proves something only where it replays to PCRs that were quoted.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_EVENT_LOG_H
#define HOLDFAST_TPM2_EVENT_LOG_H

#include "tpm2/pcr.h"

#define HF_EVENT_LOG_EVENTS_MAX 65536u

/* The PCR values that the log leads to, of every bank in the log whose hash we know: PCRs 0 to 15
 * (a log has a value for each of them, zeros when nothing was measured). HF_ERROR_INVALID saying
 * which event and why; HF_ERROR_UNSUPPORTED for a log of the SHA-1 format. */
HfPcrValues *hf_event_log_replay(const void *data, size_t n, GError **error);

/* An event that extends a PCR, in one bank. */
typedef struct {
    unsigned number; /* in the log, from 1 */
    uint32_t pcr;    /* 0 to 15 */
    uint32_t type;   /* EV_*, a claim that no digest covers */
    uint16_t hash;
    const uint8_t *digest; /* in the log's bytes */
} HfLogEvent;

typedef void (*HfLogEach)(const HfLogEvent *event, void *user);

/* The same; calls `each` for every event and bank whose hash we know, in the log's order. What it
 * was told is worth nothing when NULL comes back. */
HfPcrValues *hf_event_log_walk(const void *data, size_t n, HfLogEach each, void *user,
                               GError **error);

/* Whether the log leads to the value that this PCR has in `values`. */
bool hf_event_log_leads(const HfPcrValues *log, const HfPcrValues *values, uint16_t hash,
                        unsigned pcr);

/* The PCRs of `selection` among 0 to 7 (what the firmware measures before anything else runs; who
 * comes later need not write into this log) have in `log` the value that they have in `values`.
 * HF_ERROR_POLICY naming those that differ, or a bank that the log does not have. */
bool hf_event_log_check(const HfPcrValues *log, const HfPcrSelection *selection,
                        const HfPcrValues *values, GError **error);

#endif
