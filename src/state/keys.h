/*
 * keys.h - the keys of --key and --migration-key: where they come from.
 *
 * A key is 16 or 32 bytes (mode aes-128-cbc or aes-256-cbc). It is given as it is, in a file or on
 * a descriptor, as hexadecimal digits (with or without 0x in front and white space behind) or raw;
 * or derived from a passphrase, which is everything in the file, a newline at its end included:
 *     pbkdf2  PBKDF2-HMAC-SHA-512, salt "swtpm", 1000 iterations
 *     sha512  the first bytes of SHA-512
 * Both are swtpm's, for its files; neither makes a weak passphrase strong.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_STATE_KEYS_H
#define HOLDFAST_STATE_KEYS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define HF_PASSPHRASE_MAX 65536u

typedef enum {
    HF_KEY_HEX,
    HF_KEY_BINARY,
    HF_KEY_PBKDF2, /* the file holds a passphrase */
    HF_KEY_SHA512,
} HfKeyForm;

typedef struct {
    const char *option; /* for messages: "--key" */
    const char *file;   /* followed over links, may be a pipe; NULL: */
    int fd;             /* read to its end and closed */
    HfKeyForm form;
    size_t size; /* 16 or 32 */
    bool remove; /* the file, when the key has been read from it */
} HfKeySource;

/* The size of a mode: "aes-cbc", "aes-128-cbc" 16, "aes-256-cbc" 32; 0: unknown. */
size_t hf_key_mode_size(const char *mode);

/* HF_ERROR_NOT_FOUND, ... when it cannot be read; HF_ERROR_INVALID when it is no such key; the
 * message has no byte of it. A file that holds no key is not removed. */
HfSecret *hf_key_read(const HfKeySource *source, GError **error);

#endif
