/*
 * swtpm_ioctl.c - holdfast-ctl under the name swtpm_ioctl: one control command, named by an option.
 *
 * A row of `actions` an option that is a command: `prepare` looks at its value before there is a
 * connection, `run` speaks with the emulator. Errors are swtpm's texts; every one is exit code 1.
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

#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "control/client.h"
#include "tools/ctl/tcp_target.h"

#define DEFAULT_PORT 6546
#define HASH_CHUNK (64u * 1024u)
#define MILLISECONDS_A_RETRY 10u
#define ANSWER_TIMEOUT_MS 20000u
#define OPERANDS_MAX 16

typedef struct {
    const HfOptions *options;
    const char *value; /* of the command's option; "" for one without */
    const char *const *operands;
    HfControlClient *client; /* NULL while preparing */
    uint64_t number;
    uint32_t blob_type;
    HfSecret *blob;
} Call;

typedef struct {
    const char *option;
    bool (*prepare)(Call *call, GError **error); /* NULL: nothing to prepare */
    bool (*run)(Call *call, GError **error);
} Action;

static const HfOption options_table[] = {
    { .name = "tpm-device",
      .kind = HF_KIND_PATH,
      .arg = "DEVICE",
      .help = "Speak with the TPM of this character device (CUSE)" },
    { .name = "tcp",
      .kind = HF_KIND_STRING,
      .arg = "[HOST]:[PORT]",
      .help = "Speak over TCP; default 127.0.0.1 and 6546" },
    { .name = "unix", .kind = HF_KIND_PATH, .arg = "PATH", .help = "Speak over this UNIX socket" },
    { .name = "capabilities", .letter = 'c', .help = "Show the capabilities of the TPM" },
    { .name = "init",
      .letter = 'i',
      .help = "Switch the TPM on; a stored volatile state is resumed and removed" },
    { .name = "stop", .help = "Switch the TPM off" },
    { .name = "shutdown", .letter = 's', .help = "Switch the TPM off and end the emulator" },
    { .name = "established", .letter = 'e', .help = "Show the tpmEstablished bit" },
    { .name = "reset-established",
      .letter = 'r',
      .kind = HF_KIND_STRING,
      .arg = "LOCALITY",
      .help = "Clear the tpmEstablished bit, from this locality" },
    { .name = "store-volatile", .letter = 'v', .help = "Store the TPM's volatile state" },
    { .name = "cancel", .letter = 'C', .help = "Cancel the running TPM command" },
    { .name = "locality",
      .letter = 'l',
      .kind = HF_KIND_STRING,
      .arg = "LOCALITY",
      .help = "Set the locality, 0 to 4" },
    { .name = "hash",
      .letter = 'h',
      .kind = HF_KIND_STRING,
      .arg = "DATA",
      .help = "Measure this text as a launch from locality 4; - for standard input" },
    { .name = "save",
      .kind = HF_KIND_STRING,
      .arg = "TYPE",
      .help = "Store the permanent, volatile or savestate blob into FILE" },
    { .name = "load",
      .kind = HF_KIND_STRING,
      .arg = "TYPE",
      .help = "Give a TPM that is off the blob in FILE" },
    { .name = "config", .letter = 'g', .help = "Show which encryption keys are in use" },
    { .name = "buffersize",
      .letter = 'b',
      .kind = HF_KIND_STRING,
      .arg = "SIZE",
      .help = "Set the size of the TPM's buffer and show what is possible; 0 only shows" },
    { .name = "info",
      .kind = HF_KIND_STRING,
      .arg = "FLAGS",
      .help = "Show what the TPM library says about itself" },
    { .name = "lock-storage",
      .kind = HF_KIND_STRING,
      .arg = "RETRIES",
      .help = "Lock the TPM's storage, with so many more attempts 10 ms apart" },
    { .name = NULL },
};

/* --- values --- */

/* Decimal, or hexadecimal with 0x, or octal with 0. */
static bool number_parse(const char *text, uint64_t max, uint64_t *ret)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 0);
    if (!g_ascii_isdigit(text[0]) || *end != '\0' || errno != 0 || number > max) {
        return false;
    }
    *ret = number;
    return true;
}

