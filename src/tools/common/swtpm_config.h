/*
 * swtpm_config.h - swtpm's configuration files, read as swtpm's tools read them.
 *
 * swtpm_setup.conf and swtpm-localca.conf: a line is `key = value`, `#` starts a comment anywhere,
 * `${NAME}` is replaced from the environment (nothing when it is not set there), the first line of
 * a key counts, lines that are something else are skipped. An options file is words between blanks.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_SWTPM_CONFIG_H
#define HOLDFAST_TOOLS_COMMON_SWTPM_CONFIG_H

#include <glib.h>
#include <stdbool.h>

#include "base/secret.h"

typedef struct HfSwtpmConfig HfSwtpmConfig;

/* Where a file of this name is looked for: $XDG_CONFIG_HOME (default ~/.config), SYSCONFDIR, /etc;
 * the last when there is none at all. Caller frees. */
char *hf_swtpm_config_path(const char *name);

HfSwtpmConfig *hf_swtpm_config_load(const char *path, GError **error);
void hf_swtpm_config_free(HfSwtpmConfig *config);
/* NULL when there is no such key. Caller frees. */
char *hf_swtpm_config_get(const HfSwtpmConfig *config, const char *key);
/* The same for a password; NULL also when it is empty. */
HfSecret *hf_swtpm_config_secret(const HfSwtpmConfig *config, const char *key);
/* Puts lines `env:NAME=VALUE` into the environment. Before there are threads. */
void hf_swtpm_config_export(const HfSwtpmConfig *config);

/* The words of an options file, NULL-terminated. */
char **hf_swtpm_config_words(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSwtpmConfig, hf_swtpm_config_free)

#endif
