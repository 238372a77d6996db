/*
 * authority_parts.h - the parts of an authority's directory, for holdfast-authority itself.
 *
 * Other tools use authority_dir.h. Here a broken approval or certificate does not keep the
 * directory from being opened: it is there to be replaced, and `status` tells of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_AUTHORITY_PARTS_H
#define HOLDFAST_TOOLS_COMMON_AUTHORITY_PARTS_H

#include "hwtpm/hwcounter.h"
#include "hwtpm/hwkey.h"
#include "tools/common/approval_file.h"
#include "tools/common/authority_dir.h"
#include "tools/common/manifest.h"

#define HF_AUTHORITY_APPROVER "approver.pem"
#define HF_AUTHORITY_KEY "vma.key"
#define HF_AUTHORITY_CERTIFICATE "vma.pem"
#define HF_AUTHORITY_CHAIN "chain.pem"

struct HfAuthorityDir {
    char *path;
    int fd;
    HfAuthorityKey *entry; /* which of its keys this is */
    int key_fd;            /* directory of that key's files: blob or key, certificates */
    char *key_path;        /* how messages call it */
    HfManifest *manifest;
    HfPublic approver; /* host TPM only, with the next three */
    HfTpmName counter; /* Name of the generation counter once written */
    HfKeyBlob *blob;
    bool is_next;          /* it is in HF_BLOB_NEXT */
    HfPublic key;          /* its public area */
    HfKeyBlob *derivation; /* NULL: there is none, or it is broken (derivation_error) */
    GError *derivation_error;
    HfApproval *approval; /* NULL: none, or broken (approval_error) */
    GError *approval_error;
    HfApproval
        *next; /* approved beforehand, for another state; NULL: none, or broken (next_error) */
    GError *next_error;
    const HfApproval *in_force; /* the one of these two that counts now, once it was asked for */
    HfCertificate *certificate; /* NULL: none, or broken (certificate_error) */
    GError *certificate_error;
    GPtrArray *above; /* HfCertificate of chain.pem; NULL with certificate */
    GPtrArray *chain; /* GBytes, made when asked for */
    HfAuthorityFacts facts;
    char *tcti; /* the one to use; NULL with signer "file" */
    HfConnection *connection;
    HfCounter *shared_counter;
    HfSigner *signer;
};

/* With the first key, or the one that is wished for. */
HfAuthorityDir *hf_authority_open_parts(const char *dir, const char *tcti, GError **error);
HfAuthorityDir *hf_authority_open_key(const char *dir, const char *tcti, const HfKeyWish *wish,
                                      GError **error);
/* All its keys (HfAuthorityKey, freed with the array). */
GPtrArray *hf_authority_keys(const char *dir, GError **error);
/* "DIR/NAME", for the files of the authority and for those of its key. Caller frees. */
char *hf_authority_label(const HfAuthorityDir *authority, const char *name);
char *hf_authority_key_label(const HfAuthorityDir *authority, const char *name);
/* Connected, SRK held against the pinned Name, session started; borrowed. */
HfConnection *hf_authority_connection(HfAuthorityDir *authority, GError **error);
/* The generation counter, borrowed; connects to the host TPM. ESYS knows an index once, so nobody
 * opens it a second time. */
HfCounter *hf_authority_counter(HfAuthorityDir *authority, GError **error);
/* Which of both approvals is for the state that the host is in: the one made beforehand if it is for this
 * state and for no lower generation, otherwise the present one, also when it does not fit.
 * Borrowed; connects where there is a choice. HF_ERROR_STATE when nothing was approved. */
const HfApproval *hf_authority_in_force(HfAuthorityDir *authority, GError **error);
/* The host TPM's endorsement key and its certificate (NULL: it has none); connects. HF_ERROR_STATE when
 * it is not the key that init found. */
bool hf_authority_endorsement(HfAuthorityDir *authority, HfPublic *ret_ek, GBytes **ret_certificate,
                              GError **error);
/* PEM public key as the approver's public area. */
bool hf_authority_approver_parse(GBytes *pem, const char *label, HfPublic *ret_approver,
                                 GError **error);
/* What an approval of this authority is for. */
HfApprovalSubject hf_authority_subject(const HfAuthorityDir *authority);

#endif
