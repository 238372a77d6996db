/*
 * blob_file.h - vma.blob, derive.blob: a key of the host TPM in a file.
 *
 * A parcel (parcel.h) of magic "HFKEYBLB", version 1: 1 public area, 2 private area, 3 creation
 * data, 4 creation hash, 5 creation ticket, as in hwtpm/hwkey.h. Nothing in it is secret to others
 * than the TPM that made it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_BLOB_FILE_H
#define HOLDFAST_TOOLS_COMMON_BLOB_FILE_H

#include "hwtpm/hwkey.h"

#define HF_BLOB_FILE "vma.blob" /* the signing key */
/* A signing key that counts once a certificate for it is installed; then it gets the name above. */
#define HF_BLOB_NEXT "vma.blob.next"
#define HF_BLOB_DERIVATION "derive.blob" /* the derivation key; not every authority has one */

HfKeyBlob *hf_blob_load(int dir, const char *name, const char *label, GError **error);
bool hf_blob_save(const HfKeyBlob *blob, int dir, const char *name, const char *label,
                  GError **error);
/* HF_ERROR_EXISTS when there is one: for a key whose loss cannot be made good. */
bool hf_blob_create(const HfKeyBlob *blob, int dir, const char *name, const char *label,
                    GError **error);

#endif
