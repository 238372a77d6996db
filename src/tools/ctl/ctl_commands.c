/*
 * ctl_commands.c - what each command of holdfast-ctl does.
 *
 * Two tables with the same index: how a command is written (for the option parser, help and
 * completion) and its two steps: `prepare` looks at the operands and has no channel, `run` has one.
 * What travels on the channel is src/control's business; nothing here knows a byte of it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/ctl/ctl_commands.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "control/protocol.h"

/* HASH_DATA goes out in pieces of this size. */
#define HASH_CHUNK (64u * 1024u)

/* SPECIFICATION, ATTRIBUTES and FEATURES: what every libtpms can tell. */
#define INFO_FLAGS_DEFAULT 7u

typedef struct {
    const HfOptions *options;
    const char *const *operands;
    HfControlClient *client; /* NULL while preparing */
    uint64_t number;         /* LOC, N, SIZE, FLAGS or RETRIES */
    uint32_t blob_type;
    int file; /* hash: what is measured */
    HfSecret *blob;
} Ctl;

typedef struct {
    bool (*prepare)(Ctl *ctl, GError **error); /* NULL: nothing to prepare */
    bool (*run)(Ctl *ctl, GError **error);
} Steps;

static const HfCommand commands[] = {
    [HF_CTL_CAPABILITIES] = { .name = "capabilities",
                              .bit = HF_CTL_BIT(HF_CTL_CAPABILITIES),
                              .help = "List the commands that the emulator knows" },
    [HF_CTL_INIT] = { .name = "init",
                      .bit = HF_CTL_BIT(HF_CTL_INIT),
                      .help = "Switch the TPM on, or off and on" },
    [HF_CTL_STOP] = { .name = "stop",
                      .bit = HF_CTL_BIT(HF_CTL_STOP),
                      .help = "Switch the TPM off" },
    [HF_CTL_SHUTDOWN] = { .name = "shutdown",
                          .bit = HF_CTL_BIT(HF_CTL_SHUTDOWN),
                          .help = "Switch the TPM off and end the emulator" },
    [HF_CTL_ESTABLISHED] = { .name = "established",
                             .bit = HF_CTL_BIT(HF_CTL_ESTABLISHED),
                             .help = "Show the tpmEstablished bit" },
    [HF_CTL_RESET_ESTABLISHED] = { .name = "reset-established",
                                   .bit = HF_CTL_BIT(HF_CTL_RESET_ESTABLISHED),
                                   .help = "Clear the tpmEstablished bit, from locality 3 or 4",
                                   .operands = "LOCALITY",
                                   .min_operands = 1,
                                   .max_operands = 1 },
    [HF_CTL_LOCALITY] = { .name = "locality",
                          .bit = HF_CTL_BIT(HF_CTL_LOCALITY),
                          .help = "Set the locality of the commands that follow",
                          .operands = "LOCALITY",
                          .min_operands = 1,
                          .max_operands = 1 },
    [HF_CTL_HASH] = { .name = "hash",
                      .bit = HF_CTL_BIT(HF_CTL_HASH),
                      .help = "Measure a file (- for standard input) as a launch from locality 4",
                      .operands = "FILE",
                      .min_operands = 1,
                      .max_operands = 1 },
    [HF_CTL_CANCEL] = { .name = "cancel",
                        .bit = HF_CTL_BIT(HF_CTL_CANCEL),
                        .help = "Ask the running TPM command to stop" },
    [HF_CTL_STORE_VOLATILE] = { .name = "store-volatile",
                                .bit = HF_CTL_BIT(HF_CTL_STORE_VOLATILE),
                                .help = "Write the volatile state to the state directory" },
    [HF_CTL_SAVE] = { .name = "save",
                      .bit = HF_CTL_BIT(HF_CTL_SAVE),
                      .help = "Fetch a state (permanent, volatile, savestate) into a file",
                      .operands = "TYPE FILE",
                      .min_operands = 2,
                      .max_operands = 2 },
    [HF_CTL_LOAD] = { .name = "load",
                      .bit = HF_CTL_BIT(HF_CTL_LOAD),
                      .help = "Give the TPM, which must be off, a state from a file",
                      .operands = "TYPE FILE",
                      .min_operands = 2,
                      .max_operands = 2 },
    [HF_CTL_CONFIG] = { .name = "config",
                        .bit = HF_CTL_BIT(HF_CTL_CONFIG),
                        .help = "Show which encryption keys the emulator has" },
    [HF_CTL_BUFFER_SIZE] = { .name = "buffer-size",
                             .bit = HF_CTL_BIT(HF_CTL_BUFFER_SIZE),
                             .help = "Show, or set while the TPM is off, the size of its buffer",
                             .operands = "[SIZE]",
                             .max_operands = 1 },
    [HF_CTL_INFO] = { .name = "info",
                      .bit = HF_CTL_BIT(HF_CTL_INFO),
                      .help = "Show what the TPM library says about itself",
                      .operands = "[FLAGS]",
                      .max_operands = 1 },
    [HF_CTL_LOCK_STORAGE] = { .name = "lock-storage",
                              .bit = HF_CTL_BIT(HF_CTL_LOCK_STORAGE),
                              .help = "Lock the state, trying RETRIES more times 10 ms apart",
                              .operands = "[RETRIES]",
                              .max_operands = 1 },
    { .name = NULL },
};

