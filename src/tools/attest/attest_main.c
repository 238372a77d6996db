/*
 * attest_main.c - holdfast-attest: the verifier's and the guest's side of proving what a guest's TPM
 * is and says.
 *
 * Command line and exit codes; `challenge` is in challenge.c, `verify` in verdict.c, `enroll` and
 * `quote` in guest_enroll.c and guest_quote.c. Those two talk to a TPM, and `enroll --server` to a CA;
 * everything else comes and goes as files. A further command is a row in both tables below and a file
 * of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/options.h"
#include "crypto/memory.h"
#include "tools/attest/challenge.h"
#include "tools/attest/guest.h"
#include "tools/attest/verdict.h"
#include "tools/common/ca_connection.h"
#include "tools/common/host_connection.h"

enum { CHALLENGE = 1 << 0, VERIFY = 1 << 1, ENROLL = 1 << 2, QUOTE = 1 << 3 };

static const HfCommand commands[] = {
    { "challenge", CHALLENGE, "make a credential that only the TPM with this EK and AK can open",
      NULL, 0, 0 },
    { "verify", VERIFY, "check a quote, whose key it is by, and how the machine booted",
      "[EVIDENCE]", 0, 1 },
    { "enroll", ENROLL, "in the guest: ask a privacy CA for an AK certificate, install its answer",
      NULL, 0, 0 },
    { "quote", QUOTE, "in the guest: have the TPM sign what is in its PCRs, for a verifier", NULL,
      0, 0 },
    { .name = NULL },
};

static const HfOption options_table[] = {
    { .name = "request",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where the request goes, for holdfast-ca certify",
      .where = ENROLL },
    { .name = "activate",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the CA's answer",
      .where = ENROLL },
    HF_CA_CONNECTION_OPTIONS(ENROLL, 0),
    { .name = "dir",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "directory of the attestation key",
      .preset = HF_LOCALSTATEDIR "/lib/holdfast/attest",
      .where = ENROLL | QUOTE },
    { .name = "tcti",
      .kind = HF_KIND_STRING,
      .arg = "TCTI",
      .help = "the TPM, in the words of tpm2-tss (default: as in the directory, or "
              "device:/dev/tpmrm0)",
      .where = ENROLL | QUOTE },
    { .name = "ek",
      .kind = HF_KIND_CHOICE,
      .arg = "KIND",
      .help = "the endorsement key to use (default: the first of these with a certificate)",
      .choices = "rsa2048|p256|p384|rsa3072",
      .where = ENROLL },
    { .name = "key-algorithm",
      .kind = HF_KIND_CHOICE,
      .arg = "NAME",
      .help = "of a new attestation key",
      .preset = "p256",
      .choices = "p256|p384|rsa2048",
      .where = ENROLL },
    { .name = "new-key",
      .help = "make a new attestation key and forget the one there is",
      .where = ENROLL },
    { .name = "ca-root",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "certificates of the privacy CAs that are believed",
      .where = ENROLL | VERIFY },
    { .name = "endorsement-auth-file",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "file with the password of the endorsement hierarchy",
      .where = ENROLL | QUOTE },
    { .name = "ek-certificate",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "certificate of the TPM's endorsement key, DER or PEM",
      .where = CHALLENGE | VERIFY,
      .flags = HF_OPTION_REQUIRED,
      .optional = VERIFY },
    { .name = "ek-public",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "its public area, when it was not made from a standard template",
      .where = CHALLENGE | VERIFY },
    { .name = "ak-public",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "public area of the attestation key, as tpm2_createak -u writes it",
      .where = CHALLENGE | VERIFY | QUOTE,
      .flags = HF_OPTION_REQUIRED,
      .optional = VERIFY | QUOTE },
    { .name = "out",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where the credential goes, for tpm2_activatecredential -i; where a quote's evidence "
              "goes",
      .where = CHALLENGE | QUOTE,
      .flags = HF_OPTION_REQUIRED,
      .optional = QUOTE },
    { .name = "secret-out",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where the verifier's secret goes; it never leaves the verifier",
      .where = CHALLENGE,
      .flags = HF_OPTION_REQUIRED },
    { .name = "quote",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "what the TPM signed, as tpm2_quote -m writes it",
      .where = VERIFY | QUOTE },
    { .name = "signature",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the signature, as tpm2_quote -s writes it",
      .where = VERIFY | QUOTE },
    { .name = "nonce",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "the verifier's nonce, which the quote is asked with",
      .where = VERIFY | QUOTE },
    { .name = "nonce-file",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the same, the bytes as they are",
      .where = VERIFY | QUOTE },
    { .name = "selection",
      .kind = HF_KIND_STRING,
      .arg = "BANK:PCRS",
      .help = "the PCRs the quote is over",
      .preset = "sha256:0,2,4,7",
      .where = VERIFY | QUOTE },
    { .name = "pcrs",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "PCR values the quote must match: from tpm2_quote -o or tpm2_pcrread -o, or lines "
              "BANK:PCR:HEX",
      .where = VERIFY | QUOTE },
    { .name = "event-log",
      .kind = HF_KIND_STRING,
      .arg = "FILE",
      .help = "the firmware's event log, or \"none\" (default: the kernel's, where there is one)",
      .where = VERIFY | QUOTE },
    { .name = "without-ek",
      .help = "leave out what names the TPM: its endorsement key and certificate",
      .where = QUOTE },
    { .name = "chain",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "certificates between the EK's and the root, in that order",
      .where = VERIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "root",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "trusted root certificates",
      .where = VERIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "ek-roots",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "trusted certificates of vendors of hardware TPMs, or a directory of them",
      .where = VERIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "ak-certificate",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "certificate of the attestation key, then those above it: instead of a challenge",
      .where = VERIFY },
    { .name = "reference",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "reference values: how the machine must have booted",
      .where = VERIFY },
    { .name = "write-reference",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where to write what was verified as reference values",
      .where = VERIFY },
    { .name = "crl",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "revocation lists; with this a valid list of the root is required",
      .where = VERIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "crl-seen",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where the highest list numbers seen are kept, so that older lists are refused",
      .where = VERIFY },
    { .name = "secret",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the secret that `challenge` made",
      .where = VERIFY },
    { .name = "activated",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the TPM's answer, as tpm2_activatecredential -o writes it",
      .where = VERIFY },
    { .name = "nested",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "accept a TPM whose host is itself a guest with a virtual TPM, up to so many levels",
      .preset = "0",
      .min = 0,
      .max = HF_NESTED_MAX,
      .where = VERIFY },
    { .name = "hardware-only",
      .help = "refuse a TPM that no hardware TPM holds in the end",
      .where = VERIFY },
    { .name = "json", .help = "print the result as one JSON object", .where = VERIFY },
    { .name = NULL },
};

static const HfProgram program = {
    .name = "holdfast-attest",
    .summary =
        "Prove and verify that a quote comes from a virtual TPM that is held by a host's TPM",
    .commands = commands,
    .options = options_table,
    .usage_exit = 2,
};

/* Proved, but the machine is not as the reference says: no failure of ours, and no success. */
#define EXIT_OTHER 3

