/*
 * keys.c - reading keys and passphrases, and deriving the one from the other.
 *
 * Everything read is an HfSecret from the first byte on.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/kdf.h"

#define KEY_FILE_MAX 1024u /* 64 digits, and room for white space */
#define SALT "swtpm"
#define ITERATIONS 1000u

size_t hf_key_mode_size(const char *mode)
{
    if (strcmp(mode, "aes-256-cbc") == 0) {
        return 32;
    }
    return strcmp(mode, "aes-cbc") == 0 || strcmp(mode, "aes-128-cbc") == 0 ? 16 : 0;
}

static char *label_of(const HfKeySource *source)
{
    return source->file ? g_strdup_printf("%s: %s", source->option, source->file)
                        : g_strdup_printf("%s: descriptor %d", source->option, source->fd);
}

static HfSecret *read_source(const HfKeySource *source, const char *label, GError **error)
{
    bool passphrase = source->form == HF_KEY_PBKDF2 || source->form == HF_KEY_SHA512;
    size_t max = passphrase ? HF_PASSPHRASE_MAX : KEY_FILE_MAX;
    hf_autofd int fd = source->file
                           ? TEMP_FAILURE_RETRY(open(source->file, O_RDONLY | O_CLOEXEC | O_NOCTTY))
                           : source->fd;

    if (fd < 0) {
        hf_error_errno(error, errno, "cannot open %s", label);
        return NULL;
    }
    return hf_fd_read_secret(fd, max, label, error);
}

static int digit_of(uint8_t c)
{
    return g_ascii_xdigit_value((char)c);
}

static HfSecret *parse_hex(const HfSecret *text, size_t size, const char *label, GError **error)
{
    g_autoptr(HfSecret) key = hf_secret_new(size);
    const uint8_t *digits = text->data;
    size_t left = text->size;

    while (left > 0 && g_ascii_isspace((char)digits[left - 1])) {
        left--;
    }
    if (left >= 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        digits += 2;
        left -= 2;
    }
    for (size_t i = 0; i < left; i++) {
        if (digit_of(digits[i]) < 0) {
            hf_error_set(error, HF_ERROR_INVALID,
                         "%s: expected hexadecimal digits, found something else as digit %zu",
                         label, i + 1);
            return NULL;
        }
    }
    if (left != 2 * size) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected %zu hexadecimal digits, found %zu",
                     label, 2 * size, left);
        return NULL;
    }
    for (size_t i = 0; i < size; i++) {
        key->data[i] = (uint8_t)(digit_of(digits[2 * i]) << 4 | digit_of(digits[2 * i + 1]));
    }
    return g_steal_pointer(&key);
}

static HfSecret *derive(const HfSecret *passphrase, const HfKeySource *source, const char *label,
                        GError **error)
{
    HfSecret *key;
    uint8_t digest[HF_HASH_MAX];

    if (passphrase->size == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected a passphrase, found nothing", label);
        return NULL;
    }
    key = hf_secret_new(source->size);
    if (source->form == HF_KEY_PBKDF2) {
        hf_kdf_pbkdf2(HF_HASH_SHA512, passphrase->data, passphrase->size, SALT, strlen(SALT),
                      ITERATIONS, key->data, key->size);
    } else {
        hf_hash_once(HF_HASH_SHA512, passphrase->data, passphrase->size, digest);
        memcpy(key->data, digest, key->size);
        explicit_bzero(digest, sizeof digest);
    }
    return key;
}

static HfSecret *make_key(HfSecret *content, const HfKeySource *source, const char *label,
                          GError **error)
{
    switch (source->form) {
    case HF_KEY_HEX: return parse_hex(content, source->size, label, error);
    case HF_KEY_BINARY:
        if (content->size == source->size) {
            return hf_secret_copy(content->data, content->size);
        }
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected %zu bytes, found %zu", label,
                     source->size, content->size);
        return NULL;
    case HF_KEY_PBKDF2:
    case HF_KEY_SHA512:
    default: return derive(content, source, label, error);
    }
}

HfSecret *hf_key_read(const HfKeySource *source, GError **error)
{
    g_autofree char *label = label_of(source);
    g_autoptr(HfSecret) content = read_source(source, label, error);
    g_autoptr(HfSecret) key = content ? make_key(content, source, label, error) : NULL;

    if (!key) {
        return NULL;
    }
    if (source->file && source->remove && unlink(source->file) != 0) {
        hf_error_errno(error, errno, "%s: cannot remove the file", label);
        return NULL;
    }
    return g_steal_pointer(&key);
}
