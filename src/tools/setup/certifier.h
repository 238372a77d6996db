/*
 * certifier.h - certificates for one new TPM, from whoever issues them here.
 *
 * Three kinds: the authority of this host (certifier_authority.c), whose key may be in the host TPM,
 * a program that swtpm_setup.conf names (certifier_tool.c), swtpm_localca or a site's own, and a file
 * with certificates that were issued elsewhere (certifier_file.c).
 * Whatever comes back is a certificate, and one of the key that was asked about, or an error.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CERTIFIER_H
#define HOLDFAST_TOOLS_SETUP_CERTIFIER_H

#include "pki/outline.h"
#include "tools/setup/capabilities.h"
#include "tools/setup/setup_options.h"

/* What a TPM reports about itself (TPM2_GetCapability, TPM_PROPERTIES); of a TPM 1.2 the engine
 * says it. */
typedef struct {
    char manufacturer[12]; /* "id:" and 8 hex digits of TPM2_PT_MANUFACTURER */
    char version[12];      /* the same of TPM2_PT_FIRMWARE_VERSION_1 */
    char family[5];        /* "2.0" */
    uint32_t level;
    uint32_t revision;
} HfTpmIdentity;

typedef struct {
    HfCertKind kind;
    const HfTpmIdentity *tpm;
    const HfPublicKey *key; /* as the TPM made it; for HF_CERT_PLATFORM the first EK */
    /* HF_CERT_IAK, HF_CERT_IDEVID: the TPM's serial number, and SHA-256 of its first EK (DER SPKI);
     * else NULL */
    const char *tpm_serial;
    GBytes *ek;
} HfCertRequest;

typedef struct HfCertifier HfCertifier;

typedef struct {
    /* The certificate, DER, not looked at yet. */
    GBytes *(*issue)(HfCertifier *certifier, const HfCertRequest *request, GError **error);
    /* What belongs into the TPM's certificate chain index: the CA certificates (DER) one after the
     * other, the issuer's first, without the self-signed root; of a nested authority then the EK
     * certificate of its host's TPM and what is above that. Empty: nothing. */
    GBytes *(*chain)(HfCertifier *certifier, GError **error);
    void (*free)(HfCertifier *certifier);
} HfCertifierClass;

struct HfCertifier {
    const HfCertifierClass *class;
    const char *description; /* one line for people: who issues; owned by the kind */
};

/* The plan's authority, connected to its key so that one that cannot sign is found before a TPM is
 * made; or its tool. `facts` is borrowed. */
HfCertifier *hf_certifier_open(const HfSetupPlan *plan, const HfEngineFacts *facts, GError **error);
HfCertifier *hf_certifier_authority_open(const HfSetupPlan *plan, GError **error);
HfCertifier *hf_certifier_tool_open(const HfSetupPlan *plan, const HfEngineFacts *facts,
                                    GError **error);
/* The EK, IAK and IDevID certificates that a file has (PEM, or DER one after the other), and those of
 * CAs above them. HF_ERROR_INVALID: one is neither, all are CAs', or two are for one key; HF_ERROR_POLICY: one is not
 * valid now; HF_ERROR_AUTH: not signed by the one above it; those of reading. */
HfCertifier *hf_certifier_file_open(const char *path, GError **error);
bool hf_certifier_file_has(HfCertifier *certifier, HfCertKind kind, GBytes *spki);
/* How many there are of a TPM's keys, each for another one. */
unsigned hf_certifier_file_count(HfCertifier *certifier);
/* Its chain becomes the file's and then what of `present`, a chain (empty: none), the file has not. */
bool hf_certifier_file_keep(HfCertifier *certifier, GBytes *present, GError **error);
void hf_certifier_free(HfCertifier *certifier);

HfOutline *hf_certifier_issue(HfCertifier *certifier, const HfCertRequest *request, GError **error);

/* Whether it is a certificate of the key `spki` (DER), however it writes that key. */
bool hf_certifies(const HfOutline *certificate, GBytes *spki);

/* "EK", "platform", "IAK", "IDevID" */
const char *hf_cert_kind_title(HfCertKind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCertifier, hf_certifier_free)

#endif
