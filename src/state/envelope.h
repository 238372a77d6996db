/*
 * envelope.h - what stands between a blob of libtpms and the bytes in a store: nothing (plain), or
 * encryption.
 *
 * A store hands every blob through one envelope: wrap() before it writes, unwrap() after it read.
 * An envelope that authenticates does so before it looks at anything else. Each kind of envelope is
 * a file of its own behind this interface.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_ENVELOPE_H
#define HOLDFAST_STATE_ENVELOPE_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define HF_ENVELOPE_TAG_SIZE 32u

typedef struct HfEnvelope HfEnvelope;

typedef struct {
    const char *name; /* "plain", "aes" */
    /* The stored form of 1 to HF_STATE_BLOB_MAX bytes. */
    GBytes *(*wrap)(HfEnvelope *envelope, const uint8_t *data, size_t size, const char *label,
                    GError **error);
    /* The blob in a stored form; never empty. HF_ERROR_AUTH when it is encrypted and this envelope
     * has no key, or not this one; HF_ERROR_INVALID when it is malformed; HF_ERROR_UNSUPPORTED
     * when it comes from a later version. Never HF_ERROR_NOT_FOUND. */
    GBytes *(*unwrap)(HfEnvelope *envelope, GBytes *stored, const char *label, GError **error);
    /* With the key: HMAC-SHA-256 of the data; without: zeros. For a store that says what belongs
     * together; its messages are never what wrap() authenticates. */
    void (*tag)(HfEnvelope *envelope, const uint8_t *data, size_t size,
                uint8_t ret_tag[HF_ENVELOPE_TAG_SIZE]);
    void (*free)(HfEnvelope *envelope);
} HfEnvelopeClass;

struct HfEnvelope {
    const HfEnvelopeClass *class;
};

static inline void hf_envelope_free(HfEnvelope *envelope)
{
    if (envelope) {
        envelope->class->free(envelope);
    }
}

/* No encryption: swtpm's state file without a key, version 2; version 1 is read. */
HfEnvelope *hf_envelope_plain_new(void);

/* swtpm's encryption (cipher_layer.h): reads encrypted files only. The key, of 16 or 32 bytes, is
 * borrowed. */
HfEnvelope *hf_envelope_aes_new(const HfSecret *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfEnvelope, hf_envelope_free)

#endif
