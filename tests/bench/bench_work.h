/*
 * bench_work.h - the TPM commands that are measured.
 *
 * A command is prepared and run once through src/tpm2; its bytes are then sent again under the
 * clock, so that no marshalling of ours is in the figure.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_BENCH_WORK_H
#define HOLDFAST_TESTS_BENCH_WORK_H

#include "bench_subject.h"

/* Prepares what the command needs; returns its bytes. Caller frees. */
typedef GByteArray *(*BenchPrepare)(BenchSubject *subject);

typedef struct {
    const char *name;
    BenchPrepare prepare;
    unsigned repeats; /* under the clock, a round */
} BenchWork;

extern const BenchWork bench_small[]; /* GetRandom, PCR_Read, PCR_Extend, NV_Read */
extern const BenchWork bench_ecc[];   /* sign, quote, create with P-256 */

/* Two NV_Write of 64 bytes that differ: sent in turn, each one changes the index. */
void bench_nv_writes(BenchSubject *subject, GByteArray *ret_writes[2]);

/* An RSA-2048 key, the `number`th of this TPM: sign, decrypt and quote with it. */
#define BENCH_RSA_COMMANDS 3u
extern const char *const bench_rsa_names[BENCH_RSA_COMMANDS];
uint32_t bench_rsa_key(BenchSubject *subject, unsigned number,
                       GByteArray *ret_commands[BENCH_RSA_COMMANDS]);
/* TPM2_Create of an RSA-2048 key under a P-256 parent: seconds of work at times. */
GByteArray *bench_rsa_create(BenchSubject *subject);
/* TPM2_CreatePrimary of an RSA-3072 key. */
HfSecret *bench_rsa_primary(void);

#endif
