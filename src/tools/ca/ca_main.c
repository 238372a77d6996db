/*
 * ca_main.c - holdfast-ca: the fleet's side.
 *
 * The option table and the way to the sub-commands; what they do is in ca_NAME.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/log.h"
#include "pki/delegation.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_crl.h"

enum {
    INIT = 1 << 0,
    NONCE = 1 << 1,
    DELEGATE = 1 << 2,
    LIST = 1 << 3,
    CHALLENGE = 1 << 4,
    CERTIFY = 1 << 5,
    REVOKE = 1 << 6,
    CRL = 1 << 7,
};

static const HfCommand commands[] = {
    { "init", INIT, "make the fleet's root: key, certificate, directory", NULL, 0, 0 },
    { "challenge", CHALLENGE, "check a host's introduction and challenge its TPM", NULL, 0, 0 },
    { "delegate", DELEGATE, "verify a delegation request and issue its certificate", NULL, 0, 0 },
    { "certify", CERTIFY, "verify the request of an attestation key and issue its certificate",
      NULL, 0, 0 },
    { "nonce", NONCE, "print a fresh nonce for one delegation request, unchallenged", NULL, 0, 0 },
    { "revoke", REVOKE, "revoke a certificate, or all of a key or host", NULL, 0, 0 },
    { "crl", CRL, "issue the revocation list anew", NULL, 0, 0 },
    { "list", LIST, "list what was issued", NULL, 0, 0 },
    { 0 },
};

static const HfOption option_table[] = {
    { .name = "dir",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "directory of the CA",
      .preset = HF_LOCALSTATEDIR "/lib/holdfast/ca" },
    { .name = "subject",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "common name of the root",
      .preset = "holdfast fleet root",
      .where = INIT },
    { .name = "organization",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "organization in the subject",
      .where = INIT | DELEGATE },
    { .name = "key-algorithm",
      .kind = HF_KIND_CHOICE,
      .arg = "NAME",
      .help = "of the root's key",
      .preset = "p256",
      .choices = "p256|p384|rsa3072",
      .where = INIT },
    { .name = "root-days",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "days the root is valid; 0: no end",
      .preset = "7300",
      .min = 0,
      .max = 36500,
      .where = INIT },
    { .name = "request",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the introduction (holdfast-authority request), delegation request (respond) or AK "
              "request (holdfast-attest enroll)",
      .where = CHALLENGE | DELEGATE | CERTIFY,
      .flags = HF_OPTION_REQUIRED },
    { .name = "out",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help =
          "where the challenge, certificate and root (PEM), the answer, or a copy of the list go",
      .where = CHALLENGE | DELEGATE | CERTIFY | CRL,
      .flags = HF_OPTION_REQUIRED,
      .optional = CRL },
    { .name = "ek-roots",
      .kind = HF_KIND_PATH,
      .arg = "PATH",
      .help = "certificates of TPM vendors to trust, a file or a directory; may be given several "
              "times",
      .where = CHALLENGE | CERTIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "ek-digest",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "SHA-256 of an endorsement key to trust without a vendor; may be given several times",
      .where = CHALLENGE | CERTIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "ek-list",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "a file of such digests, one a line; may be given several times",
      .where = CHALLENGE | CERTIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "vma-root",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "root certificates of fleets whose virtual TPMs are believed; may be given several "
              "times",
      .where = CERTIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "vma",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "vMA certificates, for TPMs that have none or an old one; may be given several times",
      .where = CERTIFY,
      .flags = HF_OPTION_MULTI },
    { .name = "hours",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "hours the certificate of an attestation key is valid",
      .preset = "24",
      .min = 1,
      .max = 24 * 90,
      .where = CERTIFY },
    { .name = "hardware-only",
      .kind = HF_KIND_FLAG,
      .help = "refuse virtual TPMs that are software-rooted or nested",
      .where = CERTIFY },
    { .name = "approver-public",
      .kind = HF_KIND_PATH,
      .arg = "PEM",
      .help = "public key of the approver to whose policy the signing key must be bound",
      .where = DELEGATE },
    { .name = "approved-pcrs",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "PCR values of an approved environment without a name; may be given several times",
      .where = DELEGATE,
      .flags = HF_OPTION_MULTI },
    { .name = "environments",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the approved environments (default: \"environments\" in the CA's directory)",
      .where = DELEGATE },
    { .name = "environment",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "only this one of them; may be given several times",
      .where = DELEGATE | LIST,
      .flags = HF_OPTION_MULTI },
    { .name = "pcrs",
      .kind = HF_KIND_STRING,
      .arg = "SELECTION",
      .help = "the PCRs that must be quoted, with --approved-pcrs",
      .preset = "sha256:0,2,4,7",
      .where = DELEGATE },
    { .name = "days",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "days the delegation is valid",
      .preset = "365",
      .min = 1,
      .max = HF_DELEGATION_DAYS_MAX,
      .where = DELEGATE },
    { .name = "crl-url",
      .kind = HF_KIND_STRING,
      .arg = "URL",
      .help = "where this CA's revocation list is to be had",
      .where = DELEGATE | CERTIFY },
    { .name = "name-constraints",
      .kind = HF_KIND_FLAG,
      .help = "also forbid all host names, addresses and mail domains in the certificate",
      .where = DELEGATE },
    { .name = "allow-software",
      .kind = HF_KIND_FLAG,
      .help = "also delegate to a key that is in no TPM; the certificate says so",
      .where = DELEGATE },
    { .name = "allow-unproved-ek",
      .kind = HF_KIND_FLAG,
      .help = "also delegate where nothing proves that the attestation key is in the TPM of the "
              "endorsement key",
      .where = DELEGATE },
    { .name = "serial",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "the certificate with this serial number",
      .where = REVOKE | LIST },
    { .name = "key",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "all certificates of the key with this Name, hex",
      .where = REVOKE | LIST },
    { .name = "host-ek",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "all certificates of the host with this endorsement key, SHA-256",
      .where = REVOKE | LIST },
    { .name = "reason",
      .kind = HF_KIND_CHOICE,
      .arg = "REASON",
      .help = "why, in the words of RFC 5280",
      .preset = "unspecified",
      .choices = HF_CRL_REASONS,
      .where = REVOKE },
    { .name = "crl-days",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "days until the next revocation list is due; 0: as last time, at first 30",
      .preset = "0",
      .min = 0,
      .max = HF_CA_CRL_DAYS_MAX,
      .where = CRL | REVOKE },
    { .name = "format",
      .kind = HF_KIND_CHOICE,
      .arg = "FORMAT",
      .help = "of the copy that --out gets",
      .preset = "pem",
      .choices = "pem|der",
      .where = CRL },
    { .name = "state",
      .kind = HF_KIND_CHOICE,
      .arg = "STATE",
      .help = "only certificates that are in this state now",
      .choices = "valid|expired|revoked|superseded",
      .where = LIST },
    { .name = "json", .kind = HF_KIND_FLAG, .help = "print facts as JSON", .where = LIST },
    { 0 },
};

static const HfProgram program = {
    .name = "holdfast-ca",
    .summary = "the fleet's CA: delegates to the authorities of approved hosts, certifies "
               "attestation keys",
    .commands = commands,
    .options = option_table,
    .usage_exit = 2,
};

static bool run(const HfOptions *options, GError **error)
{
    switch (hf_options_command(options)->bit) {
    case INIT: return hf_ca_command_init(options, error);
    case CHALLENGE: return hf_ca_command_challenge(options, error);
    case NONCE: return hf_ca_command_nonce(options, error);
    case CERTIFY: return hf_ca_command_certify(options, error);
    case DELEGATE: return hf_ca_command_delegate(options, error);
    case REVOKE: return hf_ca_command_revoke(options, error);
    case CRL: return hf_ca_command_crl(options, error);
    default: return hf_ca_command_list(options, error);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    g_autoptr(GError) error = NULL;

    if (!run(options, &error)) {
        hf_log_error(program.name, error);
        return hf_error_is(error, HF_ERROR_USAGE) ? 2 : 1;
    }
    return 0;
}
