/*
 * setup_options.c - the option table of holdfast-setup, and the plan made from it.
 *
 * Rows follow swtpm_setup; those that have no meaning here are accepted and ignored, those that ask
 * for something this program does not do are refused.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/setup_options.h"

#include <string.h>

#include "base/error.h"

static const HfOption setup_options[] = {
    { .name = "tpm-state",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "directory of the TPM's state, also as dir://DIR; or file://FILE" },
    { .name = "tpmstate", .kind = HF_KIND_PATH, .arg = "DIR", .help = "the same as --tpm-state" },
    { .name = "tpm2", .help = "make a TPM 2.0 (the only version that can be made)" },
    { .name = "keyfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "encrypt the state with the key in this file (hexadecimal)" },
    { .name = "keyfile-fd",
      .kind = HF_KIND_INT,
      .arg = "FD",
      .max = G_MAXINT,
      .help = "the same, from an open descriptor",
      .features = "cmdarg-keyfile-fd" },
    { .name = "pwdfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "encrypt the state with a key derived from all that is in this file" },
    { .name = "pwdfile-fd",
      .kind = HF_KIND_INT,
      .arg = "FD",
      .max = G_MAXINT,
      .help = "the same, from an open descriptor",
      .features = "cmdarg-pwdfile-fd" },
    { .name = "cipher",
      .kind = HF_KIND_CHOICE,
      .arg = "NAME",
      .preset = "aes-128-cbc",
      .choices = "aes-cbc|aes-128-cbc|aes-256-cbc",
      .help = "how it is encrypted: aes-128-cbc (default), aes-256-cbc" },
    { .name = "createek", .help = "create the endorsement keys: RSA-2048 and ECC P-384" },
    { .name = "create-ek-cert",
      .help = "have their certificates issued and put them into NV; implies --createek" },
    { .name = "create-platform-cert",
      .help = "have a platform certificate issued; implies --createek" },
    { .name = "create-spk", .help = "create the storage primary key at 0x81000001" },
    { .name = "ecc", .help = "with --create-spk: an ECC P-256 key instead of RSA-2048" },
    { .name = "allow-signing", .help = "endorsement keys that sign (not the standard kind)" },
    { .name = "decryption", .help = "with --allow-signing: keys that sign and decrypt" },
    { .name = "lock-nvram", .help = "write-lock the NV indices that are made" },
    { .name = "pcr-banks",
      .kind = HF_KIND_STRING,
      .arg = "LIST",
      .help = "PCR banks to switch on (sha1,sha256,...), - for all; by default sha256" },
    { .name = "rsa-keysize",
      .kind = HF_KIND_CHOICE,
      .arg = "BITS",
      .choices = "2048|3072|max",
      .help = "a larger size adds a second RSA endorsement key" },
    { .name = "ek1keyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "first endorsement key: rsa2048, rsa3072, ecc_nist_p256, ecc_nist_p384 or none",
      .features = "cmdarg-ek1keyalgo" },
    { .name = "ek2keyalgo",
      .kind = HF_KIND_STRING,
      .arg = "ALGO",
      .help = "second endorsement key",
      .features = "cmdarg-ek2keyalgo" },
    { .name = "authority",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "authority that issues the certificates; overrides the configuration file" },
    { .name = "tcti",
      .kind = HF_KIND_STRING,
      .arg = "TCTI",
      .help = "connection to the host TPM; overrides what the authority says" },
    { .name = "vmid",
      .kind = HF_KIND_STRING,
      .arg = "ID",
      .help = "name of the virtual machine, for the platform certificate" },
    { .name = "write-ek-cert-files",
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "write the certificates into this directory too",
      .features = "cmdarg-write-ek-cert-files" },
    { .name = "overwrite",
      .help = "replace an existing TPM; it stays until the new one is complete" },
    { .name = "not-overwrite", .help = "succeed without doing anything when there is a TPM" },
    { .name = "reconfigure",
      .help = "change the PCR banks of an existing TPM, nothing else",
      .features = "cmdarg-reconfigure-pcr-banks" },
    { .name = "config",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "configuration file instead of holdfast-setup.conf in ~/.config or " HF_SYSCONFDIR },
    { .name = "create-config-files",
      .kind = HF_KIND_STRING,
      .arg = "WORDS",
      .flags = HF_OPTION_OPTIONAL,
      .help = "write a configuration file for this user: overwrite, root, skip-if-exist",
      .features = "cmdarg-create-config-files" },
    { .name = "runas", .kind = HF_KIND_STRING, .arg = "USER", .help = "become this user first" },
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
      .flags = HF_OPTION_IGNORED,
      .help = "control program; none is needed" },
    { .name = "tcsd-system-ps-file",
      .kind = HF_KIND_STRING,
      .arg = "FILE",
      .flags = HF_OPTION_IGNORED,
      .help = "file of the TPM 1.2 stack; none is needed" },
    { .name = "ownerpass",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .flags = HF_OPTION_IGNORED,
      .help = "TPM 1.2 owner password" },
    { .name = "owner-well-known", .flags = HF_OPTION_IGNORED, .help = "TPM 1.2 owner password" },
    { .name = "srkpass",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .flags = HF_OPTION_IGNORED,
      .help = "TPM 1.2 storage key password" },
    { .name = "srk-well-known",
      .flags = HF_OPTION_IGNORED,
      .help = "TPM 1.2 storage key password" },
    { .name = "take-ownership", .help = "TPM 1.2 only: refused" },
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

/* Where the key of the state may come from; at most one of them. */
static const struct {
    const char *option;
    const char *title; /* for messages */
    bool descriptor;
    HfKeyForm form;
} key_ways[] = {
    { "keyfile", "--keyfile", false, HF_KEY_HEX },
    { "keyfile-fd", "--keyfile-fd", true, HF_KEY_HEX },
    { "pwdfile", "--pwdfile", false, HF_KEY_PBKDF2 },
    { "pwdfile-fd", "--pwdfile-fd", true, HF_KEY_PBKDF2 },
};