static bool prepare_locality(Call *call, GError **error)
{
    if (!number_parse(call->value, UINT64_MAX, &call->number)) {
        return hf_error_set(error, HF_ERROR_USAGE, "Could not get locality number from %s.",
                            call->value);
    }
    return call->number <= HF_CONTROL_LOCALITY_MAX ||
           hf_error_set(error, HF_ERROR_USAGE, "Locality outside valid range of [0..4].");
}

static bool prepare_size(Call *call, GError **error)
{
    return number_parse(call->value, UINT32_MAX, &call->number) ||
           hf_error_set(error, HF_ERROR_USAGE, "Could not get buffersize from %s.", call->value);
}

static bool prepare_info(Call *call, GError **error)
{
    return number_parse(call->value, UINT64_MAX, &call->number) ||
           hf_error_set(error, HF_ERROR_USAGE, "Cannot parse info flags.");
}

static bool prepare_retries(Call *call, GError **error)
{
    return number_parse(call->value, UINT32_MAX, &call->number) ||
           hf_error_set(error, HF_ERROR_USAGE, "Could not get retries number from %s.",
                        call->value);
}

static bool prepare_type(Call *call, const char *option, GError **error)
{
    static const char *const types[] = {
        [HF_CONTROL_BLOB_PERMANENT] = "permanent",
        [HF_CONTROL_BLOB_VOLATILE] = "volatile",
        [HF_CONTROL_BLOB_SAVESTATE] = "savestate",
    };
    if (!call->operands[0]) {
        return hf_error_set(error, HF_ERROR_USAGE, "Missing filename argument for --%s option",
                            option);
    }
    for (uint32_t i = 1; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(call->value, types[i]) == 0) {
            call->blob_type = i;
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_USAGE, "Unknown TPM state type '%s'", call->value);
}

static bool prepare_save(Call *call, GError **error)
{
    return prepare_type(call, "save", error);
}

static bool prepare_load(Call *call, GError **error)
{
    if (!prepare_type(call, "load", error)) {
        return false;
    }
    const char *path = call->operands[0];
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        return hf_error_set(error, HF_ERROR_IO, "Could not open file '%s' for reading: %s", path,
                            g_strerror(errno));
    }
    call->blob = hf_fd_read_secret(fd, HF_CONTROL_BLOB_MAX, path, error);
    return call->blob != NULL;
}

/* --- commands --- */

static bool run_capabilities(Call *call, GError **error)
{
    uint32_t bits = 0;
    if (!hf_control_client_get_capability(call->client, &bits, error)) {
        return false;
    }
    printf("ptm capability is 0x%x\n", bits);
    return true;
}

static bool run_init(Call *call, GError **error)
{
    return hf_control_client_init(call->client, HF_CONTROL_INIT_DELETE_VOLATILE, error);
}

static bool run_stop(Call *call, GError **error)
{
    return hf_control_client_stop(call->client, error);
}

static bool run_shutdown(Call *call, GError **error)
{
    return hf_control_client_shutdown(call->client, error);
}

static bool run_established(Call *call, GError **error)
{
    bool bit = false;
    if (!hf_control_client_get_established(call->client, &bit, error)) {
        return false;
    }
    printf("tpmEstablished is %d\n", bit);
    return true;
}

static bool run_reset_established(Call *call, GError **error)
{
    return hf_control_client_reset_established(call->client, (uint8_t)call->number, error);
}

static bool run_store_volatile(Call *call, GError **error)
{
    return hf_control_client_store_volatile(call->client, error);
}

static bool run_cancel(Call *call, GError **error)
{
    return hf_control_client_cancel(call->client, error);
}

static bool run_locality(Call *call, GError **error)
{
    return hf_control_client_set_locality(call->client, (uint8_t)call->number, error);
}

/* When reading fails in the middle the measurement is left open: ending it would extend the PCR
 * with half of the data. */
static bool hash_input(HfControlClient *client, GError **error)
{
    g_autofree uint8_t *chunk = g_malloc(HASH_CHUNK);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, HASH_CHUNK);
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return hf_error_errno(error, errno, "Could not read from stdin");
        }
        if (!hf_control_client_hash_data(client, chunk, (size_t)n, error)) {
            return false;
        }
    }
}

