/*
 * ca_nonce.c - the nonces a CA waits for.
 *
 * Whoever has the file of a nonce knows the secret in it, so the directory is the CA's alone.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_nonce.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/random.h"
#include "tools/ca/ca_act.h"
#include "tools/common/evidence.h"
#include "tools/common/fields.h"

#define FORMAT "holdfast-ca-nonce"
#define FORMAT_VERSION 3
#define VERSION_PLAIN 1 /* of what is not nested */
#define FILE_MAX HF_FIELDS_FILE_MAX
#define LIFE_S (7 * 24 * 3600)

HfCaNonce *hf_ca_nonce_new(void)
{
    HfCaNonce *nonce = g_new0(HfCaNonce, 1);
    uint8_t bytes[HF_NONCE_SIZE];

    hf_random_bytes(bytes, sizeof(bytes));
    nonce->nonce = g_bytes_new(bytes, sizeof(bytes));
    nonce->given = g_get_real_time() / G_USEC_PER_SEC;
    return nonce;
}

void hf_ca_nonce_free(HfCaNonce *nonce)
{
    if (!nonce) {
        return;
    }
    g_clear_pointer(&nonce->nonce, g_bytes_unref);
    hf_secret_free(nonce->secret);
    g_clear_pointer(&nonce->ak_name, g_bytes_unref);
    g_clear_pointer(&nonce->ek_digest, g_bytes_unref);
    g_free(nonce->vouched);
    g_free(nonce->chain);
    g_free(nonce->roots);
    g_free(nonce);
}

static char *name_of(GBytes *nonce)
{
    return hf_hex(g_bytes_get_data(nonce, NULL), g_bytes_get_size(nonce));
}

static int open_nonces(HfCaDir *ca, GError **error)
{
    return hf_dir_open_at(ca->fd, HF_CA_NONCES, error);
}

/* A reader that does not know of nesting must not take it for hardware: hence the minimum. */
static JsonBuilder *begin(const HfCaNonce *nonce)
{
    unsigned version = nonce->nested > 0 ? FORMAT_VERSION : VERSION_PLAIN;

    return hf_fields_begin(FORMAT, version, version);
}

static char *nested_text(const HfCaNonce *nonce)
{
    return g_strdup_printf(
        "%u %s", nonce->nested,
        hf_rooted_text(nonce->on_software ? HF_ROOTED_SOFTWARE : HF_ROOTED_HARDWARE));
}

static void parse_nested(HfFields *fields, HfCaNonce *nonce)
{
    g_autofree char *text = hf_fields_text(fields, "nested", false);

    if (!text) {
        return;
    }
    for (unsigned i = 0; i < 2 * HF_NESTED_MAX; i++) {
        g_autofree char *known = NULL;

        nonce->nested = 1 + i / 2;
        nonce->on_software = i % 2;
        known = nested_text(nonce);
        if (strcmp(known, text) == 0) {
            return;
        }
    }
    hf_fields_wrong(fields, "nested", "levels of nesting and what they are rooted in expected");
}

static HfCaNonce *parse(GBytes *file, GBytes *bytes, GError **error)
{
    g_autoptr(HfFields) fields = hf_fields_parse(file, "nonce", FORMAT, FORMAT_VERSION, error);
    g_autoptr(HfCaNonce) nonce = g_new0(HfCaNonce, 1);
    g_autoptr(GBytes) secret = NULL;

    if (!fields) {
        return NULL;
    }
    nonce->nonce = g_bytes_ref(bytes);
    nonce->given = hf_fields_number(fields, "given", 0, G_MAXINT64);
    secret = hf_fields_hex(fields, "secret", false, 16, 64);
    nonce->ak_name = hf_fields_hex(fields, "ak", secret != NULL, 2, 2 + HF_HASH_MAX);
    nonce->ek_digest = hf_fields_hex(fields, "ek", secret != NULL, 32, 32);
    nonce->vouched = hf_fields_text(fields, "vouched", secret != NULL);
    parse_nested(fields, nonce);
    if (hf_fields_has(fields, "chain")) { /* not in version 2 */
        nonce->chain = hf_fields_lines(fields, "chain");
        nonce->roots = hf_fields_lines(fields, "roots");
    }
    if (!hf_fields_finish(fields, error)) {
        return NULL;
    }
    if (secret) {
        nonce->secret = hf_secret_copy(g_bytes_get_data(secret, NULL), g_bytes_get_size(secret));
    }
    return g_steal_pointer(&nonce);
}

/* The nonce in the file `name`. HF_ERROR_NOT_FOUND when there is none. */
static HfCaNonce *load(int fd, const char *name, GError **error)
{
    g_autoptr(GBytes) bytes = hf_hex_parse(name, "nonce", error);
    g_autoptr(GBytes) file = bytes ? hf_file_read_at(fd, name, FILE_MAX, "nonce", error) : NULL;

    return file ? parse(file, bytes, error) : NULL;
}

/* What waits in the directory. */
typedef struct {
    GBytes *ek; /* look for challenges of this endorsement key; NULL: for none */
    int64_t limit;
    unsigned waiting;
    unsigned of_ek;
    char *oldest; /* file of the first challenge of that key */
    int64_t given;
} Survey;

