/*
 * authority_dir.h - the directory of a virtual manufacturer authority (vMA), read and written.
 *
 * holdfast-authority makes and changes it, holdfast-setup opens it to have certificates signed.
 * Directory mode 0700, files 0600, each replaced atomically, symbolic links refused:
 *   manifest.json   what this authority is; every field is checked on load (manifest.h)
 *   vma.blob        the signing key under the host's SRK (signer "host-tpm", blob_file.h)
 *   vma.blob.next   the next one, while it is enrolled: used as soon as vma.pem is for it
 *   derive.blob     the derivation key, the same; may be absent
 *   vma.key         the signing key, PEM (signer "file")
 *   approver.pem    public key of the approver (signer "host-tpm")
 *   approval.json   the approved policies and the approver's signatures (approval_file.h)
 *   approval-next.json   the same for a state that the host is still to come into; may be absent
 *   vma.pem         the delegation certificate
 *   chain.pem       the CA certificates above it, the next one up first, the root last
 *   keys/NAME/      the files vma.* and chain.pem of each further signing key (authority_keys.h)
 *
 * Opening reads files only; the host TPM is connected when the signer is first asked for.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_AUTHORITY_DIR_H
#define HOLDFAST_TOOLS_COMMON_AUTHORITY_DIR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "pki/certificate.h"
#include "tools/common/authority_keys.h"

typedef struct HfAuthorityDir HfAuthorityDir;

/* What goes into certificates. All borrowed from the authority. */
typedef struct {
    HfRooted rooted;        /* HARDWARE: the key lives in a host TPM; NESTED: the certificate says
                               that this TPM is a virtual one; SOFTWARE: in a file */
    GBytes *host_ek_digest; /* SHA-256 of the DER SPKI of the host TPM's EK; NULL: no host TPM */
    GBytes *tcb_digest;     /* SHA-256 approved policy digest (PCRs, generation, command) in
                               force, for certain once the signer was asked for; NULL: no host
                               TPM, or nothing approved yet */
    const char *key;        /* name of the signing key */
    const char *migration_policy;      /* name; "none": not migratable */
    const char *device_model;          /* what the key is for; NULL or "any": all */
    const char *aia_url;               /* caIssuers URL of the vMA certificate; NULL: none */
    const char *platform_manufacturer; /* of the host, never NULL */
    const char *platform_model;
    const char *platform_version;
    const char *host_tpm; /* manufacturer and model of the host TPM, for people; NULL: none */
} HfAuthorityFacts;

/* Reads manifest, key, approval and certificates, of the key that is wished for (NULL: the first).
 * HF_ERROR_NOT_FOUND when there is none for this policy and device model. tcti: overrides the
 * manifest's; NULL: the manifest's. An authority without certificate opens too. HF_ERROR_NOT_FOUND when there is no
 * authority at `dir`; HF_ERROR_INVALID naming file and field when something in it is wrong. */
HfAuthorityDir *hf_authority_open(const char *dir, const char *tcti, const HfKeyWish *wish,
                                  GError **error);
/* Closes the connection to the host TPM too. NULL is allowed. */
void hf_authority_free(HfAuthorityDir *authority);

const HfAuthorityFacts *hf_authority_facts(const HfAuthorityDir *authority);

/* The chain, borrowed: GBytes (DER), vMA certificate first, root last. HF_ERROR_STATE when none is
 * installed yet, or it has expired. */
GPtrArray *hf_authority_chain(HfAuthorityDir *authority, GError **error);
/* Of a nested authority, what a verifier needs to go on from the host's TPM: the EK certificate in it
 * and those above that, DER one after the other. Connects to the host TPM. HF_ERROR_STATE when that
 * has no EK certificate. */
GBytes *hf_authority_host_chain(HfAuthorityDir *authority, GError **error);
/* The vMA certificate parsed, borrowed: what pki's builders take as issuer. Same errors. */
const HfCertificate *hf_authority_certificate(HfAuthorityDir *authority, GError **error);

/* The signer of the vMA key, borrowed, good until hf_authority_free; the first call connects to the
 * host TPM. Its sign() walks the approved policy: HF_ERROR_POLICY says in words why the host TPM
 * refuses (PCRs changed since the approval, generation revoked). Not thread-safe.
 * HF_ERROR_STATE: nothing approved yet, or the TPM is another one. */
HfSigner *hf_authority_signer(HfAuthorityDir *authority, GError **error);

/* 32 secret bytes that this host's TPM alone makes, always the same for the same `data` (at most
 * 1024 bytes) until it is cleared: HMAC-SHA256 with the derivation key. HF_ERROR_UNSUPPORTED: the
 * authority is software-rooted, or the TPM lacks TPM2_HMAC; HF_ERROR_STATE: no derivation key, or
 * none approved; HF_ERROR_POLICY as for the signer. */
HfSecret *hf_authority_derive(HfAuthorityDir *authority, const void *data, size_t size,
                              GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfAuthorityDir, hf_authority_free)

#endif
