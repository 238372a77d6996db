/*
 * store_dir.c - swtpm's directory of state, made crash-proof; see store_dir.h for names and lock.
 *
 * Everything is done relative to the directory that is held open. "Absent" is said only when the
 * name is not in the directory and the directory is still there.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "state/format.h"
#include "state/record_lock.h"
#include "state/store_dir.h"

#define DEFAULT_MODE 0640
#define LOCK_MODE 0660

typedef struct {
    HfStore store;
    HfStoreConfig config;
    HfEnvelope *own_envelope; /* when the caller gave none */
    char *path;               /* for messages */
    int dir;
    int lock;      /* open while locked, else -1 */
    bool damaged;  /* the permanent state came from its backup */
    char *refused; /* why it does, although the last one can be read; or NULL */
    bool unsynced; /* the directory was changed, and is not on disk for certain */
    bool alone;    /* no backup lies beside a permanent state that was saved without one */
} HfStoreDir;

static HfStoreDir *self(HfStore *store)
{
    return (HfStoreDir *)store;
}

static HfEnvelope *envelope_of(const HfStoreDir *dir)
{
    return dir->config.envelope ? dir->config.envelope : dir->own_envelope;
}

static char *file_name(const HfStoreDir *dir, HfStateKind kind)
{
    return g_strconcat(dir->config.tpm2 ? "tpm2-00." : "tpm-00.", hf_state_kind_name(kind), NULL);
}

static bool has_backup(const HfStoreDir *dir, HfStateKind kind)
{
    return dir->config.backup && kind == HF_STATE_PERMANENT;
}

static char *backup_name(const HfStoreDir *dir)
{
    g_autofree char *name = file_name(dir, HF_STATE_PERMANENT);
    return g_strconcat(name, ".bak", NULL);
}

/* Where a damaged permanent state goes when its backup takes its place: it is not read any more, but
 * somebody may know how to repair it. */
static char *damaged_name(const HfStoreDir *dir)
{
    g_autofree char *name = file_name(dir, HF_STATE_PERMANENT);
    return g_strconcat(name, ".damaged", NULL);
}

static char *temporary_name(const HfStoreDir *dir, HfStateKind kind)
{
    return g_strconcat(dir->config.tpm2 ? "TMP2-00." : "TMP-00.", hf_state_kind_name(kind), NULL);
}

static char *label_of(const HfStoreDir *dir, const char *name)
{
    return g_build_filename(dir->path, name, NULL);
}

/* A directory that was removed has no entries: its files are lost, not absent. */
static bool directory_there(const HfStoreDir *dir, GError **error)
{
    struct stat st;

    if (fstat(dir->dir, &st) != 0) {
        return hf_error_errno(error, errno, "cannot examine directory %s", dir->path);
    }
    if (st.st_nlink == 0) {
        return hf_error_set(error, HF_ERROR_IO, "the directory %s was removed", dir->path);
    }
    return true;
}

static GBytes *load_file(const HfStoreDir *dir, const char *name, GError **error)
{
    g_autofree char *label = label_of(dir, name);
    g_autoptr(GBytes) stored = hf_file_read_at(dir->dir, name, HF_STATE_FILE_MAX, label, error);

    return stored ? envelope_of(dir)->class->unwrap(envelope_of(dir), stored, label, error) : NULL;
}

/* The permanent state is missing, and nobody asked for its backup: an older state is not taken
 * unasked, nor may a new TPM be made in its place. */
