/*
 * bench_subject.c - start an emulator, talk to it, end it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "bench_subject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tpm2/constants.h"

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fputs("bench-driver: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

BenchSpec bench_spec_parse(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", 3);

    if (g_strv_length(parts) != 3) {
        bench_fail("%s: expected LABEL@PROGRAM@STATE", text);
    }
    return (BenchSpec){ .label = g_strdup(parts[0]),
                        .program = g_strsplit(parts[1], " ", -1),
                        .state = g_strdup(parts[2]) };
}

void bench_spec_clear(BenchSpec *spec)
{
    g_free(spec->label);
    g_strfreev(spec->program);
    g_free(spec->state);
}

char *bench_dir_new(const char *base)
{
    char *dir = g_build_filename(base, "hf-bench.XXXXXX", NULL);

    if (!g_mkdtemp_full(dir, 0700)) {
        bench_fail("%s: %s", dir, g_strerror(errno));
    }
    return dir;
}

void bench_dir_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(d), entry->d_name, 0);
        }
    }
    if (d) {
        (void)closedir(d);
    }
    (void)rmdir(dir);
}

double bench_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void bench_pin(int processor)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        bench_fail("cannot pin to processor %d: %s", processor, g_strerror(errno));
    }
}

size_t bench_exchange(int fd, const uint8_t *command, size_t size, uint8_t response[4096])
{
    size_t have = 0;

    if (write(fd, command, size) != (ssize_t)size) {
        bench_fail("cannot send a command: %s", g_strerror(errno));
    }
    do {
        ssize_t n = read(fd, response + have, 4096 - have);
        if (n <= 0) {
            bench_fail("the process is gone");
        }
        have += (size_t)n;
    } while (have < 10 || have < hf_fetch_u32(response + 2));
    if (hf_fetch_u32(response + 6) != 0) {
        bench_fail("command 0x%x: response code 0x%x", hf_fetch_u32(command + 6),
                   hf_fetch_u32(response + 6));
    }
    return have;
}

/* The transport: libtpms asks for some first commands to be sent again (0x922). */
static bool transmit(void *user, const uint8_t *command, size_t size, GByteArray *response,
                     GError **error)
{
    BenchSubject *subject = user;
    uint8_t bytes[4096];
    ssize_t n = -1;

    (void)error;
    g_byte_array_set_size(subject->last, 0);
    g_byte_array_append(subject->last, command, (guint)size);
    if (write(subject->data, command, size) != (ssize_t)size ||
        (n = read(subject->data, bytes, sizeof(bytes))) < 10) {
        bench_fail("the process is gone");
    }
    g_byte_array_append(response, bytes, (guint)n);
    return true;
}

static char **argv_of(const BenchSpec *spec, const char *dir, int control, int data)
{
    g_auto(GStrv) state = g_strsplit(spec->state, "%s", -1);
    g_autofree char *tpmstate = g_strjoinv(dir, state);
    GPtrArray *argv = g_ptr_array_new();

    g_ptr_array_add(argv, g_strdup(spec->program[0]));
    g_ptr_array_add(argv, g_strdup("socket"));
    g_ptr_array_add(argv, g_strdup("--tpm2"));
    g_ptr_array_add(argv, g_strdup("--tpmstate"));
    g_ptr_array_add(argv, g_steal_pointer(&tpmstate));
    g_ptr_array_add(argv, g_strdup("--ctrl"));
    g_ptr_array_add(argv, g_strdup_printf("type=unixio,clientfd=%d", control));
    g_ptr_array_add(argv, g_strdup("--fd"));
    g_ptr_array_add(argv, g_strdup_printf("%d", data));
    for (char **more = spec->program + 1; *more; more++) {
        g_ptr_array_add(argv, g_strdup(*more));
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}

BenchSubject *bench_subject_start(const BenchSpec *spec, const char *base, const char *dir)
{
    BenchSubject *subject = g_new0(BenchSubject, 1);
    int control[2], data[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) != 0) {
        bench_fail("socketpair: %s", g_strerror(errno));
    }
    subject->own_dir = dir == NULL;
    subject->dir = dir ? g_strdup(dir) : bench_dir_new(base);
    g_auto(GStrv) argv = argv_of(spec, subject->dir, control[1], data[1]);
    subject->pid = vfork();
    if (subject->pid == 0) {
        (void)fcntl(control[1], F_SETFD, 0);
        (void)fcntl(data[1], F_SETFD, 0);
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    (void)close(control[1]);
    (void)close(data[1]);
    subject->control = hf_control_client_new(control[0]);
    subject->data = data[0];
    subject->last = g_byte_array_new();
    subject->transport = (HfTransport){ transmit, subject };
    return subject;
}

void bench_subject_init(BenchSubject *subject)
{
    static const uint8_t startup[] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0 };
    g_autoptr(GError) error = NULL;
    uint8_t response[4096];

    if (!hf_control_client_init(subject->control, 0, &error)) {
        bench_fail("%s", error->message);
    }
    bench_exchange(subject->data, startup, sizeof(startup), response);
}

BenchSubject *bench_subject_ready(const BenchSpec *spec, const char *base)
{
    BenchSubject *subject = bench_subject_start(spec, base, NULL);

    bench_subject_init(subject);
    return subject;
}

void bench_subject_end(BenchSubject *subject)
{
    hf_control_client_free(subject->control);
    (void)close(subject->data);
    (void)kill(subject->pid, SIGTERM);
    while (waitpid(subject->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (subject->own_dir) {
        bench_dir_remove(subject->dir);
    }
    g_byte_array_unref(subject->last);
    g_free(subject->dir);
    g_free(subject);
}
