/*
 * engine_memory.c - memory of libcrypto: there, or the process ends with a message; and how malloc
 * keeps what is freed; and what libtpms leaves on the stack.
 *
 * libtpms calls libcrypto for every number and uses what comes back; where memory is used up it
 * would read through NULL. GLib's allocator ends the process instead, as it does for all of our own
 * code: the state on disk is whole at any moment, so that is a power cut for the guest and no more.
 * Must not be slower than malloc: these are plain calls of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include "engine/engine_private.h"

static void *allocate(size_t n, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    return g_malloc(n);
}

static void *reallocate(void *old, size_t n, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    return g_realloc(old, n);
}

static void release(void *memory, const char *file G_GNUC_UNUSED, int line G_GNUC_UNUSED)
{
    g_free(memory);
}

void hf_engine_take_memory(void)
{
    (void)CRYPTO_set_mem_functions(allocate, reallocate, release);
}

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
