/*
 * builder.h - puts a certificate together, has it signed and checks what came back; private to pki.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_BUILDER_H
#define HOLDFAST_PKI_BUILDER_H

#include "pki/certificate.h"

typedef struct {
    GBytes *subject; /* DER Name; owned */
    GBytes *spki;    /* owned */
    gint64 not_before;
    gint64 not_after;
    GByteArray *extensions;
    GBytes *serial; /* 1 to 20 bytes, unsigned, not zero; NULL: random; owned */
} HfBuilder;

HfBuilder *hf_builder_new(GBytes *subject, GBytes *spki, gint64 not_before, gint64 not_after);
/* Takes the value. */
void hf_builder_add(HfBuilder *builder, const char *oid, bool critical, GByteArray *value);
/* Gives a serial number, signs and verifies under the issuer's key. issuer NULL: the
 * certificate is its own issuer and the signer's key must be its key. */
HfCertificate *hf_builder_sign(const HfBuilder *builder, HfSigner *signer,
                               const HfCertificate *issuer, GError **error);
void hf_builder_free(HfBuilder *builder);

/* AlgorithmIdentifier of a signature. */
void hf_builder_put_algorithm(GByteArray *w, HfSignAlgorithm algorithm);
/* SEQUENCE { signed part, AlgorithmIdentifier, BIT STRING }: certificates and requests alike. The
 * signature is checked under signer->spki. */
GBytes *hf_builder_seal(GBytes *part, HfSigner *signer, const char *what, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfBuilder, hf_builder_free)

#endif
