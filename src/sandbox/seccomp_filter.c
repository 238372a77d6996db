/*
 * seccomp_filter.c - the allow-list as a BPF program.
 *
 * The order of rules is kept, so the frequent ones come first (the kernel remembers calls that are
 * allowed whatever their arguments are, and does not run the program for them again). The two
 * ends of the program are at its end; jumps to them are filled in when it is complete.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "sandbox/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define NATIVE AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u /* numbers of x32, which has the same AUDIT_ARCH */
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__powerpc64__) && G_BYTE_ORDER == G_LITTLE_ENDIAN
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#else
#error "the AUDIT_ARCH of this processor is not known here: add it"
#endif

#define LOW_HALF (G_BYTE_ORDER == G_LITTLE_ENDIAN ? 0u : 4u)
/* Marks in a jump, until its distance is known. */
#define TO_ALLOW 255u
#define TO_OTHERWISE 254u

static void add(HfSeccompFilter *filter, struct sock_filter instruction)
{
    g_assert(filter->length < G_N_ELEMENTS(filter->code));
    filter->code[filter->length++] = instruction;
}

static void load_word(HfSeccompFilter *filter, size_t offset)
{
    add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void jump(HfSeccompFilter *filter, unsigned test, uint32_t value, unsigned yes, unsigned no)
{
    add(filter, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | test | BPF_K), value,
                                             (uint8_t)yes, (uint8_t)no));
}

void hf_seccomp_filter_begin(HfSeccompFilter *filter, uint32_t otherwise)
{
    filter->length = 0;
    filter->otherwise = otherwise;
    load_word(filter, offsetof(struct seccomp_data, arch));
    jump(filter, BPF_JEQ, NATIVE, 0, TO_OTHERWISE);
    load_word(filter, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
    jump(filter, BPF_JGE, X32_BIT, TO_OTHERWISE, 0);
#endif
}

void hf_seccomp_filter_add(HfSeccompFilter *filter, uint32_t number,
                           const HfSeccompCompare *compare, int refused)
{
    /* A refusal stands after the last test of its rule, which is jumped over by what does not fit. */
    unsigned fits = refused != 0 ? 0 : TO_ALLOW;
    unsigned over = refused != 0 ? 1 : 0;

    if (!compare->used) {
        jump(filter, BPF_JEQ, number, fits, over);
    } else {
        jump(filter, BPF_JEQ, number, 0, 4 + over);
        load_word(filter, offsetof(struct seccomp_data, args) + 8u * compare->argument + LOW_HALF);
        add(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, compare->mask));
        jump(filter, BPF_JEQ, compare->value, fits, over);
    }
    if (refused != 0) {
        add(filter,
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refused));
    }
    if (compare->used) {
        load_word(filter, offsetof(struct seccomp_data, nr)); /* for the next rule */
    }
}

static uint8_t distance(unsigned mark, unsigned from, unsigned end)
{
    unsigned to = mark == TO_ALLOW ? end + 1 : end;

    return mark >= TO_OTHERWISE ? (uint8_t)(to - from - 1) : (uint8_t)mark;
}

void hf_seccomp_filter_end(HfSeccompFilter *filter)
{
    unsigned end = filter->length;

    g_assert(end < HF_SECCOMP_FILTER_MAX);
    for (unsigned i = 0; i < end; i++) {
        struct sock_filter *instruction = &filter->code[i];
        if (BPF_CLASS(instruction->code) == BPF_JMP) {
            instruction->jt = distance(instruction->jt, i, end);
            instruction->jf = distance(instruction->jf, i, end);
        }
    }
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, filter->otherwise));
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

struct sock_fprog hf_seccomp_filter_program(const HfSeccompFilter *filter)
{
    /* The kernel only reads it; its structure has no const. */
    union {
        const struct sock_filter *ours;
        struct sock_filter *kernels;
    } code = { .ours = filter->code };

    return (struct sock_fprog){ .len = filter->length, .filter = code.kernels };
}
