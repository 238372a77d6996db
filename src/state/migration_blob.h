/*
 * migration_blob.h - state on the control channel (GET_STATEBLOB, SET_STATEBLOB).
 *
 * A migration blob is the format of format.h with flag HF_FORMAT_MIGRATION and two layers of
 * records: outside the migration layer, in it the state's own layer; each plain or encrypted with
 * its own key. Without keys: MIGRATION_DATA { DATA { libtpms' blob } }.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_MIGRATION_BLOB_H
#define HOLDFAST_STATE_MIGRATION_BLOB_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wraps 1 to HF_STATE_BLOB_MAX bytes (asserted) without encryption. */
GBytes *hf_migration_blob_wrap(const uint8_t *data, size_t size);

/* The blob inside; empty (not NULL) for no bytes at all and for a header alone, which both mean
 * "this state is empty". says_encrypted: the request's own flag. On failure *ret_result is the
 * control channel's answer: 3 bad length, 0x2b not such a blob, 0x2e too new, 0x0d encrypted
 * and no key here, 9 anything else; on success 0. */
GBytes *hf_migration_blob_unwrap(const uint8_t *data, size_t size, bool says_encrypted,
                                 uint32_t *ret_result, GError **error);

#endif
