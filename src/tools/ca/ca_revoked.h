/*
 * ca_revoked.h - which certificates of this CA are revoked: the record `revoked` and what it means.
 *
 * The last line of a serial number counts; the reason "removeFromCRL" ends a hold. Nothing else ends
 * a revocation.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_REVOKED_H
#define HOLDFAST_TOOLS_CA_CA_REVOKED_H

#include "pki/chain.h"
#include "pki/crl.h"
#include "tools/ca/ca_dir.h"

#define HF_CA_REVOKED "revoked"

typedef struct {
    char *serial; /* as in `issued` */
    HfCrlReason reason;
    gint64 when; /* seconds since 1970 */
} HfRevoked;

void hf_revoked_free(HfRevoked *entry);
/* A line of the record; `label` names file and line. */
HfRevoked *hf_revoked_read(const char *line, const char *label, GError **error);
/* Serial number -> HfRevoked, of those that are revoked or on hold now. */
GHashTable *hf_ca_revoked(const HfCaDir *ca, GError **error);
/* Appends durably, unless it is the last entry already; for ca_act.c. */
bool hf_ca_revoked_record(HfCaDir *ca, const HfRevoked *entry, GError **error);
/* May this key (hex Name) get another certificate? HF_ERROR_POLICY when one of its certificates is on
 * hold, or was revoked for a reason that is about the key or its host. */
bool hf_ca_revoked_allows(HfCaDir *ca, const char *key, GError **error);
/* Has this CA revoked the certificate, which it issued, or put it on hold? `what` it is, for the
 * message. HF_ERROR_POLICY when it has. */
bool hf_ca_revoked_check(const HfCaDir *ca, const char *what, const HfCertificate *of,
                         GError **error);
/* Of a verified chain, has this CA revoked a certificate itself? That is known without a list.
 * HF_ERROR_POLICY when it has. */
bool hf_ca_revoked_chain(const HfCaDir *ca, const HfChainProof *proof, GError **error);

#endif
