/*
 * seccomp_filter.h - an allow-list of system calls as the program that the kernel runs (classic BPF,
 * seccomp(2)). Private to src/sandbox.
 *
 * begin, allow once a rule, end. The program: another processor mode than the one this was compiled
 * for, or a number that no rule allows: `otherwise`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_SANDBOX_SECCOMP_FILTER_H
#define HOLDFAST_SANDBOX_SECCOMP_FILTER_H

#include <glib.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

/* A jump reaches 255 instructions; a rule takes one, or five when it looks at an argument. */
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
/* Too many rules are a programming error. */
void hf_seccomp_filter_allow(HfSeccompFilter *filter, uint32_t number,
                             const HfSeccompCompare *compare);
void hf_seccomp_filter_end(HfSeccompFilter *filter);
/* Borrowed from the filter. */
struct sock_fprog hf_seccomp_filter_program(const HfSeccompFilter *filter);

#endif
