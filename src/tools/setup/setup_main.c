/*
 * setup_main.c - holdfast-setup: makes a virtual TPM and has it certified.
 *
 * Hardening first, then the engines' processes, then the user, the log, the configuration and the
 * run. Under the name swtpm_setup it is the same program with that one's configuration, defaults,
 * sentences and exit codes.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/memory.h"
#include "sandbox/sandbox.h"
#include "tools/setup/batch.h"
#include "tools/setup/capabilities.h"
#include "tools/setup/setup_profile.h"
#include "tools/setup/setup_run.h"
#include "tools/setup/swtpm_setup_config.h"

#define SWTPM_NAME "swtpm_setup"
#define SWTPM_OPERANDS 64 /* it ignores them */

typedef struct {
    HfProgram program;
    bool swtpm;
    int argc;
    char **argv;
    const HfOptions *options;
    bool batch; /* this is one TPM of many */
    int seat;   /* at the signing desk of a batch, or -1 */
    bool kept;  /* there was a TPM, and it was left alone */
} Run;

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
        hf_log_to_output();
        return true;
    }
    int fd = hf_file_open_output(path, HF_OUTPUT_APPEND, 0640, error);
    if (fd < 0) {
        g_prefix_error(error, "log file: ");
        return false;
    }
    hf_log_to_fd(fd);
    return true;
}

