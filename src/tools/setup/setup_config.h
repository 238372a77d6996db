/*
 * setup_config.h - holdfast-setup.conf: what a site sets once instead of on every command line.
 *
 * A line is `key = value`; `#` starts a comment anywhere; `${NAME}` is replaced from the
 * environment; the first occurrence of a key wins. An unknown key, a line without `=` or a variable
 * that is not set is an error that names file and line. The keys of swtpm_setup.conf that name its
 * certificate tool are known and ignored, so that such a file can be given with --config.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SETUP_CONFIG_H
#define HOLDFAST_TOOLS_SETUP_SETUP_CONFIG_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_SETUP_CONFIG_NAME "holdfast-setup.conf"

typedef struct {
    char *path; /* of the file read; NULL: there was none, and every value is NULL */
    char *authority;
    char *tcti;
    char *migration_policy;
    char *active_pcr_banks;
    char *rsa_keysize;
    char *ek1keyalgo;
    char *ek2keyalgo;
    char *iakkeyalgo;
    char *idevidkeyalgo;
    char *profile;
    char *profile_file; /* comes before `profile` */
    char *local_profiles_dir;
    /* from swtpm_setup.conf only (swtpm_setup_config.h) */
    char *certs_tool;
    char *certs_tool_config;
    char *certs_tool_options;
    char *certs_tool_timeout;
    GPtrArray *ignored; /* char *: names of the keys that were read and have no effect */
} HfSetupConfig;

/* Reads `path`, or without one the first of $XDG_CONFIG_HOME/holdfast-setup.conf (default
 * ~/.config) and SYSCONFDIR/holdfast-setup.conf that exists; none of them is fine, a missing `path`
 * is not. */
HfSetupConfig *hf_setup_config_load(const char *path, GError **error);
/* The same from text; `label` is the file's name in messages. */
HfSetupConfig *hf_setup_config_parse(const char *text, size_t size, const char *label,
                                     GError **error);
HfSetupConfig *hf_setup_config_new(void);
void hf_setup_config_free(HfSetupConfig *config);

/* The words of --create-config-files: NULL is none. */
typedef struct {
    bool overwrite, root, skip;
} HfCreateMode;

bool hf_create_mode_parse(const char *text, HfCreateMode *ret_mode, GError **error);
/* $XDG_CONFIG_HOME or ~/.config, of the user the process runs as; NULL: neither is set. */
char *hf_user_config_dir(void);

/* --create-config-files: writes the user's file, mode 0644. `mode` is NULL or a comma-separated
 * list of: overwrite (replace an existing file), root (do it for root too), skip-if-exist (leave an
 * existing file and succeed). *ret_path gets the file's name, *ret_written whether it was made. */
bool hf_setup_config_create(const char *mode, char **ret_path, bool *ret_written, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSetupConfig, hf_setup_config_free)

#endif
