/*
 * swtpm_setup_config.c - swtpm's configuration files.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/swtpm_setup_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine.h"
#include "tools/common/swtpm_config.h"

#define SETUP_CONFIG "swtpm_setup.conf"
#define LOCALCA_CONFIG "swtpm-localca.conf"
#define LOCALCA_OPTIONS "swtpm-localca.options"
#define LOCALCA_NAME "swtpm_localca"
#define CA_DIRECTORY "swtpm-localca"
#define SITE_CA "/var/lib/" CA_DIRECTORY
#define OWN_SITE_CA HF_LOCALSTATEDIR "/lib/" CA_DIRECTORY
#define BUILD_TREE "swtpm-names"
#define FILE_MODE 0644
#define DIRECTORY_MODE 0755
#define CA_MODE 0775
#define PLATFORM_MAX 64

/* --- reading --------------------------------------------------------------------------------- */

/* Our swtpm_localca: installed, or beside a program that is run where it was built. */
static char *own_localca(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = g_path_get_dirname(self ? self : "/");
    g_autofree char *beside = g_build_filename(dir, BUILD_TREE, LOCALCA_NAME, NULL);
    return access(beside, X_OK) == 0 ? g_steal_pointer(&beside)
                                     : g_strdup(HF_PKGLIBEXECDIR "/swtpm/" LOCALCA_NAME);
}

/* Empty values are as good as none. */
static char *get(const HfSwtpmConfig *file, const char *key)
{
    char *value = hf_swtpm_config_get(file, key);
    if (value && value[0] == '\0') {
        g_clear_pointer(&value, g_free);
    }
    return value;
}

static void take_keys(HfSetupConfig *config, const HfSwtpmConfig *file)
{
    static const struct {
        const char *key;
        size_t offset;
    } keys[] = {
        { "authority", offsetof(HfSetupConfig, authority) },
        { "tcti", offsetof(HfSetupConfig, tcti) },
        { "active_pcr_banks", offsetof(HfSetupConfig, active_pcr_banks) },
        { "rsa_keysize", offsetof(HfSetupConfig, rsa_keysize) },
        { "ek1keyalgo", offsetof(HfSetupConfig, ek1keyalgo) },
        { "ek2keyalgo", offsetof(HfSetupConfig, ek2keyalgo) },
        { "iakkeyalgo", offsetof(HfSetupConfig, iakkeyalgo) },
        { "idevidkeyalgo", offsetof(HfSetupConfig, idevidkeyalgo) },
        { "create_certs_tool", offsetof(HfSetupConfig, certs_tool) },
        { "create_certs_tool_config", offsetof(HfSetupConfig, certs_tool_config) },
        { "create_certs_tool_options", offsetof(HfSetupConfig, certs_tool_options) },
        { "create_certs_tool_timeout", offsetof(HfSetupConfig, certs_tool_timeout) },
        { "profile", offsetof(HfSetupConfig, profile) },
        { "profile_file", offsetof(HfSetupConfig, profile_file) },
        { "local_profiles_dir", offsetof(HfSetupConfig, local_profiles_dir) },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        char **slot = G_STRUCT_MEMBER_P(config, keys[i].offset);
        *slot = get(file, keys[i].key);
    }
}

/* A file of swtpm's package may outlive the package. */
static void choose_tool(HfSetupConfig *config)
{
    const char *given = config->certs_tool;
    bool is_path = given && strchr(given, '/');
    g_autofree char *name = g_path_get_basename(given ? given : LOCALCA_NAME);
    if (given && (strcmp(name, LOCALCA_NAME) != 0 || !is_path || access(given, F_OK) == 0)) {
        return;
    }
    g_free(config->certs_tool);
    config->certs_tool = own_localca();
}

HfSetupConfig *hf_swtpm_setup_config_load(const char *path, GError **error)
{
    g_autoptr(HfSetupConfig) config = hf_setup_config_new();
    g_autofree char *found = path ? g_strdup(path) : hf_swtpm_config_path(SETUP_CONFIG);
    g_autoptr(GError) local = NULL;
    g_autoptr(HfSwtpmConfig) file = hf_swtpm_config_load(found, &local);
    if (!file && (path || !hf_error_is(local, HF_ERROR_NOT_FOUND))) {
        hf_error_set(error, HF_ERROR_ACCESS, "User %s cannot read config file %s: %s",
                     g_get_user_name(), found, local->message);
        return NULL;
    }
    if (file) {
        config->path = g_steal_pointer(&found);
        take_keys(config, file);
    }
    choose_tool(config);
    return g_steal_pointer(&config);
}

/* --- what is in the files of swtpm-localca ---------------------------------------------------- */

static char *localca_config_text(const char *ca)
{
    return g_strdup_printf("statedir = %s\nsigningkey = %s/signkey.pem\n"
                           "issuercert = %s/issuercert.pem\ncertserial = %s/certserial\n",
                           ca, ca, ca, ca);
}

/* One word of an options file, as long as a certificate takes. */
static char *word_of(const char *text)
{
    char *word = g_strndup(text[0] ? text : "unknown", PLATFORM_MAX);
    for (char *p = word; *p; p++) {
        *p = g_ascii_isgraph(*p) ? *p : '_';
    }
    return word;
}

static char *localca_options_text(void)
{
    struct utsname host = { 0 };
    (void)uname(&host);
    g_autofree char *name = word_of(host.sysname);
    g_autofree char *version = word_of(host.version);
    return g_strdup_printf("--platform-manufacturer %s\n--platform-version %s\n"
                           "--platform-model %s\n",
                           name, version, name);
}

