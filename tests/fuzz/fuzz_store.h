/*
 * fuzz_store.h - what every store in one file must keep to, whatever the file was.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_FUZZ_STORE_H
#define HOLDFAST_TESTS_FUZZ_STORE_H

#include "fuzz.h"
#include "state/store.h"

/* Writes, and does not sync. */
extern const HfMediumOps fuzz_medium;

/* A store that was opened gives its blobs, takes one, and keeps the others; a file that was refused
 * (NULL) is as it was. */
void fuzz_store_use(HfStore *store, const char *path, const uint8_t *data, size_t size);

#endif
