/*
 * tool_run.c - fork, exec, listen on two pipes and a process descriptor, and make an end of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/tool_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#define OUTPUT_MAX (64u * 1024u) /* of each stream; the rest is read and dropped */
#define CHUNK 4096
#define CHUNKS_AT_ONCE 16 /* what a pipe holds: a tool that never stops must not keep us */
#define NOT_STARTED 127

enum { OUT, ERR, END, WATCHED };

typedef struct {
    const char *path;
    char *name; /* last component, for people */
    pid_t pid;  /* also its process group; 0: it has been waited for */
    int status;
    int fds[WATCHED]; /* two pipes and the process; -1: ended */
    GString *output[2];
    size_t heard[2]; /* bytes of each stream so far, up to OUTPUT_MAX */
} Tool;

static void tool_clear(Tool *tool)
{
    if (tool->pid > 0) {
        kill(-tool->pid, SIGKILL);
        kill(tool->pid, SIGKILL);
        while (waitpid(tool->pid, &tool->status, 0) < 0 && errno == EINTR) {
        }
    }
    for (size_t i = 0; i < WATCHED; i++) {
        hf_fd_close(&tool->fds[i]);
    }
    g_string_free(tool->output[OUT], TRUE);
    g_string_free(tool->output[ERR], TRUE);
    g_free(tool->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tool, tool_clear)

/* In the child: only calls that are safe after a fork. */
G_GNUC_NORETURN static void become(const char *const *argv, int out, int err, pid_t parent)
{
    int null = TEMP_FAILURE_RETRY(open("/dev/null", O_RDONLY));
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) {
        _exit(NOT_STARTED);
    }
    close_range(STDERR_FILENO + 1, ~0u, 0);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    const char *reason = strerror(errno);
    (void)!write(STDERR_FILENO, reason, strlen(reason));
    _exit(NOT_STARTED);
}

static bool start(Tool *tool, const char *const *argv, GError **error)
{
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0) {
        return hf_error_errno(error, errno, "cannot make a pipe");
    }
    tool->fds[OUT] = out[0];
    hf_autofd int out_end = out[1];
    if (pipe2(err, O_CLOEXEC) != 0) {
        return hf_error_errno(error, errno, "cannot make a pipe");
    }
    tool->fds[ERR] = err[0];
    hf_autofd int err_end = err[1];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return hf_error_errno(error, errno, "cannot start %s", tool->path);
    }
    if (pid == 0) {
        become(argv, out_end, err_end, parent);
    }
    setpgid(pid, pid); /* here too: whoever comes first */
    tool->pid = pid;
    tool->fds[END] = (int)syscall(SYS_pidfd_open, pid, 0);
    if (tool->fds[END] < 0) {
        return hf_error_errno(error, errno, "cannot watch %s", tool->path);
    }
    return fcntl(tool->fds[OUT], F_SETFL, O_NONBLOCK) == 0 &&
                   fcntl(tool->fds[ERR], F_SETFL, O_NONBLOCK) == 0
               ? true
               : hf_error_errno(error, errno, "cannot listen to %s", tool->path);
}

/* --- listening ------------------------------------------------------------------------------- */

static void log_line(const Tool *tool, const char *line)
{
    g_autofree char *valid = g_utf8_make_valid(line, -1);
    hf_log(1, "%s: %s", tool->name, valid);
}

/* Whole lines go to the log at once, so that they stand where they belong. */
static void log_lines(Tool *tool)
{
    GString *text = tool->output[OUT];
    for (char *end; (end = memchr(text->str, '\n', text->len)) != NULL;) {
        *end = '\0';
        log_line(tool, text->str);
        g_string_erase(text, 0, end + 1 - text->str);
    }
}

/* What there is now, or a good part of it. False at the end of the stream. */
static bool drain(Tool *tool, int which)
{
    char chunk[CHUNK];
    for (int i = 0; i < CHUNKS_AT_ONCE; i++) {
        ssize_t n = read(tool->fds[which], chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        GString *text = tool->output[which];
        size_t taken = MIN((size_t)n, OUTPUT_MAX - tool->heard[which]);
        g_string_append_len(text, chunk, (gssize)taken);
        tool->heard[which] += taken;
        if (which == OUT) {
            log_lines(tool);
        }
    }
    return true;
}

/* Until it has ended. Somebody else may hold its pipes even then: they are not waited for. */
static bool listen_to(Tool *tool, int64_t deadline, unsigned seconds, GError **error)
{
    for (;;) {
        struct pollfd watched[WATCHED];
        for (int i = 0; i < WATCHED; i++) {
            watched[i] = (struct pollfd){ .fd = tool->fds[i], .events = POLLIN };
        }
        int64_t left = deadline - g_get_monotonic_time();
        int n = left > 0 ? poll(watched, WATCHED, (int)MIN(left / 1000 + 1, G_MAXINT)) : 0;
        if (n == 0) {
            return hf_error_set(error, HF_ERROR_TIMEOUT, "%s did not end within %u seconds",
                                tool->path, seconds);
        }
        for (int i = OUT; n > 0 && i <= ERR; i++) {
            if (watched[i].revents && !drain(tool, i)) {
                hf_fd_close(&tool->fds[i]);
            }
        }
        if (n > 0 && watched[END].revents) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return hf_error_errno(error, errno, "cannot listen to %s", tool->path);
        }
    }
}

static bool judge(Tool *tool, GError **error)
{
    for (int i = OUT; i <= ERR; i++) {
        if (tool->fds[i] >= 0) {
            drain(tool, i);
        }
    }
    if (tool->output[OUT]->len > 0) {
        log_line(tool, tool->output[OUT]->str);
    }
    while (waitpid(tool->pid, &tool->status, 0) < 0) {
        if (errno != EINTR) {
            return hf_error_errno(error, errno, "cannot wait for %s", tool->path);
        }
    }
    tool->pid = 0;
    if (WIFEXITED(tool->status) && WEXITSTATUS(tool->status) == 0) {
        return true;
    }
    g_auto(GStrv) lines = g_strsplit(g_strstrip(tool->output[ERR]->str), "\n", -1);
    g_autofree char *said = g_strjoinv("; ", lines);
    g_autofree char *reason = g_utf8_make_valid(said, -1);
    const char *colon = reason[0] ? ": " : "";
    return WIFSIGNALED(tool->status)
               ? hf_error_set(error, HF_ERROR_FAILED, "%s died of signal %d%s%s", tool->path,
                              WTERMSIG(tool->status), colon, reason)
               : hf_error_set(error, HF_ERROR_FAILED, "%s exit with status %d%s%s", tool->path,
                              WEXITSTATUS(tool->status), colon, reason);
}

bool hf_tool_run(const char *const *argv, unsigned seconds, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    g_auto(Tool) tool = { .path = argv[0],
                          .name = g_path_get_basename(argv[0]),
                          .fds = { -1, -1, -1 },
                          .output = { g_string_new(NULL), g_string_new(NULL) } };
    return start(&tool, argv, error) && listen_to(&tool, deadline, seconds, error) &&
           judge(&tool, error);
}
