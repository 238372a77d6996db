/*
 * issuer.h - what is asked of an issuer and of a validity before anything is signed; private to
 * pki.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_ISSUER_H
#define HOLDFAST_PKI_ISSUER_H

#include "pki/certificate.h"

/* The issuer's certificate is one of a CA that may sign certificates, names itself, has a key
 * identifier, allows `purpose` (any, when it has no list) and is valid at `at`. */
bool hf_issuer_check(const HfCertificate *issuer, const char *purpose, gint64 at, GError **error);

/* 1950 <= not_before < not_after <= HF_DER_TIME_NEVER. */
bool hf_issuer_check_validity(gint64 not_before, gint64 not_after, GError **error);

#endif
