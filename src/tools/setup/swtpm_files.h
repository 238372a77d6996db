/*
 * swtpm_files.h - swtpm_setup's configuration: read, and written for a user's own account.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_SWTPM_FILES_H
#define HOLDFAST_TOOLS_SETUP_SWTPM_FILES_H

#include "tools/setup/setup_config.h"

/* swtpm_setup.conf (swtpm_config.h says where it is looked for), or `path`. The values are those of
 * holdfast-setup.conf and the certificate tool's. Without any file: no values; but `path` must be
 * there. */
HfSetupConfig *hf_swtpm_files_load(const char *path, GError **error);

/* swtpm_setup --create-config-files: swtpm_setup.conf, swtpm-localca.conf, swtpm-localca.options and
 * the CA's directory below $XDG_CONFIG_HOME. `mode` as for hf_setup_config_create; says on standard
 * output what it writes. Without "overwrite" nothing is written when one of the files exists. */
bool hf_swtpm_files_create(const char *mode, GError **error);

#endif
