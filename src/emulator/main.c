/*
 * main.c - `holdfast`: one virtual TPM for one virtual machine.
 *
 * The story of the process; its steps are in service.c. Stage 1 comes before anything is opened,
 * stage 2 when everything is open, stage 3 before the first byte of a guest is read.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <nss.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "crypto/memory.h"
#include "emulator/emulator_options.h"
#include "emulator/facts.h"
#include "emulator/service.h"
#include "engine/engine.h"
#include "sandbox/sandbox.h"

static int failed(const HfProgram *program, const GError *error)
{
    hf_log_error(program->name, error);
    return hf_error_is(error, HF_ERROR_USAGE) ? program->usage_exit : EXIT_FAILURE;
}

/* How this process uses the C library. */
static void set_up_library(void)
{
    hf_engine_tune_malloc();
    hf_log_take_glib();
    hf_crypto_take_memory();
#ifdef HF_STATIC_EMULATOR
    /* glibc brings the name service of /etc/passwd and /etc/group along; all others are shared
     * libraries, and one that meets a static program crashes it. */
    (void)__nss_configure_lookup("passwd", "files");
    (void)__nss_configure_lookup("group", "files");
    (void)__nss_configure_lookup("initgroups", "files");
#endif
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const HfProgram program = hf_emulator_program(argv[0]);
    set_up_library();
    g_autoptr(HfSettings) settings = hf_settings_parse(&program, argc, argv, &error);

    if (!settings || !hf_sandbox_stage1(&error)) {
        return failed(&program, error);
    }
    if (settings->task != HF_TASK_SERVE) {
        bool printed = hf_facts_print(&program, settings, &error);
        return printed ? EXIT_SUCCESS : failed(&program, error);
    }
    g_autoptr(HfService) service = hf_service_new(settings);
    bool ready = hf_service_detach(service, &error) &&  /* --daemon: the parent waits outside */
                 hf_service_open(service, &error) &&    /* log, sockets, state, TPM, pid file */
                 hf_service_enclose(service, &error) && /* stage 2 */
                 hf_service_connect(service, &error) && /* the data thread, not yet reading */
                 hf_service_filter(service, &error) &&  /* stage 3 */
                 hf_service_start(service, &error);     /* power, and word to the parent */
    if (!ready) {
        return failed(&program, error);
    }
    return hf_service_run(service);
}
