/*
 * keyfile.h - private keys in files: made, written, looked at before use.
 *
 * Keys are PKCS#8 in PEM, unencrypted unless a password is given: who may read the file has the
 * key. Used by the fleet's CA, the approver and the software-rooted authority. The host TPM's keys
 * never come here.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_KEYFILE_H
#define HOLDFAST_PKI_KEYFILE_H

#include "base/secret.h"
#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef enum { HF_KEYFILE_P256, HF_KEYFILE_P384, HF_KEYFILE_RSA3072 } HfKeyfileKind;

/* Largest file that is read as a key or as certificates. */
#define HF_KEYFILE_MAX (64 * 1024)

/* Makes a key and writes it durably to a new file of mode 0600. HF_ERROR_EXISTS when the name is
 * taken: a key is never overwritten. */
bool hf_keyfile_generate(const char *path, HfKeyfileKind kind, GError **error);

/* The same in PKCS#8 encrypted (AES-256-CBC) with `password`, in the directory `dir`, with `mode`.
 * NULL: not encrypted. `label` names the file in messages. */
bool hf_keyfile_generate_at(int dir, const char *name, HfKeyfileKind kind, const HfSecret *password,
                            mode_t mode, const char *label, GError **error);

/* Copies a key that is in the file `from` into a new file, as hf_keyfile_generate_at makes one; one
 * that would not do as a signer's (signer.h) is refused. */
bool hf_keyfile_copy_at(const char *from, int dir, const char *name, const char *label,
                        GError **error);

/* "p256", "p384", "rsa3072"; HF_ERROR_USAGE otherwise. */
bool hf_keyfile_kind_parse(const char *text, HfKeyfileKind *ret_kind, GError **error);

/* Reads a key file. Refuses symbolic links, other than regular files, and modes by which others
 * read it or anybody but its owner writes it. */
HfSecret *hf_keyfile_read(const char *path, GError **error);
/* The same over links, as ACME clients make them. */
HfSecret *hf_keyfile_read_linked(const char *path, GError **error);

#endif
