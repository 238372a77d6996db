/*
 * ca_ek_list.h - lists of endorsement keys that an operator trusts: SHA-256 of each, in hex, a line each.
 *
 * What follows a digest after a blank is for people, '#' begins a comment. Everything else is refused with its
 * line, so that no key is trusted, or left out, because of a slip.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_EK_LIST_H
#define HOLDFAST_TOOLS_CA_CA_EK_LIST_H

#include <glib.h>
#include <stdbool.h>

#define HF_CA_EK_LIST_MAX (16u * 1024u * 1024u)

/* One digest into `digests`, a set of lower-case hex (g_str_hash, owning). `what` names it. */
bool hf_ca_ek_list_add(GHashTable *digests, const char *text, const char *what, GError **error);
/* All of a file; `label` names it. */
bool hf_ca_ek_list_parse(GHashTable *digests, GBytes *file, const char *label, GError **error);

#endif
