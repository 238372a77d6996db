/*
 * pki-world.h - a fleet in a temporary directory, for tests of certificates: a root, a vMA with its
 * delegation, an EK. All of it is made with the product's own functions; keys are real.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TESTS_PKI_WORLD_H
#define HOLDFAST_TESTS_PKI_WORLD_H

#include "pki/chain.h"
#include "pki/delegation.h"
#include "pki/endorsement.h"
#include "pki/keyfile.h"

/* 2026-01-01 00:00:00 UTC: the fleet is born. A year later: the vMA certificate ends. */
#define WORLD_BIRTH G_GINT64_CONSTANT(1767225600)
#define WORLD_DAY 86400
#define WORLD_NOW (WORLD_BIRTH + 30 * WORLD_DAY)

typedef struct {
    char *dir;
    HfSigner *root_key;
    HfCertificate *root;
    HfSigner *vma_key; /* a file key; vma_key->rooted is what the tests want it to be */
    HfCertificate *vma;
    HfSigner *ek_key; /* the private half, for attacks in which the guest signs */
    HfHolding holding;
    HfEndorsement ek;    /* inputs; holding and spki filled in */
    GPtrArray *roots;    /* root */
    HfChainRules rules;  /* EK at WORLD_NOW */
    GBytes *host_digest; /* of the holding */
} World;

/* rooted: of the vMA. root: the kind of the root's key. Asserts on failure. */
World *world_new_with(HfRooted rooted, HfKeyfileKind root);
/* The same with a P-384 root. */
World *world_new(HfRooted rooted);
void world_free(World *world);

/* A new key in the world's directory. */
HfSigner *world_key(World *world, HfKeyfileKind kind);
/* A new array that holds a reference to each; ends at NULL. */
GPtrArray *world_chain(HfCertificate *first, ...) G_GNUC_NULL_TERMINATED;

/* The call failed with this code and a message that contains `text`. Clears the error. */
void world_refused(GError **error, int code, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

#endif