static bool check_no_backup(const HfStoreDir *dir, GError **error)
{
    g_autofree char *name = file_name(dir, HF_STATE_PERMANENT);
    g_autofree char *backup = backup_name(dir);
    struct stat st;

    if (fstatat(dir->dir, backup, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ||
               hf_error_errno(error, errno, "cannot examine %s in %s", backup, dir->path);
    }
    return hf_error_set(error, HF_ERROR_STATE,
                        "%s: %s is missing, but the state before it, %s, is there: expected "
                        "\"backup\", which starts from that, or that it is taken away",
                        dir->path, name, backup);
}

static GBytes *load_last(const HfStoreDir *dir, HfStateKind kind, GError **error)
{
    g_autofree char *name = file_name(dir, kind);

    if (kind == HF_STATE_PERMANENT && dir->refused) {
        hf_error_set(error, HF_ERROR_INVALID, "%s/%s: %s", dir->path, name, dir->refused);
        return NULL;
    }
    return load_file(dir, name, error);
}

/* In place of the last one, which is missing, or damaged as `why` says; *error is set also when the
 * backup cannot be used. */
static GBytes *load_backup(HfStoreDir *dir, bool missing, const GError *why, GError **error)
{
    g_autofree char *backup = backup_name(dir);
    g_autoptr(GError) other = NULL;
    g_autoptr(GBytes) blob = load_file(dir, backup, &other);

    dir->damaged = !missing && blob;
    if (blob) {
        g_free(dir->store.remark);
        dir->store.remark =
            g_strdup_printf("%s: the state before it, %s, is used instead", why->message, backup);
        return g_steal_pointer(&blob);
    }
    if (dir->refused) {
        hf_error_set(error, HF_ERROR_INVALID, "%s", other->message);
    } else if (missing && !hf_error_is(other, HF_ERROR_NOT_FOUND)) {
        /* A backup that cannot be read is no reason to make a new TPM. */
        g_propagate_error(error, g_steal_pointer(&other));
    } else {
        g_propagate_error(error, g_error_copy(why));
    }
    return NULL;
}

static GBytes *dir_load(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreDir *dir = self(store);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GBytes) blob = load_last(dir, kind, &failure);
    bool missing = !blob && hf_error_is(failure, HF_ERROR_NOT_FOUND);
    bool damaged = !blob && hf_error_is(failure, HF_ERROR_INVALID);

    if (missing && !directory_there(dir, error)) {
        return NULL;
    }
    if (has_backup(dir, kind) && (missing || damaged)) {
        return load_backup(dir, missing, failure, error);
    }
    if (missing && kind == HF_STATE_PERMANENT && !check_no_backup(dir, error)) {
        return NULL;
    }
    if (!blob) {
        g_propagate_error(error, g_steal_pointer(&failure));
    }
    return g_steal_pointer(&blob);
}

/* The temporary file, new: what a crash, or somebody else, left under its name is unlinked and not
 * written into. */
static int create_temporary(const HfStoreDir *dir, const char *name, const char *label,
                            GError **error)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    hf_autofd int fd = TEMP_FAILURE_RETRY(
        openat(dir->dir, name, flags, dir->config.mode_given ? 0600 : DEFAULT_MODE));

    if (fd < 0 && errno == EEXIST && unlinkat(dir->dir, name, 0) == 0) {
        fd = TEMP_FAILURE_RETRY(
            openat(dir->dir, name, flags, dir->config.mode_given ? 0600 : DEFAULT_MODE));
    }
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot create %s", label);
        return -1;
    }
    if (dir->config.mode_given && fchmod(fd, dir->config.mode) != 0) {
        hf_error_errno(error, errno, "cannot set the mode of %s", label);
        (void)unlinkat(dir->dir, name, 0);
        return -1;
    }
    return hf_fd_steal(&fd);
}

static bool write_temporary(const HfStoreDir *dir, const char *name, GBytes *stored,
                            const char *label, GError **error)
{
    hf_autofd int fd = create_temporary(dir, name, label, error);
    size_t size;
    const void *data = g_bytes_get_data(stored, &size);

    if (fd < 0) {
        return false;
    }
    if (!hf_fd_write_all(fd, data, size, label, error)) {
        (void)unlinkat(dir->dir, name, 0);
        return false;
    }
    if (dir->config.fsync && TEMP_FAILURE_RETRY(fdatasync(fd)) != 0) {
        hf_error_errno(error, errno, "cannot write %s to disk", label);
        (void)unlinkat(dir->dir, name, 0);
        return false;
    }
    return true;
}

