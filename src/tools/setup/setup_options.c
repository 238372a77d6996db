/*
 * setup_options.c - the option table of holdfast-setup, and the plan made from it.
 *
 * Rows follow swtpm_setup, those with a feature word in the order of its --print-capabilities; those
 * that have no meaning here are accepted and ignored, those that ask for something this build cannot
 * do are refused. The plan is made in setup_plan.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/setup_options.h"

#include <string.h>

#include "base/error.h"
#include "engine/engine.h"

static const HfOption setup_options[] = {
    { .name = "tpm-state",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "directory of the TPM's state, also as dir://DIR; or file://FILE, slots://FILE" },
    { .name = "tpmstate", .kind = HF_KIND_PATH, .arg = "DIR", .help = "the same as --tpm-state" },
    { .name = "tpm2", .help = "make a TPM 2.0; without this, a TPM 1.2" },
    { .name = "createek",
      .help = "create the endorsement keys: RSA-2048 and ECC P-384 (TPM 1.2: RSA-2048)" },
    { .name = "create-ek-cert",
      .help = "have their certificates issued and put them into NV; implies --createek" },
    { .name = "create-platform-cert",
      .help = "have a platform certificate issued; implies --createek" },
    { .name = "create-spk", .help = "create the storage primary key at 0x81000001" },
    { .name = "ecc", .help = "with --create-spk: an ECC key instead of RSA" },
    { .name = "allow-signing", .help = "endorsement keys that sign (not the standard kind)" },
    { .name = "decryption", .help = "with --allow-signing: keys that sign and decrypt" },
    { .name = "lock-nvram", .help = "write-lock the NV indices that are made" },
    { .name = "pcr-banks",
      .kind = HF_KIND_STRING,
      .arg = "LIST",
      .flags = HF_OPTION_EMPTY,
      .help = "PCR banks to switch on (sha1,sha256,...), - for all; by default sha256" },
    { .name = "rsa-keysize",
      .kind = HF_KIND_CHOICE,
      .arg = "BITS",
      .choices = "2048|3072|4096|max",
      .help = "a larger size adds a second RSA endorsement key (swtpm_setup: replaces it)" },
    { .name = "authority",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "authority that issues the certificates; overrides the configuration file" },
    { .name = "tcti",
      .kind = HF_KIND_STRING,
      .arg = "TCTI",
      .help = "connection to the host TPM; overrides what the authority says" },
    { .name = "migration-policy",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "how the TPM may move, none: never; the authority's key for this policy signs" },
    { .name = "reproducible-from",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "endorsement keys that follow from this file and the host TPM, always the same" },
    { .name = "vmid",
      .kind = HF_KIND_STRING,
      .arg = "ID",
      .flags = HF_OPTION_EMPTY,
      .help = "name of the virtual machine, for the platform certificate" },
    { .name = "overwrite",
      .help = "replace an existing TPM; it stays until the new one is complete" },
    { .name = "not-overwrite", .help = "succeed without doing anything when there is a TPM" },
    { .name = "check-certificates",
      .help = "say whether the certificates of an existing TPM are for the keys it has now" },
    { .name = "withdraw-certificates",
      .help = "remove those that are not; nothing else is changed" },
    { .name = "reissue-certificates",
      .help = "have new certificates issued for the endorsement keys of an existing TPM" },
    { .name = "install-certificate",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "put EK certificates issued elsewhere, and those above them, into an existing TPM" },
    { .name = "copy-from",
      .kind = HF_KIND_STRING,
      .arg = "STATE",
      .help = "make the TPM of that directory, file:// or slots:// the one of --tpm-state" },
    { .name = "config",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "configuration file instead of holdfast-setup.conf in ~/.config or " HF_SYSCONFDIR },
    { .name = "runas", .kind = HF_KIND_STRING, .arg = "USER", .help = "become this user first" },
    { .name = "batch",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "make many TPMs: the options of each are a line of this file" },
    { .name = "jobs",
      .kind = HF_KIND_INT,
      .arg = "N",
      .min = 1,
      .max = 1024,
      .help = "with --batch: how many at a time; by default as many as there are processors" },
    { .name = "logfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "append messages to this file instead of standard output" },
    { .name = "display", .help = "show at the end what the TPM is made of" },
    { .name = "print-capabilities", .help = "show as JSON what this program can do" },
    { .name = "tpm",
      .kind = HF_KIND_STRING,
      .arg = "PROGRAM",
      .flags = HF_OPTION_IGNORED,
      .help = "TPM program; the engine is built in" },
    { .name = "swtpm_ioctl",
      .kind = HF_KIND_STRING,
      .arg = "PROGRAM",
      .flags = HF_OPTION_IGNORED | HF_OPTION_EMPTY,
      .help = "control program; none is needed" },
    { .name = "tcsd-system-ps-file",
      .kind = HF_KIND_STRING,
      .arg = "FILE",
      .flags = HF_OPTION_IGNORED | HF_OPTION_EMPTY,
      .help = "file of the TPM 1.2 stack; none is needed" },
    { .name = "keyfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "encrypt the state with the key in this file (hexadecimal digits)" },
    { .name = "keyfile-fd",
      .kind = HF_KIND_INT,
      .arg = "FD",
      .min = 0,
      .max = INT32_MAX,
      .help = "the same, read from a descriptor",
      .features = "cmdarg-keyfile-fd" },
    { .name = "pwdfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "encrypt the state with a key derived from the passphrase in this file" },
    { .name = "pwdfile-fd",
      .kind = HF_KIND_INT,
      .arg = "FD",
      .min = 0,
      .max = INT32_MAX,
      .help = "the same, read from a descriptor",
      .features = "cmdarg-pwdfile-fd" },
    { .name = "cipher",
      .kind = HF_KIND_CHOICE,
      .arg = "NAME",
      .choices = "aes-cbc|aes-128-cbc|aes-256-cbc",
      .preset = "aes-128-cbc",
      .help = "how the state is encrypted" },
    { .name = "take-ownership",
      .help = "TPM 1.2: take ownership; implies --createek",
      .features = "tpm12-not-need-root" },
    { .name = "ownerpass",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .preset = "ooo",
      .flags = HF_OPTION_EMPTY,
      .help = "TPM 1.2: the owner's password" },
    { .name = "owner-well-known", .help = "TPM 1.2: the owner's password is 20 zero bytes" },
    { .name = "srkpass",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .preset = "sss",
      .flags = HF_OPTION_EMPTY,
      .help = "TPM 1.2: the storage root key's password" },
    { .name = "srk-well-known",
      .help = "TPM 1.2: the storage root key's password is 20 zero bytes" },
    { .name = "write-ek-cert-files",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "write the certificates into this directory too",
      .features = "cmdarg-write-ek-cert-files" },
    { .name = "create-config-files",
      .kind = HF_KIND_STRING,
      .arg = "WORDS",
      .flags = HF_OPTION_OPTIONAL,
      .help = "write a configuration file for this user: overwrite, root, skip-if-exist",
      .features = "cmdarg-create-config-files" },
    { .name = "reconfigure",
      .help = "change the PCR banks of an existing TPM, nothing else",
      .features = "cmdarg-reconfigure-pcr-banks" },
    { .name = "ek1keyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "first endorsement key: rsa2048, rsa3072, ecc_nist_p256, _p384, _p521 or none",
      .features = "cmdarg-ek1keyalgo" },
    { .name = "ek2keyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "second endorsement key",
      .features = "cmdarg-ek2keyalgo" },
    { .name = "iakkeyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "create an initial attestation key: rsa2048, rsa3072, ecc_nist_p256, _p384 or none",
      .features = "cmdarg-iakkeyalgo" },
    { .name = "idevidkeyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "create an initial device identity key",
      .features = "cmdarg-idevidkeyalgo" },
    { .name = "no-iak", .help = "create neither, whatever the configuration says" },
    { .name = "profile",
      .kind = HF_KIND_STRING,
      .arg = "JSON",
      .help = "profile of the TPM 2.0 (libtpms 0.10 or later)" },
    { .name = "profile-name",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "the site's, the distribution's or libtpms' own profile of this name" },
    { .name = "profile-file",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "read the profile from this file" },
    { .name = "profile-file-fd",
      .kind = HF_KIND_INT,
      .arg = "FD",
      .min = 0,
      .max = INT32_MAX,
      .help = "the same, read from a descriptor" },
    { .name = "profile-remove-disabled",
      .kind = HF_KIND_CHOICE,
      .arg = "MODE",
      .choices = "check|fips-host",
      .help = "leave out of a custom profile what the host does not allow" },
    { .name = "print-profiles", .help = "with --tpm2: show as JSON the profiles there are" },
    { .name = NULL },
};

const HfProgram hf_setup_program = {
    .name = "holdfast-setup",
    .summary = "Make a virtual TPM: its keys, their certificates, its NV memory",
    .options = setup_options,
    .operands = NULL,
    /* swtpm_setup takes the words of --create-config-files as a word of their own too. */
    .max_operands = 1,
    .usage_exit = 2,
};