static bool check_key(const HfOptions *o, GError **error)
{
    const char *way = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(key_ways); i++) {
        if (!hf_options_has(o, key_ways[i].option)) {
            continue;
        }
        if (way) {
            return hf_error_set(error, HF_ERROR_USAGE, "%s and %s exclude each other", way,
                                key_ways[i].title);
        }
        way = key_ways[i].title;
    }
    return way || !hf_options_has(o, "cipher") ||
           usage(error, "--cipher encrypts nothing without --keyfile or --pwdfile");
}

static bool check_refused(const HfOptions *o, GError **error)
{
    if (!hf_options_flag(o, "tpm2")) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "this program makes TPM 2.0 only: say --tpm2 (without it a TPM 1.2 is "
                            "meant)");
    }
    if (hf_options_flag(o, "take-ownership")) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "--take-ownership is for TPM 1.2; a TPM 2.0 has no such step");
    }
    return true;
}

static bool check_reconfigure(const HfOptions *o, GError **error)
{
    static const char *const excluded[] = {
        "createek",  "create-ek-cert", "create-platform-cert", "create-spk",
        "overwrite", "not-overwrite",  "write-ek-cert-files"
    };
    if (!hf_options_flag(o, "reconfigure")) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(excluded); i++) {
        if (hf_options_has(o, excluded[i])) {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "--reconfigure changes PCR banks only: it cannot go with --%s",
                                excluded[i]);
        }
    }
    return true;
}

bool hf_setup_options_check(const HfOptions *o, GError **error)
{
    const char *state = hf_options_string(o, "tpm-state");
    const char *alias = hf_options_string(o, "tpmstate");
    if (!state && !alias) {
        return usage(error, "--tpm-state must be given");
    }
    if (state && alias && strcmp(state, alias) != 0) {
        return usage(error, "--tpm-state and --tpmstate name two directories");
    }
    if (hf_options_flag(o, "overwrite") && hf_options_flag(o, "not-overwrite")) {
        return usage(error, "--overwrite and --not-overwrite contradict");
    }
    if (hf_options_has(o, "rsa-keysize") &&
        (hf_options_has(o, "ek1keyalgo") || hf_options_has(o, "ek2keyalgo"))) {
        return usage(error, "--rsa-keysize cannot go with --ek1keyalgo or --ek2keyalgo");
    }
    if (hf_options_has(o, "write-ek-cert-files") && !hf_options_flag(o, "create-ek-cert")) {
        return usage(error, "--write-ek-cert-files needs --create-ek-cert");
    }
    return check_key(o, error) && check_reconfigure(o, error) && check_refused(o, error);
}