static bool sync_directory(HfStoreDir *dir, GError **error)
{
    dir->unsynced = dir->config.fsync && TEMP_FAILURE_RETRY(fsync(dir->dir)) != 0;
    return !dir->unsynced ||
           hf_error_errno(error, errno, "cannot write directory %s to disk", dir->path);
}

/* What is there becomes the backup; a damaged file does not take the place of a good one. */
static bool keep_backup(HfStoreDir *dir, HfStateKind kind, const char *name, GError **error)
{
    g_autofree char *kept = dir->damaged ? damaged_name(dir) : backup_name(dir);

    if (!has_backup(dir, kind)) {
        return true;
    }
    if (renameat(dir->dir, name, dir->dir, kept) != 0 && errno != ENOENT) {
        return hf_error_errno(error, errno, "cannot keep %s in %s as %s", name, dir->path, kept);
    }
    dir->damaged = false;
    g_clear_pointer(&dir->refused, g_free);
    return true;
}

/* Removes what is there under that name; not there: fine. */
static bool remove_beside(const HfStoreDir *dir, const char *name, bool *ret_removed,
                          GError **error)
{
    struct stat st;

    if (fstatat(dir->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
        return true;
    }
    if (unlinkat(dir->dir, name, 0) != 0 && errno != ENOENT) {
        return hf_error_errno(error, errno, "cannot remove %s in %s", name, dir->path);
    }
    *ret_removed = true;
    return true;
}

/* A backup is the state before the last one, or it is nothing: beside a state that was saved without
 * one it would be of any age, or of another TPM. */
static bool drop_backup(HfStoreDir *dir, GError **error)
{
    g_autofree char *backup = backup_name(dir);
    g_autofree char *damaged = damaged_name(dir);
    bool removed = false;

    if (!remove_beside(dir, backup, &removed, error) ||
        !remove_beside(dir, damaged, &removed, error) || (removed && !sync_directory(dir, error))) {
        return false;
    }
    dir->alone = true;
    return true;
}

static bool dir_save(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                     GError **error)
{
    HfStoreDir *dir = self(store);
    g_autofree char *name = file_name(dir, kind);
    g_autofree char *temporary = temporary_name(dir, kind);
    g_autofree char *label = label_of(dir, name);
    g_autofree char *temporary_label = label_of(dir, temporary);
    g_autoptr(GBytes) stored = NULL;

    stored = envelope_of(dir)->class->wrap(envelope_of(dir), data, size, label, error);
    if (!stored || !write_temporary(dir, temporary, stored, temporary_label, error)) {
        return false;
    }
    if (!keep_backup(dir, kind, name, error)) {
        (void)unlinkat(dir->dir, temporary, 0);
        return false;
    }
    if (renameat(dir->dir, temporary, dir->dir, name) != 0) {
        hf_error_errno(error, errno, "cannot replace %s", label);
        (void)unlinkat(dir->dir, temporary, 0);
        return false;
    }
    return sync_directory(dir, error) && (kind != HF_STATE_PERMANENT || dir->config.backup ||
                                          dir->alone || drop_backup(dir, error));
}

static bool dir_remove(HfStore *store, HfStateKind kind, GError **error)
{
    HfStoreDir *dir = self(store);
    g_autofree char *name = file_name(dir, kind);
    g_autofree char *label = label_of(dir, name);

    if (kind == HF_STATE_PERMANENT && !drop_backup(dir, error)) {
        return false;
    }
    if (unlinkat(dir->dir, name, 0) != 0) {
        if (errno == ENOENT) {
            return !dir->unsynced || sync_directory(dir, error); /* gone, but not on disk */
        }
        return hf_error_errno(error, errno, "cannot remove %s", label);
    }
    return sync_directory(dir, error);
}

static bool dir_stat(HfStore *store, HfStateKind kind, int64_t *ret_size, GError **error)
{
    HfStoreDir *dir = self(store);
    g_autofree char *name = file_name(dir, kind);
    g_autofree char *label = label_of(dir, name);
    g_autofree char *backup = backup_name(dir);
    struct stat st;

    if (fstatat(dir->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 &&
        !(errno == ENOENT && kind == HF_STATE_PERMANENT &&
          fstatat(dir->dir, backup, &st, AT_SYMLINK_NOFOLLOW) == 0)) {
        if (errno != ENOENT) {
            return hf_error_errno(error, errno, "cannot examine %s", label);
        }
        if (!directory_there(dir, error)) {
            return false;
        }
        *ret_size = -1;
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected a regular file, found %s", label,
                            S_ISLNK(st.st_mode) ? "a symbolic link" : "something else");
    }
    *ret_size = st.st_size;
    return true;
}

/* Not truncated (swtpm does): a link planted here must not empty somebody's file. */
static int open_lock(const HfStoreDir *dir, const char *label, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(
        openat(dir->dir, HF_STORE_LOCK_NAME,
               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, LOCK_MODE));
    struct stat st;

    if (fd < 0 && errno == ELOOP) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a regular file, found a symbolic link",
                     label);
        return -1;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        hf_error_errno(error, errno, "cannot open %s", label);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a regular file, found something else",
                     label);
        return -1;
    }
    return hf_fd_steal(&fd);
}

