/*
 * swtpm_setup_config.h - the configuration under the name swtpm_setup: found, read, defaulted,
 * written.
 *
 * Files and keys are swtpm's (tools/common/swtpm_config.h reads them); besides, we know `authority`
 * and `tcti` as in holdfast-setup.conf, and `create_certs_tool_timeout` in seconds.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SWTPM_SETUP_CONFIG_H
#define HOLDFAST_TOOLS_SETUP_SWTPM_SETUP_CONFIG_H

#include "tools/setup/setup_config.h"

/* `path`, or the file that swtpm_setup finds; without one, defaults. A tool is always named: ours
 * when the configuration names none, or names a swtpm_localca that is not there. */
HfSetupConfig *hf_swtpm_setup_config_load(const char *path, GError **error);

/* Writes what swtpm-localca needs into the directory `dir` where the system has no such file:
 * *ret_config and *ret_options are the paths of what was written, or NULL. The CA is in
 * /var/lib/swtpm-localca or the like, or below the user's configuration when that is not writable.
 */
bool hf_swtpm_localca_defaults(const char *dir, char **ret_config, char **ret_options,
                               GError **error);

/* --create-config-files: swtpm_setup.conf, swtpm-localca.conf and swtpm-localca.options. Says what
 * it writes on standard output. */
bool hf_swtpm_setup_config_create(const char *mode, GError **error);

#endif
