/*
 * fuzz-tools.c - command lines of the tools. The first byte says whose; the rest is arguments, a line each.
 * Each line is also the value of every option that has sub-options. What is a command line
 * of holdfast-setup or swtpm_setup becomes a plan, too; swtpm_localca asks swtpm_cert whether a line is good.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "tools/attest/attest_options.h"
#include "tools/authority/authority_options.h"
#include "tools/ca/ca_options.h"
#include "tools/ctl/ctl_options.h"
#include "tools/localca/cert_tool.h"
#include "tools/localca/localca_tool.h"
#include "tools/setup/setup_options.h"

#define LINES_MAX 32
#define RSA_LIMIT 3072

enum { SETUP, SWTPM_SETUP, AUTHORITY, CA, ATTEST, CTL, IOCTL, BIOS, LOCALCA, CERT, PROGRAMS };

static HfProgram program_of(unsigned which)
{
    switch (which) {
    case AUTHORITY: return hf_authority_program;
    case CA: return hf_ca_program;
    case ATTEST: return hf_attest_program;
    case CTL: return hf_ctl_program();
    case IOCTL: return hf_swtpm_ioctl_program();
    case BIOS: return hf_swtpm_bios_program();
    case LOCALCA: return hf_localca_program();
    case CERT: return hf_cert_program;
    default: return hf_setup_program;
    }
}

/* These print, and nothing is to be learned from it. */
static bool prints(const char *argument)
{
    const char *name = argument + strspn(argument, "-");
    return name != argument && (*name == 'h' || *name == 'v' || g_str_has_prefix(name, "pr"));
}

static void plan(const HfOptions *options, bool swtpm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSetupConfig) config = hf_setup_config_parse("", 0, "input", &error);
    g_assert_no_error(error);
    bool good = hf_setup_options_check(options, swtpm, &error);
    fuzz_told(good, &error);
    if (good) {
        g_autoptr(HfSetupPlan) made = hf_setup_plan_new(options, config, swtpm, RSA_LIMIT, &error);
        fuzz_told(made != NULL, &error);
    }
}

/* What the getters say of rows that were given; they assert that the table has them. */
static void read_back(const HfProgram *program, const HfOptions *options)
{
    for (const HfOption *row = program->options; row->name; row++) {
        if (row->kind == HF_KIND_INT && (row->preset || hf_options_has(options, row->name))) {
            int64_t value = hf_options_int(options, row->name);
            g_assert_true(!hf_options_has(options, row->name) ||
                          (value >= row->min && value <= row->max));
        } else if (row->kind == HF_KIND_CHOICE && hf_options_has(options, row->name)) {
            g_auto(GStrv) choices = g_strsplit(row->choices, "|", 0);
            g_assert_true(g_strv_contains((const char *const *)choices,
                                          hf_options_string(options, row->name)));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    GError *error = NULL;
    bool done = false;
    if (size == 0) {
        return 0;
    }
    unsigned which = (data[0] - 'a') % PROGRAMS;
    HfProgram program = program_of(which);
    g_autofree char *name = g_strdup(program.name);
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MAX);
    g_ptr_array_add(argv, name);
    for (char **line = lines; *line; line++) {
        for (const HfOption *row = program.options; row->name; row++) {
            if (row->kind == HF_KIND_SUB) {
                g_autoptr(HfSubOptions) sub =
                    hf_suboptions_parse(row->sub, row->name, *line, &error);
                fuzz_told(sub != NULL, &error);
            }
        }
        if (!prints(*line)) {
            g_ptr_array_add(argv, *line);
        }
    }
    int argc = (int)argv->len;
    g_ptr_array_add(argv, NULL);
    if (which == LOCALCA) {
        fuzz_told(hf_cert_tool_check(argc, (char **)argv->pdata, &error), &error);
    }
    g_autoptr(HfOptions) options =
        hf_options_parse(&program, argc, (char **)argv->pdata, &done, &error);
    fuzz_told(options != NULL || done, &error);
    if (options) {
        read_back(&program, options);
    }
    if (options && which <= SWTPM_SETUP) {
        plan(options, which == SWTPM_SETUP);
    }
    return 0;
}