static bool dir_lock(HfStore *store, unsigned retries, GError **error)
{
    HfStoreDir *dir = self(store);
    g_autofree char *label = label_of(dir, HF_STORE_LOCK_NAME);
    hf_autofd int fd = -1;

    if (dir->lock >= 0) {
        return true;
    }
    fd = open_lock(dir, label, error);
    if (fd < 0 || !hf_record_lock(fd, retries, label, error)) {
        return false;
    }
    dir->lock = hf_fd_steal(&fd);
    return true;
}

static void dir_unlock(HfStore *store)
{
    hf_fd_close(&self(store)->lock);
}

static void dir_free(HfStore *store)
{
    HfStoreDir *dir = self(store);

    hf_fd_close(&dir->lock);
    hf_fd_close(&dir->dir);
    hf_envelope_free(dir->own_envelope);
    g_free(dir->path);
    g_free(dir->refused);
    g_free(dir);
}

static const HfStoreClass dir_class = {
    .scheme = "dir",
    .load = dir_load,
    .save = dir_save,
    .remove = dir_remove,
    .stat = dir_stat,
    .lock = dir_lock,
    .unlock = dir_unlock,
    .free = dir_free,
};

HfStore *hf_store_dir_open(const char *path, const HfStoreConfig *config, GError **error)
{
    hf_autofd int fd = -1;
    HfStoreDir *dir;

    if (*path == '\0') {
        hf_error_set(error, HF_ERROR_INVALID, "the state directory has no name");
        return NULL;
    }
    fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0) {
        hf_error_errno(error, errno, "cannot open state directory %s", path);
        return NULL;
    }
    dir = g_new0(HfStoreDir, 1);
    dir->store.class = &dir_class;
    dir->config = *config;
    dir->own_envelope = config->envelope ? NULL : hf_envelope_plain_new();
    dir->path = g_strdup(path);
    dir->dir = hf_fd_steal(&fd);
    dir->lock = -1;
    return &dir->store;
}

bool hf_store_dir_use_backup(HfStore *store, const char *why)
{
    HfStoreDir *dir = store->class == &dir_class ? self(store) : NULL;

    if (!dir || !dir->config.backup) {
        return false;
    }
    g_free(dir->refused);
    dir->refused = g_strdup(why);
    return true;
}

int hf_store_dir_fd(const HfStore *store)
{
    return store->class == &dir_class ? ((const HfStoreDir *)store)->dir : -1;
}
