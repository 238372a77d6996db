/*
 * fuzz-options.c - command lines of the emulator (a line an argument), and each line as the value
 * of every option that has sub-options.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "emulator/emulator_options.h"
#include "fuzz.h"

static void values(const HfProgram *program, const char *text)
{
    for (const HfOption *option = program->options; option->name; option++) {
        if (option->kind != HF_KIND_SUB) {
            continue;
        }
        GError *error = NULL;
        g_autoptr(HfSubOptions) sub = hf_suboptions_parse(option->sub, option->name, text, &error);
        fuzz_told(sub != NULL, &error);
        for (const HfSubOption *row = option->sub; sub && row->name; row++) {
            (void)hf_suboptions_has(sub, row->name);
        }
    }
}

/* These print, and nothing is to be learned from it. */
static bool prints(const char *argument)
{
    return g_str_has_prefix(argument, "--h") || g_str_has_prefix(argument, "--v") ||
           g_str_has_prefix(argument, "--pr") || strcmp(argument, "-h") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "holdfast";
    HfProgram program = hf_emulator_program(name);
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 32);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    GError *error = NULL;
    bool done = false;
    g_ptr_array_add(argv, name);
    for (char **line = lines; *line; line++) {
        values(&program, *line);
        if (!prints(*line)) {
            g_ptr_array_add(argv, *line);
        }
    }
    int argc = (int)argv->len;
    g_ptr_array_add(argv, NULL);
    g_autoptr(HfOptions) options =
        hf_options_parse(&program, argc, (char **)argv->pdata, &done, &error);
    fuzz_told(options != NULL || done, &error);
    return 0;
}
