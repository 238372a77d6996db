/*
 * file.h - files by descriptor.
 *
 * Everything is opened relative to a directory that is held open, with O_CLOEXEC and O_NOFOLLOW;
 * only regular files are read; a file is replaced by temp + write + fdatasync + rename + fsync of
 * the directory, so that a crash leaves the old content or the new, never a mixture.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_FILE_H
#define HOLDFAST_BASE_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"

/* An int that closes itself: `hf_autofd int fd = -1;` */
void hf_fd_cleanup(int *fd);
#define hf_autofd __attribute__((cleanup(hf_fd_cleanup)))
/* Takes the descriptor out of an hf_autofd variable. */
int hf_fd_steal(int *fd);
/* Closes *fd if it is open and sets it to -1. */
void hf_fd_close(int *fd);

/* Opens a directory for use with the functions below. -1 and *error when it is missing, not a
 * directory or a symbolic link. */
int hf_dir_open(const char *path, GError **error);
int hf_dir_open_at(int dir, const char *name, GError **error);
/* mkdir -p of the last component only; an existing directory is fine. Then as hf_dir_open. */
int hf_dir_make(const char *path, mode_t mode, GError **error);

/* Reads a regular file of at most `max` bytes. HF_ERROR_NOT_FOUND only when it is certainly
 * absent; HF_ERROR_INVALID when it is larger, or not a regular file, or a symbolic link. `dir` may
 * be AT_FDCWD; `label` is how messages call the file. */
GBytes *hf_file_read_at(int dir, const char *name, size_t max, const char *label, GError **error);
GBytes *hf_file_read(const char *path, size_t max, GError **error);
/* What somebody names on a command line or in a configuration: links are followed (ACME clients and
 * /etc/ssl/certs are made of them), and it may be a pipe; one that nobody writes into is empty. */
GBytes *hf_file_read_input(const char *path, size_t max, GError **error);
/* The same, open for reading; -1 on failure. */
int hf_file_open_input(const char *path, GError **error);
/* As hf_file_read_at, of a file that need not be there: then true, and *ret_file is NULL. */
bool hf_file_read_if_at(int dir, const char *name, size_t max, const char *label, GBytes **ret_file,
                        GError **error);
/* The same into a wiped secret. */
HfSecret *hf_file_read_secret(const char *path, size_t max, GError **error);
/* Reads an open descriptor to its end, at most `max` bytes. */
GBytes *hf_fd_read_all(int fd, size_t max, const char *label, GError **error);
HfSecret *hf_fd_read_secret(int fd, size_t max, const char *label, GError **error);
/* Writes all of it, through EINTR and short writes. */
bool hf_fd_write_all(int fd, const void *data, size_t n, const char *label, GError **error);

/* Replaces `name` atomically and durably; the file gets exactly `mode`. The temporary is a hidden
 * unique name in the same directory and is removed on failure. */
bool hf_file_replace_at(int dir, const char *name, const void *data, size_t n, mode_t mode,
                        const char *label, GError **error);
/* The same for a path; its directory must exist. */
bool hf_file_replace(const char *path, const void *data, size_t n, mode_t mode, GError **error);
/* Writes to where a user's command line points: a new or regular file is replaced as above, what a
 * link leads to, a device or a pipe is opened and written. HF_ERROR_INVALID: a link in a directory
 * where not only root and this user can make one. */
bool hf_file_write(const char *path, const void *data, size_t n, mode_t mode, GError **error);

typedef enum {
    HF_OUTPUT_PLAIN = 0,
    HF_OUTPUT_EMPTY = 1 << 0,  /* what is in a regular file goes */
    HF_OUTPUT_APPEND = 1 << 1, /* each write is at the end */
} HfOutput;

/* Opens a file that is written over a longer time (log, pid file, capture), or makes it with `mode`
 * (and umask); -1 on error. HF_ERROR_INVALID: a symbolic link, or a regular file with more than one
 * name; it is not changed. A FIFO that nobody reads is an error, it would block for good. */
int hf_file_open_output(const char *path, HfOutput how, mode_t mode, GError **error);

/* Removes it durably; fine when it is not there. */
bool hf_file_remove_at(int dir, const char *name, const char *label, GError **error);

/* Makes a new file durably; HF_ERROR_EXISTS when the name is taken. */
bool hf_file_create_at(int dir, const char *name, const void *data, size_t n, mode_t mode,
                       const char *label, GError **error);

#endif
