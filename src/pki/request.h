/*
 * request.h - PKCS#10 certification requests: a vMA asks the fleet's CA for its delegation.
 *
 * The request proves possession of the key only; that the key lives in a TPM under the right policy
 * is proved by the evidence that travels with it. No attributes are written, and none are obeyed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_REQUEST_H
#define HOLDFAST_PKI_REQUEST_H

#include "pki/signer.h"

typedef struct {
    GBytes *der;
    GBytes *subject; /* DER Name, as asked for */
    GBytes *spki;
} HfRequest;

/* Builds and signs a request: subject O (or NULL) and CN. Returns DER. */
GBytes *hf_request_new(const char *organization, const char *common_name, HfSigner *signer,
                       GError **error);
/* Reads DER or PEM and verifies the signature under the key inside. `label` names it. */
HfRequest *hf_request_parse(GBytes *data, const char *label, GError **error);
void hf_request_free(HfRequest *request);
char *hf_request_pem(GBytes *der);
/* RFC 4514 text of the subject, safe to print. Caller frees. */
char *hf_request_subject_text(const HfRequest *request);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfRequest, hf_request_free)

#endif
