/*
 * setup_main.c - holdfast-setup: makes a virtual TPM and has it certified.
 *
 * Hardening first, then the engines' processes, then the user, the log, the configuration and the
 * run. Under the name swtpm_setup it is the same program with that one's exit code for wrong usage,
 * its configuration files and its way to have certificates made.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/sandbox.h"
#include "tools/setup/capabilities.h"
#include "tools/setup/setup_run.h"
#include "tools/setup/swtpm_files.h"

#define SWTPM_NAME "swtpm_setup"

/* Log lines carry no program name; errors on stderr do. */
static int fail(const HfProgram *program, const GError *error)
{
    hf_log_error(program->name, error);
    return hf_error_is(error, HF_ERROR_USAGE) ? program->usage_exit : EXIT_FAILURE;
}

/* The descriptor stays open until the process ends. */
static bool open_log(const char *path, GError **error)
{
    if (!path) {
        hf_log_to_fd(STDOUT_FILENO);
        return true;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
    if (fd < 0) {
        return hf_error_errno(error, errno, "log file \"%s\"", path);
    }
    hf_log_to_fd(fd);
    return true;
}

static bool is_swtpm(const HfProgram *program)
{
    return strcmp(program->name, SWTPM_NAME) == 0;
}

static bool create_config_files(const HfProgram *program, const HfOptions *options, GError **error)
{
    const char *words = hf_options_string(options, "create-config-files");
    const char *operand = hf_options_operands(options)[0];
    if (is_swtpm(program)) {
        return hf_swtpm_files_create(operand ? operand : words, error);
    }
    g_autofree char *path = NULL;
    bool written;
    if (!hf_setup_config_create(operand ? operand : words, &path, &written, error)) {
        return false;
    }
    printf("%s %s.\n", written ? "Wrote" : "Left alone", path);
    return true;
}

/* A site that has named its authority in holdfast-setup.conf means all its TPMs, also those that
 * libvirt makes by the name of swtpm_setup. */
static HfSetupConfig *load_config(const HfProgram *program, const char *path, GError **error)
{
    if (is_swtpm(program) && path) {
        return hf_swtpm_files_load(path, error);
    }
    g_autoptr(HfSetupConfig) config = hf_setup_config_load(path, error);
    bool needs_other = config && is_swtpm(program) && !config->authority;
    return needs_other ? hf_swtpm_files_load(NULL, error) : g_steal_pointer(&config);
}

static bool make_tpm(const HfProgram *program, const HfOptions *options, const HfEngines *engines,
                     GError **error)
{
    g_autoptr(HfSetupConfig) config =
        load_config(program, hf_options_string(options, "config"), error);
    unsigned rsa_limit = 0;
    if (!config || !hf_capabilities_rsa_limit(engines->checker, &rsa_limit, error)) {
        return false;
    }
    g_autoptr(GPtrArray) ignored = hf_setup_ignored(options, config);
    for (unsigned i = 0; i < ignored->len; i++) {
        hf_log(1, "Warning: %s.", (const char *)g_ptr_array_index(ignored, i));
    }
    g_autoptr(HfSetupPlan) plan = hf_setup_plan_new(options, config, rsa_limit, error);
    return plan && hf_setup_run(plan, engines, error);
}

/* The engines are forked before anything else is opened. */
static bool run_engines(const HfProgram *program, const HfOptions *options, GError **error)
{
    g_autoptr(HfEngineChild) maker = hf_engine_child_start(error);
    g_autoptr(HfEngineChild) checker = maker ? hf_engine_child_start(error) : NULL;
    if (!checker) {
        return false;
    }
    if (hf_options_flag(options, "print-capabilities")) {
        return hf_capabilities_print(program, checker, error);
    }
    const HfEngines engines = { maker, checker };
    return open_log(hf_options_string(options, "logfile"), error) &&
           make_tpm(program, options, &engines, error);
}

static bool run(const HfProgram *program, const HfOptions *options, GError **error)
{
    if (hf_options_has(options, "create-config-files")) {
        return create_config_files(program, options, error);
    }
    if (hf_options_operands(options)[0]) {
        return hf_error_set(error, HF_ERROR_USAGE, "unexpected operand \"%s\"",
                            hf_options_operands(options)[0]);
    }
    if (!hf_options_flag(options, "print-capabilities") &&
        (!hf_setup_options_check(options, error) ||
         !hf_sandbox_become(hf_options_string(options, "runas"), error))) {
        return false;
    }
    return run_engines(program, options, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    HfProgram program = hf_setup_program;
    g_autofree char *name = argc > 0 ? g_path_get_basename(argv[0]) : g_strdup("");
    if (g_str_has_prefix(name, SWTPM_NAME)) {
        program.name = SWTPM_NAME;
        program.version_title = "TPM emulator setup tool version";
        program.usage_exit = EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN); /* a dead child or a closed pipe is an error where it is written to */
    if (!hf_sandbox_stage1(&error)) {
        return fail(&program, error);
    }
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    if (!run(&program, options, &error)) {
        return fail(&program, error);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
