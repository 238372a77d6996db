/*
 * ca_audit.c - lines and head of the audit log.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_audit.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/hash.h"
#include "pki/spki.h"

#define FORMAT "holdfast-ca-audit"
#define HEAD_FORMAT "holdfast-ca-audit-head"
#define FORMAT_VERSION 2
#define HEAD_VERSION 1
#define SIGNATURE_MAX 1024
#define SIZE_MAX_BYTES (INT64_C(1) << 50)

#define BIT(event) (1u << (event))
#define ISSUING (BIT(HF_AUDIT_DELEGATE) | BIT(HF_AUDIT_CERTIFY) | BIT(HF_AUDIT_ISSUE))

static const char *const event_texts[HF_AUDIT_EVENTS + 1] = {
    [HF_AUDIT_INIT] = "init",
    [HF_AUDIT_NONCE] = "nonce",
    [HF_AUDIT_CHALLENGE] = "challenge",
    [HF_AUDIT_DELEGATE] = "delegate",
    [HF_AUDIT_CERTIFY] = "certify",
    [HF_AUDIT_REVOKE] = "revoke",
    [HF_AUDIT_CRL] = "crl",
    [HF_AUDIT_REFUSE] = "refuse",
    [HF_AUDIT_ISSUER] = "issuer",
    [HF_AUDIT_ISSUE] = "issue",
};

/* What a line has beside number, link, event, requester and what it says of a certificate. */
static const struct {
    const char *name;
    size_t offset;
    unsigned required; /* of these events; of others not allowed but as said in `allowed` */
    unsigned allowed;
} texts[] = {
    { "nonce", offsetof(HfAuditEntry, nonce), BIT(HF_AUDIT_NONCE) | BIT(HF_AUDIT_CHALLENGE),
      BIT(HF_AUDIT_DELEGATE) | BIT(HF_AUDIT_REFUSE) },
    { "sha256", offsetof(HfAuditEntry, digest),
      ISSUING | BIT(HF_AUDIT_INIT) | BIT(HF_AUDIT_CRL) | BIT(HF_AUDIT_ISSUER), 0 },
    { "reason", offsetof(HfAuditEntry, reason), BIT(HF_AUDIT_REVOKE) | BIT(HF_AUDIT_REFUSE), 0 },
    { "act", offsetof(HfAuditEntry, act), BIT(HF_AUDIT_REFUSE), 0 },
};

/* The name of an entry's number, by event; NULL: it has none. */
static const char *number_name(HfAuditEvent event)
{
    return event == HF_AUDIT_CRL ? "number" : event == HF_AUDIT_REVOKE ? "when" : NULL;
}

static char **text_of(const HfAuditEntry *entry, unsigned i)
{
    return (char **)(void *)((char *)(uintptr_t)entry + texts[i].offset);
}

const char *hf_audit_event_text(HfAuditEvent event)
{
    return event_texts[event];
}

bool hf_audit_event_issues(HfAuditEvent event)
{
    return (ISSUING & BIT(event)) != 0;
}

HfAuditEntry *hf_audit_entry_new(HfAuditEvent event)
{
    HfAuditEntry *entry = g_new0(HfAuditEntry, 1);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();

    entry->event = event;
    entry->facts = g_new0(HfIssued, 1);
    entry->facts->time = g_date_time_format_iso8601(now);
    return entry;
}

void hf_audit_entry_free(HfAuditEntry *entry)
{
    for (unsigned i = 0; entry && i < G_N_ELEMENTS(texts); i++) {
        g_free(*text_of(entry, i));
    }
    if (entry) {
        g_free(entry->requester);
        hf_issued_free(entry->facts);
        g_free(entry);
    }
}

void hf_audit_entry_certificate(HfAuditEntry *entry, const HfCertificate *certificate)
{
    HfIssued *facts = entry->facts;

    facts->serial =
        hf_hex(g_bytes_get_data(certificate->serial, NULL), g_bytes_get_size(certificate->serial));
    facts->subject = hf_certificate_subject_text(certificate);
    facts->not_after = certificate->not_after;
    entry->digest = hf_audit_digest_text(certificate->der);
}

char *hf_audit_digest_text(GBytes *der)
{
    uint8_t digest[HF_AUDIT_DIGEST];

    hf_audit_digest(g_bytes_get_data(der, NULL), g_bytes_get_size(der), digest);
    return hf_hex(digest, sizeof(digest));
}

void hf_audit_entry_put(JsonBuilder *builder, const HfAuditEntry *entry)
{
    const char *number = number_name(entry->event);

    hf_fields_put_number(builder, "sequence", entry->sequence);
    hf_fields_put_hex(builder, "previous", entry->previous, HF_AUDIT_DIGEST);
    hf_fields_put(builder, "event", event_texts[entry->event]);
    hf_fields_put(builder, "requester", entry->requester);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        hf_fields_put(builder, texts[i].name, *text_of(entry, i));
    }
    if (number) {
        hf_fields_put_number(builder, number, entry->number);
    }
    if (entry->unrecorded > 0) {
        hf_fields_put_number(builder, "refusals-unrecorded", entry->unrecorded);
    }
    hf_issued_put(builder, entry->facts);
}

