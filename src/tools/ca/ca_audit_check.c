/*
 * ca_audit_check.c - the chain, its head, and the records beside it.
 *
 * The records only grow, so it is enough to look at their sizes and the head under the lock.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_audit_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_lines.h"
#include "tools/ca/ca_revoked.h"

/* A record beside the log: digests of what its lines say, in their order. */
typedef struct {
    const char *name;
    GArray *digests; /* HfDigest */
    unsigned next;   /* the first that no act was found for yet */
} Beside;

typedef struct {
    const HfCaDir *ca;
    HfAuditSeen seen;
    void *user;
    HfAuditHead head, at; /* at: of what was read so far */
    HfAuditHead earlier;  /* sequence 0: none */
    const char *earlier_path;
    Beside issued, revoked;
    char *before; /* the line before, for messages */
} Check;

static HfDigest digest_of(const char *text)
{
    return hf_digest_of(HF_HASH_SHA256, text, strlen(text));
}

static bool note_issued(const char *line, size_t size, const char *where, void *user,
                        GError **error)
{
    g_autoptr(HfIssued) entry = size > 0 ? hf_issued_read(line, where, error) : NULL;
    g_autofree char *text = entry ? hf_issued_write(entry) : NULL;

    if (text) {
        HfDigest digest = digest_of(text);

        g_array_append_val(((Beside *)user)->digests, digest);
    }
    return text || size == 0;
}

static HfDigest digest_of_revoked(const char *serial, const char *reason, int64_t when)
{
    g_autofree char *text = g_strdup_printf("%s %s %" G_GINT64_FORMAT, serial, reason, when);

    return digest_of(text);
}

static bool note_revoked(const char *line, size_t size, const char *where, void *user,
                         GError **error)
{
    HfRevoked *entry = size > 0 ? hf_revoked_read(line, where, error) : NULL;

    if (entry) {
        HfDigest digest =
            digest_of_revoked(entry->serial, hf_crl_reason_text(entry->reason), entry->when);

        g_array_append_val(((Beside *)user)->digests, digest);
        hf_revoked_free(entry);
        return true;
    }
    return size == 0;
}

/* An act must be the next line of the record; but for the last one, which may have been interrupted
 * before that. */
static bool check_beside(Beside *beside, const HfDigest *digest, const Check *check,
                         const char *where, GError **error)
{
    if (beside->next == beside->digests->len && check->at.sequence == check->head.sequence) {
        return true;
    }
    if (beside->next == beside->digests->len) {
        return hf_error_set(error, HF_ERROR_AUTH, "%s: what was done is missing at the end of %s",
                            where, beside->name);
    }
    if (!hf_digest_equal(&g_array_index(beside->digests, HfDigest, beside->next), digest)) {
        return hf_error_set(error, HF_ERROR_AUTH, "%s: line %u of %s says something else", where,
                            beside->next + 1, beside->name);
    }
    beside->next++;
    return true;
}

static bool check_effect(Check *check, const HfAuditEntry *entry, const char *where, GError **error)
{
    if (hf_audit_event_issues(entry->event)) {
        g_autofree char *text = hf_issued_write(entry->facts);
        HfDigest digest = digest_of(text);

        return check_beside(&check->issued, &digest, check, where, error);
    }
    if (entry->event == HF_AUDIT_REVOKE) {
        HfDigest digest = digest_of_revoked(entry->facts->serial ? entry->facts->serial : "",
                                            entry->reason, entry->number);

        return check_beside(&check->revoked, &digest, check, where, error);
    }
    return true;
}

static bool check_earlier(const Check *check, const char *where, GError **error)
{
    if (check->at.sequence == check->earlier.sequence &&
        (check->at.size != check->earlier.size ||
         memcmp(check->at.line, check->earlier.line, HF_AUDIT_DIGEST) != 0)) {
        return hf_error_set(error, HF_ERROR_AUTH, "%s: not the line that %s ended with", where,
                            check->earlier_path);
    }
    return true;
}

