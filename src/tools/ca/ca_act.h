/*
 * ca_act.h - what the CA does is an act: recorded in the audit log first, then done.
 *
 * begin, commit, done. An act counts from the moment its line is in `audit` and the signed
 * `audit.head` has gone on to it, both durable; if that fails nothing was done. What follows from an
 * act in the other records (a certificate in `issued`, a revocation in `revoked`, a nonce that is
 * used up) is done after it, and after a crash by the next begin. So there may be a line of an act
 * from which nobody ever got anything; there is no act without its line.
 * Must not: print.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_ACT_H
#define HOLDFAST_TOOLS_CA_CA_ACT_H

#include "tools/ca/ca_dir.h"

#define HF_CA_AUDIT "audit"
#define HF_CA_AUDIT_HEAD "audit.head"
/* Refusals after an act that get a line; of the rest there is only a number, in the next act's. */
#define HF_CA_REFUSALS_MAX 64u

/* The first act, when the CA is made: before its certificate is in its place. */
bool hf_ca_act_first(HfCaDir *ca, HfAuditEntry *entry, GError **error);
/* Takes the lock (hf_ca_dir_lock), holds the log's end against its head and finishes what a crash
 * interrupted. To be held over everything that reads nonces or records and then acts. -1 and *error:
 * HF_ERROR_AUTH when the log is not what this CA wrote. */
int hf_ca_act_begin(HfCaDir *ca, GError **error);
/* Completes the entry (number, link, requester), records it and does what follows from it. */
bool hf_ca_act_commit(HfCaDir *ca, HfAuditEntry *entry, GError **error);
/* Takes the lock and records that somebody was refused `act`, for the reason in *error, unless that is
 * a failure of the CA's own. nonce: of the request, or NULL. host_ek: SHA-256 as claimed, or NULL.
 * When it cannot be recorded *error says that too. */
void hf_ca_act_refused(HfCaDir *ca, HfAuditEvent act, GBytes *nonce, GBytes *host_ek,
                       GError **error);
/* The head as it is in the directory, or in another file. */
bool hf_ca_act_head(const HfCaDir *ca, const char *path, HfAuditHead *ret_head, GError **error);

#endif