char *hf_audit_entry_write(const HfAuditEntry *entry)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);

    hf_audit_entry_put(builder, entry);
    return hf_fields_end_line(builder);
}

static void get_digest(HfFields *fields, const char *name, uint8_t ret_digest[HF_AUDIT_DIGEST])
{
    g_autoptr(GBytes) bytes = hf_fields_hex(fields, name, true, HF_AUDIT_DIGEST, HF_AUDIT_DIGEST);

    if (bytes) {
        memcpy(ret_digest, g_bytes_get_data(bytes, NULL), HF_AUDIT_DIGEST);
    }
}

static void get_rest(HfFields *fields, HfAuditEntry *entry)
{
    const char *number = number_name(entry->event);

    get_digest(fields, "previous", entry->previous);
    entry->sequence = hf_fields_number(fields, "sequence", 1, G_MAXINT64 - 1);
    entry->requester = hf_fields_text(fields, "requester", true);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        bool required = (texts[i].required & BIT(entry->event)) != 0;

        if (required || (texts[i].allowed & BIT(entry->event)) != 0) {
            *text_of(entry, i) = hf_fields_text(fields, texts[i].name, required);
        }
    }
    if (number) {
        entry->number = hf_fields_number(fields, number, 0, G_MAXINT64);
    }
    if (hf_fields_has(fields, "refusals-unrecorded")) {
        entry->unrecorded = hf_fields_number(fields, "refusals-unrecorded", 1, G_MAXINT64);
    }
    entry->facts = hf_issued_get(fields, hf_audit_event_issues(entry->event));
}

HfAuditEntry *hf_audit_entry_read(const char *line, size_t size, const char *label, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(line, size);
    g_autoptr(HfFields) fields = hf_fields_parse(bytes, label, FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfAuditEntry) entry = g_new0(HfAuditEntry, 1);

    if (!fields) {
        return NULL;
    }
    entry->event = (HfAuditEvent)hf_fields_choice(fields, "event", event_texts);
    get_rest(fields, entry);
    return hf_fields_finish(fields, error) ? g_steal_pointer(&entry) : NULL;
}

void hf_audit_digest(const char *line, size_t size, uint8_t ret_digest[HF_AUDIT_DIGEST])
{
    hf_hash_once(HF_HASH_SHA256, line, size, ret_digest);
}

HfAuditHead hf_audit_head_none(const HfCertificate *root)
{
    HfAuditHead head = { 0 };

    hf_audit_digest(g_bytes_get_data(root->der, NULL), g_bytes_get_size(root->der), head.line);
    return head;
}

/* What is signed: no certificate or list begins like this. */
static GBytes *signed_part(const HfAuditHead *head)
{
    g_autofree char *line = hf_hex(head->line, HF_AUDIT_DIGEST);
    char *text = g_strdup_printf(HEAD_FORMAT "\n%" PRId64 "\n%" PRId64 "\n%s\n", head->sequence,
                                 head->size, line);

    return g_bytes_new_take(text, strlen(text));
}

char *hf_audit_head_write(const HfAuditHead *head, HfSigner *signer, GError **error)
{
    uint16_t hash = hf_sign_algorithm_hash(signer->algorithm);
    g_autoptr(GBytes) part = signed_part(head);
    HfDigest digest = hf_digest_of(hash, g_bytes_get_data(part, NULL), g_bytes_get_size(part));
    g_autoptr(GBytes) signature = signer->class->sign(signer, digest.data, digest.size, error);
    JsonBuilder *builder;

    if (!signature) {
        g_prefix_error(error, "the head of the audit log: ");
        return NULL;
    }
    builder = hf_fields_begin(HEAD_FORMAT, HEAD_VERSION, 1);
    hf_fields_put_number(builder, "sequence", head->sequence);
    hf_fields_put_number(builder, "size", head->size);
    hf_fields_put_hex(builder, "line", head->line, HF_AUDIT_DIGEST);
    hf_fields_put_bytes(builder, "signature", signature);
    return hf_fields_end(builder);
}

bool hf_audit_head_read(GBytes *file, const char *label, const HfCertificate *root,
                        HfAuditHead *ret_head, GError **error)
{
    g_autoptr(HfFields) fields = hf_fields_parse(file, label, HEAD_FORMAT, HEAD_VERSION, error);
    g_autoptr(GBytes) signature = NULL;
    g_autoptr(GBytes) part = NULL;
    HfSignAlgorithm algorithm;
    HfAuditHead head = { 0 };

    if (!fields) {
        return false;
    }
    head.sequence = hf_fields_number(fields, "sequence", 1, G_MAXINT64 - 1);
    head.size = hf_fields_number(fields, "size", 1, SIZE_MAX_BYTES);
    get_digest(fields, "line", head.line);
    signature = hf_fields_hex(fields, "signature", true, 1, SIGNATURE_MAX);
    if (!hf_fields_finish(fields, error)) {
        return false;
    }
    part = signed_part(&head);
    if (!hf_spki_algorithm(root->spki, "root", &algorithm, error) ||
        !hf_spki_verify(root->spki, algorithm, part, signature, label, error)) {
        return false;
    }
    *ret_head = head;
    return true;
}
