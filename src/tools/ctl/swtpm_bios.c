/*
 * swtpm_bios.c - holdfast-ctl under the name swtpm_bios: what a firmware does with a TPM.
 *
 * The commands are few and fixed: a table of bytes. As swtpm_bios does, each goes over a connection
 * of its own (an emulator started with --port closes after every answer), and a TPM that refuses
 * one command is still given the next: exit code 128 tells of it in the end.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/ctl/ctl_options.h"
#include "tools/ctl/swtpm_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "base/socket.h"
#include "crypto/random.h"
#include "tools/ctl/tcp_target.h"

#define DEFAULT_PORT 6545
#define OPERANDS_MAX 16
#define HEADER_SIZE 10u
#define ANSWER_MAX 4096u
#define COMMAND_TIMEOUT_US (30 * G_USEC_PER_SEC)
#define PLATFORM_AUTH_SIZE 20u

enum { EXIT_TPM_ERROR = 0x80, EXIT_NEED_RESET = 0x81, EXIT_NO_DEVICE = 255 };

typedef struct {
    const char *unix_path; /* or */
    char *host;            /* and */
    uint16_t port;         /* or */
    const char *device;
    FILE *messages; /* where the TPM's refusals are told: as swtpm_bios, by the TPM's version */
    bool refused;
    bool need_reset;
} Bios;

static const HfOption options_table[] = {
    { .name = "tpm-device",
      .kind = HF_KIND_PATH,
      .arg = "DEVICE",
      .preset = "/dev/tpm0",
      .help = "Use this device" },
    { .name = "tcp",
      .kind = HF_KIND_STRING,
      .arg = "[HOST]:[PORT]",
      .help = "Use the TPM there; default 127.0.0.1 and 6545" },
    { .name = "unix", .kind = HF_KIND_PATH, .arg = "PATH", .help = "Use the TPM at this socket" },
    { .name = "tpm2", .help = "It is a TPM 2.0 (default: TPM 1.2)" },
    { .name = "c", .help = "Startup(CLEAR); the default" },
    { .name = "s", .help = "Startup(STATE)" },
    { .name = "d", .help = "Startup(DEACTIVATED) and nothing else; no effect on TPM 2.0" },
    { .name = "n", .help = "No Startup" },
    { .name = "o", .help = "Startup only" },
    { .name = "cs", .help = "Continue the self test" },
    { .name = "ea", .help = "Exit with 129 when the TPM 1.2 must be reset to be active" },
    { .name = "u",
      .help = "Give up physical presence; TPM 2.0: the platform hierarchy gets a random password" },
    { .name = "v", .help = "Show the version" },
    { .name = "h", .help = "Show this help" },
    { .name = NULL },
};

/* --- transport --- */

static int open_tpm(const Bios *bios)
{
    g_autoptr(GError) cause = NULL;
    if (bios->unix_path) {
        int fd = hf_socket_connect_unix(bios->unix_path, &cause);
        if (fd < 0) {
            fputs("Could not connect using UnixIO socket.\n", stderr);
        }
        return fd;
    }
    if (bios->host) {
        int fd = hf_socket_connect_tcp(bios->host, bios->port, &cause);
        if (fd < 0 && hf_error_is(cause, HF_ERROR_NO_HOST)) {
            fprintf(stderr, "getaddrinfo failed on %s\n", cause->message);
        } else if (fd < 0) {
            fputs("Could not connect using TCP socket.\n", stderr);
        }
        return fd;
    }
    int fd = open(bios->device, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        fprintf(stderr, "Unable to open device '%s'.\n", bios->device);
    }
    return fd;
}

/* A device gives its whole answer to one read; a socket gives it in pieces. */
static bool read_answer(const Bios *bios, int fd, uint8_t *answer, size_t *ret_size, GError **error)
{
    if (!bios->unix_path && !bios->host) {
        ssize_t n = read(fd, answer, ANSWER_MAX);
        if (n < 0) {
            return hf_error_errno(error, errno, "Could not read from the device");
        }
        *ret_size = (size_t)n;
        return (size_t)n >= HEADER_SIZE ||
               hf_error_set(error, HF_ERROR_INVALID, "Returned packet is too short.");
    }
    int64_t deadline = g_get_monotonic_time() + COMMAND_TIMEOUT_US;
    if (!hf_socket_read_full(fd, answer, HEADER_SIZE, deadline, error)) {
        return false;
    }
    uint32_t size = hf_fetch_u32(answer + 2);
    if (size < HEADER_SIZE || size > ANSWER_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "Returned packet has a wrong size: %u.", size);
    }
    *ret_size = size;
    return hf_socket_read_full(fd, answer + HEADER_SIZE, size - HEADER_SIZE, deadline, error);
}

