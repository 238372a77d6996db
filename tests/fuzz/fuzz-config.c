/*
 * fuzz-config.c - configuration files: holdfast-setup.conf, swtpm's, an options file, a batch.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz.h"
#include "tools/common/swtpm_config.h"
#include "tools/setup/batch_file.h"
#include "tools/setup/setup_config.h"
#include "tools/setup/setup_options.h"
#include "tools/setup/swtpm_setup_config.h"

/* A line that is wrong is an entry with a reason. */
static void batch(const uint8_t *data, size_t size, bool swtpm)
{
    GError *error = NULL;
    char name[] = "holdfast-setup", option[] = "--batch", value[] = "input";
    char *argv[] = { name, option, value, NULL };
    HfBatchCommand command = { &hf_setup_program, 3, argv, swtpm };
    g_autoptr(GPtrArray) lines =
        hf_batch_file_parse((const char *)data, size, "input", &command, &error);
    fuzz_told(lines != NULL, &error);
    for (unsigned i = 0; lines && i < lines->len; i++) {
        const HfBatchLine *line = lines->pdata[i];
        g_assert_true((line->error == NULL) == (line->options != NULL));
        g_assert_true(line->options == NULL || line->state != NULL);
    }
}

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
    g_autoptr(HfSetupConfig) swtpm = hf_swtpm_setup_config_load(path, &error);
    fuzz_told(swtpm != NULL, &error);
    batch(data, size, false);
    batch(data, size, true);
    return 0;
}
