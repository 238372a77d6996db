/*
 * ca_core.h - the fleet's CA without its command line: bytes in, bytes and a verdict out.
 *
 * introduction -> challenge -> delegation request with the answer -> certificate; the parcels are
 * those of tools/common/enrolment.h and evidence.h. `holdfast-ca challenge` and `delegate` bring them
 * from files, `holdfast-ca serve` from connections. `label` is how messages call the parcel.
 * Each of these locks the directory (hf_ca_dir_lock): one at a time, whoever asks.
 * Must not: read options or files of the caller's, print.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_CORE_H
#define HOLDFAST_TOOLS_CA_CA_CORE_H

#include "tools/ca/ca_rules.h"

/* Checks the attestation key to the last attribute, the endorsement key, and that somebody vouches
 * for it; remembers nonce and secret in the CA's directory. ret_vouched: who does, in words; NULL
 * for a software-rooted host, which gets a nonce alone. Caller frees. Needs rules->voucher. */
GBytes *hf_ca_challenge(HfCaDir *ca, const HfCaRules *rules, GBytes *introduction,
                        const char *label, char **ret_vouched, GError **error);

typedef struct {
    HfCertificate *certificate; /* recorded durably */
    HfRooted rooted;
    char *environment;  /* NULL: software-rooted */
    bool renewal;       /* the key had a certificate before */
    bool ek_challenged; /* the attestation key is proved to be in the TPM with the EK */
} HfCaDelegated;

/* Verifies (ca_verify.h; of a nested host also again what it stands on, with rules->crls), uses up
 * the nonce, issues and records. A request that is refused leaves everything as it was; from the
 * nonce's use on only a failure of the CA itself ends it. */
HfCaDelegated *hf_ca_delegate(HfCaDir *ca, const HfCaRules *rules, GBytes *request,
                              const char *label, GError **error);
/* What the host installs: the certificate and the root, PEM. */
GBytes *hf_ca_delegated_pem(const HfCaDir *ca, const HfCaDelegated *delegated);
void hf_ca_delegated_free(HfCaDelegated *delegated);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCaDelegated, hf_ca_delegated_free)

#endif
