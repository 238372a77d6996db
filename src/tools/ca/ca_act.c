/*
 * ca_act.c - acts: line, head, then what follows from them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_act.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "tools/ca/ca_lines.h"
#include "tools/ca/ca_nonce.h"
#include "tools/ca/ca_revoked.h"

bool hf_ca_act_head(const HfCaDir *ca, const char *path, HfAuditHead *ret_head, GError **error)
{
    g_autofree char *own = g_build_filename(ca->path, HF_CA_AUDIT_HEAD, NULL);
    const char *label = path ? path : own;
    g_autoptr(GBytes) file = NULL;

    if (!hf_file_read_if_at(path ? AT_FDCWD : ca->fd, path ? path : HF_CA_AUDIT_HEAD,
                            HF_FIELDS_FILE_MAX, label, &file, error)) {
        return false;
    }
    return file ? hf_audit_head_read(file, label, ca->root, ret_head, error)
                : hf_error_set(error, HF_ERROR_AUTH, "%s: missing", label);
}

/* The last act that counts. */
static HfAuditEntry *last_entry(const HfCaDir *ca, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, HF_CA_AUDIT, NULL);
    g_autofree char *where =
        g_strdup_printf("%s: line %" G_GINT64_FORMAT, label, ca->head.sequence);
    g_autofree char *line = NULL;
    uint8_t digest[HF_AUDIT_DIGEST];

    if (!hf_ca_lines_last(ca, HF_CA_AUDIT, ca->head.size, &line, error)) {
        return NULL;
    }
    hf_audit_digest(line, strlen(line), digest);
    if (memcmp(digest, ca->head.line, sizeof(digest)) != 0) {
        hf_error_set(error, HF_ERROR_AUTH, "%s: not the line that %s ends with", where,
                     HF_CA_AUDIT_HEAD);
        return NULL;
    }
    return hf_audit_entry_read(line, strlen(line), where, error);
}

/* An interrupted act leaves at most one line behind the head. */
static bool check_rest(const HfCaDir *ca, GError **error)
{
    struct stat st;

    if (fstatat(ca->fd, HF_CA_AUDIT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_size > ca->head.size + (int64_t)HF_CA_LINE_MAX) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s/%s: more behind line %" G_GINT64_FORMAT
                            ", where %s ends, than an interrupted act leaves",
                            ca->path, HF_CA_AUDIT, ca->head.sequence, HF_CA_AUDIT_HEAD);
    }
    return true;
}

static bool follow_issue(HfCaDir *ca, const HfAuditEntry *entry, GError **error)
{
    g_autoptr(GBytes) nonce = entry->nonce ? hf_hex_parse(entry->nonce, "nonce", error) : NULL;

    return (!entry->nonce || (nonce && hf_ca_nonce_use(ca, nonce, error))) &&
           hf_ca_dir_record(ca, entry->facts, error);
}

static bool follow_revocation(HfCaDir *ca, const HfAuditEntry *entry, GError **error)
{
    HfRevoked revoked = { .serial = entry->facts->serial, .when = entry->number };

    if (!revoked.serial || !hf_crl_reason_parse(entry->reason, &revoked.reason)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: line %" G_GINT64_FORMAT ": no revocation",
                            HF_CA_AUDIT, entry->sequence);
    }
    return hf_ca_revoked_record(ca, &revoked, error);
}

/* What follows from an act; nothing where it was done before. */
static bool follow(HfCaDir *ca, const HfAuditEntry *entry, GError **error)
{
    if (hf_audit_event_issues(entry->event)) {
        return follow_issue(ca, entry, error);
    }
    return entry->event != HF_AUDIT_REVOKE || follow_revocation(ca, entry, error);
}

int hf_ca_act_begin(HfCaDir *ca, GError **error)
{
    g_autoptr(HfAuditEntry) last = NULL;
    hf_autofd int lock = hf_ca_dir_lock(ca, error);

    if (lock < 0 || !hf_ca_act_head(ca, NULL, &ca->head, error) || !check_rest(ca, error)) {
        return -1;
    }
    last = last_entry(ca, error);
    return last && follow(ca, last, error) ? hf_fd_steal(&lock) : -1;
}

/* A line that cannot be read again would be the end of the log. */
static bool check_line(const char *line, size_t size, GError **error)
{
    g_autoptr(HfAuditEntry) entry = NULL;

    if (size > HF_CA_LINE_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: a line of %zu bytes is too long",
                            HF_CA_AUDIT, size);
    }
    entry = hf_audit_entry_read(line, size, HF_CA_AUDIT, error);
    return entry != NULL;
}

