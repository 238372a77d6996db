/*
 * signing_desk.h - the one process of a batch that has the authority's key.
 *
 * The TPMs of a batch are made in processes beside each other, but a host TPM takes one connection
 * at a time where there is no resource manager, and every connection costs it a session, a key to
 * load and the approver's signature to verify. So one process opens the authority, once, and signs
 * for all of them, one request after the other. It makes no TPM and reads no state, so that what a
 * hostile state does to its own process never meets the key. The authority is opened with the first
 * request, and again after one that failed: the host TPM may have come back.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SIGNING_DESK_H
#define HOLDFAST_TOOLS_SETUP_SIGNING_DESK_H

#include "pki/signer.h"
#include "tools/common/authority_dir.h"

typedef struct HfSigningDesk HfSigningDesk;

/* Forks. As hf_engine_child_start: before the process has secrets. It ends with its parent. */
HfSigningDesk *hf_signing_desk_start(GError **error);
/* A connection for one more process, which inherits it. -1 and *error. */
int hf_signing_desk_seat(HfSigningDesk *desk, GError **error);
void hf_signing_desk_free(HfSigningDesk *desk);

/* Whose key it is, in the worker: as for hf_authority_open. */
typedef struct {
    int seat;
    const char *authority;
    const char *tcti; /* or NULL */
    HfKeyWish wish;   /* its name is not used */
} HfDeskKey;

/* As hf_authority_signer and hf_authority_derive, with their errors. The seat is borrowed and must
 * outlive the signer. */
HfSigner *hf_desk_signer_new(const HfDeskKey *key, GError **error);
/* The approved policy in force (facts' tcb_digest), borrowed; and as hf_authority_host_chain. */
GBytes *hf_desk_signer_tcb(const HfSigner *signer);
GBytes *hf_desk_signer_host_chain(const HfSigner *signer, GError **error);
HfSecret *hf_desk_derive(const HfDeskKey *key, const void *data, size_t size, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSigningDesk, hf_signing_desk_free)

#endif