static bool check_line(const char *line, size_t size, const char *where, void *user, GError **error)
{
    Check *check = user;
    g_autoptr(HfAuditEntry) entry = hf_audit_entry_read(line, size, where, error);

    if (!entry) {
        return false;
    }
    if (entry->sequence != check->at.sequence + 1) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s: number %" G_GINT64_FORMAT " expected, found %" G_GINT64_FORMAT,
                            where, check->at.sequence + 1, entry->sequence);
    }
    if (memcmp(entry->previous, check->at.line, HF_AUDIT_DIGEST) != 0) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            check->at.sequence > 0
                                ? "%s: changed: line %" G_GINT64_FORMAT " does not follow from it"
                                : "%s: it does not begin with this CA's root certificate",
                            check->at.sequence > 0 ? check->before : where, entry->sequence);
    }
    check->at.sequence = entry->sequence;
    check->at.size += (int64_t)size + 1;
    hf_audit_digest(line, size, check->at.line);
    if (check->at.sequence == check->head.sequence &&
        memcmp(check->at.line, check->head.line, HF_AUDIT_DIGEST) != 0) {
        return hf_error_set(error, HF_ERROR_AUTH, "%s: not the line that %s ends with", where,
                            HF_CA_AUDIT_HEAD);
    }
    if (!check_earlier(check, where, error) || !check_effect(check, entry, where, error)) {
        return false;
    }
    check->seen(entry, check->user);
    g_free(check->before);
    check->before = g_strdup(where);
    return true;
}

/* No line of the other records is without its act. */
static bool check_rest(const Check *check, GError **error)
{
    const Beside *all[] = { &check->issued, &check->revoked };

    if (check->at.sequence != check->head.sequence) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s/%s: it has %" G_GINT64_FORMAT " lines, %s ends with line "
                            "%" G_GINT64_FORMAT,
                            check->ca->path, HF_CA_AUDIT, check->at.sequence, HF_CA_AUDIT_HEAD,
                            check->head.sequence);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i]->next < all[i]->digests->len) {
            return hf_error_set(error, HF_ERROR_AUTH, "%s/%s: line %u: no act in %s says so",
                                check->ca->path, all[i]->name, all[i]->next + 1, HF_CA_AUDIT);
        }
    }
    return true;
}

static bool read_earlier(Check *check, GError **error)
{
    if (!check->earlier_path) {
        return true;
    }
    if (!hf_ca_act_head(check->ca, check->earlier_path, &check->earlier, error)) {
        return false;
    }
    return check->earlier.sequence <= check->head.sequence ||
           hf_error_set(error, HF_ERROR_AUTH,
                        "%s/%s: it ends with line %" G_GINT64_FORMAT ", %s with line "
                        "%" G_GINT64_FORMAT ": it was set back",
                        check->ca->path, HF_CA_AUDIT, check->head.sequence, check->earlier_path,
                        check->earlier.sequence);
}

/* Head and records of one moment. */
static bool look(Check *check, HfAuditReport *report, GError **error)
{
    const HfCaDir *ca = check->ca;
    hf_autofd int lock = hf_ca_dir_lock(ca, error);
    struct stat st;

    if (lock < 0 || !hf_ca_act_head(ca, NULL, &check->head, error)) {
        return false;
    }
    if (fstatat(ca->fd, HF_CA_AUDIT, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return hf_error_set(error, errno == ENOENT ? HF_ERROR_AUTH : HF_ERROR_IO, "%s/%s: %s",
                            ca->path, HF_CA_AUDIT, errno == ENOENT ? "missing" : g_strerror(errno));
    }
    report->head = check->head;
    report->interrupted = st.st_size > check->head.size;
    return hf_ca_lines_each(ca, HF_CA_ISSUED, HF_CA_LINES_COMPLETE, note_issued, &check->issued,
                            error) &&
           hf_ca_lines_each(ca, HF_CA_REVOKED, HF_CA_LINES_COMPLETE, note_revoked, &check->revoked,
                            error);
}

bool hf_ca_audit_check(const HfCaDir *ca, const char *path, HfAuditSeen seen, void *user,
                       HfAuditReport *ret_report, GError **error)
{
    g_autoptr(GArray) issued = g_array_new(FALSE, FALSE, sizeof(HfDigest));
    g_autoptr(GArray) revoked = g_array_new(FALSE, FALSE, sizeof(HfDigest));
    GError *local = NULL;
    Check check = {
        .ca = ca,
        .seen = seen,
        .user = user,
        .at = hf_audit_head_none(ca->root),
        .earlier_path = path,
        .issued = { HF_CA_ISSUED, issued, 0 },
        .revoked = { HF_CA_REVOKED, revoked, 0 },
    };
    bool good = look(&check, ret_report, &local) && read_earlier(&check, &local) &&
                hf_ca_lines_each(ca, HF_CA_AUDIT, check.head.size, check_line, &check, &local) &&
                check_rest(&check, &local);

    g_free(check.before);
    /* A line that cannot be read is one that the CA did not write. */
    if (!good && hf_error_is(local, HF_ERROR_INVALID)) {
        hf_error_set(error, HF_ERROR_AUTH, "%s", local->message);
        g_error_free(local);
    } else if (!good) {
        g_propagate_error(error, local);
    }
    return good;
}
