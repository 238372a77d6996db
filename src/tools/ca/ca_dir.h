/*
 * ca_dir.h - the directory of the fleet's CA.
 *
 *     root.key    the root's private key, PEM, 0600
 *     root.pem    the root's certificate
 *     nonces/     a file for each nonce given out and not used yet (ca_nonce.h)
 *     issued      what was issued, a JSON object a line, only ever appended to
 *     revoked     what was revoked (ca_revoked.h)
 *     crl.json    number of the last revocation list (ca_crl.h)
 *     crl.pem, crl.der   that list
 *
 * Directory mode 0700. The formats are specified in holdfast-authority(5) and holdfast-ca(5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_DIR_H
#define HOLDFAST_TOOLS_CA_CA_DIR_H

#include <json-glib/json-glib.h>

#include "pki/certificate.h"

#define HF_CA_NONCES "nonces"

typedef struct {
    char *path;
    int fd;
    HfSigner *signer;
    HfCertificate *root;
} HfCaDir;

typedef struct {
    char *time;
    char *serial;
    char *subject;
    char *rooted;
    char *key;
    char *migration_policy;
    char *device_model; /* or NULL */
    char *platform;
    char *host_tpm; /* or NULL */
    char *host_ek;  /* or NULL */
    char *ek_proof; /* or NULL */
    char *environment;
    int64_t not_after;
} HfIssued;

/* Makes directory, key and root certificate. HF_ERROR_EXISTS when there is a CA already. */
bool hf_ca_dir_create(const char *path, const char *algorithm, const char *organization,
                      const char *common_name, unsigned days, GError **error);
HfCaDir *hf_ca_dir_open(const char *path, GError **error);
void hf_ca_dir_free(HfCaDir *ca);
/* Waits until nobody else works on this CA, in this process or another, and keeps them out until the
 * descriptor that it returns is closed. To be held over everything that reads nonces or records and
 * then writes. -1 and *error when it cannot be locked. */
int hf_ca_dir_lock(const HfCaDir *ca, GError **error);

/* All entries (HfIssued, freed with the array), oldest first. */
GPtrArray *hf_ca_dir_issued(HfCaDir *ca, GError **error);
/* Appends durably. */
bool hf_ca_dir_record(HfCaDir *ca, const HfIssued *entry, GError **error);
/* The members of an entry, into an open object. */
void hf_ca_dir_put_issued(JsonBuilder *builder, const HfIssued *entry);
void hf_issued_free(HfIssued *entry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaDir, hf_ca_dir_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfIssued, hf_issued_free)

#endif
