/*
 * test-base-ends.c - where base meets the system: sockets over TCP, what a service manager hands
 * over and is told, files on disks that are full, dumps in the log, the completion of options.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/activation.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/options.h"
#include "base/socket.h"

#define SOON (g_get_monotonic_time() + 20 * G_USEC_PER_SEC)

/* --- TCP --- */

static uint16_t port_of(int listener)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &size), ==, 0);
    return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                              : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static void meets(const char *bindaddr, const char *host)
{
    g_autoptr(GError) error = NULL;
    char byte = 0;
    hf_autofd int listener = hf_socket_listen_tcp(bindaddr, 0, NULL, 1, &error);
    if (listener < 0) {
        g_test_message("%s", error->message);
        return; /* a machine without this family */
    }
    uint16_t port = port_of(listener);
    hf_autofd int client = hf_socket_connect_tcp(host, port, &error);
    g_assert_no_error(error);
    hf_autofd int server = hf_socket_accept(listener, &error);
    g_assert_no_error(error);
    g_assert_true(hf_socket_write_full(client, "x", 1, &error));
    g_assert_true(hf_socket_read_full(server, &byte, 1, SOON, &error));
    g_assert_cmpint(byte, ==, 'x');
    hf_autofd int second = hf_socket_connect_tcp_within(host, port, 20, &error);
    g_assert_no_error(error);
    g_assert_cmpint(second, >=, 0);
    g_assert_cmpint(hf_socket_listen_tcp(bindaddr, port, NULL, 1, &error), ==, -1); /* taken */
    g_assert_nonnull(strstr(error->message, bindaddr));
    g_clear_error(&error);
    hf_fd_close(&listener);
    g_assert_cmpint(hf_socket_connect_tcp_within(host, port, 20, &error), ==, -1);
    g_assert_nonnull(error);
}

static void tcp_meets(void)
{
    meets("127.0.0.1", "localhost");
    meets("127.0.0.1", "127.0.0.1");
    meets("::1", "::1");
}

static void tcp_refuses(void)
{
    static const char *const literals[] = { "", "localhost", "127.0.0.256", "::g", "1.2.3" };
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(literals); i++) {
        g_assert_cmpint(hf_socket_listen_tcp(literals[i], 0, NULL, 1, &error), ==, -1);
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        g_clear_error(&error);
    }
    g_assert_cmpint(hf_socket_listen_tcp("fe80::1", 0, "no-such-interface", 1, &error), ==, -1);
    g_assert_nonnull(strstr(error->message, "no-such-interface"));
    g_clear_error(&error);
    g_assert_cmpint(hf_socket_listen_tcp("192.0.2.1", 0, NULL, 1, &error), ==, -1); /* not ours */
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_cmpint(hf_socket_connect_tcp("host.invalid", 1, &error), ==, -1);
    g_assert_nonnull(strstr(error->message, "host.invalid"));
}

