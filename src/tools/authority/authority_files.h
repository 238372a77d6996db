/*
 * authority_files.h - what several sub-commands of holdfast-authority do with files they are given.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_FILES_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_FILES_H

#include "base/options.h"
#include "hwtpm/connection.h"
#include "tools/common/authority_parts.h"

/* Sets the hierarchy's password when the option was given; one newline at the end is dropped. */
bool hf_authority_auth(const HfOptions *options, const char *option, HfConnection *connection,
                       HfHierarchy hierarchy, GError **error);
/* What --key, --migration-policy and --device-model say. Borrowed from the options. */
HfKeyWish hf_authority_wish(const HfOptions *options);
/* The authority of --dir with the key that is wished for; with a host TPM it is connected and has --endorsement-auth-file. */
HfAuthorityDir *hf_authority_open_connected(const HfOptions *options, GError **error);
/* The firmware's event log from --event-log; by default the kernel's where the TPM is a device of
 * this machine and there is one. NULL: none, or the option is "none". */
bool hf_authority_event_log(const HfOptions *options, const HfAuthorityDir *authority,
                            GBytes **ret_log, GError **error);
/* A signing key in a file of mode 0600: a copy of `from`, or a new one when that is NULL. */
bool hf_authority_key_file(const char *from, int dir, const char *path, GError **error);
/* A number of the option, decimal or 0x. */
bool hf_authority_number(const HfOptions *options, const char *name, uint32_t min, uint32_t max,
                         uint32_t *ret_value, GError **error);
/* Public key (PEM) of a private key file. */
GBytes *hf_authority_public_pem(const char *key_path, GError **error);
/* A derivation key in the host TPM, held against its template; HF_ERROR_UNSUPPORTED when the TPM has
 * no TPM2_HMAC. */
HfKeyBlob *hf_authority_derivation_new(HfConnection *connection, const HfPublic *approver,
                                       GError **error);
/* The key of --approver-key, a file or a PKCS#11 URL, whosever it is. */
HfSigner *hf_authority_key_signer(const HfOptions *options, GError **error);
/* The approver's signer from --approver-key, or of the directory --offline; HF_ERROR_POLICY when it is another key than the
 * authority's approver. */
HfSigner *hf_authority_approver_signer(const HfOptions *options, const HfAuthorityDir *authority,
                                       GError **error);

#endif
