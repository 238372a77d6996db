/*
 * bench-driver.c - measures emulators side by side; bench.py calls it and makes tables.
 *
 * Usage: bench-driver BASE ROUNDS MEASURE SUBJECT... with SUBJECT as in bench_subject.h; state
 * directories are made below BASE. Subjects take turns (A B A B); a line of JSON for each
 * measure and subject, with every sample. It judges nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "bench_work.h"
#include "tpm2/constants.h"

extern char **environ;

#define MAX_SUBJECTS 8u
#define RC_CANCELED 0x909u

typedef struct {
    const char *base;
    unsigned rounds;
    size_t count;
    BenchSpec specs[MAX_SUBJECTS];
    GArray *samples[MAX_SUBJECTS]; /* double, microseconds unless said otherwise */
} Run;

static void add(Run *run, size_t subject, double value)
{
    g_array_append_val(run->samples[subject], value);
}

/* Who is the k-th in this round: what one leaves behind (memory that the kernel is still giving back)
 * shall not always meet the same other. */
static size_t turn(const Run *run, unsigned round, size_t k)
{
    return (k + round) % run->count;
}

static void print_one(const char *measure, const char *label, GArray *samples)
{
    printf("{\"measure\": \"%s\", \"subject\": \"%s\", \"samples\": [", measure, label);
    for (guint i = 0; i < samples->len; i++) {
        printf("%s%.3f", i > 0 ? ", " : "", g_array_index(samples, double, i));
    }
    printf("]}\n");
    g_array_set_size(samples, 0);
    (void)fflush(stdout);
}

static void print_samples(Run *run, const char *measure)
{
    for (size_t i = 0; i < run->count; i++) {
        print_one(measure, run->specs[i].label, run->samples[i]);
    }
}

/* exec to the answer of TPM2_Startup. */
static void launch(Run *run, bool fresh)
{
    char *dirs[MAX_SUBJECTS] = { NULL };

    for (size_t i = 0; !fresh && i < run->count; i++) {
        dirs[i] = bench_dir_new(run->base);
        BenchSubject *first = bench_subject_start(&run->specs[i], run->base, dirs[i]);
        bench_subject_init(first);
        bench_subject_end(first);
    }
    for (unsigned round = 0; round < run->rounds; round++) {
        for (size_t k = 0; k < run->count; k++) {
            size_t i = turn(run, round, k);
            char *dir = fresh ? bench_dir_new(run->base) : dirs[i];
            double start = bench_now_us();
            BenchSubject *subject = bench_subject_start(&run->specs[i], run->base, dir);
            bench_subject_init(subject);
            add(run, i, bench_now_us() - start);
            bench_subject_end(subject);
            if (fresh) {
                bench_dir_remove(dir);
                g_free(dir);
            }
        }
    }
    print_samples(run, fresh ? "launch_fresh" : "launch_existing");
    for (size_t i = 0; i < run->count && dirs[i]; i++) {
        bench_dir_remove(dirs[i]);
        g_free(dirs[i]);
    }
}

static void launch_fresh(Run *run)
{
    launch(run, true);
}

static void launch_existing(Run *run)
{
    launch(run, false);
}

static void repeat(Run *run, size_t i, int fd, const GByteArray *command, unsigned times)
{
    uint8_t response[4096];

    for (unsigned n = 0; n < times; n++) {
        double start = bench_now_us();
        bench_exchange(fd, command->data, command->len, response);
        add(run, i, bench_now_us() - start);
    }
}

/* The table's commands in turn over all subjects. */
static void small_commands(Run *run, const BenchWork *work)
{
    for (; work->name; work++) {
        BenchSubject *subjects[MAX_SUBJECTS];
        GByteArray *commands[MAX_SUBJECTS];

        for (size_t i = 0; i < run->count; i++) {
            subjects[i] = bench_subject_ready(&run->specs[i], run->base);
            commands[i] = work->prepare(subjects[i]);
        }
        for (unsigned round = 0; round < run->rounds; round++) {
            for (size_t k = 0; k < run->count; k++) {
                size_t i = turn(run, round, k);
                repeat(run, i, subjects[i]->data, commands[i], work->repeats);
            }
        }
        print_samples(run, work->name);
        for (size_t i = 0; i < run->count; i++) {
            bench_subject_end(subjects[i]);
            g_byte_array_unref(commands[i]);
        }
    }
}

