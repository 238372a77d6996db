/*
 * engine_trace.c - where libtpms' own messages go.
 *
 * Left alone, libtpms prints on stderr, and when a TPM enters failure mode it prints the whole
 * command, authorization values included. Here its messages go to /dev/null, or to the descriptor
 * of hf_engine_set_debug. While libtpms judges stored state (never while it runs a command)
 * they go to a pipe instead, so that a refusal can be explained. All descriptors are opened when
 * the engine is made, before a sandbox closes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libtpms/tpm_library.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine_private.h"

#define TRACE_MAX 4096u /* of what libtpms says about one blob */
#define WORDS_MAX 200u

static void direct(const HfTrace *trace)
{
    TPMLIB_SetDebugFD(trace->user_fd >= 0 ? trace->user_fd : trace->null_fd);
}

/* In a changed root there may be no /dev/null; a file that may not grow serves as well. */
static int open_nowhere(void)
{
    int fd = TEMP_FAILURE_RETRY(open("/dev/null", O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0 && errno == ENOENT) {
        fd = memfd_create("nowhere", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
            hf_fd_close(&fd);
        }
    }
    return fd;
}

bool hf_trace_open(HfTrace *trace, GError **error)
{
    int ends[2];

    trace->read_fd = trace->write_fd = trace->user_fd = -1;
    trace->null_fd = open_nowhere();
    if (trace->null_fd < 0) {
        return hf_error_errno(error, errno, "/dev/null");
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return hf_error_errno(error, errno, "pipe for the engine's messages");
    }
    trace->read_fd = ends[0];
    trace->write_fd = ends[1];
    direct(trace);
    return true;
}

void hf_trace_close(HfTrace *trace)
{
    /* -1 would be stderr again; but with the engine gone nothing calls libtpms. */
    TPMLIB_SetDebugFD(-1);
    hf_fd_close(&trace->null_fd);
    hf_fd_close(&trace->read_fd);
    hf_fd_close(&trace->write_fd);
}

void hf_trace_begin(HfTrace *trace)
{
    TPMLIB_SetDebugFD(trace->write_fd);
}

/* The last line of text, without what a terminal could take for a command. */
static char *last_line(char *text)
{
    char *line;

    g_strchomp(text);
    line = strrchr(text, '\n');
    line = g_strndup(line ? line + 1 : text, WORDS_MAX);
    for (char *p = line; *p; p++) {
        if (!g_ascii_isprint(*p)) {
            *p = '?';
        }
    }
    return line;
}

char *hf_trace_end(HfTrace *trace)
{
    char text[TRACE_MAX + 1];
    size_t size = 0;
    ssize_t n;

    direct(trace);
    /* A long story is drained to its end: the last part is the one that counts. */
    while ((n = read(trace->read_fd, text + size, TRACE_MAX - size)) > 0) {
        if (trace->user_fd >= 0 && write(trace->user_fd, text + size, (size_t)n) < 0) {
            /* The messages are a courtesy: nothing depends on them. */
            errno = 0;
        }
        size += (size_t)n;
        if (size == TRACE_MAX) {
            memmove(text, text + TRACE_MAX / 2, TRACE_MAX / 2);
            size = TRACE_MAX / 2;
        }
    }
    text[size] = '\0';
    return size > 0 ? last_line(text) : NULL;
}

void hf_engine_set_debug(HfEngine *engine, int fd, unsigned level, const char *prefix)
{
    engine->trace.user_fd = level > 0 ? fd : -1;
    TPMLIB_SetDebugLevel(level);
    (void)TPMLIB_SetDebugPrefix(prefix);
    direct(&engine->trace);
}