/* --- operands --- */

static bool parse_number(const char *what, const char *text, uint64_t min, uint64_t max,
                         uint64_t *ret, GError **error)
{
    bool hex = g_str_has_prefix(text, "0x");
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(hex ? text + 2 : text, hex ? 16 : 10, min, max, &number,
                                    NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "%s: expected a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                            ", found '%s'",
                            what, min, max, text);
    }
    *ret = number;
    return true;
}

static bool prepare_locality(Ctl *ctl, GError **error)
{
    return parse_number("LOCALITY", ctl->operands[0], 0, HF_CONTROL_LOCALITY_MAX, &ctl->number,
                        error);
}

static bool prepare_size(Ctl *ctl, GError **error)
{
    return ctl->operands[0] == NULL ||
           parse_number("SIZE", ctl->operands[0], 1, UINT32_MAX, &ctl->number, error);
}

static bool prepare_flags(Ctl *ctl, GError **error)
{
    ctl->number = INFO_FLAGS_DEFAULT;
    return ctl->operands[0] == NULL ||
           parse_number("FLAGS", ctl->operands[0], 0, UINT64_MAX, &ctl->number, error);
}

static bool prepare_retries(Ctl *ctl, GError **error)
{
    return ctl->operands[0] == NULL ||
           parse_number("RETRIES", ctl->operands[0], 0, UINT32_MAX, &ctl->number, error);
}

static bool prepare_type(Ctl *ctl, GError **error)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = {
        { "permanent", HF_CONTROL_BLOB_PERMANENT },
        { "volatile", HF_CONTROL_BLOB_VOLATILE },
        { "savestate", HF_CONTROL_BLOB_SAVESTATE },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(ctl->operands[0], types[i].name) == 0) {
            ctl->blob_type = types[i].type;
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_USAGE,
                        "TYPE: expected permanent, volatile or savestate, found '%s'",
                        ctl->operands[0]);
}

static bool prepare_load(Ctl *ctl, GError **error)
{
    if (!prepare_type(ctl, error)) {
        return false;
    }
    ctl->blob = hf_file_read_secret(ctl->operands[1], HF_CONTROL_BLOB_MAX, error);
    return ctl->blob != NULL;
}

static bool prepare_hash(Ctl *ctl, GError **error)
{
    const char *path = ctl->operands[0];
    bool standard_input = strcmp(path, "-") == 0;
    ctl->file = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                               : TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (ctl->file < 0) {
        return hf_error_errno(error, errno, "cannot open %s",
                              standard_input ? "standard input" : path);
    }
    struct stat st;
    if (fstat(ctl->file, &st) == 0 && S_ISDIR(st.st_mode)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: expected a file, found a directory",
                            path);
    }
    return true;
}

/* --- facts --- */

static bool wants_json(const Ctl *ctl)
{
    return hf_options_flag(ctl->options, "json");
}

/* One line. */
static void print_json(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    printf("%s\n", text);
}

