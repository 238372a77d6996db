/*
 * secret.c - pages of their own for keys: locked, undumpable, wiped.
 *
 * mlock may be refused (RLIMIT_MEMLOCK): the secret then still works, unlocked. It must never be
 * reallocated: a copy would stay behind.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

HfSecret *hf_secret_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    g_assert(size < SIZE_MAX - 2 * page);
    size_t mapped = (size / page + 1) * page;
    void *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        g_error("no memory for a secret of %zu bytes", size);
    }
    (void)mlock(data, mapped);
    (void)madvise(data, mapped, MADV_DONTDUMP);
    HfSecret *secret = g_new0(HfSecret, 1);
    *secret = (HfSecret){ .data = data, .size = size, .mapped = mapped };
    return secret;
}

HfSecret *hf_secret_copy(const void *data, size_t size)
{
    HfSecret *secret = hf_secret_new(size);
    if (size > 0) {
        memcpy(secret->data, data, size);
    }
    return secret;
}

void hf_secret_free(HfSecret *secret)
{
    if (!secret) {
        return;
    }
    explicit_bzero(secret->data, secret->mapped);
    (void)munmap(secret->data, secret->mapped);
    g_free(secret);
}

void hf_secret_truncate(HfSecret *secret, size_t size)
{
    g_assert(size <= secret->size);
    explicit_bzero(secret->data + size, secret->size - size);
    secret->size = size;
}

typedef struct {
    void *data;
    size_t size;
} Passing;

static void passing_free(gpointer data)
{
    Passing *passing = data;
    hf_secret_wipe_free(passing->data, passing->size);
    g_free(passing);
}

void hf_secret_wipe_free(void *data, size_t size)
{
    if (data) {
        explicit_bzero(data, size);
        g_free(data);
    }
}

GBytes *hf_secret_bytes_take(void *data, size_t size)
{
    Passing *passing = g_new(Passing, 1);
    *passing = (Passing){ .data = data, .size = size };
    return g_bytes_new_with_free_func(data, size, passing_free, passing);
}

GBytes *hf_secret_bytes(const void *data, size_t size)
{
    uint8_t *copy = g_malloc(size + 1); /* never NULL */
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return hf_secret_bytes_take(copy, size);
}

GBytes *hf_secret_bytes_of_array(GByteArray *array)
{
    size_t size = array->len;
    return hf_secret_bytes_take(g_byte_array_free(array, FALSE), size);
}

bool hf_secret_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a;
    const volatile uint8_t *y = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < n; i++) {
        difference |= (uint8_t)(x[i] ^ y[i]);
    }
    return difference == 0;
}
