/*
 * fuzz.h - what every fuzz target is made of.
 *
 * A target is one C file with LLVMFuzzerTestOneInput: libFuzzer's main drives it in
 * `make check-fuzz`, replay.c drives it over the corpus in `make check`. A target asserts what must
 * hold whatever the bytes are (what was read is written the same again; a refusal has a reason),
 * and keeps nothing from one input to the next.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_FUZZ_H
#define HOLDFAST_TESTS_FUZZ_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refusal has a reason in words, and success has none. Clears the error. */
static inline void fuzz_told(gboolean success, GError **error)
{
    g_assert_true(success ? *error == NULL : *error != NULL && (*error)->message[0] != '\0');
    g_clear_error(error);
}

/* The bytes as a file in memory; the path is good until the next call. */
const char *fuzz_file(const uint8_t *data, size_t size);
/* The directory it is in, and a descriptor of it. */
int fuzz_file_dir(void);

#endif