static void add_bool(JsonBuilder *builder, const char *name, bool value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

static void add_int(JsonBuilder *builder, const char *name, uint32_t value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

/* The names of the bits that are set: commands by the protocol's table, and what is no command. */
static GPtrArray *capability_names(uint32_t bits)
{
    GPtrArray *names = g_ptr_array_new();
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if ((bits & rows[i].capability) != 0) {
            g_ptr_array_add(names, (void *)(uintptr_t)rows[i].name);
        }
    }
    if ((bits & HF_CONTROL_CAP_SEND_COMMAND_HEADER) != 0) {
        g_ptr_array_add(names, (void *)(uintptr_t) "SEND_COMMAND_HEADER");
    }
    return names;
}

static bool run_capabilities(Ctl *ctl, GError **error)
{
    uint32_t bits = 0;
    if (!hf_control_client_get_capability(ctl->client, &bits, error)) {
        return false;
    }
    g_autoptr(GPtrArray) names = capability_names(bits);
    if (!wants_json(ctl)) {
        printf("capabilities 0x%x\n", bits);
        for (guint i = 0; i < names->len; i++) {
            printf("%s\n", (const char *)names->pdata[i]);
        }
        return true;
    }
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    add_int(builder, "capabilities", bits);
    json_builder_set_member_name(builder, "names");
    json_builder_begin_array(builder);
    for (guint i = 0; i < names->len; i++) {
        json_builder_add_string_value(builder, names->pdata[i]);
    }
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    print_json(builder);
    return true;
}

static bool run_established(Ctl *ctl, GError **error)
{
    bool bit = false;
    if (!hf_control_client_get_established(ctl->client, &bit, error)) {
        return false;
    }
    if (!wants_json(ctl)) {
        printf("established: %s\n", bit ? "yes" : "no");
        return true;
    }
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    add_bool(builder, "established", bit);
    json_builder_end_object(builder);
    print_json(builder);
    return true;
}

static bool run_config(Ctl *ctl, GError **error)
{
    uint32_t flags = 0;
    if (!hf_control_client_get_config(ctl->client, &flags, error)) {
        return false;
    }
    bool file = (flags & HF_CONTROL_CONFIG_FILE_KEY) != 0;
    bool migration = (flags & HF_CONTROL_CONFIG_MIGRATION_KEY) != 0;
    if (!wants_json(ctl)) {
        printf("key for state files: %s\n", file ? "yes" : "no");
        printf("key for migration: %s\n", migration ? "yes" : "no");
        return true;
    }
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    add_int(builder, "flags", flags);
    add_bool(builder, "key", file);
    add_bool(builder, "migration-key", migration);
    json_builder_end_object(builder);
    print_json(builder);
    return true;
}

static bool run_buffer_size(Ctl *ctl, GError **error)
{
    uint32_t size = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    if (!hf_control_client_set_buffersize(ctl->client, (uint32_t)ctl->number, &size, &min, &max,
                                          error)) {
        return false;
    }
    if (!wants_json(ctl)) {
        printf("buffer: %u bytes (possible: %u to %u)\n", size, min, max);
        return true;
    }
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    add_int(builder, "size", size);
    add_int(builder, "min", min);
    add_int(builder, "max", max);
    json_builder_end_object(builder);
    print_json(builder);
    return true;
}

static bool run_info(Ctl *ctl, GError **error)
{
    g_autofree char *text = hf_control_client_get_info(ctl->client, ctl->number, error);
    if (text == NULL) {
        return false;
    }
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) cause = NULL;
    if (!json_parser_load_from_data(parser, text, -1, &cause)) {
        return hf_error_set(error, HF_ERROR_INVALID, "GET_INFO: expected JSON: %s", cause->message);
    }
    g_autofree char *shown = json_to_string(json_parser_get_root(parser), !wants_json(ctl));
    printf("%s\n", shown);
    return true;
}

/* --- actions --- */

static bool run_init(Ctl *ctl, GError **error)
{
    bool forget = hf_options_flag(ctl->options, "delete-volatile");
    return hf_control_client_init(ctl->client, forget ? HF_CONTROL_INIT_DELETE_VOLATILE : 0, error);
}

static bool run_stop(Ctl *ctl, GError **error)
{
    return hf_control_client_stop(ctl->client, error);
}

static bool run_shutdown(Ctl *ctl, GError **error)
{
    return hf_control_client_shutdown(ctl->client, error);
}

static bool run_reset_established(Ctl *ctl, GError **error)
{
    return hf_control_client_reset_established(ctl->client, (uint8_t)ctl->number, error);
}

static bool run_locality(Ctl *ctl, GError **error)
{
    return hf_control_client_set_locality(ctl->client, (uint8_t)ctl->number, error);
}

/* When reading fails in the middle the measurement is left open: ending it would extend the PCR
 * with half a file. The next HASH_START or INIT discards it. */
