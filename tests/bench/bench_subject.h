/*
 * bench_subject.h - one emulator process under measurement, whosever it is.
 *
 * A subject is any program that takes swtpm's options. It is started with two connected sockets
 * (control channel, TPM commands) and nothing of it is known but what those answer.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_BENCH_SUBJECT_H
#define HOLDFAST_TESTS_BENCH_SUBJECT_H

#include <sys/types.h>

#include "control/client.h"
#include "tpm2/command.h"

/* What to start: LABEL@PROGRAM@STATE, with %s in STATE for the state directory, e.g.
 * swtpm@/usr/bin/swtpm@dir=%s. More options for the program may follow PROGRAM, by spaces. */
typedef struct {
    char *label;
    char **program;
    char *state;
} BenchSpec;

typedef struct {
    pid_t pid;
    HfControlClient *control;
    int data;
    HfTransport transport;
    GByteArray *last; /* the last command sent, to be sent again under the clock */
    char *dir;        /* of its state; removed with it when it is its own */
    bool own_dir;
} BenchSubject;

/* Ends the program on nonsense: these are measurements, not a service. */
void bench_fail(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
BenchSpec bench_spec_parse(const char *text);
void bench_spec_clear(BenchSpec *spec);

/* A new directory for state below `base`; caller frees. */
char *bench_dir_new(const char *base);
void bench_dir_remove(const char *dir);

/* Starts the process; dir NULL: a fresh one below `base`. */
BenchSubject *bench_subject_start(const BenchSpec *spec, const char *base, const char *dir);
/* INIT and TPM2_Startup(CLEAR). */
void bench_subject_init(BenchSubject *subject);
BenchSubject *bench_subject_ready(const BenchSpec *spec, const char *base);
/* Ends the process and waits for it. */
void bench_subject_end(BenchSubject *subject);

/* One command, one response, no memory allocated; ends the program on an error response. */
size_t bench_exchange(int fd, const uint8_t *command, size_t size, uint8_t response[4096]);

double bench_now_us(void);
void bench_pin(int processor);

#endif
