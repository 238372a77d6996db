/*
 * approver_offline.c - the signer of an approver that is elsewhere, and the other end of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/authority/approver_offline.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

typedef struct {
    HfSigner base;
    HfPublicKey *key;
    char *dir;
    int fd;
} Offline;

static char *file_name(const uint8_t *digest, size_t size, const char *suffix)
{
    g_autofree char *hex = hf_hex(digest, size);

    return g_strconcat(hex, suffix, NULL);
}

static void offline_free(HfSigner *signer)
{
    Offline *self = (Offline *)signer;

    hf_public_key_free(self->key);
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    hf_fd_close(&self->fd);
    g_free(self->dir);
    g_free(self);
}

/* Leaves the digest for the approver. Always fails. */
static void ask(const Offline *self, const uint8_t *digest, size_t size, GError **error)
{
    g_autofree char *name = file_name(digest, size, ".digest");
    g_autofree char *label = g_build_filename(self->dir, name, NULL);

    if (hf_file_replace_at(self->fd, name, digest, size, 0644, label, error)) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s: waits for the approver's signature: have the .digest files there signed "
                     "(holdfast-authority sign-approval), and run this again",
                     self->dir);
    }
}

static GBytes *offline_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    Offline *self = (Offline *)signer;
    g_autofree char *name = file_name(digest, size, ".sig");
    g_autofree char *label = g_build_filename(self->dir, name, NULL);
    g_autoptr(GBytes) signature = NULL;

    if (!hf_file_read_if_at(self->fd, name, HF_RSA_MAX_BYTES, label, &signature, error)) {
        return NULL;
    }
    if (!signature) {
        ask(self, digest, size, error);
        return NULL;
    }
    if (!hf_public_key_verify(self->key,
                              hf_public_key_kind(self->key) == HF_KEY_EC ? HF_VERIFY_ECDSA
                                                                         : HF_VERIFY_RSASSA,
                              HF_HASH_SHA256, digest, size, g_bytes_get_data(signature, NULL),
                              g_bytes_get_size(signature), NULL)) {
        hf_error_set(error, HF_ERROR_AUTH, "%s: not the approver's signature of this digest",
                     label);
        return NULL;
    }
    return g_steal_pointer(&signature);
}

static const HfSignerClass offline_class = {
    .name = "offline",
    .sign = offline_sign,
    .free = offline_free,
};

HfSigner *hf_approver_offline_new(const char *dir, const HfPublic *approver, GError **error)
{
    Offline *self = g_new0(Offline, 1);
    g_autoptr(HfSigner) signer = &self->base;

    signer->class = &offline_class;
    signer->rooted = HF_ROOTED_SOFTWARE;
    self->dir = g_strdup(dir);
    self->fd = -1;
    self->key = hf_public_key_of(approver, error);
    if (!self->key) {
        return NULL;
    }
    signer->spki = hf_public_key_spki(self->key);
    signer->algorithm =
        hf_public_key_kind(self->key) == HF_KEY_EC ? HF_SIGN_ECDSA_SHA256 : HF_SIGN_RSA_SHA256;
    self->fd = hf_dir_make(dir, 0755, error);
    return self->fd >= 0 ? g_steal_pointer(&signer) : NULL;
}

bool hf_approver_offline_answer(const char *dir, const HfDigest *digest, bool waiting,
                                HfSigner *signer, unsigned *signed_count, GError **error)
{
    g_autofree char *asked = file_name(digest->data, digest->size, ".digest");
    g_autofree char *name = file_name(digest->data, digest->size, ".sig");
    g_autofree char *label = g_build_filename(dir, name, NULL);
    hf_autofd int fd = hf_dir_open(dir, error);
    g_autoptr(GBytes) signature = NULL;

    if (fd < 0) {
        return false;
    }
    if (waiting && faccessat(fd, asked, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        return true;
    }
    signature = signer->class->sign(signer, digest->data, digest->size, error);
    if (!signature || !hf_file_replace_at(fd, name, g_bytes_get_data(signature, NULL),
                                          g_bytes_get_size(signature), 0644, label, error)) {
        return false;
    }
    (*signed_count)++;
    return true;
}
