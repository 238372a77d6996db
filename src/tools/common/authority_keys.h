/*
 * authority_keys.h - the signing keys of one authority: one for each migration policy and device
 * model.
 *
 * The first key is described by the manifest and its files lie beside it. Each further one has a
 * directory keys/NAME of its own with the files of a key (authority_dir.h) and key.json:
 *
 *     format              "holdfast-authority-key", version 1, minimum-reader 1
 *     key-algorithm       as in the manifest
 *     migration-policy    1 to 64 characters
 *     device-model        "tpm-1.2", "tpm-2.0", another name of 1 to 64 characters, or "any"
 *
 * All keys of an authority have one approver, one approval, one generation counter. A directory in
 * keys/ without key.json is what an interrupted run left, and no key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_AUTHORITY_KEYS_H
#define HOLDFAST_TOOLS_COMMON_AUTHORITY_KEYS_H

#include "tools/common/manifest.h"

#define HF_KEYS_DIRECTORY "keys"
#define HF_KEYS_MAX 64
#define HF_KEY_FIRST "default" /* the first key's name where it was given none */
#define HF_KEY_MODEL_ANY "any"

typedef struct {
    char *name;
    char *migration_policy;
    char *device_model; /* NULL: the first key of an authority that says nothing of models */
    HfVmaAlgorithm algorithm;
    bool first; /* its files lie beside the manifest */
} HfAuthorityKey;

/* What is asked of a key. NULL: anything. */
typedef struct {
    const char *name;
    const char *migration_policy;
    const char *device_model;
} HfKeyWish;

/* 1 to 32 of a-z, 0-9, '.', '_' and '-', the first a letter or digit. */
bool hf_authority_key_check_name(const char *name, GError **error);
/* Name, migration policy and device model as they must be, before anything is made. */
bool hf_authority_key_check(const HfAuthorityKey *key, GError **error);
/* All keys (HfAuthorityKey, freed with the array), the first one first, the others by name. `path`:
 * how messages call the directory. */
GPtrArray *hf_authority_keys_load(int dir, const char *path, const HfManifest *manifest,
                                  GError **error);
/* The one that is meant. A wish for nothing: the first. A key for just this device model comes
 * before one for any. Without a policy the only one that is left counts, or that for TPMs that never
 * move. HF_ERROR_NOT_FOUND names the keys that there are. */
const HfAuthorityKey *hf_authority_keys_find(GPtrArray *keys, const HfKeyWish *wish,
                                             const char *path, GError **error);
/* The directory of a key's files; made when it is missing and `make`. -1 and *error. */
int hf_authority_key_open(int dir, const char *path, const HfAuthorityKey *key, bool make,
                          GError **error);
/* Writes key.json, which makes it a key, into its directory. */
bool hf_authority_key_create(const HfAuthorityKey *key, bool host_tpm, int key_dir,
                             const char *label, GError **error);
/* "NAME (migration policy P, device model M)". Caller frees. */
char *hf_authority_key_text(const HfAuthorityKey *key);
void hf_authority_key_free(HfAuthorityKey *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfAuthorityKey, hf_authority_key_free)

#endif
