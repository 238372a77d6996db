/*
 * keyfile.c - private key files: GnuTLS makes keys on curves, libcrypto RSA keys; see
 * crypto/keygen.h. base/file.h writes them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/keyfile.h"

#include "base/error.h"
#include "base/file.h"
#include "crypto/keygen.h"
#include "pki/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *name;
    gnutls_pk_algorithm_t algorithm;
    unsigned bits;
} kinds[] = {
    [HF_KEYFILE_P256] = { "p256", GNUTLS_PK_ECDSA,
                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
    [HF_KEYFILE_P384] = { "p384", GNUTLS_PK_ECDSA,
                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
    [HF_KEYFILE_RSA3072] = { "rsa3072", GNUTLS_PK_RSA, 3072 },
};

bool hf_keyfile_kind_parse(const char *text, HfKeyfileKind *ret_kind, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(text, kinds[i].name) == 0) {
            *ret_kind = (HfKeyfileKind)i;
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_USAGE,
                        "unknown kind of key \"%s\": expected p256, p384 or rsa3072", text);
}

#define LINE 48u /* bytes that make a line of 64 digits */

/* GnuTLS' own PEM would leave the key in memory that it has freed. */
static HfSecret *armour(const HfSecret *der, const char *title)
{
    gsize room = 2 * (strlen("-----BEGIN -----\n") + strlen(title)) + der->size / LINE * 65 + 128;
    g_autoptr(HfSecret) pem = hf_secret_new(room);
    char *out = (char *)pem->data;
    gsize used = (gsize)g_snprintf(out, room, "-----BEGIN %s-----\n", title);
    for (gsize done = 0; done < der->size; done += LINE) {
        gint state = 0;
        gint save = 0;
        gsize n = MIN(LINE, der->size - done);
        used += g_base64_encode_step(der->data + done, n, FALSE, out + used, &state, &save);
        used += g_base64_encode_close(FALSE, out + used, &state, &save);
        out[used++] = '\n';
    }
    used += (gsize)g_snprintf(out + used, room - used, "-----END %s-----\n", title);
    hf_secret_truncate(pem, used);
    return g_steal_pointer(&pem);
}

/* The DER of a new key on a curve. */
static HfSecret *generate_ec(unsigned bits, const HfSecret *password, GError **error)
{
    g_autoptr(HfSecret) text = hf_secret_new(password ? password->size + 1 : 1);
    if (password) {
        memcpy(text->data, password->data, password->size);
    }
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t der = { 0 };
    int rc = gnutls_x509_privkey_init(&key);
    if (rc == 0) {
        rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, bits, 0);
    }
    if (rc == 0) {
        rc = gnutls_x509_privkey_export2_pkcs8(
            key, GNUTLS_X509_FMT_DER, password ? (const char *)text->data : NULL,
            password ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, &der);
    }
    gnutls_x509_privkey_deinit(key);
    if (rc < 0) {
        hf_error_set(error, HF_ERROR_FAILED, "GnuTLS cannot make a key on a curve: %s",
                     gnutls_strerror(rc));
        return NULL;
    }
    HfSecret *secret = hf_secret_copy(der.data, der.size);
    gnutls_memset(der.data, 0, der.size);
    gnutls_free(der.data);
    return secret;
}

/* The PEM of a new key. */
static HfSecret *generate(HfKeyfileKind kind, const HfSecret *password, GError **error)
{
    unsigned bits = kinds[kind].bits;
    g_autoptr(HfSecret) der = kinds[kind].algorithm == GNUTLS_PK_RSA
                                  ? hf_keygen_rsa(bits, password, error)
                                  : generate_ec(bits, password, error);
    if (!der) {
        return NULL;
    }
    g_autoptr(HfSecret) pem = armour(der, password ? "ENCRYPTED PRIVATE KEY" : "PRIVATE KEY");
    /* Where memory is used up, GnuTLS may export half a key and call it a success. */
    g_autoptr(HfSigner) again = hf_signer_pem_new(pem, password, "the key just made", error);
    return again ? g_steal_pointer(&pem) : NULL;
}

bool hf_keyfile_generate_at(int dir, const char *name, HfKeyfileKind kind, const HfSecret *password,
                            mode_t mode, const char *label, GError **error)
{
    g_assert((size_t)kind < G_N_ELEMENTS(kinds));
    g_autoptr(HfSecret) pem = generate(kind, password, error);
    return pem && hf_file_create_at(dir, name, pem->data, pem->size, mode, label, error);
}

bool hf_keyfile_generate(const char *path, HfKeyfileKind kind, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    hf_autofd int dir = hf_dir_open(folder, error);
    return dir >= 0 && hf_keyfile_generate_at(dir, name, kind, NULL, 0600, path, error);
}

bool hf_keyfile_copy_at(const char *from, int dir, const char *name, const char *label,
                        GError **error)
{
    g_autoptr(HfSecret) key = hf_keyfile_read(from, error);
    g_autoptr(HfSigner) signer = key ? hf_signer_pem_new(key, NULL, from, error) : NULL;
    return signer && hf_file_create_at(dir, name, key->data, key->size, 0600, label, error);
}

static HfSecret *read_key(const char *path, int follow, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | follow));
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (errno == ELOOP) {
            hf_error_set(error, HF_ERROR_INVALID, "%s is a symbolic link, expected a regular file",
                         path);
        } else {
            hf_error_errno(error, errno, "cannot open the key %s", path);
        }
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s is not a regular file", path);
        return NULL;
    }
    unsigned mode = st.st_mode & 07777;
    if (mode & (S_IWGRP | S_IRWXO)) {
        hf_error_set(error, HF_ERROR_ACCESS,
                     "%s: a private key must not be open to others (expected mode 0600 or 0640, "
                     "found %04o)",
                     path, mode);
        return NULL;
    }
    return hf_fd_read_secret(fd, HF_KEYFILE_MAX, path, error);
}

HfSecret *hf_keyfile_read(const char *path, GError **error)
{
    return read_key(path, O_NOFOLLOW, error);
}

HfSecret *hf_keyfile_read_linked(const char *path, GError **error)
{
    return read_key(path, 0, error);
}
