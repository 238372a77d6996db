/*
 * engine_memory.c - how malloc keeps what is freed in a process with an engine in it, and what libtpms leaves on
 * the stack.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <malloc.h>
#include <string.h>

#include "engine/engine_private.h"

void hf_engine_tune_malloc(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, HF_MALLOC_MAPS);
    /* What libtpms stores a state from comes and goes with each NV write: no call for it. */
    (void)mallopt(M_TRIM_THRESHOLD, 2 * HF_MALLOC_MAPS);
}

#define STATE_STACK (24u * 1024u)

/* Not inlined: its frame must be where libtpms' frames were. */
__attribute__((noinline)) static void wipe_below(void)
{
    uint8_t below[STATE_STACK];

    explicit_bzero(below, sizeof below);
}

void hf_engine_wipe_stack(HfEngine *engine)
{
    engine->stack_used = false;
    wipe_below();
}
