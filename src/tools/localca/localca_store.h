/*
 * localca_store.h - the directory of a local CA: keys, certificates, lock, count.
 *
 *     swtpm-localca-rootca-privkey.pem   the root's key (0640), encrypted when there is a password
 *     swtpm-localca-rootca-cert.pem      the root: CA, path length 1
 *     signkey.pem, issuercert.pem        (names are the configuration's) key and certificate of the
 *                                        CA that signs: path length 0, software-rooted
 *     certserial                         how many certificates were issued, in decimal
 *     .lock.swtpm-localca                flock(2), as swtpm_localca takes it
 *
 * Files and names are swtpm's: either program goes on with the other's directory. Any number of
 * processes may share one. Whatever exists is used as it is, never replaced; what is missing is made
 * under the lock, each file whole, durable and only if its name is free, so that a process that was
 * killed in the middle is continued by the next.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_LOCALCA_LOCALCA_STORE_H
#define HOLDFAST_TOOLS_LOCALCA_LOCALCA_STORE_H

#include "base/secret.h"

#include <stdbool.h>

typedef struct {
    const char *dir;               /* must exist */
    const char *signkey;           /* path, or a PKCS#11 URL */
    const char *issuercert;        /* path */
    const char *certserial;        /* path */
    const HfSecret *password;      /* of signkey; NULL: not encrypted */
    const HfSecret *root_password; /* of the root's key; NULL: not encrypted */
} HfLocalCa;

/* Takes the lock: a descriptor to be closed, or -1 and *error. Waits for others. */
int hf_localca_lock(const HfLocalCa *ca, GError **error);
/* True when key and certificate of the signing CA are there. */
bool hf_localca_complete(const HfLocalCa *ca);
/* Makes what is missing. Only with the lock. */
bool hf_localca_create(const HfLocalCa *ca, GError **error);
/* Adds one to the count. Only with the lock. */
bool hf_localca_count(const HfLocalCa *ca, GError **error);

#endif
