/*
 * cipher_layer.h - swtpm's encrypted records: AES-CBC, then HMAC-SHA-256 over the result.
 *
 * An encrypted layer, of a state file or around a migration blob, is three records (format.h):
 * ciphertext, MAC and IV. The plaintext is padded to a multiple of the key's size (always, with 1
 * to that many bytes, each holding their number). The IV record is as long as the key; the cipher
 * uses its first 16 bytes. The MAC is over ciphertext and IV record, with the same key.
 * Old forms are read: version 2 without an IV record (IV zero, MAC over the ciphertext), and
 * version 1: no records, AES-CBC with IV zero of SHA-256(data) and data.
 *
 * Header and tags are not authenticated, so what they say never selects how to decrypt: a flag that
 * does not fit the key refuses, the MAC is checked before anything is decrypted, and a new file cut
 * up to look like an old one (its IV moved behind the ciphertext) is refused.
 * Not protected by the format, for there is nothing to check: an older file of the same TPM, or its
 * volatile state in the place of the permanent one, under the same key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_CIPHER_LAYER_H
#define HOLDFAST_STATE_CIPHER_LAYER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "state/format.h"

typedef struct {
    uint16_t flag, flag_256;         /* of the header: encrypted, with a key of 256 bits */
    uint16_t tag_plain;              /* the record when it is not encrypted */
    uint16_t tag_ciphertext, tag_iv; /* the MAC's is HF_FORMAT_MAC */
} HfCipherLayer;

/* A layer is at most so much longer than what is in it. */
#define HF_CIPHER_LAYER_ROOM 256u

extern const HfCipherLayer hf_cipher_layer_state;
extern const HfCipherLayer hf_cipher_layer_migration;

typedef enum {
    HF_CIPHER_OK,
    HF_CIPHER_KEY_SIZE,      /* the header wants a key of the other size */
    HF_CIPHER_MALFORMED,     /* a record is missing or has an impossible size */
    HF_CIPHER_NOT_AUTHENTIC, /* another key, or altered */
} HfCipherFault;

/* What the header says of a layer encrypted with `key` (16 or 32 bytes); 0 for NULL. */
uint16_t hf_cipher_layer_flags(const HfCipherLayer *layer, const HfSecret *key);

/* Appends the layer's records; key NULL: the plain one. */
void hf_cipher_layer_put(GByteArray *out, const HfCipherLayer *layer, const HfSecret *key,
                         const void *data, size_t size);

/* The plaintext, which may be empty and is wiped with its last reference. `format` is the header, `body` what it describes or what an
 * outer layer held. HF_ERROR_KEY (KEY_SIZE), HF_ERROR_AUTH
 * (NOT_AUTHENTIC) or HF_ERROR_INVALID; *ret_fault, which
 * may be NULL, is always set. */
GBytes *hf_cipher_layer_open(const HfFormat *format, HfReader body, const HfCipherLayer *layer,
                             const HfSecret *key, const char *label, HfCipherFault *ret_fault,
                             GError **error);

#endif