/* Descriptors that are no sockets, or none at all. */
static void sockets_refuse_others(void)
{
    g_autoptr(GError) error = NULL;
    char byte = 0;
    int fd = -1;
    g_assert_cmpint(hf_socket_accept(-1, &error), ==, -1);
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(hf_socket_read_full(-1, &byte, 1, HF_NO_DEADLINE, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(hf_socket_write_full(-1, "x", 1, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_cmpint(hf_socket_receive(-1, &byte, 1, &fd, &error), ==, -1);
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(hf_socket_send_fd(-1, "x", 1, 0, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    hf_autofd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    g_assert_false(hf_socket_write_full(full, "x", 1, &error)); /* no socket: written as a file */
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(hf_fd_write_all(full, "x", 1, "full", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NO_SPACE);
}

static void unix_sockets_refuse(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("hf-ends-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *deep = g_build_filename(path, "s", NULL);
    g_autofree char *long_path = g_strnfill(200, 'x');
    g_assert_true(hf_file_replace(path, "", 0, 0600, &error));
    const char *const paths[] = { deep, long_path, "", "/nonexistent/s" };
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_assert_cmpint(hf_socket_listen_unix(paths[i], 0600, (uid_t)-1, (gid_t)-1, 1, &error), ==,
                        -1);
        g_assert_nonnull(error);
        g_clear_error(&error);
        g_assert_cmpint(hf_socket_connect_unix(paths[i], &error), ==, -1);
        g_assert_nonnull(error);
        g_clear_error(&error);
    }
    g_assert_cmpint(unlink(path), ==, 0);
    /* To ourselves, which everybody may. */
    hf_autofd int fd = hf_socket_listen_unix(path, 0600, geteuid(), getegid(), 1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(rmdir(dir), ==, 0);
}

/* --- service managers --- */

/* In a child: the sockets handed over have fixed numbers. Exit code 0: as expected. */
static int child(int (*body)(void))
{
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        exit(body());
    }
    int status = 0;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void say(const char *pid, const char *fds)
{
    g_autofree char *own = g_strdup_printf("%ld", (long)getpid());
    g_setenv("LISTEN_PID", pid ? pid : own, TRUE);
    g_setenv("LISTEN_FDS", fds, TRUE);
}

static int takes_two(void)
{
    unsigned first = 0;
    unsigned count = 0;
    if (dup2(0, 3) != 3 || dup2(0, 4) != 4) {
        return 1;
    }
    say(NULL, "2");
    if (!hf_activation_take(&first, &count, NULL) || first != 3 || count != 2) {
        return 2;
    }
    return g_getenv("LISTEN_FDS") || !(fcntl(4, F_GETFD) & FD_CLOEXEC) ? 3 : 0;
}

static int takes_what_is_closed(void)
{
    unsigned first = 0;
    unsigned count = 0;
    g_autoptr(GError) error = NULL;
    close(3);
    say(NULL, "1");
    return !hf_activation_take(&first, &count, &error) && strstr(error->message, "3") ? 0 : 1;
}

static void activation(void)
{
    static const char *const wrong[][2] = { { "x", "1" }, { "0", "1" },  { "-1", "1" },
                                            { "1", "x" }, { "1", "65" }, { "", "" } };
    unsigned first = 0;
    unsigned count = 9;
    g_autoptr(GError) error = NULL;
    g_unsetenv("LISTEN_PID");
    g_assert_true(hf_activation_take(&first, &count, &error));
    g_assert_cmpuint(count, ==, 0);
    say("1", "1"); /* another process' */
    g_assert_true(hf_activation_take(&first, &count, &error));
    g_assert_cmpuint(count, ==, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        say(wrong[i][0], wrong[i][1]);
        g_assert_false(hf_activation_take(&first, &count, &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        g_clear_error(&error);
    }
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_assert_cmpint(child(takes_two), ==, 0);
    g_assert_cmpint(child(takes_what_is_closed), ==, 0);
}

static void notify(void)
{
    static const char *const wrong[] = { "relative", "@", "/", "/nonexistent/notify" };
    g_autoptr(GError) error = NULL;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof(address);
    char text[16] = "";
    hf_autofd int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(manager, (struct sockaddr *)&address, sizeof(sa_family_t)), ==, 0);
    g_assert_cmpint(getsockname(manager, (struct sockaddr *)&address, &size), ==, 0);
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    g_autofree char *name = g_strndup(address.sun_path + 1, length - 1);
    g_autofree char *given = g_strconcat("@", name, NULL);
    g_setenv("NOTIFY_SOCKET", given, TRUE);
    int fd = hf_notify_open(&error);
    g_assert_no_error(error);
    hf_notify_ready(&fd);
    g_assert_cmpint(fd, ==, -1);
    hf_notify_ready(&fd);
    g_assert_cmpint(recv(manager, text, sizeof(text), 0), ==, 7);
    g_assert_cmpstr(text, ==, "READY=1");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_setenv("NOTIFY_SOCKET", wrong[i], TRUE);
        g_assert_cmpint(hf_notify_open(&error), ==, -1);
        g_assert_nonnull(strstr(error->message, "NOTIFY_SOCKET"));
        g_clear_error(&error);
    }
    g_unsetenv("NOTIFY_SOCKET");
    g_assert_cmpint(hf_notify_open(&error), ==, -1);
    g_assert_no_error(error);
}

/* --- a disk that is full --- */

static unsigned entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

/* No file may grow past 4 KiB: the old one stays, no temporary is left. */
static int writes_too_much(void)
{
    static const char large[8192];
    const struct rlimit limit = { 4096, 4096 };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_dir_make_tmp("hf-ends-XXXXXX", NULL);
    hf_autofd int dir = hf_dir_open(path, NULL);
    bool ready = hf_file_replace_at(dir, "a", "old", 3, 0600, "a", NULL) &&
                 signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0;
    bool refused = !hf_file_replace_at(dir, "a", large, sizeof(large), 0600, "a", &error);
    g_clear_error(&error);
    refused = refused && !hf_file_create_at(dir, "b", large, sizeof(large), 0600, "b", &error);
    g_autoptr(GBytes) old = hf_file_read_at(dir, "a", 9, "a", NULL);
    bool kept = old && g_bytes_get_size(old) == 3 && entries(path) == 1;
    (void)unlinkat(dir, "a", 0);
    return ready && refused && kept && rmdir(path) == 0 ? 0 : 1;
}

static void full_disk(void)
{
    g_assert_cmpint(child(writes_too_much), ==, 0);
}

static void directories(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_dir_make_tmp("hf-ends-XXXXXX", NULL);
    g_autofree char *inner = g_build_filename(path, "d", NULL);
    g_autofree char *deeper = g_build_filename(inner, "e", "f", NULL);
    hf_autofd int made = hf_dir_make(inner, 0700, &error);
    g_assert_no_error(error);
    hf_autofd int again = hf_dir_make(inner, 0700, &error);
    g_assert_no_error(error);
    g_assert_cmpint(hf_dir_make(deeper, 0700, &error), ==, -1);
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_false(hf_file_replace("", "x", 1, 0600, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_false(hf_file_replace_at(-1, "x", "x", 1, 0600, "x", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_null(hf_fd_read_all(-1, 9, "none", &error));
    g_assert_nonnull(strstr(error->message, "none"));
    g_clear_error(&error);
    g_assert_null(hf_fd_read_secret(made, 9, "a directory", &error));
    g_assert_nonnull(strstr(error->message, "a directory"));
    g_clear_error(&error);
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(write(ends[1], "0123456789", 10), ==, 10);
    g_assert_null(hf_fd_read_all(ends[0], 9, "a pipe", &error)); /* ten bytes are too many */
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    close(ends[0]);
    close(ends[1]);
    g_assert_cmpint(rmdir(inner), ==, 0);
    g_assert_cmpint(rmdir(path), ==, 0);
}

/* --- errors, log, completion --- */

static void errors_have_kinds(void)
{
    static const struct {
        int number;
        HfErrorCode code;
    } cases[] = {
        { ENOENT, HF_ERROR_NOT_FOUND },  { EEXIST, HF_ERROR_EXISTS },   { EPERM, HF_ERROR_ACCESS },
        { EACCES, HF_ERROR_ACCESS },     { ENOSPC, HF_ERROR_NO_SPACE }, { EBUSY, HF_ERROR_BUSY },
        { EDQUOT, HF_ERROR_NO_SPACE },   { EAGAIN, HF_ERROR_BUSY },     { EIO, HF_ERROR_IO },
        { ETIMEDOUT, HF_ERROR_TIMEOUT }, { 9999, HF_ERROR_IO },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(hf_error_errno(&error, cases[i].number, "doing %d", 7));
        g_assert_error(error, HF_ERROR, (int)cases[i].code);
        g_assert_true(g_str_has_prefix(error->message, "doing 7: "));
    }
    g_assert_false(hf_error_is(NULL, HF_ERROR_IO));
}

static void log_dumps(void)
{
    uint8_t data[20];
    char text[512] = "";
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)i;
    }
    hf_log_to_fd(ends[1]);
    hf_log_set_level(2);
    hf_log_set_prefix("P ");
    hf_log_dump(2, "Command:", data, sizeof(data)); /* not asked for */
    hf_log_set_dumps(true);
    hf_log_dump(3, "Command:", data, sizeof(data)); /* not at this level */
    g_assert_cmpint(read(ends[0], text, sizeof(text) - 1), ==, -1);
    hf_log_dump(2, "Command:", data, sizeof(data));
    g_assert_cmpint(read(ends[0], text, sizeof(text) - 1), >, 0);
    g_assert_nonnull(strstr(text, "Command: length 20"));
    g_assert_nonnull(strstr(text, "0E 0F"));
    g_assert_nonnull(strstr(text, "10 11 12 13"));
    g_assert_null(strstr(text, "0F 10")); /* sixteen a line */
    hf_log_set_dumps(false);
    hf_log_set_prefix(NULL);
    hf_log_to_fd(STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
}

static const HfCommand commands[] = {
    { "run", 1, "Run it", "FILE", 1, 2 },
    { "stop", 2, "Stop it", NULL, 0, 0 },
    { 0 },
};
static const HfSubOption sub[] = { { .name = "file", .kind = HF_KIND_PATH },
                                   { .name = "user", .kind = HF_KIND_USER },
                                   { .name = "group", .kind = HF_KIND_GROUP },
                                   { .name = NULL } };
static const HfOption options[] = {
    { .name = "path", .letter = 'p', .kind = HF_KIND_PATH, .arg = "FILE", .help = "a file" },
    { .name = "action", .kind = HF_KIND_CHOICE, .choices = "kill|log", .help = "what to do" },
    { .name = "state", .kind = HF_KIND_SUB, .sub = sub, .arg = "SPEC", .help = "the state" },
    { .name = "level",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "how much to say",
      .preset = "1",
      .max = 5 },
    { .name = "quiet", .kind = HF_KIND_FLAG, .help = "say less", .where = 1 },
    { .name = "old", .kind = HF_KIND_FLAG, .help = "nothing", .flags = HF_OPTION_IGNORED },
    { .name = "secret", .kind = HF_KIND_FLAG, .help = "not told", .flags = HF_OPTION_HIDDEN },
    { .name = "maybe",
      .arg = "X",
      .kind = HF_KIND_STRING,
      .help = "x",
      .flags = HF_OPTION_OPTIONAL },
    { .name = NULL },
};
static const HfProgram program = {
    .name = "prog", .summary = "Does it.", .commands = commands, .options = options
};

static void contains(const char *text, const char *const *parts)
{
    for (; *parts; parts++) {
        if (!strstr(text, *parts)) {
            g_test_message("no \"%s\" in: %s", *parts, text);
            g_test_fail();
        }
    }
}

static void completion(void)
{
    g_autofree char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    hf_options_print_completion(&program, out);
    g_assert_cmpint(fclose(out), ==, 0);
    contains(text,
             (const char *const[]){ "run", "stop", "--path", "--action", "--quiet", "prog", NULL });
    g_assert_null(strstr(text, "--secret"));
}

static void help(void)
{
    g_autofree char *all = NULL;
    g_autofree char *one = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&all, &size);
    hf_options_print_help(&program, NULL, out);
    g_assert_cmpint(fclose(out), ==, 0);
    contains(all, (const char *const[]){ "Usage: prog", "Does it.", "Run it", "-p, --path FILE",
                                         "kill|log", "(default: 1)", "--maybe[=X]", NULL });
    g_assert_null(strstr(all, "--secret"));
    out = open_memstream(&one, &size);
    hf_options_print_help(&program, &commands[1], out);
    g_assert_cmpint(fclose(out), ==, 0);
    contains(one, (const char *const[]){ "prog stop", "Stop it", "--action", NULL });
    g_assert_null(strstr(one, "--quiet")); /* of the other command */
}

static void owners(void)
{
    static const char *const wrong[] = { "user=no-such-user", "user=", "group=no-such-group",
                                         "user=-1", "group=4294967295" };
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSubOptions) good = hf_suboptions_parse(sub, "--state", "user=0,group=0", &error);
    g_assert_no_error(error);
    g_autoptr(HfSubOptions) named = hf_suboptions_parse(sub, "--state", "user=root", &error);
    g_assert_no_error(error);
    g_assert_true(hf_suboptions_has(named, "user"));
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_null(hf_suboptions_parse(sub, "--state", wrong[i], &error));
        g_assert_error(error, HF_ERROR, HF_ERROR_USAGE);
        g_clear_error(&error);
    }
}

/* A program that dies says why on stderr, also when its log is elsewhere. */
static int dies_twice_told(void)
{
    char log[256] = "";
    char stderr_text[256] = "";
    int ends[2];
    int errors[2];
    const GError error = { HF_ERROR, HF_ERROR_IO, (char[]){ "the disk\nis gone" } };
    if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0 ||
        dup2(errors[1], STDERR_FILENO) < 0) {
        return 1;
    }
    hf_log_set_level(1);
    hf_log_to_fd(ends[1]);
    hf_log_error("prog", &error);
    if (read(ends[0], log, sizeof(log) - 1) <= 0 ||
        read(errors[0], stderr_text, sizeof(stderr_text) - 1) <= 0) {
        return 2;
    }
    return strstr(log, "prog: the disk") && strchr(log, '\n') == log + strlen(log) - 1 &&
                   strstr(stderr_text, "prog: the disk")
               ? 0
               : 3;
}

static void last_words(void)
{
    g_assert_cmpint(child(dies_twice_told), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/ends/tcp/meets", tcp_meets);
    g_test_add_func("/ends/tcp/refuses", tcp_refuses);
    g_test_add_func("/ends/sockets/others", sockets_refuse_others);
    g_test_add_func("/ends/sockets/unix", unix_sockets_refuse);
    g_test_add_func("/ends/activation", activation);
    g_test_add_func("/ends/notify", notify);
    g_test_add_func("/ends/files/full", full_disk);
    g_test_add_func("/ends/files/directories", directories);
    g_test_add_func("/ends/errors", errors_have_kinds);
    g_test_add_func("/ends/log/dumps", log_dumps);
    g_test_add_func("/ends/log/last-words", last_words);
    g_test_add_func("/ends/completion", completion);
    g_test_add_func("/ends/help", help);
    g_test_add_func("/ends/owners", owners);
    return g_test_run();
}
