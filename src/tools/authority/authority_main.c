/*
 * authority_main.c - holdfast-authority: the virtual manufacturer authority of this host.
 *
 * The option table and the way to the sub-commands; what they do is in authority_NAME.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/log.h"
#include "crypto/memory.h"
#include "hwtpm/connection.h"
#include "sandbox/sandbox.h"
#include "tools/authority/authority_commands.h"
#include "tools/common/ca_connection.h"

enum {
    INIT = 1 << 0,
    APPROVER_KEY = 1 << 1,
    APPROVE = 1 << 2,
    BUMP = 1 << 3,
    PCRS = 1 << 4,
    REQUEST = 1 << 5,
    INSTALL = 1 << 6,
    STATUS = 1 << 7,
    RESPOND = 1 << 8,
    ENROL = 1 << 12,
    REGISTER = 1 << 13,
    DERIVATION = 1 << 9,
    SIGN_APPROVAL = 1 << 10,
};

static const HfCommand commands[] = {
    { "init", INIT, "make an authority: its keys in the host TPM, its directory", NULL, 0, 0 },
    { "approver-key", APPROVER_KEY, "make an approver's key and its public part (FILE.pub)", "FILE",
      1, 1 },
    { "approve", APPROVE, "approve a state of the host in which its keys may be used", NULL, 0, 0 },
    { "derivation-key", DERIVATION,
      "make the key for reproducible endorsement keys, if there is none", NULL, 0, 0 },
    { "sign-approval", SIGN_APPROVAL,
      "where the approver's key is: sign what approve --offline left, after computing it anew",
      NULL, 0, 0 },
    { "bump-generation", BUMP, "revoke all approvals given so far", NULL, 0, 0 },
    { "pcrs", PCRS, "print the host TPM's PCR values, a line each", NULL, 0, 0 },
    { "request", REQUEST, "introduce this host to holdfast-ca, which answers with a challenge",
      NULL, 0, 0 },
    { "respond", RESPOND, "answer the challenge with a delegation request", NULL, 0, 0 },
    { "enrol", ENROL, "request, respond and install-certificate in one, with a CA that serves",
      NULL, 0, 0 },
    { "register", REGISTER,
      "have an EK certificate that this authority signed issued by the fleet's issuer", NULL, 0,
      0 },
    { "install-certificate", INSTALL, "install the delegation certificate and its chain",
      "FILE [FILE...]", 1, 8 },
    { "status", STATUS, "say whether certificates can be issued now and, if not, why", NULL, 0, 0 },
    { 0 },
};

static const HfOption option_table[] = {
    { .name = "dir",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "directory of the authority",
      .preset = HF_LOCALSTATEDIR "/lib/holdfast/authority",
      .where = ENROL | REGISTER | INIT | APPROVE | DERIVATION | BUMP | PCRS | REQUEST | RESPOND |
               INSTALL | STATUS },
    { .name = "tcti",
      .kind = HF_KIND_STRING,
      .arg = "TCTI",
      .help = "how the host TPM is reached, as tpm2-tss names it; init records it (" HF_TCTI_DEFAULT
              ")",
      .where = ENROL | INIT | APPROVE | DERIVATION | BUMP | PCRS | REQUEST | RESPOND | STATUS },
    { .name = "approver-public",
      .kind = HF_KIND_PATH,
      .arg = "PEM",
      .help = "public key of the approver (P-256, RSA-2048 or RSA-3072)",
      .where = INIT },
    { .name = "make-approver",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "make the approver's key in this new file; move it away from this host afterwards",
      .where = INIT },
    { .name = "pcrs",
      .kind = HF_KIND_STRING,
      .arg = "SELECTION",
      .help = "the PCRs that are approved",
      .preset = "sha256:0,2,4,7",
      .where = INIT | SIGN_APPROVAL },
    { .name = "key-algorithm",
      .kind = HF_KIND_CHOICE,
      .arg = "NAME",
      .help = "of the signing key",
      .preset = "ecc-p256",
      .choices = "ecc-p256|rsa-2048",
      .where = INIT },
    { .name = "migration-policy",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "what certificates say of migration; none, as without it: the TPM never moves; "
              "for the other commands, which key",
      .where = ENROL | REGISTER | INIT | REQUEST | RESPOND | INSTALL | STATUS },
    { .name = "device-model",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "what the key certifies: tpm-1.2, tpm-2.0, any; for the other commands, which key",
      .where = ENROL | REGISTER | INIT | REQUEST | RESPOND | INSTALL | STATUS },
    { .name = "key",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "the signing key; init makes a further one where there is an authority (default: "
              "the first)",
      .where = ENROL | REGISTER | INIT | REQUEST | RESPOND | INSTALL | STATUS },
    { .name = "counter-index",
      .kind = HF_KIND_STRING,
      .arg = "INDEX",
      .help = "NV index of the generation counter",
      .preset = "0x01804846",
      .where = INIT | SIGN_APPROVAL },
    { .name = "srk-handle",
      .kind = HF_KIND_STRING,
      .arg = "HANDLE",
      .help = "where the storage root key may be persistent",
      .preset = "0x81000001",
      .where = INIT },
    { .name = "aia-url",
      .kind = HF_KIND_STRING,
      .arg = "URL",
      .help = "where the authority's certificate is to be had, for certificates",
      .where = INIT },
    { .name = "platform-manufacturer",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "of this host, for platform certificates (default: what the firmware says)",
      .where = INIT },
    { .name = "platform-model",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "the same",
      .where = INIT },
    { .name = "platform-version",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "the same",
      .where = INIT },
    { .name = "software",
      .kind = HF_KIND_FLAG,
      .help = "no host TPM: the signing key is a file, and certificates say so",
      .where = INIT },
    { .name = "key-file",
      .kind = HF_KIND_PATH,
      .arg = "PEM",
      .help = "as --software, with a copy of this private key",
      .where = INIT },
    { .name = "owner-auth-file",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "password of the host TPM's owner hierarchy, where one is set",
      .where = INIT | APPROVE },
    { .name = "crl",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the CA's revocation list: is the certificate on it? May be given several times",
      .where = STATUS | INSTALL | ENROL,
      .flags = HF_OPTION_MULTI },
    { .name = "endorsement-auth-file",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "password of the host TPM's endorsement hierarchy, where one is set",
      .where = ENROL | INIT | REQUEST | RESPOND },
    { .name = "approver-key",
      .kind = HF_KIND_PATH,
      .arg = "PEM",
      .help = "private key of the approver, a file or a PKCS#11 URL",
      .where = APPROVE | BUMP | SIGN_APPROVAL },
    { .name = "offline",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "the approver's key is elsewhere: leave there what it has to sign, take its "
              "signatures from there",
      .where = APPROVE | BUMP | SIGN_APPROVAL },
    { .name = "pcr-values",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "approve the values in this file; current: those the host TPM has now",
      .preset = "current",
      .where = APPROVE | SIGN_APPROVAL },
    { .name = "generation",
      .kind = HF_KIND_INT,
      .arg = "N",
      .help = "the approval holds until the counter passes N (default: its value now)",
      .min = 0,
      .max = G_MAXINT64,
      .where = APPROVE | SIGN_APPROVAL },
    { .name = "nonce",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "make the delegation request at once for this nonce (holdfast-ca nonce), "
              "unchallenged",
      .where = REQUEST },
    { .name = "challenge",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "what holdfast-ca challenge wrote",
      .where = RESPOND,
      .flags = HF_OPTION_REQUIRED },
    { .name = "event-log",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "the firmware's event log (default: the kernel's, where there is one); none: send "
              "none",
      .where = ENROL | REQUEST | RESPOND },
    { .name = "out",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "where the introduction, the delegation request or the issued certificates go",
      .where = REQUEST | RESPOND | REGISTER,
      .flags = HF_OPTION_REQUIRED },
    { .name = "ek-certificate",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "EK certificate of a virtual TPM, as this authority signed it",
      .where = REGISTER,
      .flags = HF_OPTION_REQUIRED },
    HF_CA_CONNECTION_OPTIONS(ENROL | REGISTER, HF_OPTION_REQUIRED),
    { .name = "root",
      .kind = HF_KIND_PATH,
      .arg = "PEM",
      .help =
          "the fleet's root to which the certificate must lead (default: that of the certificate "
          "installed before)",
      .where = ENROL },
    { .name = "renew",
      .kind = HF_KIND_FLAG,
      .help = "also when a good certificate is installed; the key stays",
      .where = ENROL },
    { .name = "progress",
      .kind = HF_KIND_FLAG,
      .help = "say each step on stderr also when it is no terminal",
      .where = ENROL },
    { .name = "json", .kind = HF_KIND_FLAG, .help = "print facts as JSON", .where = STATUS },
    { 0 },
};

static const HfProgram program = {
    .name = "holdfast-authority",
    .summary = "the authority that issues this host's virtual TPMs their certificates",
    .commands = commands,
    .options = option_table,
    .usage_exit = 2,
};

static bool run(const HfOptions *options, bool *ret_works, GError **error)
{
    switch (hf_options_command(options)->bit) {
    case INIT: return hf_authority_command_init(options, error);
    case APPROVER_KEY: return hf_authority_command_approver_key(options, error);
    case APPROVE: return hf_authority_command_approve(options, error);
    case DERIVATION: return hf_authority_command_derivation(options, error);
    case SIGN_APPROVAL: return hf_authority_command_sign_approval(options, error);
    case BUMP: return hf_authority_command_bump(options, error);
    case PCRS: return hf_authority_command_pcrs(options, error);
    case REQUEST: return hf_authority_command_request(options, error);
    case RESPOND: return hf_authority_command_respond(options, error);
    case REGISTER: return hf_authority_command_register(options, error);
    case ENROL: return hf_authority_command_enrol(options, error);
    case INSTALL: return hf_authority_command_install(options, error);
    default: return hf_authority_command_status(options, ret_works, error);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(HfOptions) options = NULL;
    g_autoptr(GError) error = NULL;
    bool works = true;

    hf_crypto_take_memory();
    if (!hf_sandbox_stage1(&error)) {
        hf_log_error(program.name, error);
        return 1;
    }
    options = hf_options_parse_or_exit(&program, argc, argv);
    if (!run(options, &works, &error)) {
        hf_log_error(program.name, error);
        return hf_error_is(error, HF_ERROR_USAGE) ? 2 : 1;
    }
    return works ? 0 : 1;
}
