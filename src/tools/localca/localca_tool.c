/*
 * localca_tool.c - swtpm_localca: configuration, CA directory, one certificate.
 *
 * swtpm_setup calls it once a certificate. The certificate itself is made as swtpm_cert makes it
 * (cert_tool.h), by a command line that is put together here; no program is started.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/localca/localca_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "pki/signer.h"
#include "tools/common/swtpm_config.h"
#include "tools/localca/cert_tool.h"
#include "tools/localca/localca_store.h"

#define CONFIG_NAME "swtpm-localca.conf"
#define OPTIONS_NAME "swtpm-localca.options"
#define DIRECTORY_MODE 0750
#define LOG_MODE 0640
#define OPERANDS_MAX 64

static const HfOption options_table[] = {
    { .name = "type",
      .kind = HF_KIND_CHOICE,
      .arg = "TYPE",
      .choices = "ek|platform|iak|idevid",
      .help = "What is certified",
      .flags = HF_OPTION_REQUIRED },
    { .name = "ek",
      .kind = HF_KIND_STRING,
      .arg = "KEY",
      .help = "The TPM's key: a modulus in hex, or x=HEX,y=HEX[,id=CURVE]" },
    { .name = "key", .kind = HF_KIND_STRING, .arg = "KEY", .help = "The same" },
    { .name = "dir",
      .kind = HF_KIND_PATH,
      .arg = "DIRECTORY",
      .help = "Where the certificate goes, as TYPE.cert",
      .flags = HF_OPTION_REQUIRED },
    { .name = "vmid",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "Name of the virtual machine" },
    { .name = "optsfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "Further options of swtpm_cert (default: " OPTIONS_NAME ")" },
    { .name = "configfile",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "Where the CA is (default: " CONFIG_NAME ")" },
    { .name = "logfile", .kind = HF_KIND_PATH, .arg = "FILE", .help = "Write messages here" },
    { .name = "tpm-spec-family",
      .kind = HF_KIND_STRING,
      .arg = "FAMILY",
      .help = "TPM specification: family, such as 2.0" },
    { .name = "tpm-spec-revision",
      .kind = HF_KIND_STRING,
      .arg = "N",
      .help = "TPM specification: revision" },
    { .name = "tpm-spec-level",
      .kind = HF_KIND_STRING,
      .arg = "N",
      .help = "TPM specification: level" },
    { .name = "tpm-manufacturer",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "Manufacturer of the TPM" },
    { .name = "tpm-model", .kind = HF_KIND_STRING, .arg = "NAME", .help = "Model of the TPM" },
    { .name = "tpm-version",
      .kind = HF_KIND_STRING,
      .arg = "VERSION",
      .help = "Version of the TPM's firmware" },
    { .name = "tpm-serial-num",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "Serial number of the TPM, for iak and idevid" },
    { .name = "tpm2", .help = "For a TPM 2.0 (default: TPM 1.2)" },
    { .name = "allow-signing", .help = "The key may sign" },
    { .name = "decryption", .help = "The key may decrypt; the default without --allow-signing" },
    { .name = NULL },
};

typedef struct {
    const HfOptions *options;
    FILE *out; /* the log, or stdout */
    FILE *err; /* the log, or stderr */
    char *statedir;
    char *signkey;
    char *issuercert;
    char *certserial;
    char **words; /* of the options file */
    HfSecret *password;
    HfSecret *root_password;
    HfLocalCa ca; /* borrows from the above */
} Localca;

static HfSecret *secret_of(const char *text)
{
    return text && *text ? hf_secret_copy(text, strlen(text)) : NULL;
}

/* --- configuration --- */

static char *configured(const HfSwtpmConfig *config, const char *key, const char *path,
                        GError **error)
{
    char *value = hf_swtpm_config_get(config, key);
    if (!value || *value == '\0') {
        g_free(value);
        hf_error_set(error, HF_ERROR_INVALID, "Missing '%s' config value in config file %s.", key,
                     path);
        return NULL;
    }
    return value;
}

