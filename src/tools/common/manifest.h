/*
 * manifest.h - manifest.json: what an authority is. Written once by `holdfast-authority init`.
 *
 *     format              "holdfast-authority"
 *     version             1, or 2 with one of the members that are new in it
 *     minimum-reader      the same
 *     signer              "host-tpm" or "file"
 *     key-algorithm       "ecc-p256", "rsa-2048" or (signer "file") "file"
 *     migration-policy    1 to 64 characters; "none": what it certifies never moves
 *     key                 name of the first signing key (optional, version 2; "default")
 *     device-model        what the first key is for (optional, version 2; any): authority_keys.h
 *     aia-url             where the vMA certificate is to be had (optional)
 *     platform-manufacturer, platform-model, platform-version   of the host, 1 to 64 characters
 *   only with signer "host-tpm":
 *     tcti                of tpm2-tss
 *     host-tpm            manufacturer and model, for people
 *     host-ek             SHA-256 of the DER SPKI of the host TPM's endorsement key, hex
 *     srk-name            pinned Name of the storage root key, hex
 *     srk-handle          where it may be persistent
 *     approver-name       Name of approver.pem as the TPM sees it, hex
 *     counter-index       NV index of the generation counter
 *     pcrs                PCR selection of approvals and quotes, "sha256:0,2,4,7"
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_MANIFEST_H
#define HOLDFAST_TOOLS_COMMON_MANIFEST_H

#include "tools/common/fields.h"
#include "tpm2/hostkey.h"
#include "tpm2/pcr.h"

#define HF_MANIFEST_FILE "manifest.json"

typedef struct {
    bool host_tpm;            /* false: signer "file" */
    HfVmaAlgorithm algorithm; /* host_tpm */
    char *migration_policy;
    char *key_name;     /* or NULL */
    char *device_model; /* or NULL */
    char *aia_url;      /* or NULL */
    char *platform_manufacturer;
    char *platform_model;
    char *platform_version;
    char *tcti; /* from here on: NULL or 0 with signer "file" */
    char *host_tpm_text;
    GBytes *host_ek;
    GBytes *srk_name;
    uint32_t srk_handle;
    GBytes *approver_name;
    uint32_t counter_index;
    HfPcrSelection pcrs;
} HfManifest;

/* From the directory `dir`; label: how messages call the file. */
HfManifest *hf_manifest_load(int dir, const char *label, GError **error);
HfManifest *hf_manifest_parse(GBytes *json, const char *label, GError **error);
/* Also checks what is to be written as loading would. HF_ERROR_EXISTS when there is one. */
bool hf_manifest_create(const HfManifest *manifest, int dir, const char *label, GError **error);
/* For other files that describe a key: the member "key-algorithm", which must go with the signer;
 * its text; text for certificates, 1 to 64 characters (caller frees). */
HfVmaAlgorithm hf_manifest_algorithm(HfFields *fields, bool host_tpm);
const char *hf_manifest_algorithm_name(bool host_tpm, HfVmaAlgorithm algorithm);
char *hf_manifest_text(HfFields *fields, const char *name, bool required);
void hf_manifest_free(HfManifest *manifest);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfManifest, hf_manifest_free)

#endif