/* --- the plan -------------------------------------------------------------------------------- */

void hf_setup_plan_free(HfSetupPlan *plan)
{
    if (!plan) {
        return;
    }
    g_free(plan->state);
    g_free(plan->key_file);
    g_free(plan->certificate_dir);
    g_free(plan->vmid);
    g_free(plan->authority);
    g_free(plan->tcti);
    g_free(plan->tool);
    g_free(plan->tool_config);
    g_free(plan->tool_options);
    g_free(plan->logfile);
    g_free(plan);
}

/* A value and where it came from. */
typedef struct {
    const char *text; /* NULL: given nowhere */
    char *what;
} Wish;

static void wish_clear(Wish *wish)
{
    g_free(wish->what);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

static Wish wish_for(const HfOptions *o, const char *option, const HfSetupConfig *config,
                     const char *configured, const char *key)
{
    const char *given = hf_options_string(o, option);
    if (given) {
        return (Wish){ given, g_strdup_printf("--%s", option) };
    }
    return (Wish){ configured, configured ? g_strdup_printf("%s, %s", config->path, key) : NULL };
}

static bool add_key(HfSetupPlan *plan, const HfEkRow *row, const char *what, GError **error)
{
    for (unsigned i = 0; i < plan->key_count; i++) {
        if (plan->keys[i] == row) {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "%s: there is one %s endorsement key already", what, row->title);
        }
    }
    plan->keys[plan->key_count++] = row;
    return true;
}

/* One of --ek1keyalgo, --ek2keyalgo. */
static bool add_wish(HfSetupPlan *plan, const Wish *wish, const HfEkRow *preset, GError **error)
{
    if (wish->text && strcmp(wish->text, "none") == 0) {
        return true;
    }
    const HfEkRow *row = wish->text ? hf_ek_row_find(wish->text, wish->what, error) : preset;
    return row && add_key(plan, row, wish->text ? wish->what : "endorsement keys", error);
}

/* A larger RSA key comes beside RSA-2048: Windows and AD CS look for that one only. */
static bool add_large_rsa(HfSetupPlan *plan, const Wish *wish, unsigned limit, GError **error)
{
    if (!wish->text || strcmp(wish->text, "2048") == 0) {
        return true;
    }
    bool max = strcmp(wish->text, "max") == 0;
    uint64_t bits = 0;
    if (!max && !g_ascii_string_to_unsigned(wish->text, 10, 2048, 16384, &bits, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: expected 2048, 3072 or max, found \"%s\"",
                            wish->what, wish->text);
    }
    const HfEkRow *row = max ? hf_ek_row_rsa_max(limit) : hf_ek_row_rsa((unsigned)bits);
    if (!row || row->rsa_bits > limit) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: the engine makes RSA keys of at most %u bits, not %s", wish->what,
                            limit, wish->text);
    }
    return row->rsa_bits == 2048 || add_key(plan, row, wish->what, error);
}

static bool plan_keys(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c, unsigned limit,
                      GError **error)
{
    g_auto(Wish) first = wish_for(o, "ek1keyalgo", c, c->ek1keyalgo, "ek1keyalgo");
    g_auto(Wish) second = wish_for(o, "ek2keyalgo", c, c->ek2keyalgo, "ek2keyalgo");
    g_auto(Wish) size = wish_for(o, "rsa-keysize", c, c->rsa_keysize, "rsa_keysize");
    if (first.text) {
        size.text = NULL; /* the algorithm says it more exactly */
    }
    return add_wish(plan, &first, hf_ek_row_rsa(2048), error) &&
           add_large_rsa(plan, &size, limit, error) &&
           add_wish(plan, &second, hf_ek_row_find("ecc_nist_p384", "", NULL), error);
}