static bool unreadable(const char *what, const char *path, const GError *cause, GError **error)
{
    if (hf_error_is(cause, HF_ERROR_NOT_FOUND) || hf_error_is(cause, HF_ERROR_ACCESS)) {
        return hf_error_set(error, HF_ERROR_ACCESS, "Need read rights on %s file %s for user %s.",
                            what, path, g_get_user_name());
    }
    return hf_error_set(error, HF_ERROR_INVALID, "%s", cause->message);
}

/* swtpm's files have "\\;" for the ";" of a PKCS#11 URI. */
static void unescape(char *uri)
{
    char *to = uri;
    for (const char *from = uri; *from; from++) {
        from += from[0] == '\\' && from[1] == ';' ? 1 : 0;
        *to++ = *from;
    }
    *to = '\0';
}

static bool read_config(Localca *localca, GError **error)
{
    const char *given = hf_options_string(localca->options, "configfile");
    g_autofree char *path = given ? g_strdup(given) : hf_swtpm_config_path(CONFIG_NAME);
    g_autoptr(GError) cause = NULL;
    g_autoptr(HfSwtpmConfig) config = hf_swtpm_config_load(path, &cause);
    if (!config) {
        return unreadable("config", path, cause, error);
    }
    localca->statedir = configured(config, "statedir", path, error);
    localca->signkey = localca->statedir ? configured(config, "signingkey", path, error) : NULL;
    if (localca->signkey && hf_signer_is_pkcs11(localca->signkey)) {
        unescape(localca->signkey);
    }
    localca->issuercert = localca->signkey ? configured(config, "issuercert", path, error) : NULL;
    if (!localca->issuercert) {
        return false;
    }
    if (g_str_has_prefix(localca->signkey, "tpmkey:")) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "signingkey in config file %s: keys of a TPM 1.2 (tpmkey:) are not "
                            "supported; expected a file or pkcs11:",
                            path);
    }
    localca->certserial = hf_swtpm_config_get(config, "certserial");
    if (!localca->certserial || *localca->certserial == '\0') {
        g_free(localca->certserial);
        localca->certserial = g_build_filename(localca->statedir, "certserial", NULL);
    }
    hf_swtpm_config_export(config);
    localca->password = hf_swtpm_config_secret(config, "signingkey_password");
    if (!localca->password && hf_signer_is_pkcs11(localca->signkey)) {
        localca->password = hf_swtpm_config_secret(config, "SWTPM_PKCS11_PIN");
    }
    localca->root_password = secret_of(g_getenv("SWTPM_ROOTCA_PASSWORD"));
    return true;
}

static bool read_words(Localca *localca, GError **error)
{
    const char *given = hf_options_string(localca->options, "optsfile");
    g_autofree char *path = given ? g_strdup(given) : hf_swtpm_config_path(OPTIONS_NAME);
    g_autoptr(GError) cause = NULL;
    localca->words = hf_swtpm_config_words(path, &cause);
    if (!localca->words) {
        return unreadable("options", path, cause, error);
    }
    /* By themselves: an option without its value must not take ours for it. */
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (void *)(uintptr_t) "swtpm_cert");
    for (char **word = localca->words; *word; word++) {
        g_ptr_array_add(argv, *word);
    }
    g_ptr_array_add(argv, NULL);
    if (!hf_cert_tool_check((int)argv->len - 1, (char **)argv->pdata, error)) {
        g_prefix_error(error, "options file %s: ", path);
        return false;
    }
    return true;
}

/* --- the CA --- */

static bool make_directory(const Localca *localca, GError **error)
{
    if (access(localca->statedir, F_OK) == 0) {
        return true;
    }
    fprintf(localca->out, "Creating swtpm-localca dir '%s'.\n", localca->statedir);
    if (g_mkdir_with_parents(localca->statedir, DIRECTORY_MODE) != 0) {
        return hf_error_errno(error, errno, "Could not create directory '%s'", localca->statedir);
    }
    return true;
}

