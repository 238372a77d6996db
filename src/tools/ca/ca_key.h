/*
 * ca_key.h - where the CA's own key is: in its directory, in a PKCS#11 token or in a TPM.
 *
 *     root.key      the key itself (PEM), or
 *     signer.json   what token (a PKCS#11 URL) or TPM (a TCTI and the Name of its storage root key)
 *     root.blob     the key as only that TPM can use it (tools/common/blob_file.h)
 *
 * Whatever it is, it is a signer (pki/signer.h); whether it is the key of the CA's certificate is
 * checked by who opens it. The format is specified in holdfast-ca(5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_KEY_H
#define HOLDFAST_TOOLS_CA_CA_KEY_H

#include "pki/signer.h"

/* "tpm" or "tpm:TCTI". */
bool hf_ca_key_is_tpm(const char *key);
/* key: NULL (a new one in a file, of that kind (keyfile.h)), a file to be copied, "pkcs11:..." or
 * "tpm[:TCTI]". Makes the files in `dir` (open at fd); nothing is overwritten (HF_ERROR_EXISTS).
 * pin: of the token, or to be the new key's in the TPM; or NULL. It must outlive the signer. */
HfSigner *hf_ca_key_make(int fd, const char *dir, const char *key, const char *algorithm,
                         const HfSecret *pin, GError **error);
/* Removes what hf_ca_key_make has made. */
void hf_ca_key_remove(int fd);
/* A TPM is connected to when it is to sign, and again when it was gone in the meantime. HF_ERROR_AUTH
 * when a token refuses the PIN; a TPM does so when it signs. */
HfSigner *hf_ca_key_open(int fd, const char *dir, const HfSecret *pin, GError **error);
/* Signs something and forgets it: does the key work? */
bool hf_ca_key_try(HfSigner *signer, GError **error);

#endif
