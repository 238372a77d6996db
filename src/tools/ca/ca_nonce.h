/*
 * ca_nonce.h - nonces that the CA has given out and what it knows of whom it challenged with them.
 *
 * nonces/HEX in the CA's directory, mode 0600, a JSON object: format "holdfast-ca-nonce", version
 * 1, given (seconds since 1970) and, where a host TPM was challenged, secret, ak (Name), ek
 * (SHA-256 of the SPKI) and vouched (who vouches for the endorsement key); where that TPM is a virtual
 * one version 3 with nested ("1 hardware-rooted": levels and what the last of them is rooted in),
 * chain and roots (PEM, an array of lines), which are verified again before anything is delegated.
 * A nonce is good for one delegation within a week; it is removed when it is used.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_NONCE_H
#define HOLDFAST_TOOLS_CA_CA_NONCE_H

#include "base/secret.h"
#include "tools/ca/ca_dir.h"

/* Nonces that wait for their request at a time; more are not given out. */
#define HF_CA_NONCES_MAX 10000u
/* Of these, challenges of one endorsement key; the oldest goes when there is one more. */
#define HF_CA_NONCES_PER_EK 16u

typedef struct {
    GBytes *nonce;
    int64_t given;
    HfSecret *secret; /* NULL, with the next three: nothing was challenged */
    GBytes *ak_name;
    GBytes *ek_digest;
    char *vouched;
    unsigned nested;  /* as in HfCaVouched */
    bool on_software; /* the same */
    char *chain;      /* the same; NULL: not nested */
    char *roots;      /* the same */
} HfCaNonce;

/* A fresh one without challenge. */
HfCaNonce *hf_ca_nonce_new(void);
void hf_ca_nonce_free(HfCaNonce *nonce);
/* Records that it is given (ca_act.h), remembers it durably and forgets those that are too old.
 * HF_ERROR_NO_SPACE when too many wait. A challenge that takes the place of another one of its
 * endorsement key is not recorded: so many of that key are already. The lock must be held. */
bool hf_ca_nonce_give(HfCaDir *ca, const HfCaNonce *nonce, GError **error);
/* HF_ERROR_POLICY when it was not given out, was used, is older than a week, or was given to a nested
 * host by a version that did not keep its chain. */
HfCaNonce *hf_ca_nonce_find(HfCaDir *ca, GBytes *nonce, GError **error);
/* Forgets it, durably, if it is still there: it is used. */
bool hf_ca_nonce_use(HfCaDir *ca, GBytes *nonce, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaNonce, hf_ca_nonce_free)

#endif
