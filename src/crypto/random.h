/*
 * random.h - random bytes from the kernel, or no process at all.
 *
 * No pool of our own, no seeding, no fallback: getrandom(2) fills the buffer or the process aborts.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_RANDOM_H
#define HOLDFAST_CRYPTO_RANDOM_H

#include <stddef.h>

void hf_random_bytes(void *out, size_t n);

#endif