/* --- the check of the command line alone ----------------------------------------------------- */

static bool usage(GError **error, const char *text)
{
    return hf_error_set(error, HF_ERROR_USAGE, "%s", text);
}

/* The first of `names` that was given, or NULL. */
static const char *first_given(const HfOptions *o, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (hf_options_has(o, names[i])) {
            return names[i];
        }
    }
    return NULL;
}

static bool check_profile(const HfOptions *o, GError **error)
{
    static const char *const profiles[] = { "profile", "profile-name", "profile-file",
                                            "profile-file-fd", "profile-remove-disabled" };
    const char *given = first_given(o, profiles, G_N_ELEMENTS(profiles));
    unsigned count = 0;
    for (size_t i = 0; i + 1 < G_N_ELEMENTS(profiles); i++) {
        count += hf_options_has(o, profiles[i]) ? 1 : 0;
    }
    if (!given) {
        return true;
    }
    if (!hf_options_flag(o, "tpm2")) {
        return usage(error, "There's no --profile support for TPM 1.2");
    }
    if (hf_options_flag(o, "reconfigure")) {
        return usage(error, "Reconfiguration does not accept a (new) profile.");
    }
    if (count > 1) {
        return usage(error, "Only one of --profile, --profile-name, --profile-file, and "
                            "--profile-file-fd may be given.");
    }
    g_autofree char *version = hf_engine_library_version();
    return hf_engine_has_profiles() ||
           hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "--%s: libtpms %s has no profiles, libtpms 0.10 is the first that has; "
                        "nothing was made",
                        given, version);
}

