/*
 * authority_install.h - which certificates an authority takes for its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_INSTALL_H
#define HOLDFAST_TOOLS_AUTHORITY_AUTHORITY_INSTALL_H

#include "tools/common/authority_parts.h"

/* The authority's public key (DER SPKI), wherever the private one is. */
GBytes *hf_authority_own_spki(HfAuthorityDir *authority, GError **error);
/* all: HfCertificate, the delegation first, the root last. Checked: it is for this authority's key,
 * valid, a delegation of the right kind, and each is signed by the next. root: which root it must be;
 * NULL: any; lists: files of revocation lists, on none of which one of them may be; a certificate that is there for this key has the same subject. Nothing is written when it
 * is refused. */
bool hf_authority_install(HfAuthorityDir *authority, GPtrArray *all, const HfCertificate *root,
                          const char *const *lists, GError **error);

/* Gives a key that has its certificate its final name, where that was not done yet. */
bool hf_authority_settle(HfAuthorityDir *authority, GError **error);

#endif
