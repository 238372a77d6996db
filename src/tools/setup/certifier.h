/*
 * certifier.h - certificates for one new TPM, from the authority of this host.
 *
 * Puts together what the authority knows (host TPM, policy, platform), what the TPM says about
 * itself and the measurement of the emulator, and has it signed. The signing key may live in the
 * host TPM; it is used in this process only, never in the engine's.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CERTIFIER_H
#define HOLDFAST_TOOLS_SETUP_CERTIFIER_H

#include "pki/certificate.h"
#include "tools/setup/engine_child.h"
#include "tools/setup/setup_options.h"

/* What a TPM reports about itself (TPM2_GetCapability, TPM_PROPERTIES). */
typedef struct {
    char manufacturer[12]; /* "id:" and 8 hex digits of TPM2_PT_MANUFACTURER */
    char version[12];      /* the same of TPM2_PT_FIRMWARE_VERSION_1 */
    char family[5];        /* "2.0" */
    uint32_t level;
    uint32_t revision;
} HfTpmIdentity;

typedef struct HfCertifier HfCertifier;

/* Opens the plan's authority and connects to its key, so that an authority that cannot sign is
 * found before a TPM is made. When the plan has a program of the site instead, that is called for
 * every certificate; `engine` is then asked what the TPM is. */
HfCertifier *hf_certifier_open(const HfSetupPlan *plan, HfEngineChild *engine, GError **error);
void hf_certifier_free(HfCertifier *certifier);

/* The EK certificate of `key`, and the platform certificate of the TPM whose EK is `key`. `key`
 * must hold what the TPM made, not a template. */
HfCertificate *hf_certifier_ek(HfCertifier *certifier, const HfTpmIdentity *tpm,
                               const HfPublic *key, GError **error);
HfCertificate *hf_certifier_platform(HfCertifier *certifier, const HfTpmIdentity *tpm,
                                     const HfPublic *key, GError **error);

/* What belongs into the TPM's certificate chain index: the CA certificates (DER) one after the
 * other, the issuer's first, without the self-signed root, which a verifier has to have from
 * elsewhere. Empty when a program of the site makes the certificates. */
GBytes *hf_certifier_chain(HfCertifier *certifier, GError **error);

/* One line for people: where the key is. Borrowed. */
const char *hf_certifier_description(const HfCertifier *certifier);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCertifier, hf_certifier_free)

#endif