/* Who may read a CA but not write its directory can use it: the count is for swtpm alone, should it
 * go on with this CA; our serial numbers are random. */
static void count(const HfLocalCa *ca)
{
    hf_autofd int lock = hf_localca_lock(ca, NULL);
    if (lock >= 0) {
        (void)hf_localca_count(ca, NULL);
    }
}

static bool open_ca(Localca *localca, GError **error)
{
    localca->ca = (HfLocalCa){ .dir = localca->statedir,
                               .signkey = localca->signkey,
                               .issuercert = localca->issuercert,
                               .certserial = localca->certserial,
                               .password = localca->password,
                               .root_password = localca->root_password };
    if (!make_directory(localca, error)) {
        return false;
    }
    if (hf_localca_complete(&localca->ca)) {
        count(&localca->ca);
        return true;
    }
    hf_autofd int lock = hf_localca_lock(&localca->ca, error);
    if (lock < 0) {
        return false;
    }
    if (!hf_localca_complete(&localca->ca)) {
        if (!hf_signer_is_pkcs11(localca->signkey)) {
            fputs("Creating root CA and a local CA's signing key and issuer cert.\n", localca->out);
        }
        if (!hf_localca_create(&localca->ca, error)) {
            return false;
        }
    }
    return hf_localca_count(&localca->ca, error);
}

/* --- the certificate --- */

static void add(GPtrArray *argv, const char *option, const char *value)
{
    g_ptr_array_add(argv, g_strdup(option));
    if (value) {
        g_ptr_array_add(argv, g_strdup(value));
    }
}

/* CN=VMID, or serialNumber=VMID for an identity. What would end the value becomes "_". */
static char *subject_of(const Localca *localca)
{
    const char *vmid = hf_options_string(localca->options, "vmid");
    const char *type = hf_options_string(localca->options, "type");
    bool identity = strcmp(type, "iak") == 0 || strcmp(type, "idevid") == 0;
    g_autofree char *text = g_strdup(vmid && *vmid ? vmid : "unknown");
    for (char *p = text; *p; p++) {
        bool escaped = p > text && p[-1] == '\\';
        if (*p == ',' || (*p == '+' && !escaped)) {
            *p = '_';
        }
    }
    return g_strconcat(identity ? "serialNumber=" : "CN=", text, NULL);
}

static bool add_key(GPtrArray *argv, const HfOptions *options, GError **error)
{
    static const char *const names[][2] = { { "x=", "--ecc-x" },
                                            { "y=", "--ecc-y" },
                                            { "id=", "--ecc-curveid" } };
    const char *key = hf_options_has(options, "key") ? hf_options_string(options, "key")
                                                     : hf_options_string(options, "ek");
    if (!key) {
        return hf_error_set(error, HF_ERROR_USAGE, "The TPM's key is missing: --ek");
    }
    if (!strchr(key, '=')) {
        add(argv, "--modulus", key);
        return true;
    }
    g_auto(GStrv) parts = g_strsplit(key, ",", -1);
    for (char **part = parts; *part; part++) {
        const char *option = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
            if (g_str_has_prefix(*part, names[i][0])) {
                option = names[i][1];
                add(argv, option, *part + strlen(names[i][0]));
            }
        }
        if (!option) {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "--ek: expected x=HEX,y=HEX[,id=CURVE], found '%s'", *part);
        }
    }
    return true;
}

