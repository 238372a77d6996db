/*
 * ca_audit.h - the lines of the CA's audit log and the signed head that says how far it goes.
 *
 * A line is an act: a JSON object with a number, one more than the line's before, and the SHA-256 of
 * the line before (of the root's certificate in the first). The head has number, place and SHA-256
 * of the last line and is signed by the CA's key. Bytes in, bytes out: no files (ca_act.h has those).
 * The formats are specified in holdfast-ca(5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_AUDIT_H
#define HOLDFAST_TOOLS_CA_CA_AUDIT_H

#include "pki/certificate.h"
#include "tools/ca/ca_issued.h"

#define HF_AUDIT_DIGEST 32u /* SHA-256 */

typedef enum {
    HF_AUDIT_INIT,
    HF_AUDIT_NONCE,
    HF_AUDIT_CHALLENGE,
    HF_AUDIT_DELEGATE,
    HF_AUDIT_CERTIFY,
    HF_AUDIT_REVOKE,
    HF_AUDIT_CRL,
    HF_AUDIT_REFUSE,
    HF_AUDIT_ISSUER,
    HF_AUDIT_ISSUE,
    HF_AUDIT_EVENTS
} HfAuditEvent;

#define HF_AUDIT_EVENT_WORDS "init|nonce|challenge|delegate|certify|revoke|crl|refuse|issuer|issue"

typedef struct {
    HfAuditEvent event;
    int64_t sequence; /* 1 is the first */
    uint8_t previous[HF_AUDIT_DIGEST];
    char *requester;
    HfIssued *facts; /* never NULL; the time of the act, and of delegate, certify and issue all */
    char *nonce;     /* hex, of nonce, challenge and delegate; or NULL */
    char *digest;    /* hex, SHA-256 of the certificate or list (DER) that was made; or NULL */
    char *reason;    /* of revoke the word, of refuse the message; or NULL */
    char *act;       /* what was refused, an event's word; or NULL */
    int64_t number;  /* of crl the list's, of revoke the time, of others 0 */
    int64_t unrecorded; /* refusals before this line that have none of their own */
} HfAuditEntry;

const char *hf_audit_event_text(HfAuditEvent event);
/* Does such an act issue a certificate? */
bool hf_audit_event_issues(HfAuditEvent event);

/* Empty but for the time, which is now. */
HfAuditEntry *hf_audit_entry_new(HfAuditEvent event);
void hf_audit_entry_free(HfAuditEntry *entry);
/* What the certificate says itself: serial number, subject, end, SHA-256. */
void hf_audit_entry_certificate(HfAuditEntry *entry, const HfCertificate *certificate);
/* A line with its newline. */
char *hf_audit_entry_write(const HfAuditEntry *entry);
/* A line without its newline; `label` names file and line. */
HfAuditEntry *hf_audit_entry_read(const char *line, size_t size, const char *label, GError **error);
/* The members that an entry has, into an open object: as `audit --json` prints them. */
void hf_audit_entry_put(JsonBuilder *builder, const HfAuditEntry *entry);

typedef struct {
    int64_t sequence; /* of the last line */
    int64_t size;     /* bytes of all lines */
    uint8_t line[HF_AUDIT_DIGEST];
} HfAuditHead;

/* The file's text, signed; NULL and *error when the signer fails. */
char *hf_audit_head_write(const HfAuditHead *head, HfSigner *signer, GError **error);
/* HF_ERROR_AUTH when it was not signed by this root's key. */
bool hf_audit_head_read(GBytes *file, const char *label, const HfCertificate *root,
                        HfAuditHead *ret_head, GError **error);
/* The head of a log that has no line yet: what the first line follows. */
HfAuditHead hf_audit_head_none(const HfCertificate *root);
/* SHA-256 in hex, as entries have it. */
char *hf_audit_digest_text(GBytes *der);
/* SHA-256 of a line without its newline. */
void hf_audit_digest(const char *line, size_t size, uint8_t ret_digest[HF_AUDIT_DIGEST]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfAuditEntry, hf_audit_entry_free)

#endif
