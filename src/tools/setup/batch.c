/*
 * batch.c - starts the processes of a batch, waits for them, counts.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/batch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/setup/signing_desk.h"

enum { EXIT_MADE = 0, EXIT_FAILED = 1, EXIT_KEPT = 3 };

typedef struct {
    pid_t pid;
    const HfBatchLine *line;
} Worker;

typedef struct {
    const HfBatch *batch;
    GPtrArray *lines;
    HfSigningDesk *desk;
    GArray *workers; /* Worker */
    unsigned made, kept, done;
    GString *failed; /* numbers of lines */
    unsigned failures;
} Run;

static void run_clear(Run *run)
{
    hf_signing_desk_free(run->desk);
    g_array_unref(run->workers);
    g_string_free(run->failed, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void finished(Run *run, const HfBatchLine *line, const char *how)
{
    run->done++;
    hf_log(1, "%u of %u: line %u%s%s %s", run->done, run->lines->len, line->number,
           line->state ? ", " : "", line->state ? line->state : "", how);
}

static void failed(Run *run, const HfBatchLine *line, const GError *error)
{
    if (error) {
        hf_log_error(run->batch->program, error);
    }
    g_string_append_printf(run->failed, "%s%u", run->failures ? ", " : "", line->number);
    run->failures++;
    finished(run, line, "FAILED");
}

G_GNUC_NORETURN static void worker_main(const Run *run, const HfBatchLine *line, int seat,
                                        pid_t parent)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *place = g_strdup_printf("%s, line %u: ", run->batch->name, line->number);
    bool kept = false;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(EXIT_FAILED);
    }
    hf_log_set_prefix(place);
    if (run->batch->quiet) {
        hf_log_to_fd(-1);
    }
    if (!run->batch->make(line->options, seat, &kept, run->batch->user, &error)) {
        hf_log_set_prefix(NULL);
        g_prefix_error(&error, "%s", place);
        hf_log_error(run->batch->program, error);
        _exit(EXIT_FAILED);
    }
    _exit(kept ? EXIT_KEPT : EXIT_MADE);
}

/* A desk that is gone costs one line; the next finds a new one. */
static int take_seat(Run *run, GError **error)
{
    if (!run->desk && !(run->desk = hf_signing_desk_start(error))) {
        return -1;
    }
    int seat = hf_signing_desk_seat(run->desk, error);
    if (seat < 0) {
        g_clear_pointer(&run->desk, hf_signing_desk_free);
    }
    return seat;
}

static bool start(Run *run, const HfBatchLine *line, GError **error)
{
    hf_autofd int seat = take_seat(run, error);
    if (seat < 0) {
        return false;
    }
    pid_t parent = getpid();
    const Worker worker = { fork(), line };
    if (worker.pid < 0) {
        return hf_error_errno(error, errno, "cannot start a process");
    }
    if (worker.pid == 0) {
        worker_main(run, line, seat, parent);
    }
    g_array_append_val(run->workers, worker);
    return true;
}

static void judge(Run *run, const HfBatchLine *line, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_MADE) {
        run->made++;
        finished(run, line, "done");
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_KEPT) {
        run->kept++;
        finished(run, line, "is there already");
    } else if (WIFSIGNALED(status)) {
        g_autoptr(GError) error = NULL;
        hf_error_set(&error, HF_ERROR_FAILED, "%s, line %u: its process was ended by signal %d",
                     run->batch->name, line->number, WTERMSIG(status));
        failed(run, line, error);
    } else {
        failed(run, line, NULL); /* it has said why */
    }
}

static bool wait_for_one(Run *run, GError **error)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno != EINTR) {
        return hf_error_errno(error, errno, "cannot wait for the processes");
    }
    for (unsigned i = 0; i < run->workers->len; i++) {
        const Worker worker = g_array_index(run->workers, Worker, i);
        if (worker.pid == pid) {
            g_array_remove_index_fast(run->workers, i);
            judge(run, worker.line, status);
            break;
        }
    }
    return true;
}

bool hf_batch_run(const HfBatch *batch, GPtrArray *lines, GError **error)
{
    g_auto(Run) run = { .batch = batch,
                        .lines = lines,
                        .workers = g_array_new(FALSE, FALSE, sizeof(Worker)),
                        .failed = g_string_new(NULL) };
    for (unsigned i = 0; i < lines->len || run.workers->len > 0;) {
        if (i == lines->len || run.workers->len >= batch->jobs) {
            if (!wait_for_one(&run, error)) {
                return false;
            }
            continue;
        }
        const HfBatchLine *line = g_ptr_array_index(lines, i++);
        g_autoptr(GError) local = NULL;
        if (line->error) {
            failed(&run, line, line->error);
        } else if (!start(&run, line, &local)) {
            g_prefix_error(&local, "%s, line %u: ", batch->name, line->number);
            failed(&run, line, local);
        }
    }
    hf_log(1, "Finished: %u done, %u there already, %u failed.", run.made, run.kept, run.failures);
    return run.failures == 0 ||
           hf_error_set(error, HF_ERROR_FAILED, "%s: %u of %u failed: line%s %s", batch->name,
                        run.failures, lines->len, run.failures > 1 ? "s" : "", run.failed->str);
}