static bool run_hash(Ctl *ctl, GError **error)
{
    if (!hf_control_client_hash_start(ctl->client, error)) {
        return false;
    }
    g_autofree uint8_t *chunk = g_malloc(HASH_CHUNK);
    for (;;) {
        ssize_t n = read(ctl->file, chunk, HASH_CHUNK);
        if (n == 0) {
            return hf_control_client_hash_end(ctl->client, error);
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return hf_error_errno(error, errno, "cannot read %s", ctl->operands[0]);
        }
        if (!hf_control_client_hash_data(ctl->client, chunk, (size_t)n, error)) {
            return false;
        }
    }
}

static bool run_cancel(Ctl *ctl, GError **error)
{
    return hf_control_client_cancel(ctl->client, error);
}

static bool run_store_volatile(Ctl *ctl, GError **error)
{
    return hf_control_client_store_volatile(ctl->client, error);
}

static bool run_save(Ctl *ctl, GError **error)
{
    bool in_clear = hf_options_flag(ctl->options, "decrypted");
    g_autoptr(GBytes) blob = hf_control_client_get_stateblob(
        ctl->client, ctl->blob_type, in_clear ? HF_CONTROL_STATE_DECRYPTED : 0, NULL, error);
    if (blob == NULL) {
        return false;
    }
    size_t size = 0;
    const void *data = g_bytes_get_data(blob, &size);
    if (size == 0) {
        return hf_error_set(error, HF_ERROR_NOT_FOUND, "the TPM has no %s state", ctl->operands[0]);
    }
    return hf_file_replace(ctl->operands[1], data, size, 0600, error);
}

static bool run_load(Ctl *ctl, GError **error)
{
    return hf_control_client_set_stateblob(ctl->client, ctl->blob_type, 0, ctl->blob->data,
                                           ctl->blob->size, error);
}

static bool run_lock_storage(Ctl *ctl, GError **error)
{
    /* The answer comes when the last attempt is over. */
    uint64_t wait_ms = (uint64_t)hf_options_int(ctl->options, "timeout") * 1000;
    if (wait_ms != 0) {
        wait_ms = MIN(wait_ms + ctl->number * 10, UINT_MAX);
        hf_control_client_set_timeout(ctl->client, (unsigned)wait_ms);
    }
    return hf_control_client_lock_storage(ctl->client, (uint32_t)ctl->number, error);
}

static const Steps steps[] = {
    [HF_CTL_CAPABILITIES] = { NULL, run_capabilities },
    [HF_CTL_INIT] = { NULL, run_init },
    [HF_CTL_STOP] = { NULL, run_stop },
    [HF_CTL_SHUTDOWN] = { NULL, run_shutdown },
    [HF_CTL_ESTABLISHED] = { NULL, run_established },
    [HF_CTL_RESET_ESTABLISHED] = { prepare_locality, run_reset_established },
    [HF_CTL_LOCALITY] = { prepare_locality, run_locality },
    [HF_CTL_HASH] = { prepare_hash, run_hash },
    [HF_CTL_CANCEL] = { NULL, run_cancel },
    [HF_CTL_STORE_VOLATILE] = { NULL, run_store_volatile },
    [HF_CTL_SAVE] = { prepare_type, run_save },
    [HF_CTL_LOAD] = { prepare_load, run_load },
    [HF_CTL_CONFIG] = { NULL, run_config },
    [HF_CTL_BUFFER_SIZE] = { prepare_size, run_buffer_size },
    [HF_CTL_INFO] = { prepare_flags, run_info },
    [HF_CTL_LOCK_STORAGE] = { prepare_retries, run_lock_storage },
};
G_STATIC_ASSERT(G_N_ELEMENTS(steps) + 1 == G_N_ELEMENTS(commands));

const HfCommand *hf_ctl_commands(void)
{
    return commands;
}

static void release(Ctl *ctl)
{
    hf_fd_close(&ctl->file);
    hf_secret_free(ctl->blob);
    hf_control_client_free(ctl->client);
}

bool hf_ctl_run(const HfOptions *options, HfCtlConnect connect, GError **error)
{
    __attribute__((cleanup(release)))
    Ctl ctl = { .options = options, .operands = hf_options_operands(options), .file = -1 };
    const Steps *step = &steps[hf_options_command(options) - commands];
    if (step->prepare != NULL && !step->prepare(&ctl, error)) {
        return false;
    }
    ctl.client = connect(options, error);
    if (ctl.client == NULL) {
        return false;
    }
    hf_control_client_set_timeout(ctl.client, (unsigned)hf_options_int(options, "timeout") * 1000);
    return step->run(&ctl, error);
}