/* Sends a command and tells of a refusal by `name`. *ret_size: bytes of the answer, 0 when it was
 * refused. False: there is no TPM. */
static bool transmit(Bios *bios, const char *name, const void *command, size_t size,
                     uint8_t *answer, size_t *ret_size)
{
    g_autoptr(GError) error = NULL;
    hf_autofd int fd = open_tpm(bios);
    if (fd < 0) {
        return false;
    }
    if (!hf_socket_write_full(fd, command, size, &error) ||
        !read_answer(bios, fd, answer, ret_size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return false;
    }
    uint32_t code = hf_fetch_u32(answer + 6);
    if (code != 0) {
        fprintf(bios->messages, "%s returned error code 0x%08x\n", name, code);
        bios->refused = true;
        *ret_size = 0;
    }
    return true;
}

typedef struct {
    const char *name; /* in messages */
    uint8_t size;
    uint8_t bytes[22];
} Command;

static bool send_command(Bios *bios, const Command *command)
{
    uint8_t answer[ANSWER_MAX];
    size_t size = 0;
    return transmit(bios, command->name, command->bytes, command->size, answer, &size);
}

/* --- TPM 1.2 --- */

#define TPM_12(n, o0, o1, o2, o3) 0x00, 0xc1, 0, 0, 0, (n), (o0), (o1), (o2), (o3)

static const Command presence_enable = { "TSC_PhysicalPresence(CMD_ENABLE)",
                                         12,
                                         { TPM_12(12, 0x40, 0, 0, 0x0a), 0x00, 0x20 } };
static const Command presence_present = { "TSC_PhysicalPresence(PRESENT)",
                                          12,
                                          { TPM_12(12, 0x40, 0, 0, 0x0a), 0x00, 0x08 } };
static const Command presence_lock = { "TSC_PhysicalPresence(NOT_PRESENT_LOCK)",
                                       12,
                                       { TPM_12(12, 0x40, 0, 0, 0x0a), 0x00, 0x14 } };
static const Command physical_enable = { "TPM_PhysicalEnable", 10, { TPM_12(10, 0, 0, 0, 0x6f) } };
static const Command set_activated = { "TPM_PhysicalSetDeactivated",
                                       11,
                                       { TPM_12(11, 0, 0, 0, 0x72), 0x00 } };
static const Command continue_self_test = { "TPM_ContinueSelfTest",
                                            10,
                                            { TPM_12(10, 0, 0, 0, 0x53) } };
/* TPM_CAP_FLAG, TPM_CAP_FLAG_PERMANENT */
static const Command get_permanent_flags = {
    "TPM_GetCapability", 22, { TPM_12(22, 0, 0, 0, 0x65), 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 1, 8 }
};

static bool startup_12(Bios *bios, uint8_t type)
{
    g_autofree char *name = g_strdup_printf("TPM_Startup(0x%02x)", type);
    const Command command = { name, 12, { TPM_12(12, 0, 0, 0, 0x99), 0x00, type } };
    return send_command(bios, &command);
}

/* Byte 4 of TPM_PERMANENT_FLAGS, which follow a length: a TPM that is deactivated stays so until it
 * is reset, whatever is set now. */
static bool look_at_flags(Bios *bios)
{
    uint8_t answer[ANSWER_MAX];
    size_t size = 0;
    if (!transmit(bios, get_permanent_flags.name, get_permanent_flags.bytes,
                  get_permanent_flags.size, answer, &size)) {
        return false;
    }
    const size_t deactivated = HEADER_SIZE + 4 + 4;
    if (size > deactivated && answer[deactivated] != 0) {
        bios->need_reset = true;
    }
    return true;
}

/* The order of swtpm_bios: the self test, and giving up presence, come last. */
static bool enable_12(Bios *bios, const HfOptions *options)
{
    bool looks = hf_options_flag(options, "ea");
    bool tests = hf_options_flag(options, "cs");
    bool locks = hf_options_flag(options, "u");
    return send_command(bios, &presence_enable) && send_command(bios, &presence_present) &&
           (!looks || look_at_flags(bios)) && send_command(bios, &physical_enable) &&
           send_command(bios, &set_activated) &&
           (!tests || send_command(bios, &continue_self_test)) &&
           (!locks || (send_command(bios, &presence_enable) && send_command(bios, &presence_lock)));
}

static bool run_12(Bios *bios, const HfOptions *options)
{
    bool deactivated = hf_options_flag(options, "d");
    uint8_t type = deactivated ? 3 : hf_options_flag(options, "s") ? 2 : 1;
    if (!hf_options_flag(options, "n") && !startup_12(bios, type)) {
        return false;
    }
    return hf_options_flag(options, "o") || deactivated || enable_12(bios, options);
}

/* --- TPM 2.0 --- */

#define TPM_20(tag, n, code) 0x80, (tag), 0, 0, 0, (n), 0, 0, 0x01, (code)

static const Command startup_clear = { "TPM2_Startup", 12, { TPM_20(0x01, 12, 0x44), 0, 0 } };
static const Command startup_state = { "TPM2_Startup", 12, { TPM_20(0x01, 12, 0x44), 0, 1 } };
/* Of SHA-1: the answer lists what else is to be tested. */
static const Command incremental_self_test = { "TPM2_IncrementalSelfTest",
                                               16,
                                               { TPM_20(0x01, 16, 0x42), 0, 0, 0, 1, 0, 4 } };

/* TPM2_HierarchyChangeAuth(platform) with the empty password; the new one is forgotten. */
static bool change_platform_auth(Bios *bios)
{
    static const uint8_t head[] = { TPM_20(0x02, 49, 0x29),
                                    /* TPM_RH_PLATFORM; a password session */
                                    0x40, 0, 0, 0x0c, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 1, 0, 0,
                                    /* the new password */
                                    0, PLATFORM_AUTH_SIZE };
    uint8_t command[sizeof(head) + PLATFORM_AUTH_SIZE];
    uint8_t answer[ANSWER_MAX];
    size_t size = 0;
    memcpy(command, head, sizeof(head));
    hf_random_bytes(command + sizeof(head), PLATFORM_AUTH_SIZE);
    bool done = transmit(bios, "TPM2_HierarchyChangeAuth", command, sizeof(command), answer, &size);
    explicit_bzero(command, sizeof(command));
    return done;
}

static bool run_20(Bios *bios, const HfOptions *options)
{
    if (!hf_options_flag(options, "n") && !hf_options_flag(options, "d") &&
        !send_command(bios, hf_options_flag(options, "s") ? &startup_state : &startup_clear)) {
        return false;
    }
    if (hf_options_flag(options, "o")) {
        return true;
    }
    return (!hf_options_flag(options, "cs") || send_command(bios, &incremental_self_test)) &&
           (!hf_options_flag(options, "u") || change_platform_auth(bios));
}

/* --- the program --- */

/* The options name a UNIX socket, a TCP target or a device, in this order; without any of them the
 * environment may name a TCP target, as tcsd knows it. */
static bool find_target(Bios *bios, const HfOptions *options, GError **error)
{
    const char *target = hf_options_string(options, "tcp");
    bios->unix_path = target ? NULL : hf_options_string(options, "unix");
    bios->device = hf_options_string(options, "tpm-device");
    if (target) {
        return hf_tcp_target_parse(target, DEFAULT_PORT, &bios->host, &bios->port, error);
    }
    if (bios->unix_path || hf_options_has(options, "tpm-device") ||
        !g_getenv("TCSD_USE_TCP_DEVICE")) {
        return true;
    }
    const char *host = g_getenv("TCSD_TCP_DEVICE_HOSTNAME");
    const char *port = g_getenv("TCSD_TCP_DEVICE_PORT");
    g_autofree char *both = g_strdup_printf("%s:%s", host ? host : "localhost", port ? port : "");
    return hf_tcp_target_parse(both, DEFAULT_PORT, &bios->host, &bios->port, error);
}

HfProgram hf_swtpm_bios_program(void)
{
    return (HfProgram){
        .name = "swtpm_bios",
        .summary = "Starts a TPM as a firmware does: Startup, then (TPM 1.2) physical presence, "
                   "enable, activate",
        .version_title = "TPM emulator BIOS emulator version",
        .options = options_table,
        .max_operands = OPERANDS_MAX,
        .usage_exit = EXIT_FAILURE,
        .single_dash = true,
    };
}

int hf_swtpm_bios_main(int argc, char **argv)
{
    const HfProgram program = hf_swtpm_bios_program();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    g_autoptr(GError) error = NULL;
    bool is_tpm2 = hf_options_flag(options, "tpm2");
    Bios bios = { .messages = is_tpm2 ? stdout : stderr };
    if (hf_options_flag(options, "h")) {
        hf_options_print_help(&program, NULL, stdout);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (hf_options_flag(options, "v")) {
        printf("%s %s\n", program.version_title, PACKAGE_VERSION);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (!find_target(&bios, options, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    bool found = is_tpm2 ? run_20(&bios, options) : run_12(&bios, options);
    if (bios.need_reset) {
        puts("TPM requires a reset");
    }
    g_free(bios.host);
    return !found            ? EXIT_NO_DEVICE
           : bios.need_reset ? EXIT_NEED_RESET
           : bios.refused    ? EXIT_TPM_ERROR
                             : EXIT_SUCCESS;
}
