/*
 * signer_gnutls.h - what the signers have in common whose key GnuTLS holds; private to pki.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_SIGNER_GNUTLS_H
#define HOLDFAST_PKI_SIGNER_GNUTLS_H

#include "pki/signer.h"

#include <gnutls/abstract.h>

/* A software-rooted signer of the kind `name` ("file", "pkcs11"). Takes the key, also on failure.
 * `label` names it in messages. */
HfSigner *hf_signer_gnutls_new(const char *name, gnutls_privkey_t key, const char *label,
                               GError **error);

#endif
