/*
 * certificate_match.h - whether the certificates in a TPM's NV are still those of its keys.
 *
 * TPM2_ChangeEPS gives a TPM other endorsement keys and leaves the certificates of the old ones
 * where they are. Each key is made again from its template and held against its certificate, in
 * an engine's process, on the state of a TPM that does not run.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CERTIFICATE_MATCH_H
#define HOLDFAST_TOOLS_SETUP_CERTIFICATE_MATCH_H

#include "tools/setup/manufacture.h"

/* Is this NV index among them (guint32)? */
bool hf_has_index(const GArray *indices, uint32_t index);
/* The endorsement key of this row, made again from its template: the standard one, or the one that lies
 * beside its certificate. */
bool hf_ek_again(const HfTransport *tpm, const GArray *indices, const HfEkRow *row,
                 HfPublic *ret_key, GError **error);

/* Handle and index that all rows of this kind have: HF_CERT_IAK or HF_CERT_IDEVID. */
const HfTemplateInfo *hf_identity_info(HfCertKind kind);
/* The row whose keys the certificate at that index, which must be there, is for; NULL: it is for none, or
 * no certificate. */
bool hf_identity_certified(const HfTransport *tpm, HfCertKind kind, const HfEkRow **ret_row,
                           GError **error);

/* Says a line for each certificate. withdraw false: HF_ERROR_INVALID when one does not match its
 * key. withdraw true: those are removed, and *ret_permanent is the TPM without them; HF_ERROR_STATE
 * when there are none of that kind. HF_ERROR_NOT_FOUND when there are no EK certificates at all. */
bool hf_certificates_examine(HfEngineChild *engine, const HfSecret *permanent, bool withdraw,
                             HfSecret **ret_permanent, GError **error);

#endif