static bool check_version(const HfOptions *o, GError **error)
{
    static const char *const of_tpm2[] = {
        "create-spk", "ek1keyalgo",    "ek2keyalgo",    "iakkeyalgo",
        "ecc",        "reconfigure",   "idevidkeyalgo", "reproducible-from",
        "decryption", "allow-signing", "pcr-banks"
    };
    bool tpm2 = hf_options_flag(o, "tpm2");
    if (tpm2 && hf_options_flag(o, "take-ownership")) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "--take-ownership is for TPM 1.2; a TPM 2.0 has no such step");
    }
    const char *given = tpm2 ? NULL : first_given(o, of_tpm2, G_N_ELEMENTS(of_tpm2));
    return !given || hf_error_set(error, HF_ERROR_USAGE, "--%s requires --tpm2", given);
}

static bool check_reconfigure(const HfOptions *o, bool swtpm, GError **error)
{
    static const char *const excluded[] = {
        "createek",      "create-ek-cert",    "create-platform-cert", "create-spk", "iakkeyalgo",
        "idevidkeyalgo", "reproducible-from", "write-ek-cert-files",  "overwrite",  "not-overwrite"
    };
    if (!hf_options_flag(o, "reconfigure")) {
        return true;
    }
    const char *given = first_given(o, excluded, G_N_ELEMENTS(excluded) - (swtpm ? 3 : 0));
    return !given ||
           hf_error_set(error, HF_ERROR_USAGE,
                        "--reconfigure changes PCR banks only: it cannot go with --%s", given);
}

static bool check_examination(const HfOptions *o, GError **error)
{
    static const char *const examinations[] = { "check-certificates", "withdraw-certificates",
                                                "reissue-certificates", "install-certificate" };
    /* The last ones go with a reissue. */
    static const char *const excluded[] = {
        "createek",          "create-ek-cert",     "create-spk",
        "iakkeyalgo",        "reconfigure",        "idevidkeyalgo",
        "overwrite",         "not-overwrite",      "create-platform-cert",
        "reproducible-from", "write-ek-cert-files"
    };
    const char *what = first_given(o, examinations, G_N_ELEMENTS(examinations));
    unsigned last = hf_options_flag(o, "reissue-certificates") ? 3 : 0;
    const char *given = what ? first_given(o, excluded, G_N_ELEMENTS(excluded) - last) : NULL;

    for (unsigned i = 0, count = 0; i < G_N_ELEMENTS(examinations); i++) {
        count += hf_options_has(o, examinations[i]) ? 1 : 0;
        given = count > 1 ? examinations[i] : given;
    }
    if (given) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--%s is about an existing TPM: it cannot go with --%s", what, given);
    }
    return !what || hf_options_flag(o, "tpm2") ||
           hf_error_set(error, HF_ERROR_USAGE, "--%s requires --tpm2", what);
}

