/*
 * ctl_main.c - holdfast-ctl: speaks the control channel of an emulator.
 *
 * Command line, connection, exit code; the commands are in ctl_commands.c. It is a client without
 * privileges: it touches no file but those named on its command line. Installed under the names
 * swtpm_ioctl and swtpm_bios it is those (swtpm_tools.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "crypto/memory.h"
#include "tools/ctl/ctl_commands.h"
#include "tools/ctl/ctl_options.h"
#include "tools/ctl/swtpm_tools.h"

/* "HOST:PORT", ":PORT", "[ADDRESS]:PORT" */
static bool parse_address(const char *text, char **ret_host, uint16_t *ret_port, GError **error)
{
    const char *colon = strrchr(text, ':');
    guint64 port = 0;
    if (colon == NULL || !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, &port, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--tcp: expected HOST:PORT with a port from 1 to 65535, found '%s'",
                            text);
    }
    g_autofree char *host = g_strndup(text, (gsize)(colon - text));
    size_t length = strlen(host);
    bool bracketed = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    if (!bracketed && strchr(host, ':') != NULL) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--tcp: expected an IPv6 address in brackets, found '%s'", text);
    }
    *ret_host = length == 0 ? g_strdup("127.0.0.1")
                : bracketed ? g_strndup(host + 1, length - 2)
                            : g_steal_pointer(&host);
    *ret_port = (uint16_t)port;
    return true;
}

static HfControlClient *connect_channel(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "unix");
    const char *address = hf_options_string(options, "tcp");
    const char *device = hf_options_string(options, "device");
    int ways = (path != NULL) + (address != NULL) + (device != NULL);
    if (ways != 1) {
        hf_error_set(error, HF_ERROR_USAGE,
                     "expected one of --unix PATH, --tcp HOST:PORT and --device PATH, found %s",
                     ways == 0 ? "none" : "several");
        return NULL;
    }
    if (device != NULL) {
        return hf_control_client_open_device(device, error);
    }
    if (path != NULL) {
        return hf_control_client_connect_unix(path, error);
    }
    g_autofree char *host = NULL;
    uint16_t port = 0;
    return parse_address(address, &host, &port, error)
               ? hf_control_client_connect_tcp(host, port, error)
               : NULL;
}

static int holdfast_ctl_main(int argc, char **argv)
{
    const HfProgram program = hf_ctl_program();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    g_autoptr(GError) error = NULL;
    bool done = hf_ctl_run(options, connect_channel, &error);
    if (done && fflush(stdout) != 0) {
        done = hf_error_errno(&error, errno, "cannot write to standard output");
    }
    if (done) {
        return EXIT_SUCCESS;
    }
    hf_log_error(program.name, error);
    return hf_error_is(error, HF_ERROR_USAGE) ? program.usage_exit : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argc > 0 ? argv[0] : "");
    hf_crypto_take_memory();
    if (strcmp(name, "swtpm_ioctl") == 0) {
        return hf_swtpm_ioctl_main(argc, argv);
    }
    if (strcmp(name, "swtpm_bios") == 0) {
        return hf_swtpm_bios_main(argc, argv);
    }
    return holdfast_ctl_main(argc, argv);
}