/* Client and servers on one processor. */
static void roundtrip(Run *run)
{
    bench_pin(0);
    small_commands(run, bench_small);
}

static void ecc(Run *run)
{
    bench_pin(0);
    small_commands(run, bench_ecc);
}

/* What the disk takes for the two ways of storing a state, with no TPM around: the limit. */
typedef struct {
    char *dir;
    int at;
    int slots;
    unsigned count;
    GArray *replace, *in_place; /* double, microseconds */
} Floor;

static Floor *floor_new(const char *base)
{
    Floor *floor = g_new0(Floor, 1);

    floor->dir = bench_dir_new(base);
    floor->at = open(floor->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    floor->slots = openat(floor->at, "slots", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    floor->replace = g_array_new(FALSE, FALSE, sizeof(double));
    floor->in_place = g_array_new(FALSE, FALSE, sizeof(double));
    if (posix_fallocate(floor->slots, 0, 16384) != 0 || fsync(floor->slots) != 0) {
        bench_fail("%s: %s", floor->dir, g_strerror(errno));
    }
    return floor;
}

static void floor_step(Floor *floor)
{
    static uint8_t state[1500];
    double start = bench_now_us();
    int fd = openat(floor->at, "temporary", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = write(fd, state, sizeof(state)) > 0 && fdatasync(fd) == 0 && close(fd) == 0 &&
                renameat(floor->at, "temporary", floor->at, "state") == 0 && fsync(floor->at) == 0;
    double middle = bench_now_us();
    good = good && pwrite(floor->slots, state, sizeof(state), floor->count++ % 2 ? 8192 : 0) > 0 &&
           fdatasync(floor->slots) == 0;
    double end = bench_now_us();

    if (!good) {
        bench_fail("%s: %s", floor->dir, g_strerror(errno));
    }
    start = middle - start;
    end -= middle;
    g_array_append_val(floor->replace, start);
    g_array_append_val(floor->in_place, end);
}

static void floor_end(Floor *floor)
{
    print_one("storage", "write_fdatasync_rename_fsync", floor->replace);
    print_one("storage", "pwrite_fdatasync", floor->in_place);
    (void)close(floor->slots);
    (void)close(floor->at);
    bench_dir_remove(floor->dir);
    g_array_unref(floor->replace);
    g_array_unref(floor->in_place);
    g_free(floor->dir);
    g_free(floor);
}

/* ROUNDS keys; the samples are medians of seven operations, one a key. */
static void rsa(Run *run)
{
    GArray *by_command[BENCH_RSA_COMMANDS][MAX_SUBJECTS];
    BenchSubject *subjects[MAX_SUBJECTS];

    bench_pin(0);
    for (size_t i = 0; i < run->count; i++) {
        subjects[i] = bench_subject_ready(&run->specs[i], run->base);
        for (size_t c = 0; c < BENCH_RSA_COMMANDS; c++) {
            by_command[c][i] = g_array_new(FALSE, FALSE, sizeof(double));
        }
    }
    for (unsigned key = 0; key < run->rounds; key++) {
        for (size_t i = 0; i < run->count; i++) {
            GByteArray *commands[BENCH_RSA_COMMANDS];
            g_autoptr(GError) error = NULL;
            uint32_t handle = bench_rsa_key(subjects[i], key, commands);
            for (size_t c = 0; c < BENCH_RSA_COMMANDS; c++) {
                repeat(run, i, subjects[i]->data, commands[c], 7);
                g_array_append_vals(by_command[c][i], run->samples[i]->data, 7);
                g_array_set_size(run->samples[i], 0);
                g_byte_array_unref(commands[c]);
            }
            if (!hf_tpm_flush_context(&subjects[i]->transport, handle, &error)) {
                bench_fail("%s", error->message);
            }
        }
    }
    for (size_t c = 0; c < BENCH_RSA_COMMANDS; c++) {
        for (size_t i = 0; i < run->count; i++) {
            print_one(bench_rsa_names[c], run->specs[i].label, by_command[c][i]);
            g_array_unref(by_command[c][i]);
        }
    }
    for (size_t i = 0; i < run->count; i++) {
        bench_subject_end(subjects[i]);
    }
}

static void nv_write(Run *run)
{
    BenchSubject *subjects[MAX_SUBJECTS];
    GByteArray *writes[MAX_SUBJECTS][2];
    Floor *floor = floor_new(run->base);

    for (size_t i = 0; i < run->count; i++) {
        subjects[i] = bench_subject_ready(&run->specs[i], run->base);
        bench_nv_writes(subjects[i], writes[i]);
    }
    for (unsigned round = 0; round < run->rounds; round++) {
        for (size_t k = 0; k < run->count; k++) {
            size_t i = turn(run, round, k);
            for (unsigned n = 0; n < 4; n++) {
                repeat(run, i, subjects[i]->data, writes[i][n % 2], 1);
            }
        }
        for (unsigned n = 0; n < 4; n++) {
            floor_step(floor);
        }
    }
    print_samples(run, "nv_write_64");
    floor_end(floor);
    for (size_t i = 0; i < run->count; i++) {
        bench_subject_end(subjects[i]);
        g_byte_array_unref(writes[i][0]);
        g_byte_array_unref(writes[i][1]);
    }
}

/* Takes commands and gives `size` bytes back. */
static void echo(int fd)
{
    uint8_t buffer[4096];
    uint32_t size = 0;

    if (read(fd, &size, sizeof(size)) == (ssize_t)sizeof(size)) {
        while (read(fd, buffer, sizeof(buffer)) > 0 && write(fd, buffer, size) > 0) {
        }
    }
    _exit(0);
}

/* A round trip of the same bytes between two processes that do nothing else. */
static void bare_socketpair(Run *run, const GByteArray *command, size_t response)
{
    int ends[2];
    uint8_t buffer[4096];
    uint32_t size = (uint32_t)response;
    bool good = socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;
    pid_t child = good ? fork() : -1;

    if (child == 0) {
        (void)close(ends[0]);
        echo(ends[1]);
    }
    (void)close(ends[1]);
    good = child > 0 && write(ends[0], &size, sizeof(size)) == (ssize_t)sizeof(size);
    for (unsigned n = 0; good && n < run->rounds * 300; n++) {
        double start = bench_now_us();
        good = write(ends[0], command->data, command->len) > 0 &&
               read(ends[0], buffer, sizeof(buffer)) == (ssize_t)response;
        add(run, 0, bench_now_us() - start);
    }
    if (!good) {
        bench_fail("socketpair: %s", g_strerror(errno));
    }
    (void)close(ends[0]);
    (void)waitpid(child, NULL, 0);
}

/* The subject is bench-minimal: the time inside libtpms by its own clock, and the bare socketpair. */
static void limit(Run *run)
{
    const uint32_t repeats = 3000;

    bench_pin(0);
    for (const BenchWork *work = bench_small; work->name; work++) {
        g_autofree char *name = g_strconcat(work->name, "_limit", NULL);
        BenchSubject *plain = bench_subject_ready(&run->specs[0], run->base);
        g_autoptr(GByteArray) command = work->prepare(plain);
        uint8_t response[4096];
        size_t size = bench_exchange(plain->data, command->data, command->len, response);
        int64_t nanoseconds = 0;

        for (unsigned round = 0; round < run->rounds; round++) {
            if (write(plain->data, &repeats, sizeof(repeats)) != (ssize_t)sizeof(repeats) ||
                read(plain->data, response, sizeof(repeats)) != (ssize_t)sizeof(repeats)) {
                bench_fail("the process is gone");
            }
            size_t n = 0;
            if (write(plain->data, command->data, command->len) > 0) {
                n = (size_t)read(plain->data, response, sizeof(response));
            }
            if (n != size + sizeof(nanoseconds)) {
                bench_fail("expected %zu bytes, found %zu", size + sizeof(nanoseconds), n);
            }
            memcpy(&nanoseconds, response + size, sizeof(nanoseconds));
            add(run, 0, (double)nanoseconds / 1e3);
        }
        bench_subject_end(plain);
        print_one(name, "in_process", run->samples[0]);
        bare_socketpair(run, command, size);
        print_one(name, "bare_socketpair", run->samples[0]);
    }
}

/* Two descriptors each. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Starts ROUNDS idle TPMs of the first subject, says who they are and how long each start took,
 * ends them at the end of its input. */
static void hold(Run *run)
{
    g_autofree BenchSubject **subjects = g_new0(BenchSubject *, run->rounds);
    char byte;

    allow_descriptors();
    printf("{\"measure\": \"hold\", \"subject\": \"%s\", \"samples\": [", run->specs[0].label);
    for (unsigned n = 0; n < run->rounds; n++) {
        double before = bench_now_us();
        subjects[n] = bench_subject_ready(&run->specs[0], run->base);
        add(run, 0, bench_now_us() - before);
        for (size_t i = 0; i < 3; i++) { /* GetRandom, PCR_Read, PCR_Extend */
            g_byte_array_unref(bench_small[i].prepare(subjects[n]));
        }
        printf("%s%ld", n > 0 ? ", " : "", (long)subjects[n]->pid);
    }
    printf("]}\n");
    print_samples(run, "hold_start");
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (unsigned n = 0; n < run->rounds; n++) {
        bench_subject_end(subjects[n]);
    }
}

static GBytes *get_blob(BenchSubject *subject, uint32_t kind)
{
    g_autoptr(GError) error = NULL;
    GBytes *blob = hf_control_client_get_stateblob(subject->control, kind,
                                                   HF_CONTROL_STATE_DECRYPTED, NULL, &error);
    if (!blob) {
        bench_fail("%s", error->message);
    }
    return blob;
}

static void set_blob(BenchSubject *subject, uint32_t kind, GBytes *blob)
{
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    const void *data = g_bytes_get_data(blob, &size);

    if (!hf_control_client_set_stateblob(subject->control, kind, 0, data, size, &error)) {
        bench_fail("%s", error->message);
    }
}

/* Both blobs out of a running TPM into another process, and INIT there. `warm`: into a process
 * whose TPM was on before. */
static double migrate_once(const BenchSpec *spec, const char *base, BenchSubject *source, bool warm)
{
    g_autoptr(GError) error = NULL;
    BenchSubject *target =
        warm ? bench_subject_ready(spec, base) : bench_subject_start(spec, base, NULL);
    uint32_t bits = 0;

    if (!hf_control_client_get_capability(target->control, &bits, &error) ||
        (warm && !hf_control_client_stop(target->control, &error))) {
        bench_fail("%s", error->message);
    }
    double start = bench_now_us();
    g_autoptr(GBytes) permanent = get_blob(source, HF_CONTROL_BLOB_PERMANENT);
    g_autoptr(GBytes) running = get_blob(source, HF_CONTROL_BLOB_VOLATILE);
    set_blob(target, HF_CONTROL_BLOB_PERMANENT, permanent);
    set_blob(target, HF_CONTROL_BLOB_VOLATILE, running);
    if (!hf_control_client_init(target->control, 0, &error)) {
        bench_fail("%s", error->message);
    }
    double took = bench_now_us() - start;
    bench_subject_end(target);
    return took;
}

static void migrate(Run *run)
{
    for (int warm = 0; warm < 2; warm++) {
        for (unsigned round = 0; round < run->rounds; round++) {
            for (size_t k = 0; k < run->count; k++) {
                size_t i = turn(run, round, k);
                BenchSubject *source = bench_subject_ready(&run->specs[i], run->base);
                g_byte_array_unref(bench_small[3].prepare(source));
                add(run, i, migrate_once(&run->specs[i], run->base, source, warm == 1));
                bench_subject_end(source);
            }
        }
        print_samples(run, warm ? "migrate_warm" : "migrate_cold");
    }
}

/* A control request while TPM2_Create makes an RSA key, and how long CANCEL takes. */
static void busy(Run *run)
{
    uint8_t response[4096];

    for (unsigned round = 0; round < run->rounds; round++) {
        for (size_t k = 0; k < run->count; k++) {
            size_t i = turn(run, round, k);
            g_autoptr(GError) error = NULL;
            BenchSubject *subject = bench_subject_ready(&run->specs[i], run->base);
            g_autoptr(GByteArray) command = bench_rsa_create(subject);
            uint32_t bits = 0;
            bool sent = write(subject->data, command->data, command->len) > 0;
            g_usleep(10000); /* the command runs for 70 ms at least */
            double start = bench_now_us();
            if (!sent || !hf_control_client_get_capability(subject->control, &bits, &error)) {
                bench_fail("control request: %s", error ? error->message : g_strerror(errno));
            }
            add(run, i, bench_now_us() - start);
            if (read(subject->data, response, sizeof(response)) < 10) {
                bench_fail("the process is gone");
            }
            bench_subject_end(subject);
        }
    }
    print_samples(run, "control_during_rsa_create");
}

/* CANCEL while the primes of an RSA-3072 primary key are searched for: how long the request takes,
 * until the command is answered, and whether with "cancelled". The engine looks once a prime. */
static void cancel(Run *run)
{
    GArray *until[MAX_SUBJECTS], *share[MAX_SUBJECTS];
    g_autoptr(HfSecret) command = bench_rsa_primary();

    for (size_t i = 0; i < run->count; i++) {
        until[i] = g_array_new(FALSE, FALSE, sizeof(double));
        share[i] = g_array_new(FALSE, FALSE, sizeof(double));
    }
    for (unsigned round = 0; round < run->rounds; round++) {
        for (size_t k = 0; k < run->count; k++) {
            size_t i = turn(run, round, k);
            uint8_t response[4096] = { 0 };
            g_autoptr(GError) error = NULL;
            BenchSubject *subject = bench_subject_ready(&run->specs[i], run->base);
            bool sent = write(subject->data, command->data, command->size) > 0;
            g_usleep(10000); /* it runs for 30 ms at least */
            double start = bench_now_us();
            if (!sent || !hf_control_client_cancel(subject->control, &error)) {
                bench_fail("cancel: %s", error ? error->message : g_strerror(errno));
            }
            add(run, i, bench_now_us() - start);
            if (read(subject->data, response, sizeof(response)) < 10) {
                bench_fail("the process is gone");
            }
            double took = bench_now_us() - start;
            double percent = hf_fetch_u32(response + 6) == RC_CANCELED ? 100 : 0;
            g_array_append_val(until[i], took);
            g_array_append_val(share[i], percent);
            bench_subject_end(subject);
        }
    }
    print_samples(run, "cancel_during_rsa_create_primary");
    for (size_t i = 0; i < run->count; i++) {
        print_one("cancel_until_answer", run->specs[i].label, until[i]);
        print_one("cancelled_percent", run->specs[i].label, share[i]);
        g_array_unref(until[i]);
        g_array_unref(share[i]);
    }
}

/* All children that have ended; the directory of one that has not is still its own. */
static void reap(void)
{
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

/* SUBJECTs are commands here, LABEL@COMMAND@-; each is run to its end. `lazy`: nobody reaps what it
 * leaves behind before it has ended, as where the first process of a container does not. %s in the
 * command: a fresh directory below BASE. */
static void run_commands(Run *run, bool lazy)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    for (unsigned round = 0; round < run->rounds; round++) {
        for (size_t k = 0; k < run->count; k++) {
            size_t i = turn(run, round, k);
            g_autofree char *dir = bench_dir_new(run->base);
            g_autofree char *line = g_strjoinv(" ", run->specs[i].program);
            g_auto(GStrv) parts = g_strsplit(line, "%s", -1);
            g_autofree char *whole = g_strjoinv(dir, parts);
            g_auto(GStrv) argv = g_strsplit(whole, " ", -1);
            posix_spawn_file_actions_t quiet;
            pid_t child = 0, ended = 0;
            int status = 0;

            (void)posix_spawn_file_actions_init(&quiet);
            (void)posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
            double start = bench_now_us();
            if (posix_spawnp(&child, argv[0], &quiet, NULL, argv, environ) != 0) {
                bench_fail("cannot run %s", argv[0]);
            }
            while ((ended = waitpid(lazy ? child : -1, &status, 0)) != child) {
            }
            add(run, i, bench_now_us() - start);
            reap();
            (void)posix_spawn_file_actions_destroy(&quiet);
            if (status != 0) {
                bench_fail("%s ended with status 0x%x", whole, (unsigned)status);
            }
            bench_dir_remove(dir);
        }
    }
    print_samples(run, "commands");
}

static void commands(Run *run)
{
    run_commands(run, false);
}

static void commands_lazy(Run *run)
{
    run_commands(run, true);
}

/* ROUNDS GetRandom and so on, for who counts system calls or instructions from outside. */
static void count_work(Run *run, size_t which)
{
    BenchSubject *subject = bench_subject_ready(&run->specs[0], run->base);
    g_autoptr(GByteArray) command = bench_small[which].prepare(subject);

    repeat(run, 0, subject->data, command, run->rounds);
    print_samples(run, bench_small[which].name);
    bench_subject_end(subject);
}

static void count_getrandom(Run *run)
{
    count_work(run, 0);
}

static void count_pcr_read(Run *run)
{
    count_work(run, 1);
}

static void count_pcr_extend(Run *run)
{
    count_work(run, 2);
}

static void count_nv_read(Run *run)
{
    count_work(run, 3);
}

static const struct {
    const char *name;
    void (*run)(Run *run);
} measures[] = {
    { "launch-fresh", launch_fresh },
    { "launch-existing", launch_existing },
    { "roundtrip", roundtrip },
    { "limit", limit },
    { "ecc", ecc },
    { "rsa", rsa },
    { "nv-write", nv_write },
    { "hold", hold },
    { "migrate", migrate },
    { "busy", busy },
    { "cancel", cancel },
    { "commands", commands },
    { "commands-lazy", commands_lazy },
    { "count-getrandom", count_getrandom },
    { "count-pcr-read", count_pcr_read },
    { "count-pcr-extend", count_pcr_extend },
    { "count-nv-read", count_nv_read },
};

static void set_up(Run *run, int argc, char **argv)
{
    run->base = argv[1];
    run->rounds = (unsigned)strtoul(argv[2], NULL, 10);
    run->count = MIN((size_t)argc - 4, MAX_SUBJECTS);
    for (size_t i = 0; i < run->count; i++) {
        run->specs[i] = bench_spec_parse(argv[4 + i]);
    }
    for (size_t i = 0; i < MAX_SUBJECTS; i++) {
        run->samples[i] = g_array_new(FALSE, FALSE, sizeof(double));
    }
}

int main(int argc, char **argv)
{
    Run run = { 0 };
    bool found = false;

    if (argc < 4 || strtoul(argv[2], NULL, 10) == 0) {
        bench_fail("usage: bench-driver BASE ROUNDS MEASURE SUBJECT...");
    }
    (void)signal(SIGPIPE, SIG_IGN);
    set_up(&run, argc, argv);
    for (size_t i = 0; i < G_N_ELEMENTS(measures); i++) {
        if (strcmp(measures[i].name, argv[3]) == 0) {
            measures[i].run(&run);
            found = true;
        }
    }
    for (size_t i = 0; i < run.count; i++) {
        bench_spec_clear(&run.specs[i]);
    }
    for (size_t i = 0; i < MAX_SUBJECTS; i++) {
        g_array_unref(run.samples[i]);
    }
    if (!found) {
        bench_fail("no measure '%s'", argv[3]);
    }
    return EXIT_SUCCESS;
}