static bool plan_authority(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                           GError **error)
{
    const char *given = hf_options_string(o, "authority");
    const char *tcti = hf_options_string(o, "tcti");
    plan->authority = g_strdup(given ? given : c->authority);
    plan->tcti = g_strdup(tcti ? tcti : c->tcti);
    if (!plan->authority && c->tool) {
        plan->tool = g_strdup(c->tool);
        plan->tool_config = g_strdup(c->tool_config);
        plan->tool_options = g_strdup(c->tool_options);
        return true;
    }
    if (!plan->authority && (plan->ek_certificates || plan->platform_certificate)) {
        return hf_error_set(
            error, HF_ERROR_FAILED,
            "no authority to issue the certificates: give --authority DIR, or a line "
            "\"authority = DIR\" in %s",
            c->path ? c->path : HF_SYSCONFDIR "/" HF_SETUP_CONFIG_NAME);
    }
    return true;
}

static HfExisting existing_of(const HfOptions *o)
{
    if (hf_options_flag(o, "overwrite")) {
        return HF_EXISTING_REPLACE;
    }
    return hf_options_flag(o, "not-overwrite") ? HF_EXISTING_KEEP : HF_EXISTING_REFUSE;
}

static void plan_key(HfSetupPlan *plan, const HfOptions *o)
{
    for (size_t i = 0; i < G_N_ELEMENTS(key_ways); i++) {
        const char *option = key_ways[i].option;
        if (!hf_options_has(o, option)) {
            continue;
        }
        plan->key_file = key_ways[i].descriptor ? NULL : g_strdup(hf_options_string(o, option));
        plan->key = (HfKeySource){
            .option = key_ways[i].title,
            .file = plan->key_file,
            .fd = key_ways[i].descriptor ? (int)hf_options_int(o, option) : -1,
            .form = key_ways[i].form,
            .size = hf_key_mode_size(hf_options_string(o, "cipher")),
        };
    }
}

/* What needs no second look. */
static HfSetupPlan *plan_from_options(const HfOptions *o)
{
    HfSetupPlan *plan = g_new0(HfSetupPlan, 1);
    const char *state = hf_options_string(o, "tpm-state");
    plan->state = g_strdup(state ? state : hf_options_string(o, "tpmstate"));
    plan_key(plan, o);
    plan->existing = existing_of(o);
    plan->reconfigure = hf_options_flag(o, "reconfigure");
    plan->ek_certificates = hf_options_flag(o, "create-ek-cert");
    plan->platform_certificate = hf_options_flag(o, "create-platform-cert");
    plan->create_ek =
        plan->ek_certificates || plan->platform_certificate || hf_options_flag(o, "createek");
    plan->create_spk = hf_options_flag(o, "create-spk");
    plan->spk_ecc = hf_options_flag(o, "ecc");
    plan->allow_signing = hf_options_flag(o, "allow-signing");
    plan->decryption = !plan->allow_signing || hf_options_flag(o, "decryption");
    plan->lock_nvram = hf_options_flag(o, "lock-nvram");
    plan->display = hf_options_flag(o, "display");
    plan->certificate_dir = g_strdup(hf_options_string(o, "write-ek-cert-files"));
    plan->vmid = g_strdup(hf_options_string(o, "vmid"));
    plan->logfile = g_strdup(hf_options_string(o, "logfile"));
    return plan;
}

static bool plan_banks(HfSetupPlan *plan, const HfOptions *o, const HfSetupConfig *c,
                       GError **error)
{
    g_auto(Wish) banks = wish_for(o, "pcr-banks", c, c->active_pcr_banks, "active_pcr_banks");
    return hf_bank_choice_parse(banks.text ? banks.text : HF_BANKS_DEFAULT,
                                banks.text ? banks.what : "PCR banks", &plan->banks, error);
}

HfSetupPlan *hf_setup_plan_new(const HfOptions *o, const HfSetupConfig *c, unsigned rsa_limit,
                               GError **error)
{
    g_autoptr(HfSetupPlan) plan = plan_from_options(o);
    if (!plan_banks(plan, o, c, error) ||
        (plan->create_ek && !plan_keys(plan, o, c, rsa_limit, error)) ||
        !plan_authority(plan, o, c, error)) {
        return NULL;
    }
    if ((plan->ek_certificates || plan->platform_certificate) && plan->key_count == 0) {
        usage(error, "certificates need at least one endorsement key, and all are \"none\"");
        return NULL;
    }
    return g_steal_pointer(&plan);
}

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