static bool run_hash(Call *call, GError **error)
{
    if (!hf_control_client_hash_start(call->client, error)) {
        return false;
    }
    bool sent =
        strcmp(call->value, "-") == 0
            ? hash_input(call->client, error)
            : hf_control_client_hash_data(call->client, call->value, strlen(call->value), error);
    return sent && hf_control_client_hash_end(call->client, error);
}

static bool run_save(Call *call, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GBytes) blob = hf_control_client_get_stateblob(
        call->client, call->blob_type, HF_CONTROL_STATE_DECRYPTED, NULL, &cause);
    if (!blob && !hf_error_is(cause, HF_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    g_clear_error(&cause);
    size_t size = 0;
    const void *data = blob ? g_bytes_get_data(blob, &size) : NULL;
    if (!hf_file_write(call->operands[0], data, size, 0600, &cause)) {
        const char *reason = strrchr(cause->message, ':');
        return hf_error_set(error, HF_ERROR_IO, "Could not open file '%s' for writing%s",
                            call->operands[0], reason ? reason : "");
    }
    return true;
}

static bool run_load(Call *call, GError **error)
{
    return hf_control_client_set_stateblob(call->client, call->blob_type, 0, call->blob->data,
                                           call->blob->size, error);
}

static bool run_config(Call *call, GError **error)
{
    uint32_t flags = 0;
    if (!hf_control_client_get_config(call->client, &flags, error)) {
        return false;
    }
    printf("ptm configuration flags: 0x%x\n", flags);
    return true;
}

static bool run_buffersize(Call *call, GError **error)
{
    uint32_t size = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    if (!hf_control_client_set_buffersize(call->client, (uint32_t)call->number, &size, &min, &max,
                                          error)) {
        return false;
    }
    printf("TPM buffersize: %u\nminimum size  : %u\nmaximum size  : %u\n", size, min, max);
    return true;
}

static bool run_info(Call *call, GError **error)
{
    g_autofree char *text = hf_control_client_get_info(call->client, call->number, error);
    if (!text) {
        return false;
    }
    printf("%s\n", text);
    return true;
}

static bool run_lock_storage(Call *call, GError **error)
{
    /* The answer comes when the last attempt is over. */
    uint64_t wait_ms = ANSWER_TIMEOUT_MS + call->number * MILLISECONDS_A_RETRY;
    hf_control_client_set_timeout(call->client, (unsigned)MIN(wait_ms, UINT_MAX));
    return hf_control_client_lock_storage(call->client, (uint32_t)call->number, error);
}

static const Action actions[] = {
    { "capabilities", NULL, run_capabilities },
    { "init", NULL, run_init },
    { "stop", NULL, run_stop },
    { "shutdown", NULL, run_shutdown },
    { "established", NULL, run_established },
    { "reset-established", prepare_locality, run_reset_established },
    { "store-volatile", NULL, run_store_volatile },
    { "cancel", NULL, run_cancel },
    { "locality", prepare_locality, run_locality },
    { "hash", NULL, run_hash },
    { "save", prepare_save, run_save },
    { "load", prepare_load, run_load },
    { "config", NULL, run_config },
    { "buffersize", prepare_size, run_buffersize },
    { "info", prepare_info, run_info },
    { "lock-storage", prepare_retries, run_lock_storage },
};

/* --- connection --- */

/* The error of the operating system at the end of a message of ours. */
static const char *reason_of(const GError *error)
{
    const char *colon = strrchr(error->message, ':');
    return colon ? colon + 1 + strspn(colon + 1, " ") : error->message;
}

static HfControlClient *connect_tcp(const char *target, GError **error)
{
    g_autofree char *host = NULL;
    g_autoptr(GError) cause = NULL;
    uint16_t port = 0;
    if (!hf_tcp_target_parse(target, DEFAULT_PORT, &host, &port, error)) {
        return NULL;
    }
    HfControlClient *client = hf_control_client_connect_tcp(host, port, &cause);
    if (!client && hf_error_is(cause, HF_ERROR_NO_HOST)) {
        hf_error_set(error, HF_ERROR_IO, "getaddrinfo failed on %s", cause->message);
    } else if (!client) {
        hf_error_set(error, HF_ERROR_IO,
                     "Could not connect to host '%s' on port '%u' using TCP socket: %s", host, port,
                     reason_of(cause));
    }
    return client;
}

static HfControlClient *connect_target(const Call *call, bool takes_file, GError **error)
{
    const char *tcp = hf_options_string(call->options, "tcp");
    const char *unix_path = hf_options_string(call->options, "unix");
    const char *device = hf_options_string(call->options, "tpm-device");
    g_autoptr(GError) cause = NULL;
    if (tcp) {
        return connect_tcp(tcp, error);
    }
    if (unix_path) {
        HfControlClient *client = hf_control_client_connect_unix(unix_path, &cause);
        if (!client) {
            hf_error_set(error, HF_ERROR_IO, "Connect failed: %s", reason_of(cause));
        }
        return client;
    }
    if (!device) {
        device = call->operands[takes_file ? 1 : 0];
    }
    if (!device) {
        hf_error_set(error, HF_ERROR_USAGE, "Error: Missing device name.");
        return NULL;
    }
    HfControlClient *client = hf_control_client_open_device(device, &cause);
    if (!client) {
        hf_error_set(error, HF_ERROR_IO, "Unable to open device '%s'.", device);
    }
    return client;
}

/* --- the program --- */

/* What the emulator refused, in swtpm's words; the client's messages begin with the command. */
static void print_error(const HfControlClient *client, const GError *error)
{
    const char *colon = strchr(error->message, ':');
    int length = colon ? (int)(colon - error->message) : 0;
    if (client && hf_control_client_result(client) != HF_CONTROL_OK) {
        fprintf(stderr, "TPM result from PTM_%.*s: 0x%x\n", length, error->message,
                hf_control_client_result(client));
    } else if (client && length > 0 && g_ascii_isupper(error->message[1])) {
        fprintf(stderr, "Could not execute PTM_%.*s%s\n", length, error->message,
                error->message + length);
    } else {
        fprintf(stderr, "%s\n", error->message);
    }
}

static const Action *find_action(const HfOptions *options, GError **error)
{
    const Action *found = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (!hf_options_has(options, actions[i].option)) {
            continue;
        }
        if (found) {
            hf_error_set(error, HF_ERROR_USAGE, "Only one command may be given.");
            return NULL;
        }
        found = &actions[i];
    }
    if (!found) {
        hf_error_set(error, HF_ERROR_USAGE, "No valid command.");
    }
    return found;
}

