/*
 * signer.h - who signs certificates: an interface; the builder never knows where the key lives.
 *
 * A signer is a small const struct of functions: file keys live in signer_file.c (pki), the host
 * TPM's in hwtpm, PKCS#11 ones beside the file's. The builder hands over the digest of the TBS
 * structure and gets a DER signature back (ECDSA: SEQUENCE of r, s; RSA: PKCS#1 v1.5 block).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SIGNER_H
#define HOLDFAST_PKI_SIGNER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

typedef enum {
    HF_SIGN_ECDSA_SHA256,
    HF_SIGN_ECDSA_SHA384,
    HF_SIGN_RSA_SHA256, /* PKCS#1 v1.5 */
    HF_SIGN_RSA_SHA384,
} HfSignAlgorithm;

typedef enum { HF_ROOTED_HARDWARE, HF_ROOTED_SOFTWARE, HF_ROOTED_NESTED } HfRooted;

typedef struct HfSigner HfSigner;

typedef struct {
    const char *name; /* "host-tpm", "file", "pkcs11" */
    /* Signs a digest of the algorithm's size. */
    GBytes *(*sign)(HfSigner *signer, const uint8_t *digest, size_t size, GError **error);
    void (*free)(HfSigner *signer);
} HfSignerClass;

struct HfSigner {
    const HfSignerClass *class;
    HfSignAlgorithm algorithm;
    HfRooted rooted; /* goes into the policy OID of what it signs */
    GBytes *spki;    /* DER SubjectPublicKeyInfo of its key; owned */
};

static inline void hf_signer_free(HfSigner *signer)
{
    if (signer) {
        signer->class->free(signer);
    }
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSigner, hf_signer_free)

/* A PEM private key (PKCS#8 or SEC1; RSA >= 2048, P-256, P-384). The file is read by
 * hf_keyfile_read (keyfile.h): not readable by others, writable by its owner only. */
HfSigner *hf_signer_file_new(const char *path, GError **error);
/* The same from the PEM text; `password` (NULL: none) is used when the key is encrypted. `label`
 * names the key in messages. HF_ERROR_AUTH when it cannot be decrypted. */
HfSigner *hf_signer_pem_new(const HfSecret *pem, const HfSecret *password, const char *label,
                            GError **error);

/* A key in a token, named by a PKCS#11 URL (RFC 7512). The PIN (NULL: the URL has it, or none is
 * needed) must live as long as the signer. HF_ERROR_AUTH when the token refuses it. */
HfSigner *hf_signer_pkcs11_new(const char *url, const HfSecret *pin, GError **error);
/* True when `key` is such a URL and not the name of a file. */
bool hf_signer_is_pkcs11(const char *key);

#endif
