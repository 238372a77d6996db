/*
 * ca_dir.h - the directory of the fleet's CA.
 *
 *     root.key    the root's private key, PEM, 0600; or signer.json: where it is (ca_key.h)
 *     root.pem    the root's certificate
 *     nonces/     a file for each nonce given out and not used yet (ca_nonce.h)
 *     audit       what the CA did, a chain of JSON objects, one a line (ca_act.h)
 *     audit.head  how far that goes, signed
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

#include "pki/certificate.h"
#include "base/options.h"
#include "pki/delegation.h"
#include "tools/ca/ca_audit.h"

#define HF_CA_NONCES "nonces"
#define HF_CA_ISSUED "issued"

typedef struct {
    char *path;
    int fd;
    HfSecret *pin;    /* of the signer's key, or NULL */
    HfSigner *signer; /* NULL: opened for reading */
    HfCertificate *root;
    char *requester;              /* who asks: goes into the audit log */
    HfAuditHead head;             /* of that log, while hf_ca_act_begin's lock is held (ca_act.h) */
    unsigned refused, unrecorded; /* refusals since the last act; those that were not recorded */
} HfCaDir;

/* What a new CA is made from; texts are borrowed. */
typedef struct {
    const char *algorithm;   /* of a key to be made in a file (keyfile.h) */
    const char *key;         /* where it is else (ca_key.h), or NULL */
    const char *certificate; /* file of its root certificate, or NULL: one is made from `root` */
    HfRootInput root;
} HfCaInit;

/* Makes directory, key and root certificate. HF_ERROR_EXISTS when there is a CA already. The PIN
 * (NULL: none) is the CA's from now on. */
bool hf_ca_dir_create(const char *path, const HfCaInit *in, HfSecret *pin, GError **error);
HfCaDir *hf_ca_dir_open(const char *path, HfSecret *pin, GError **error);
/* What the options --dir and --pin name; the PIN alone: NULL without that option. */
HfCaDir *hf_ca_open(const HfOptions *options, GError **error);
bool hf_ca_pin(const HfOptions *options, HfSecret **ret_pin, GError **error);
/* Without the key: to read the records, also those of a copy. */
HfCaDir *hf_ca_dir_open_records(const char *path, GError **error);
void hf_ca_dir_free(HfCaDir *ca);
/* Who asks from now on; before that it is the user who runs the program. */
void hf_ca_dir_set_requester(HfCaDir *ca, const char *requester);
/* Waits until nobody else works on this CA, in this process or another, and keeps them out until the
 * descriptor that it returns is closed. -1 and *error when it cannot be locked. For acts there is
 * hf_ca_act_begin (ca_act.h). */
int hf_ca_dir_lock(const HfCaDir *ca, GError **error);

/* All entries (HfIssued, freed with the array), oldest first. */
GPtrArray *hf_ca_dir_issued(HfCaDir *ca, GError **error);
/* Appends durably, unless it is the last entry already; for ca_act.c. */
bool hf_ca_dir_record(HfCaDir *ca, const HfIssued *entry, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaDir, hf_ca_dir_free)

#endif
