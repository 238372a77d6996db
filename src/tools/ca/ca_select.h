/*
 * ca_select.h - which certificates of the record are meant: those of --serial, --key or --host-ek.
 *
 * Digits may be of any case and have colons between them, as other programs print them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_SELECT_H
#define HOLDFAST_TOOLS_CA_CA_SELECT_H

#include "base/options.h"
#include "tools/ca/ca_dir.h"

typedef struct {
    const char *what;                          /* "serial number" */
    char *wanted;                              /* normal form */
    const char *(*get)(const HfIssued *entry); /* NULL: none of the options was given */
} HfCaSelector;

/* HF_ERROR_USAGE when more than one of the options is given. ret_selector: all zero before. */
bool hf_ca_selector_read(const HfOptions *options, HfCaSelector *ret_selector, GError **error);
void hf_ca_selector_clear(HfCaSelector *selector);
/* Always true where no option was given. */
bool hf_ca_selector_matches(const HfCaSelector *selector, const HfIssued *entry);

#endif
