/*
 * certificate_files.h - the certificates of a new TPM as files, made in two steps.
 *
 * Preparing writes them durably under hidden names, which is where a full disk or a missing right
 * shows; publishing only renames. So the TPM's state can be replaced in between: it is not touched
 * when the files cannot be written.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CERTIFICATE_FILES_H
#define HOLDFAST_TOOLS_SETUP_CERTIFICATE_FILES_H

#include "tools/setup/manufacture.h"

typedef struct HfCertificateFiles HfCertificateFiles;

/* DER, mode 0640, in the existing directory `dir`: one file a key's certificate among
 * made->indices. */
HfCertificateFiles *hf_certificate_files_prepare(const char *dir, const HfManufacture *made,
                                                 GError **error);
/* Gives the files their names, replacing older ones, durably. */
bool hf_certificate_files_publish(HfCertificateFiles *files, GError **error);
/* Removes what was prepared and not published. NULL is allowed. */
void hf_certificate_files_free(HfCertificateFiles *files);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCertificateFiles, hf_certificate_files_free)

#endif