/* Nothing is written before the head is signed. */
static bool append(HfCaDir *ca, HfAuditEntry *entry, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, HF_CA_AUDIT_HEAD, NULL);
    g_autofree char *line = NULL;
    g_autofree char *text = NULL;
    HfAuditHead head = ca->head;
    size_t size;

    entry->sequence = head.sequence + 1;
    memcpy(entry->previous, head.line, sizeof(entry->previous));
    g_free(entry->requester);
    entry->requester = g_strdup(ca->requester);
    line = hf_audit_entry_write(entry);
    size = strlen(line);
    if (!check_line(line, size - 1, error)) {
        return false;
    }
    head.sequence++;
    head.size += (int64_t)size;
    hf_audit_digest(line, size - 1, head.line);
    text = hf_audit_head_write(&head, ca->signer, error);
    if (!text || !hf_ca_lines_append(ca, HF_CA_AUDIT, ca->head.size, line, error) ||
        !hf_file_replace_at(ca->fd, HF_CA_AUDIT_HEAD, text, strlen(text), 0600, label, error)) {
        return false;
    }
    ca->head = head;
    return true;
}

bool hf_ca_act_commit(HfCaDir *ca, HfAuditEntry *entry, GError **error)
{
    bool refusal = entry->event == HF_AUDIT_REFUSE;

    entry->unrecorded = ca->unrecorded;
    if (!append(ca, entry, error)) {
        g_prefix_error(error, "not done, since it cannot be recorded: ");
        return false;
    }
    ca->unrecorded = 0;
    ca->refused = refusal ? ca->refused + 1 : 0;
    return follow(ca, entry, error);
}

bool hf_ca_act_first(HfCaDir *ca, HfAuditEntry *entry, GError **error)
{
    ca->head = hf_audit_head_none(ca->root);
    return hf_ca_act_commit(ca, entry, error);
}

/* Did the request fail, and not the CA? */
static bool is_refusal(const GError *error)
{
    static const HfErrorCode codes[] = { HF_ERROR_POLICY,      HF_ERROR_AUTH,  HF_ERROR_INVALID,
                                         HF_ERROR_UNSUPPORTED, HF_ERROR_STATE, HF_ERROR_NOT_FOUND,
                                         HF_ERROR_KEY };

    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (hf_error_is(error, codes[i])) {
            return true;
        }
    }
    return false;
}

/* As a text member may be: in UTF-8, short, on one line. */
static char *plain(const char *message)
{
    g_autofree char *valid = g_utf8_make_valid(message, -1);

    for (char *p = valid; *p; p++) {
        *p = g_ascii_iscntrl(*p) ? ' ' : *p;
    }
    if (strlen(valid) > HF_FIELDS_TEXT_MAX / 2) {
        *g_utf8_find_prev_char(valid, valid + HF_FIELDS_TEXT_MAX / 2) = '\0';
    }
    return g_steal_pointer(&valid);
}

static char *hex_or_null(GBytes *bytes)
{
    return bytes ? hf_hex(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
}

void hf_ca_act_refused(HfCaDir *ca, HfAuditEvent act, GBytes *nonce, GBytes *host_ek,
                       GError **error)
{
    g_autoptr(HfAuditEntry) entry = NULL;
    g_autoptr(GError) local = NULL;
    hf_autofd int lock = -1;

    if (!error || !is_refusal(*error)) {
        return;
    }
    if (ca->refused >= HF_CA_REFUSALS_MAX) {
        ca->unrecorded++;
        return;
    }
    entry = hf_audit_entry_new(HF_AUDIT_REFUSE);
    entry->act = g_strdup(hf_audit_event_text(act));
    entry->reason = plain((*error)->message);
    entry->nonce = hex_or_null(nonce);
    entry->facts->host_ek = hex_or_null(host_ek);
    lock = hf_ca_act_begin(ca, &local);
    if (lock < 0 || !hf_ca_act_commit(ca, entry, &local)) {
        g_autofree char *both = g_strdup_printf("%s (and the refusal is not in the audit log: %s)",
                                                (*error)->message, local->message);
        HfErrorCode code = (HfErrorCode)(*error)->code;

        g_clear_error(error);
        hf_error_set(error, code, "%s", both);
    }
}
