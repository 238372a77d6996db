/*
 * engine_pages.c - gives back the memory that libtpms has cleared and not used.
 *
 * At power on libtpms clears its NV memory, 173 KB, of which a TPM uses a few: without this each
 * process would keep forty pages of zeros of its own. A page of anonymous memory that is given back
 * reads as zeros again, so nothing changes but who pays for it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

static bool is_zero(const uint8_t *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/* The whole pages in a range of anonymous memory. */
static void release(uintptr_t begin, uintptr_t end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t run = 0; /* where the zeros before `at` begin; 0: there are none */
    uintptr_t at = (begin + page - 1) / page * page;

    for (; at + page <= end; at += page) {
        bool zero = is_zero((const uint8_t *)at, page);
        if (zero && !run) {
            run = at;
        } else if (!zero && run) {
            (void)madvise((void *)run, at - run, MADV_DONTNEED);
            run = 0;
        }
    }
    if (run) {
        (void)madvise((void *)run, at - run, MADV_DONTNEED);
    }
}

#ifndef HF_STATIC_ENGINE

#include <libtpms/tpm_library.h>
#include <link.h>

/* Of the library that libtpms is, what follows its file in memory: its variables without a value. */
static int find_library(struct dl_phdr_info *info, size_t size G_GNUC_UNUSED,
                        void *user G_GNUC_UNUSED)
{
    uintptr_t inside = (uintptr_t)TPMLIB_MainInit;
    const ElfW(Phdr) *found = NULL;
    bool is_library = false;

    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD) {
            continue;
        }
        is_library |= inside - (info->dlpi_addr + part->p_vaddr) < part->p_memsz;
        found = part->p_memsz > part->p_filesz ? part : found;
    }
    if (is_library && found) {
        uintptr_t begin = info->dlpi_addr + found->p_vaddr;
        release(begin + found->p_filesz, begin + found->p_memsz);
    }
    return is_library;
}

void hf_engine_release_zeros(void)
{
    (void)dl_iterate_phdr(find_library, NULL);
}

#elif defined HF_STATIC_NV_SIZE

/* In a static program libtpms' variables are between those of others: its NV memory alone. */
extern unsigned char s_NV[HF_STATIC_NV_SIZE];

void hf_engine_release_zeros(void)
{
    release((uintptr_t)s_NV, (uintptr_t)s_NV + sizeof s_NV);
}

#else

void hf_engine_release_zeros(void)
{
    (void)release;
}

#endif
