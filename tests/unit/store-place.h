/*
 * store-place.h - what the tests of stores in one file share: the file, and saves and loads that
 * must succeed. Syncs are not made here: they are counted and replayed where they matter.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_STORE_PLACE_H
#define HOLDFAST_TESTS_STORE_PLACE_H

#include <glib.h>

#include "base/error.h"
#include "state/store.h"

typedef struct {
    const char *scheme; /* "file" or "slots" */
    char *dir;
    char *path;
} Place;

/* data: the scheme; NULL: "file". */
void place_new(Place *place, gconstpointer data);
void place_free(Place *place, gconstpointer data);
HfStore *place_open(const Place *place, const HfStoreConfig *config);
/* It is not opened: the error has this code and these words. */
void place_refuses(const Place *place, HfErrorCode code, const char *words);
void store_saves(HfStore *store, HfStateKind kind, const void *data, size_t size);
void store_removes(HfStore *store, HfStateKind kind);
void store_loads(HfStore *store, HfStateKind kind, const void *data, size_t size);
void store_lacks(HfStore *store, HfStateKind kind);
void expect_error(GError *error, HfErrorCode code, const char *words);
GByteArray *place_content(const Place *place);
void place_put(const Place *place, const void *data, size_t size);
/* What body() returns in a child process. */
int place_in_child(int (*body)(const Place *place), const Place *place);

#endif
