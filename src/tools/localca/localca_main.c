/*
 * localca_main.c - holdfast-localca: swtpm_localca, and under that name swtpm_cert.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/memory.h"
#include "sandbox/sandbox.h"
#include "tools/localca/cert_tool.h"
#include "tools/localca/localca_tool.h"

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "");
    g_autoptr(GError) error = NULL;

    hf_crypto_take_memory();
    if (!hf_sandbox_stage1(&error)) {
        hf_log_error(name, error);
        return EXIT_FAILURE;
    }
    return strcmp(name, "swtpm_cert") == 0 ? hf_cert_tool_main(argc, argv)
                                           : hf_localca_main(argc, argv);
}
