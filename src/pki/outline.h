/*
 * outline.h - the outline of a certificate that somebody else's program issued.
 *
 * Which key, which number, which issuer's key: no more, and no judgement on the rest. Programs that
 * issue certificates for TPMs write extensions that certificate.h refuses (swtpm 0.7.1 does for the
 * platform of a TPM 1.2), and it is not for a manufacturer to lose a VM for that. Nothing is to be
 * trusted because of an outline.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_OUTLINE_H
#define HOLDFAST_PKI_OUTLINE_H

#include <glib.h>
#include <stdbool.h>

typedef struct {
    GBytes *der;          /* the whole certificate */
    GBytes *spki;         /* DER */
    GBytes *serial;       /* content octets of the INTEGER */
    GBytes *authority_id; /* keyIdentifier of the authority key identifier or NULL */
} HfOutline;

/* One DER certificate, X.509 v3, and nothing after it. HF_ERROR_INVALID naming `label`. */
HfOutline *hf_outline_new(GBytes *der, const char *label, GError **error);
/* The same of a platform certificate, which may also be an attribute certificate (RFC 5755), as TCG's
 * profile has them: it names no key, so spki and authority_id are NULL. */
HfOutline *hf_outline_new_platform(GBytes *der, const char *label, GError **error);
void hf_outline_free(HfOutline *outline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfOutline, hf_outline_free)

#endif
