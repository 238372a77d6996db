/*
 * seccomp_filter.h - an allow-list of system calls as the program that the kernel runs (classic BPF,
 * seccomp(2)). Private to src/sandbox.
 *
 * begin, add once a rule, end. The program: another processor mode than the one this was compiled
 * for, or a call that no rule is about: `otherwise`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_SANDBOX_SECCOMP_FILTER_H
#define HOLDFAST_SANDBOX_SECCOMP_FILTER_H

#include <glib.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

/* A jump reaches 255 instructions; a rule takes one, or five when it looks at an argument, and one
 * more when it refuses. */
#define HF_SECCOMP_FILTER_MAX 255u

/* (lower 32 bits of the argument & mask) == value; used false: any arguments. */
typedef struct {
    bool used;
    unsigned argument;
    uint32_t mask;
    uint32_t value;
} HfSeccompCompare;

typedef struct {
    struct sock_filter code[HF_SECCOMP_FILTER_MAX + 8];
    unsigned short length;
    uint32_t otherwise; /* SECCOMP_RET_* */
} HfSeccompFilter;

void hf_seccomp_filter_begin(HfSeccompFilter *filter, uint32_t otherwise);
/* refused 0: the call is allowed; else the errno that the caller gets, and the call is not made.
 * The first rule that fits is the one. Too many rules are a programming error. */
void hf_seccomp_filter_add(HfSeccompFilter *filter, uint32_t number,
                           const HfSeccompCompare *compare, int refused);
void hf_seccomp_filter_end(HfSeccompFilter *filter);
/* Borrowed from the filter. */
struct sock_fprog hf_seccomp_filter_program(const HfSeccompFilter *filter);

#endif