static bool check_copy(const HfOptions *o, GError **error)
{
    static const char *const excluded[] = {
        "createek",           "create-ek-cert",        "create-platform-cert", "create-spk",
        "iakkeyalgo",         "idevidkeyalgo",         "reproducible-from",    "reconfigure",
        "check-certificates", "withdraw-certificates", "take-ownership",       "pcr-banks",
        "overwrite",          "write-ek-cert-files",   "reissue-certificates", "install-certificate"
    };
    const char *given =
        hf_options_has(o, "copy-from") ? first_given(o, excluded, G_N_ELEMENTS(excluded)) : NULL;
    return !given ||
           hf_error_set(error, HF_ERROR_USAGE,
                        "--copy-from copies a TPM as it is: it cannot go with --%s", given);
}

/* A cipher without a key would leave secrets in the clear, unnoticed. */
static bool check_cipher(const HfOptions *o, GError **error)
{
    static const char *const keys[] = { "keyfile", "keyfile-fd", "pwdfile", "pwdfile-fd" };
    return !hf_options_has(o, "cipher") || first_given(o, keys, G_N_ELEMENTS(keys)) ||
           usage(error, "--cipher encrypts nothing without --keyfile or --pwdfile");
}

/* Of each set at most one may be given. */
static bool check_exclusive(const HfOptions *o, GError **error)
{
    static const char *const sets[][4] = {
        { "keyfile", "keyfile-fd", "pwdfile", "pwdfile-fd" },
        { "rsa-keysize", "ek1keyalgo", NULL, NULL },
    };
    for (size_t set = 0; set < G_N_ELEMENTS(sets); set++) {
        const char *first = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(sets[set]) && sets[set][i]; i++) {
            const char *name = sets[set][i];
            if (first && hf_options_has(o, name)) {
                return hf_error_set(error, HF_ERROR_USAGE, "--%s and --%s exclude each other",
                                    first, name);
            }
            first = hf_options_has(o, name) ? name : first;
        }
    }
    return true;
}

static bool check_state(const HfOptions *o, bool swtpm, GError **error)
{
    const char *state = hf_options_string(o, "tpm-state");
    const char *alias = hf_options_string(o, "tpmstate");
    if (!state && !alias) {
        return usage(error, swtpm ? "--tpm-state must be provided" : "--tpm-state must be given");
    }
    return !state || !alias || strcmp(state, alias) == 0 ||
           usage(error, "--tpm-state and --tpmstate name two directories");
}

/* What swtpm_setup lets pass. */
static bool check_strictly(const HfOptions *o, GError **error)
{
    if (hf_options_flag(o, "overwrite") && hf_options_flag(o, "not-overwrite")) {
        return usage(error, "--overwrite and --not-overwrite contradict");
    }
    if (hf_options_has(o, "write-ek-cert-files") && !hf_options_flag(o, "create-ek-cert") &&
        !hf_options_flag(o, "reissue-certificates")) {
        return usage(error, "--write-ek-cert-files needs --create-ek-cert");
    }
    return check_cipher(o, error);
}

bool hf_setup_options_check(const HfOptions *o, bool swtpm, GError **error)
{
    return check_state(o, swtpm, error) && (swtpm || check_strictly(o, error)) &&
           check_exclusive(o, error) && check_version(o, error) &&
           check_reconfigure(o, swtpm, error) && check_examination(o, error) &&
           check_copy(o, error) && check_profile(o, error);
}

/* --- what has no effect ---------------------------------------------------------------------- */

GPtrArray *hf_setup_ignored(const HfOptions *options, const HfSetupConfig *config)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (const HfOption *row = setup_options; row->name; row++) {
        if ((row->flags & HF_OPTION_IGNORED) && hf_options_has(options, row->name)) {
            g_ptr_array_add(lines, g_strdup_printf("--%s has no effect: %s", row->name, row->help));
        }
    }
    if (hf_options_flag(options, "ecc") && !hf_options_flag(options, "create-spk")) {
        g_ptr_array_add(lines, g_strdup("--ecc has no effect without --create-spk"));
    }
    for (unsigned i = 0; i < config->ignored->len; i++) {
        const char *key = g_ptr_array_index(config->ignored, i);
        g_ptr_array_add(lines, g_strdup_printf("%s: \"%s\" has no effect: the authority issues the "
                                               "certificates",
                                               config->path, key));
    }
    return lines;
}
