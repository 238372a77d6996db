/*
 * migration_blob.h - state on the control channel (GET_STATEBLOB, SET_STATEBLOB).
 *
 * A migration blob is the format of format.h with flag HF_FORMAT_MIGRATION and two layers of
 * records: outside the migration layer, in it the state's own layer; each plain or encrypted with
 * its own key (cipher_layer.h). Without keys: MIGRATION_DATA { DATA { libtpms' blob } }.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_MIGRATION_BLOB_H
#define HOLDFAST_STATE_MIGRATION_BLOB_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

/* Borrowed; each 16 or 32 bytes, or NULL: there is none. */
typedef struct {
    const HfSecret *state;     /* --key */
    const HfSecret *migration; /* --migration-key */
} HfStateKeys;

/* Wraps 1 to HF_STATE_BLOB_MAX bytes (asserted). The migration layer is encrypted when there is a
 * migration key; the state's layer when there is a key for it and `decrypted` does not ask for the
 * contrary, which *ret_encrypted (may be NULL) tells. */
GBytes *hf_migration_blob_wrap(const HfStateKeys *keys, bool decrypted, const uint8_t *data,
                               size_t size, bool *ret_encrypted);

/* The blob inside; empty (not NULL) for no bytes at all and for a header alone, which both mean
 * "this state is empty". says_encrypted: the request's own flag. A layer that is not encrypted is
 * accepted although there is a key for it: that is how a TPM without keys moves to a host with
 * them. Version 1 blobs are read too. On failure *ret_result is the control channel's answer: 3 bad
 * length, 0x2b not such a blob, 0x2e too new, 0x0d encrypted and no key here, 0x21 another key or
 * altered, 0x28 a key of the wrong size, 9 anything else; on success 0. */
GBytes *hf_migration_blob_unwrap(const HfStateKeys *keys, const uint8_t *data, size_t size,
                                 bool says_encrypted, uint32_t *ret_result, GError **error);

#endif
