/*
 * pcr_banks.h - which PCR banks a TPM has switched on: the list of --pcr-banks, and applying it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_PCR_BANKS_H
#define HOLDFAST_TOOLS_SETUP_PCR_BANKS_H

#include "tpm2/command.h"

#define HF_BANKS_DEFAULT "sha256"

typedef struct {
    bool leave; /* "-": as the TPM has them */
    unsigned count;
    uint16_t algorithms[HF_PCR_BANKS_MAX]; /* TPM_ALG_ID, each once */
} HfBankChoice;

/* "sha1,sha256" or "-". HF_ERROR_USAGE naming `what` on an unknown name or an empty list; names of
 * banks that engines may lack (sm3-256, sha3-256 ...) are known. */
bool hf_bank_choice_parse(const char *text, const char *what, HfBankChoice *ret_choice,
                          GError **error);

/* Allocates the chosen banks among those the TPM implements; takes effect at the next reset.
 * *ret_after is what the TPM will then have; *ret_changed whether that is a change (no command that
 * changes anything is sent otherwise). HF_ERROR_UNSUPPORTED when the TPM implements none of them.
 */
bool hf_bank_choice_apply(const HfBankChoice *choice, const HfTransport *tpm,
                          HfPcrSelection *ret_after, bool *ret_changed, GError **error);

/* "sha256,sha384": the banks of a selection with at least one PCR, or all of them. Caller frees. */
char *hf_bank_names(const HfPcrSelection *selection, bool all);

#endif
