/*
 * fuzz-config.c - configuration files: holdfast-setup.conf, swtpm's, an options file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/common/swtpm_config.h"
#include "tools/setup/setup_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(HfSetupConfig) setup =
        hf_setup_config_parse((const char *)data, size, "input", &error);
    fuzz_told(setup != NULL, &error);
    const char *path = fuzz_file(data, size);
    g_autoptr(HfSwtpmConfig) config = hf_swtpm_config_load(path, &error);
    fuzz_told(config != NULL, &error);
    if (config) {
        g_autofree char *tool = hf_swtpm_config_get(config, "create_certs_tool");
        g_autofree char *key = hf_swtpm_config_get(config, "signingkey");
        g_autoptr(HfSecret) secret = hf_swtpm_config_secret(config, "signingkey_password");
        g_assert_true(!secret || secret->size > 0);
    }
    g_auto(GStrv) words = hf_swtpm_config_words(path, &error);
    fuzz_told(words != NULL, &error);
    return 0;
}
