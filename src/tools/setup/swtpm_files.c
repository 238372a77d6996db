/*
 * swtpm_files.c - swtpm_setup.conf and its companions.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/swtpm_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/common/swtpm_config.h"

#define SETUP_NAME "swtpm_setup.conf"
#define LOCALCA_NAME "swtpm-localca.conf"
#define OPTIONS_NAME "swtpm-localca.options"
#define FILE_MODE 0644

HfSetupConfig *hf_swtpm_files_load(const char *path, GError **error)
{
    g_autofree char *found = path ? g_strdup(path) : hf_swtpm_config_path(SETUP_NAME);
    g_autoptr(GError) cause = NULL;
    g_autoptr(HfSwtpmConfig) text = hf_swtpm_config_load(found, &cause);
    if (!text && (path || !hf_error_is(cause, HF_ERROR_NOT_FOUND))) {
        hf_error_set(error, HF_ERROR_ACCESS, "User %s cannot read config file %s: %s",
                     g_get_user_name(), found, cause->message);
        return NULL;
    }
    HfSetupConfig *config = g_new0(HfSetupConfig, 1);
    config->ignored = g_ptr_array_new_with_free_func(g_free);
    if (!text) {
        return config;
    }
    const struct {
        const char *key;
        char **value;
    } keys[] = {
        { "authority", &config->authority },
        { "tcti", &config->tcti },
        { "active_pcr_banks", &config->active_pcr_banks },
        { "rsa_keysize", &config->rsa_keysize },
        { "ek1keyalgo", &config->ek1keyalgo },
        { "ek2keyalgo", &config->ek2keyalgo },
        { "create_certs_tool", &config->tool },
        { "create_certs_tool_config", &config->tool_config },
        { "create_certs_tool_options", &config->tool_options },
    };
    config->path = g_steal_pointer(&found);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        char *value = hf_swtpm_config_get(text, keys[i].key);
        if (value && *value == '\0') {
            g_clear_pointer(&value, g_free);
        }
        *keys[i].value = value;
    }
    return config;
}

/* --- writing --- */

typedef struct {
    const char *name;
    char *text;
} NewFile;

static char *setup_text(const char *dir)
{
    return g_strdup_printf("create_certs_tool = " HF_SWTPM_DIR "/swtpm_localca\n"
                           "create_certs_tool_config = %s/" LOCALCA_NAME "\n"
                           "create_certs_tool_options = %s/" OPTIONS_NAME "\n"
                           "# PCR banks of a new TPM, between commas\n"
                           "active_pcr_banks = sha256\n",
                           dir, dir);
}

static char *localca_text(const char *ca)
{
    return g_strdup_printf("statedir = %s\n"
                           "signingkey = %s/signkey.pem\n"
                           "issuercert = %s/issuercert.pem\n"
                           "certserial = %s/certserial\n",
                           ca, ca, ca, ca);
}

/* The words of an options file have no blanks in them. */
static char *options_text(void)
{
    struct utsname system;
    if (uname(&system) != 0) {
        return g_strdup("");
    }
    g_strdelimit(system.version, " \t\n", '_');
    /* a certificate takes 64 characters */
    return g_strdup_printf("--platform-manufacturer %.64s\n"
                           "--platform-version %.64s\n"
                           "--platform-model %.64s\n",
                           system.sysname, system.version, system.sysname);
}

static bool parse_words(const char *mode, bool *ret_overwrite, bool *ret_root, bool *ret_skip,
                        GError **error)
{
    g_auto(GStrv) words = g_strsplit(mode ? mode : "", ",", -1);
    for (char **word = words; *word; word++) {
        if (strcmp(*word, "overwrite") == 0) {
            *ret_overwrite = true;
        } else if (strcmp(*word, "root") == 0) {
            *ret_root = true;
        } else if (strcmp(*word, "skip-if-exist") == 0) {
            *ret_skip = true;
        } else if (**word != '\0') {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "--create-config-files: unknown word \"%s\", expected overwrite, "
                                "root or skip-if-exist",
                                *word);
        }
    }
    return true;
}

static bool write_files(const char *dir, const NewFile *files, size_t count, GError **error)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *path = g_build_filename(dir, files[i].name, NULL);
        printf("Writing %s.\n", path);
        if (!hf_file_replace(path, files[i].text, strlen(files[i].text), FILE_MODE, error)) {
            return false;
        }
    }
    return true;
}

/* The first of the files that exists, or NULL. Caller frees. */
static char *existing_file(const char *dir, const NewFile *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *path = g_build_filename(dir, files[i].name, NULL);
        if (access(path, F_OK) == 0 || errno != ENOENT) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

bool hf_swtpm_files_create(const char *mode, GError **error)
{
    bool overwrite = false;
    bool root = false;
    bool skip = false;
    if (!parse_words(mode, &overwrite, &root, &skip, error)) {
        return false;
    }
    if (geteuid() == 0 && !root) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "Requiring the 'root' flag since the configuration files will shadow "
                            "those in /etc.");
    }
    const char *dir = g_get_user_config_dir();
    g_autofree char *ca = g_build_filename(dir, "var", "lib", "swtpm-localca", NULL);
    g_autofree char *setup = setup_text(dir);
    g_autofree char *localca = localca_text(ca);
    g_autofree char *options = options_text();
    const NewFile files[] = { { SETUP_NAME, setup },
                              { LOCALCA_NAME, localca },
                              { OPTIONS_NAME, options } };
    g_autofree char *found = existing_file(dir, files, G_N_ELEMENTS(files));
    if (found && !overwrite) {
        return skip || hf_error_set(error, HF_ERROR_EXISTS,
                                    "File %s already exists. Refusing to overwrite.", found);
    }
    if (g_mkdir_with_parents(ca, 0755) != 0) {
        return hf_error_errno(error, errno, "Could not create directory %s", ca);
    }
    return write_files(dir, files, G_N_ELEMENTS(files), error);
}
