/*
 * fuse_library.h - libfuse3, loaded by `holdfast cuse` alone.
 *
 * Linked in, it would be mapped and relocated in every emulator: 8 % of the time a start takes, and
 * 72 KB of memory in each process. So its functions are looked up when that front end is opened,
 * before the process gives up its rights, and called through the_fuse. A static emulator has them
 * linked in.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_FUSE_LIBRARY_H
#define HOLDFAST_EMULATOR_FUSE_LIBRARY_H

#define FUSE_USE_VERSION 31
#include <cuse_lowlevel.h>
#include <glib.h>
#include <stdbool.h>

#define HF_FUSE_FUNCTIONS(X)    \
    X(cuse_lowlevel_new)        \
    X(fuse_reply_buf)           \
    X(fuse_reply_err)           \
    X(fuse_reply_ioctl)         \
    X(fuse_reply_open)          \
    X(fuse_reply_write)         \
    X(fuse_req_interrupt_func)  \
    X(fuse_req_userdata)        \
    X(fuse_session_destroy)     \
    X(fuse_session_fd)          \
    X(fuse_session_mount)       \
    X(fuse_session_process_buf) \
    X(fuse_session_receive_buf) \
    X(fuse_set_log_func)

#define HF_FUSE_MEMBER(name) __typeof__(&(name)) name;
typedef struct {
    HF_FUSE_FUNCTIONS(HF_FUSE_MEMBER)
} HfFuse;
#undef HF_FUSE_MEMBER

/* Writable on purpose (named in the list of writable globals): what libfuse gives its callbacks is
 * a request that only libfuse can read. All NULL until hf_fuse_load has succeeded. */
extern HfFuse the_fuse;

/* HF_ERROR_UNSUPPORTED when the library is not installed. It stays loaded. */
bool hf_fuse_load(GError **error);

#endif
