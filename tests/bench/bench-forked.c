/*
 * bench-forked.c - what it would give to fork TPMs from one warm process instead of starting each.
 *
 * Usage: bench-forked COUNT. The parent has the engine open and has had a TPM on; each child makes
 * a TPM in memory, answers Startup, and is idle. There is no option, no store, no sandbox: it is the
 * least that such a start can cost, and all children have the parent's layout of memory. Prints as
 * bench-driver does: who they are ("hold"), and how long each took ("forked_start", microseconds).
 * They end at the end of its input.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/engine.h"

typedef struct {
    GBytes *permanent; /* NULL: absent */
} Memory;

static GBytes *load(void *user, HfBlobKind kind, GError **error)
{
    const Memory *memory = user;
    if (kind != HF_BLOB_PERMANENT || !memory->permanent) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "absent");
        return NULL;
    }
    return g_bytes_ref(memory->permanent);
}

static bool save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    Memory *memory = user;
    (void)kind;
    (void)error;
    g_clear_pointer(&memory->permanent, g_bytes_unref);
    memory->permanent = g_bytes_new(data, size);
    return true;
}

static bool nothing(void *user, HfBlobKind kind, GError **error)
{
    (void)user;
    (void)kind;
    (void)error;
    return true;
}

static const HfEngineStorage storage = { load, save, nothing };

static bool start(HfEngine *engine)
{
    g_autoptr(GError) error = NULL;
    if (hf_engine_power_on(engine, false, &error) == HF_TPM_SUCCESS &&
        hf_engine_startup(engine, 0) == HF_TPM_SUCCESS) {
        return true;
    }
    (void)fprintf(stderr, "bench-forked: %s\n", error ? error->message : "Startup failed");
    return false;
}

G_GNUC_NORETURN static void child(HfEngine *engine, int fd)
{
    uint8_t byte = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (start(engine) && write(fd, &byte, 1) == 1) {
        hf_engine_release_zeros();
        ssize_t n = read(fd, &byte, 1); /* idle */
        (void)n;
    }
    _exit(0);
}

/* Microseconds from fork to the answer; *ret_pid. */
static int64_t one(HfEngine *engine, pid_t *ret_pid)
{
    uint8_t byte;
    int pair[2];
    int64_t before = g_get_monotonic_time();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)close(pair[0]);
        child(engine, pair[1]);
    }
    (void)close(pair[1]);
    /* Our end stays open until we end. */
    return *ret_pid > 0 && read(pair[0], &byte, 1) == 1 ? g_get_monotonic_time() - before : -1;
}

static void print(const char *measure, const int64_t *samples, unsigned count)
{
    printf("{\"measure\": \"%s\", \"subject\": \"forked\", \"samples\": [", measure);
    for (unsigned i = 0; i < count; i++) {
        printf("%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", samples[i]);
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Memory memory = { NULL };
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    HfEngine *engine = hf_engine_new(HF_TPM_2_0, &storage, &memory, &error);
    if (!engine || count == 0 || !start(engine)) {
        (void)fprintf(stderr, "bench-forked: %s\n", error ? error->message : "usage: COUNT");
        return EXIT_FAILURE;
    }
    hf_engine_power_off(engine);
    g_clear_pointer(&memory.permanent, g_bytes_unref);
    g_autofree int64_t *pids = g_new0(int64_t, count);
    g_autofree int64_t *took = g_new0(int64_t, count);
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = 0;
        took[i] = one(engine, &pid);
        pids[i] = pid;
        if (took[i] < 0) {
            (void)fprintf(stderr, "bench-forked: %s\n", g_strerror(errno));
            return EXIT_FAILURE;
        }
    }
    print("hold", pids, count);
    print("forked_start", took, count);
    (void)fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {
    }
    for (unsigned i = 0; i < count; i++) {
        (void)kill((pid_t)pids[i], SIGKILL);
        (void)waitpid((pid_t)pids[i], NULL, 0);
    }
    return EXIT_SUCCESS;
}