static bool usable(const char *dir)
{
    return access(dir, W_OK | X_OK) == 0;
}

/* Where the CA of this host, or else of this user, is or will be. */
static char *default_ca(void)
{
    g_autofree char *own = hf_user_config_dir();
    if (access(SITE_CA, F_OK) == 0 && (usable(SITE_CA) || geteuid() == 0 || !own)) {
        return g_strdup(SITE_CA);
    }
    if (usable(OWN_SITE_CA) || geteuid() == 0 || !own) {
        return g_strdup(OWN_SITE_CA);
    }
    return g_build_filename(own, "var/lib", CA_DIRECTORY, NULL);
}

static bool write_missing(const char *name, const char *dir, const char *text, char **ret_path,
                          GError **error)
{
    g_autofree char *found = hf_swtpm_config_path(name);
    if (access(found, F_OK) == 0) {
        return true;
    }
    char *path = g_build_filename(dir, name, NULL);
    *ret_path = path;
    return hf_file_replace(path, text, strlen(text), FILE_MODE, error);
}

bool hf_swtpm_localca_defaults(const char *dir, char **ret_config, char **ret_options,
                               GError **error)
{
    g_autofree char *ca = default_ca();
    g_autofree char *config = localca_config_text(ca);
    g_autofree char *options = localca_options_text();
    return write_missing(LOCALCA_CONFIG, dir, config, ret_config, error) &&
           write_missing(LOCALCA_OPTIONS, dir, options, ret_options, error);
}

/* --- --create-config-files ------------------------------------------------------------------- */

typedef struct {
    const char *name;
    char *path;
    char *text;
} NewFile;

#define NEW_FILES 3

/* As swtpm since 0.10: a new TPM has all that this libtpms has. */
static char *profile_lines(const char *dir)
{
    return g_strdup_printf("profile = {\"Name\":\"default-v1\"}\n# profile_file =\n"
                           "local_profiles_dir = %s/etc/swtpm/profiles\n",
                           dir);
}

static char *setup_config_text(const char *dir)
{
    g_autofree char *tool = own_localca();
    g_autofree char *profiles = hf_engine_has_profiles() ? profile_lines(dir) : g_strdup("");
    return g_strdup_printf(
        "create_certs_tool = %s\ncreate_certs_tool_config = %s/" LOCALCA_CONFIG
        "\ncreate_certs_tool_options = %s/" LOCALCA_OPTIONS "\n"
        "# Comma-separated list (no spaces) of PCR banks to activate by default\n"
        "active_pcr_banks = sha256\n%s",
        tool, dir, dir, profiles);
}

static bool write_files(const char *dir, const NewFile *files, bool overwrite, GError **error)
{
    hf_autofd int fd = hf_dir_open(dir, error);
    if (fd < 0) {
        return false;
    }
    for (size_t i = 0; i < NEW_FILES; i++) {
        const NewFile *file = &files[i];
        printf("Writing %s.\n", file->path);
        size_t size = strlen(file->text);
        if (!(overwrite ? hf_file_replace_at(fd, file->name, file->text, size, FILE_MODE,
                                             file->path, error)
                        : hf_file_create_at(fd, file->name, file->text, size, FILE_MODE, file->path,
                                            error))) {
            return false;
        }
    }
    return true;
}

static bool make_directories(const char *dir, const char *ca, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(ca);
    if (g_mkdir_with_parents(dir, DIRECTORY_MODE) != 0 ||
        g_mkdir_with_parents(parent, DIRECTORY_MODE) != 0 ||
        g_mkdir_with_parents(ca, CA_MODE) != 0) {
        return hf_error_errno(error, errno, "cannot make the directory \"%s\"", ca);
    }
    return true;
}

bool hf_swtpm_setup_config_create(const char *mode_text, GError **error)
{
    HfCreateMode mode = { 0 };
    if (!hf_create_mode_parse(mode_text, &mode, error)) {
        return false;
    }
    if (geteuid() == 0 && !mode.root) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "Requiring the 'root' flag since the configuration files will shadow "
                            "those in /etc.");
    }
    g_autofree char *dir = hf_user_config_dir();
    if (!dir) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "neither XDG_CONFIG_HOME nor HOME is set: no place for the files");
    }
    g_autofree char *ca = g_build_filename(dir, "var/lib", CA_DIRECTORY, NULL);
    g_autofree char *setup = setup_config_text(dir);
    g_autofree char *config = localca_config_text(ca);
    g_autofree char *options = localca_options_text();
    g_autofree char *setup_path = g_build_filename(dir, SETUP_CONFIG, NULL);
    g_autofree char *config_path = g_build_filename(dir, LOCALCA_CONFIG, NULL);
    g_autofree char *options_path = g_build_filename(dir, LOCALCA_OPTIONS, NULL);
    const NewFile files[NEW_FILES] = { { SETUP_CONFIG, setup_path, setup },
                                       { LOCALCA_CONFIG, config_path, config },
                                       { LOCALCA_OPTIONS, options_path, options } };
    for (size_t i = 0; i < NEW_FILES && !mode.overwrite; i++) {
        if (access(files[i].path, F_OK) == 0) {
            return mode.skip ||
                   hf_error_set(error, HF_ERROR_EXISTS,
                                "File %s already exists. Refusing to overwrite.", files[i].path);
        }
    }
    return make_directories(dir, ca, error) && write_files(dir, files, mode.overwrite, error);
}