static int verify(const HfOptions *options, GError **error)
{
    g_autoptr(HfVerdict) verdict = hf_verdict_new(options, error);
    HfVerdictOutcome outcome = verdict ? hf_verdict_reach(verdict, error) : HF_VERDICT_REFUSED;

    if (hf_options_flag(options, "json")) {
        if (verdict || !hf_error_is(*error, HF_ERROR_USAGE)) {
            hf_verdict_print_json(verdict, outcome, *error);
        }
    } else if (outcome != HF_VERDICT_REFUSED) {
        hf_verdict_print_tree(verdict);
    }
    if (fflush(stdout) != 0 && outcome == HF_VERDICT_GOOD) {
        hf_error_set(error, HF_ERROR_IO, "cannot write the result");
        return EXIT_FAILURE;
    }
    return outcome == HF_VERDICT_GOOD    ? EXIT_SUCCESS
           : outcome == HF_VERDICT_OTHER ? EXIT_OTHER
                                         : EXIT_FAILURE;
}

static int run(const HfOptions *options, GError **error)
{
    bool done;

    switch (hf_options_command(options)->bit) {
    case CHALLENGE: done = hf_attest_challenge(options, error); break;
    case ENROLL: done = hf_guest_enroll(options, error); break;
    case QUOTE: done = hf_guest_quote(options, error); break;
    default: return verify(options, error);
    }
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    hf_crypto_take_memory();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    g_autoptr(GError) error = NULL;
    int code = run(options, &error);

    if (!error) {
        return code;
    }
    if (hf_options_command(options)->bit & (ENROLL | QUOTE)) {
        hf_own_error(error);
    }
    fprintf(stderr, "%s: %s\n", program.name, error->message);
    return hf_error_is(error, HF_ERROR_USAGE) ? program.usage_exit : code;
}
