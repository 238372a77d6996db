/*
 * authority_evidence.h - what an authority tells the fleet's CA of itself, made with the host TPM.
 *
 * For an authority with a host TPM the connection must be there (hf_authority_connection), with the
 * endorsement hierarchy's password where one is set.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_EVIDENCE_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_EVIDENCE_H

#include "tools/common/authority_parts.h"
#include "tools/common/enrolment.h"
#include "tools/common/evidence.h"

/* Who this host is: its endorsement and attestation keys. Changes nothing. */
HfIntroduction *hf_authority_introduce(HfAuthorityDir *authority, GError **error);
/* The delegation request, with the answer when the challenge has something to open. A new signing
 * key is made unless a certificate is installed; it goes to key_file, HF_BLOB_FILE, or HF_BLOB_NEXT
 * when it is to count only with its certificate. event_log: the firmware's, or NULL. HF_ERROR_AUTH when the challenge is not for this
 * host. */
HfEvidence *hf_authority_evidence(HfAuthorityDir *authority, const HfChallenge *challenge,
                                  GBytes *event_log, const char *key_file, GError **error);

#endif
