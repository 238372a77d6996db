/*
 * localca_main.c - holdfast-localca: swtpm_localca, and under that name swtpm_cert.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <glib.h>
#include <string.h>

#include "tools/localca/cert_tool.h"
#include "tools/localca/localca_tool.h"

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "");
    return strcmp(name, "swtpm_cert") == 0 ? hf_cert_tool_main(argc, argv)
                                           : hf_localca_main(argc, argv);
}
