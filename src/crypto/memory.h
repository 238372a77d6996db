/*
 * memory.h - memory of libcrypto: there, or the process ends with a message.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CRYPTO_MEMORY_H
#define HOLDFAST_CRYPTO_MEMORY_H

/* From now on libcrypto's memory is GLib's. First thing in main: libcrypto does not change over once
 * it has allocated anything. */
void hf_crypto_take_memory(void);

#endif
