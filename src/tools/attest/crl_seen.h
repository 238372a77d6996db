/*
 * crl_seen.h - the numbers of revocation lists that this verifier has seen, in a file of its own.
 *
 * A list that is still in date may be one from before a revocation; who remembers a higher number
 * finds that out. The format is specified in holdfast-ca(5).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_ATTEST_CRL_SEEN_H
#define HOLDFAST_TOOLS_ATTEST_CRL_SEEN_H

#include "pki/crl_set.h"

/* Tells the set what the file has. A file that is not there has nothing; one that cannot be read is
 * an error. */
bool hf_crl_seen_load(const char *path, HfCrlSet *set, GError **error);
/* Replaces the file by what the set knows now, if that is other than what is there. */
bool hf_crl_seen_save(const char *path, const HfCrlSet *set, GError **error);

#endif