/* Removes what nobody can use any more and looks at the rest. */
static void survey_one(int fd, const char *name, Survey *survey)
{
    g_autoptr(HfCaNonce) nonce = NULL;
    struct stat st;

    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < survey->limit) {
        (void)unlinkat(fd, name, 0);
        return;
    }
    survey->waiting++;
    nonce = survey->ek ? load(fd, name, NULL) : NULL;
    if (!nonce || !nonce->ek_digest || !g_bytes_equal(nonce->ek_digest, survey->ek)) {
        return;
    }
    survey->of_ek++;
    if (!survey->oldest || nonce->given < survey->given) {
        survey->given = nonce->given;
        g_free(survey->oldest);
        survey->oldest = g_strdup(name);
    }
}

/* Files that are no nonces stay and are not counted. */
static bool survey_all(int fd, Survey *survey, GError **error)
{
    int copy = dup(fd);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *entry;

    if (!dir) {
        hf_fd_close(&copy);
        return hf_error_errno(error, errno, "%s", HF_CA_NONCES);
    }
    rewinddir(dir);
    while ((entry = readdir(dir))) {
        if (strlen(entry->d_name) == 2 * HF_NONCE_SIZE) {
            survey_one(fd, entry->d_name, survey);
        }
    }
    (void)closedir(dir);
    return true;
}

static bool create(int fd, const HfCaNonce *nonce, GError **error)
{
    JsonBuilder *builder = begin(nonce);
    g_autofree char *name = name_of(nonce->nonce);
    g_autofree char *nested = NULL;
    char *text;
    bool done;

    hf_fields_put_number(builder, "given", nonce->given);
    if (nonce->secret) {
        hf_fields_put_hex(builder, "secret", nonce->secret->data, nonce->secret->size);
        hf_fields_put_bytes(builder, "ak", nonce->ak_name);
        hf_fields_put_bytes(builder, "ek", nonce->ek_digest);
        hf_fields_put(builder, "vouched", nonce->vouched);
        nested = nonce->nested > 0 ? nested_text(nonce) : NULL;
        hf_fields_put(builder, "nested", nested);
    }
    if (nonce->nested > 0) {
        hf_fields_put_lines(builder, "chain", nonce->chain);
        hf_fields_put_lines(builder, "roots", nonce->roots);
    }
    text = hf_fields_end(builder);
    done = hf_file_create_at(fd, name, text, strlen(text), 0600, "nonce", error);
    explicit_bzero(text, strlen(text));
    g_free(text);
    return done;
}

static bool record(HfCaDir *ca, const HfCaNonce *nonce, GError **error)
{
    g_autoptr(HfAuditEntry) entry =
        hf_audit_entry_new(nonce->ek_digest ? HF_AUDIT_CHALLENGE : HF_AUDIT_NONCE);

    entry->nonce = name_of(nonce->nonce);
    if (nonce->ek_digest) {
        entry->facts->host_ek = name_of(nonce->ek_digest);
        entry->facts->ek_proof = g_strdup(nonce->vouched);
    }
    return hf_ca_act_commit(ca, entry, error);
}

/* One endorsement key has so many challenges at a time: whoever plays its introduction again and
 * again makes the oldest go, and takes no other host's place. */
bool hf_ca_nonce_give(HfCaDir *ca, const HfCaNonce *nonce, GError **error)
{
    hf_autofd int fd = open_nonces(ca, error);
    g_autofree char *oldest = NULL;
    Survey survey = {
        .ek = nonce->ek_digest,
        .limit = g_get_real_time() / G_USEC_PER_SEC - LIFE_S,
    };
    bool known = fd >= 0 && survey_all(fd, &survey, error);
    bool replaces = survey.of_ek >= HF_CA_NONCES_PER_EK;

    oldest = survey.oldest;
    if (!known) {
        return false;
    }
    if (!replaces && survey.waiting >= HF_CA_NONCES_MAX) {
        return hf_error_set(error, HF_ERROR_NO_SPACE,
                            "%u nonces were given out and not used yet; no more are given",
                            survey.waiting);
    }
    if ((!replaces && !record(ca, nonce, error)) || !create(fd, nonce, error)) {
        return false;
    }
    if (replaces) {
        (void)unlinkat(fd, oldest, 0);
    }
    return true;
}

HfCaNonce *hf_ca_nonce_find(HfCaDir *ca, GBytes *bytes, GError **error)
{
    hf_autofd int fd = open_nonces(ca, error);
    g_autofree char *name = name_of(bytes);
    g_autoptr(HfCaNonce) nonce = NULL;
    g_autoptr(GError) local = NULL;

    if (fd < 0) {
        return NULL;
    }
    nonce = load(fd, name, &local);
    if (hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "nonce: this CA did not give it out, or it was used already");
        return NULL;
    }
    if (!nonce) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    if (g_get_real_time() / G_USEC_PER_SEC - nonce->given > LIFE_S) {
        hf_error_set(error, HF_ERROR_POLICY, "nonce: older than a week; ask for a new one");
        return NULL;
    }
    if (nonce->nested > 0 && !nonce->chain) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "nonce: a nested host's chain is expected in it, and it has none (an older "
                     "holdfast-ca gave it out): challenge the host again");
        return NULL;
    }
    return g_steal_pointer(&nonce);
}

bool hf_ca_nonce_use(HfCaDir *ca, GBytes *nonce, GError **error)
{
    hf_autofd int fd = open_nonces(ca, error);
    g_autofree char *name = name_of(nonce);

    if (fd < 0) {
        return false;
    }
    if (unlinkat(fd, name, 0) != 0) {
        return errno == ENOENT || hf_error_errno(error, errno, "nonce");
    }
    return fsync(fd) == 0 || hf_error_errno(error, errno, "%s/%s", ca->path, HF_CA_NONCES);
}