static bool create_config_files(const Run *run, GError **error)
{
    const char *words = hf_options_string(run->options, "create-config-files");
    const char *operand = hf_options_operands(run->options)[0];
    if (run->swtpm) {
        return hf_swtpm_setup_config_create(operand ? operand : words, error);
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
static HfSetupConfig *load_config(const Run *run, const char *path, GError **error)
{
    if (run->swtpm && path) {
        return hf_swtpm_setup_config_load(path, error);
    }
    g_autoptr(HfSetupConfig) config = hf_setup_config_load(path, error);
    bool needs_other = config && run->swtpm && !config->authority;
    return needs_other ? hf_swtpm_setup_config_load(NULL, error) : g_steal_pointer(&config);
}

static bool make_tpm(Run *run, const HfEngines *engines, GError **error)
{
    const HfOptions *options = run->options;
    const char *path = hf_options_string(options, "config");
    g_autoptr(HfSetupConfig) config = load_config(run, path, error);
    unsigned rsa_limit = 2048; /* of a TPM 1.2, which is not asked */
    if (!config || (hf_options_flag(options, "tpm2") &&
                    !hf_capabilities_rsa_limit(engines->maker, &rsa_limit, error))) {
        return false;
    }
    g_autoptr(GPtrArray) ignored = hf_setup_ignored(options, config);
    for (unsigned i = 0; i < ignored->len && !run->swtpm; i++) {
        hf_log(1, "Warning: %s.", (const char *)g_ptr_array_index(ignored, i));
    }
    g_autoptr(HfSetupPlan) plan = hf_setup_plan_new(options, config, run->swtpm, rsa_limit, error);
    if (!plan || !hf_setup_profile_choose(plan, options, config, engines->checker, error)) {
        return false;
    }
    plan->desk = run->seat;
    if (run->batch && plan->existing == HF_EXISTING_REFUSE) {
        plan->existing = HF_EXISTING_KEEP; /* the same call again makes what is missing */
    }
    return hf_setup_run(plan, engines, &run->kept, error);
}

static bool print_capabilities(const Run *run, GError **error)
{
    bool has_tpm12 = hf_engine_supports(HF_TPM_1_2);
    g_autoptr(HfEngineChild) engine = hf_engine_child_start(HF_TPM_2_0, error);
    return engine && hf_capabilities_print(&run->program, engine, has_tpm12, error);
}

static bool print_profiles(const Run *run, GError **error)
{
    if (!hf_options_flag(run->options, "tpm2")) {
        puts("{}");
        return true;
    }
    g_autoptr(HfEngineChild) engine = hf_engine_child_start(HF_TPM_2_0, error);
    g_autoptr(HfSetupConfig) config =
        engine ? load_config(run, hf_options_string(run->options, "config"), error) : NULL;
    return config && hf_setup_profiles_print(config, engine, error);
}

/* The engines are forked before anything else is opened. */
static bool run_engines(Run *run, GError **error)
{
    HfTpmVersion version = hf_options_flag(run->options, "tpm2") ? HF_TPM_2_0 : HF_TPM_1_2;
    g_autoptr(HfEngineChild) maker = hf_engine_child_start(version, error);
    g_autoptr(HfEngineChild) checker = maker ? hf_engine_child_start(version, error) : NULL;
    if (!checker) {
        return false;
    }
    const HfEngines engines = { maker, checker };
    return (run->batch || open_log(hf_options_string(run->options, "logfile"), error)) &&
           make_tpm(run, &engines, error);
}

static bool make_one(const HfOptions *options, int seat, bool *ret_kept, void *user, GError **error)
{
    Run run = *(const Run *)user;
    run.options = options;
    run.batch = true;
    run.seat = seat;
    bool made = run_engines(&run, error);
    *ret_kept = run.kept;
    return made;
}

static bool run_batch(Run *run, const char *path, GError **error)
{
    const HfOptions *options = run->options;
    const HfBatchCommand command = { &run->program, run->argc, run->argv, run->swtpm };
    int64_t jobs = hf_options_int(options, "jobs");
    const HfBatch batch = {
        .name = hf_batch_file_label(path),
        .program = run->program.name,
        .jobs = jobs > 0 ? (unsigned)jobs : g_get_num_processors(),
        .quiet = !hf_options_has(options, "logfile") && !hf_options_flag(options, "display"),
        .make = make_one,
        .user = run,
    };
    if (!hf_batch_check(options, error) ||
        !hf_sandbox_become(hf_options_string(options, "runas"), error)) {
        return false;
    }
    g_autoptr(GPtrArray) lines = hf_batch_file_read(path, &command, error);
    return lines && open_log(hf_options_string(options, "logfile"), error) &&
           hf_batch_run(&batch, lines, error);
}

static bool run_it(Run *run, GError **error)
{
    const HfOptions *options = run->options;
    if (hf_options_has(options, "create-config-files")) {
        return create_config_files(run, error);
    }
    if (hf_options_operands(options)[0] && !run->swtpm) {
        return hf_error_set(error, HF_ERROR_USAGE, "unexpected operand \"%s\"",
                            hf_options_operands(options)[0]);
    }
    if (hf_options_flag(options, "print-capabilities")) {
        return print_capabilities(run, error);
    }
    if (hf_options_flag(options, "print-profiles")) {
        return print_profiles(run, error);
    }
    const char *batch = hf_options_string(options, "batch");
    if (batch) {
        return run_batch(run, batch, error);
    }
    if (hf_options_has(options, "jobs")) {
        return hf_error_set(error, HF_ERROR_USAGE, "--jobs is for --batch");
    }
    return hf_setup_options_check(options, run->swtpm, error) &&
           hf_sandbox_become(hf_options_string(options, "runas"), error) && run_engines(run, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Run run = { .program = hf_setup_program, .argc = argc, .argv = argv, .seat = -1 };
    g_autofree char *name = argc > 0 ? g_path_get_basename(argv[0]) : g_strdup("");
    if (g_str_has_prefix(name, SWTPM_NAME)) {
        run.swtpm = true;
        run.program.name = SWTPM_NAME;
        run.program.version_title = "TPM emulator setup tool version";
        run.program.usage_exit = EXIT_FAILURE;
        run.program.max_operands = SWTPM_OPERANDS;
    }
    hf_crypto_take_memory();
    signal(SIGPIPE, SIG_IGN); /* a dead child or a closed pipe is an error where it is written to */
    if (!hf_sandbox_stage1(&error)) {
        return fail(&run.program, error);
    }
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&run.program, argc, argv);
    run.options = options;
    if (!run_it(&run, &error)) {
        return fail(&run.program, error);
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
