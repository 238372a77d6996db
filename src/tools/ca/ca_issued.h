/*
 * ca_issued.h - what the CA knows of a certificate that it issued: a line of the record `issued`, and
 * the same members in a line of the audit log.
 *
 * Bytes in, bytes out: no files. The formats are specified in holdfast-authority(5) and
 * holdfast-ca(5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_ISSUED_H
#define HOLDFAST_TOOLS_CA_CA_ISSUED_H

#include "tools/common/fields.h"

#define HF_ISSUED_YES "yes"

typedef struct {
    char *time;
    char *serial;
    char *subject;
    char *rooted;
    char *key;
    char *migration_policy;
    char *device_model; /* or NULL */
    char *platform;
    char *host_tpm; /* or NULL */
    char *host_ek;  /* or NULL */
    char *ek_proof; /* or NULL */
    char *environment;
    char *identity_keys; /* HF_ISSUED_YES: of a delegation that is for these, too; or NULL */
    int64_t not_after;
} HfIssued;

void hf_issued_free(HfIssued *entry);
/* The members that are there, into an open object. */
void hf_issued_put(JsonBuilder *builder, const HfIssued *entry);
/* The members of a parsed object. complete: it must have all that an issued certificate has; else
 * any of them, and the time. What is wrong is told by hf_fields_finish. */
HfIssued *hf_issued_get(HfFields *fields, bool complete);
/* A line of the record, with its newline. */
char *hf_issued_write(const HfIssued *entry);
/* `label` names file and line. */
HfIssued *hf_issued_read(const char *line, const char *label, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfIssued, hf_issued_free)

#endif