/* SWTPM_IOCTL_BUFFERSIZE: for tests of emulators. */
static void set_piece(HfControlClient *client)
{
    const char *text = g_getenv("SWTPM_IOCTL_BUFFERSIZE");
    uint64_t size = 0;
    if (text && number_parse(text, HF_CONTROL_BLOB_MAX, &size)) {
        hf_control_client_set_piece(client, (size_t)size);
    }
}

static bool run_action(Call *call, GError **error)
{
    const Action *action = find_action(call->options, error);
    if (!action) {
        return false;
    }
    call->value = hf_options_string(call->options, action->option);
    if (action->prepare && !action->prepare(call, error)) {
        return false;
    }
    bool takes_file = action->run == run_save || action->run == run_load;
    call->client = connect_target(call, takes_file, error);
    if (!call->client) {
        return false;
    }
    hf_control_client_set_timeout(call->client, ANSWER_TIMEOUT_MS);
    set_piece(call->client);
    return action->run(call, error);
}

HfProgram hf_swtpm_ioctl_program(void)
{
    return (HfProgram){
        .name = "swtpm_ioctl",
        .summary = "TPM emulator control tool",
        .version_title = "TPM emulator control tool version",
        .options = options_table,
        .operands = "[FILE] [DEVICE]",
        .max_operands = OPERANDS_MAX,
        .usage_exit = EXIT_FAILURE,
        .single_dash = true,
    };
}

int hf_swtpm_ioctl_main(int argc, char **argv)
{
    const HfProgram program = hf_swtpm_ioctl_program();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&program, argc, argv);
    Call call = { .options = options, .operands = hf_options_operands(options) };
    g_autoptr(GError) error = NULL;
    bool done = run_action(&call, &error);
    if (done && fflush(stdout) != 0) {
        done = hf_error_errno(&error, errno, "Could not write to stdout");
    }
    if (!done) {
        print_error(call.client, error);
    }
    hf_secret_free(call.blob);
    hf_control_client_free(call.client);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