static bool make_argv(const Localca *localca, GPtrArray *argv, GError **error)
{
    static const char *const handed_on[] = { "tpm-spec-family",   "tpm-spec-level",
                                             "tpm-spec-revision", "tpm-manufacturer",
                                             "tpm-model",         "tpm-version",
                                             "tpm-serial-num" };
    static const char *const flags[] = { "tpm2", "allow-signing", "decryption" };
    const HfOptions *options = localca->options;
    const char *type = hf_options_string(options, "type");
    g_autofree char *subject = subject_of(localca);
    g_autofree char *file = g_strconcat(type, ".cert", NULL);
    g_autofree char *path = g_build_filename(hf_options_string(options, "dir"), file, NULL);

    add(argv, "swtpm_cert", NULL);
    add(argv, "--subject", subject);
    for (char **word = localca->words; *word; word++) {
        add(argv, *word, NULL);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (hf_options_flag(options, flags[i])) {
            g_ptr_array_add(argv, g_strconcat("--", flags[i], NULL));
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(handed_on); i++) {
        const char *value = hf_options_string(options, handed_on[i]);
        if (value) {
            g_autofree char *option = g_strconcat("--", handed_on[i], NULL);
            add(argv, option, value);
        }
    }
    if (!hf_options_flag(options, "tpm2")) {
        add(argv, "--add-header", NULL);
    }
    add(argv, "--type", type);
    add(argv, "--out-cert", path);
    add(argv, "--signkey", localca->signkey);
    add(argv, "--issuercert", localca->issuercert);
    add(argv, "--days", "-1");
    return add_key(argv, options, error);
}

static const char *type_text(const char *type)
{
    return strcmp(type, "ek") == 0       ? "EK"
           : strcmp(type, "iak") == 0    ? "IAK"
           : strcmp(type, "idevid") == 0 ? "IDevID"
                                         : "platform";
}

/* The command line is looked at before the CA is touched. */
static bool run(Localca *localca, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_null_terminated(64, g_free, TRUE);
    if (!read_config(localca, error) || !read_words(localca, error) ||
        !make_argv(localca, argv, error) || !open_ca(localca, error)) {
        return false;
    }
    const char *type = type_text(hf_options_string(localca->options, "type"));
    if (!hf_cert_tool_issue((int)argv->len, (char **)argv->pdata, localca->password, error)) {
        fprintf(localca->err, "Could not create %s certificate locally\n", type);
        return false;
    }
    fprintf(localca->out, "Successfully created %s certificate locally.\n", type);
    return true;
}

/* --- the program --- */

static bool open_log(Localca *localca, GError **error)
{
    const char *path = hf_options_string(localca->options, "logfile");
    localca->out = stdout;
    localca->err = stderr;
    if (!path) {
        return true;
    }
    g_autoptr(GError) cause = NULL;
    int fd = hf_file_open_output(path, HF_OUTPUT_APPEND, LOG_MODE, &cause);
    if (fd < 0) {
        return hf_error_set(error, HF_ERROR_IO,
                            "Need read/write rights on logfile %s for user %s: %s", path,
                            g_get_user_name(), cause->message);
    }
    FILE *log = fdopen(fd, "a");
    g_assert(log); /* memory: GLib's rules */
    setvbuf(log, NULL, _IOLBF, 0);
    localca->out = log;
    localca->err = log;
    return true;
}

static void localca_clear(Localca *localca)
{
    if (localca->out && localca->out != stdout) {
        (void)fclose(localca->out);
    }
    g_free(localca->statedir);
    g_free(localca->signkey);
    g_free(localca->issuercert);
    g_free(localca->certserial);
    g_strfreev(localca->words);
    hf_secret_free(localca->password);
    hf_secret_free(localca->root_password);
}

HfProgram hf_localca_program(void)
{
    return (HfProgram){
        .name = "swtpm_localca",
        .summary = "Makes the certificates of a TPM with a CA of this host",
        .options = options_table,
        .max_operands = OPERANDS_MAX,
        .usage_exit = EXIT_FAILURE,
    };
}

int hf_localca_main(int argc, char **argv)
{
    const HfProgram program = hf_localca_program();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    g_autoptr(GError) error = NULL;
    __attribute__((cleanup(localca_clear))) Localca localca = { .options = options };
    if (!open_log(&localca, &error) || !run(&localca, &error)) {
        fprintf(localca.err ? localca.err : stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
