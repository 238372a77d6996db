/*
 * authority_advice.c - a row for each thing that `status` can find.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/authority/authority_advice.h"

#include <glib.h>
#include <string.h>

#define APPROVE "holdfast-authority approve, with --offline where the approver's key is elsewhere"
#define RENEW \
    "holdfast-authority enrol --renew, or request, respond and install-certificate with the CA"
#define ANEW                                                                                    \
    "move the directory away, make a new authority (init), have it approved and enrol it with " \
    "the CA"

static const struct {
    const char *code;
    const char *text;
} rows[] = {
    { "no-authority", "make one: holdfast-authority init" },
    { "invalid", "put back the file that is named, from a copy; its keys are of use in this host's "
                 "TPM alone. If there is no copy, " ANEW },
    { "no-approval", "have this state approved: " APPROVE },
    { "approval-invalid", "have the state approved anew: " APPROVE },
    { "pcr-changed", "if the change was meant, have the new state approved: " APPROVE
                     "; if not, find out what has changed before anything else" },
    { "generation-revoked", "have the state approved for the present generation: " APPROVE },
    { "generation-unknown", "if nobody was meant to delete it, find out who did; "
                            "holdfast-authority approve makes it anew, and what was revoked stays "
                            "revoked" },
    { "tpm-unreachable",
      "see that the TPM is there, that nothing else keeps it, and that --tcti is "
      "right" },
    { "tpm-failed", "see what the TPM says, and ask again" },
    { "tpm-cleared", "its keys are gone for good: " ANEW },
    { "tpm-replaced", "put the TPM back that the authority was made with; if it is gone, " ANEW },
    { "sign-failed", "see what the TPM says, and ask again" },
    { "no-certificate", "have the CA delegate: holdfast-authority enrol, or request, respond and "
                        "install-certificate" },
    { "certificate-invalid", "install the one that the CA gave, or have a new one: " RENEW },
    { "certificate-expired", "renew it, the key stays and what it has certified too: " RENEW },
    { "certificate-early", "see that the clocks of this host and of the CA are right" },
    { "certificate-revoked",
      "ask who keeps the CA why; a key that is revoked for good gets no other "
      "certificate, but a further one does (init --key)" },
    { "revocation-unknown", "get the CA's present revocation list" },
    { "no-host-chain", "have certificates issued for this host's virtual TPM where it runs: "
                       "holdfast-setup --reissue-certificates" },
    /* Notes: it works all the same. */
    { "host-chain-expired", "verifiers refuse it: have the outer host's authority renewed, then "
                            "holdfast-setup --reissue-certificates for this host's virtual TPM" },
    { "certificate-expiring", "renew it before: " RENEW },
    { "approved-beforehand", "nothing; it counts as soon as the host is in that state" },
    { "in-beforehand",
      "holdfast-authority approve makes this the present state; the earlier one stays "
      "approved until bump-generation, which takes a new approval for this one" },
    { "beforehand-revoked",
      "have that state approved anew before the host comes into it: " APPROVE },
    { "beforehand-invalid", "have that state approved anew: " APPROVE },
};

const char *hf_authority_advice(const char *code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].code, code) == 0) {
            return rows[i].text;
        }
    }
    g_assert_not_reached();
}
