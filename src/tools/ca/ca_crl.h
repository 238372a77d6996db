/*
 * ca_crl.h - the CA's revocation list: crl.pem and crl.der in its directory.
 *
 * Numbers only ever rise: the number is durable (crl.json) before a list with it is signed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_CRL_H
#define HOLDFAST_TOOLS_CA_CA_CRL_H

#include "pki/crl.h"
#include "tools/ca/ca_dir.h"

#define HF_CA_CRL_PEM "crl.pem"
#define HF_CA_CRL_DER "crl.der"
#define HF_CA_CRL_DAYS 30 /* of validity, when none were ever given */
#define HF_CA_CRL_DAYS_MAX 3660

/* Issues a list of everything that is revoked and replaces both files. days 0: as many as last time.
 * To be called between
 * hf_ca_act_begin and the end of its lock. */
HfCrl *hf_ca_crl_issue(HfCaDir *ca, unsigned days, GError **error);

#endif
