/*
 * ca_audit_check.h - is the audit log whole, and do the other records say the same?
 *
 * Every line follows from the one before, the last is the one that the signed head names, and what
 * issues or revokes is in `issued` and `revoked`, in this order and nothing else. Neither the CA's key
 * nor the right to write is needed, and a CA that works at the same time is not disturbed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_AUDIT_CHECK_H
#define HOLDFAST_TOOLS_CA_CA_AUDIT_CHECK_H

#include "tools/ca/ca_dir.h"

/* Called for each line that follows from the one before. */
typedef void (*HfAuditSeen)(const HfAuditEntry *entry, void *user);

typedef struct {
    HfAuditHead head;
    bool interrupted; /* something is behind the head: an act that was never done */
} HfAuditReport;

/* path: a copy of an earlier head that the log must contain, or NULL. HF_ERROR_AUTH names the first
 * line that is wrong; other errors are those of files. */
bool hf_ca_audit_check(const HfCaDir *ca, const char *path, HfAuditSeen seen, void *user,
                       HfAuditReport *ret_report, GError **error);

#endif
