/*
 * emulator_options.c - the option table of the emulator, and what it means.
 *
 * The rows stand in the order in which their features are listed by --print-capabilities, which is
 * swtpm's order. A feature is named only when it works.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "emulator/emulator_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

#define FIRST_FREE_FD 3

/* What the kernel has room for: include/linux/fs.h, kdev_t.h. */
#define MAJOR_MAX 511
#define MINOR_MAX 0xfffff
#define CUSE_NAME_MAX 100

enum {
    SOCKET = 1 << HF_INTERFACE_SOCKET,
    CHARDEV = 1 << HF_INTERFACE_CHARDEV,
    CUSE = 1 << HF_INTERFACE_CUSE,
};

static const HfCommand commands[] = {
    { .name = "socket", .bit = SOCKET, .help = "Serve a TPM over sockets" },
    { .name = "chardev",
      .bit = CHARDEV,
      .help = "Serve a TPM over a character device, or make one with the kernel's vTPM proxy" },
#ifdef HAVE_FUSE
    { .name = "cuse",
      .bit = CUSE,
      .help = "Make a character device in user space, as which a "
              "TPM is served" },
#endif
    { 0 },
};

#define FD(word, text)                                                    \
    {                                                                     \
        word, HF_KIND_INT, "N", text, NULL, FIRST_FREE_FD, G_MAXINT, NULL \
    }
#define PORT                                                       \
    {                                                              \
        "port", HF_KIND_INT, "N", "TCP port", NULL, 1, 65535, NULL \
    }
#define FLAG(word, text)                                 \
    {                                                    \
        .name = word, .kind = HF_KIND_FLAG, .help = text \
    }
#define PATH(word, text)                                                \
    {                                                                   \
        .name = word, .kind = HF_KIND_PATH, .arg = "PATH", .help = text \
    }
#define BIND                                                                              \
    {                                                                                     \
        .name = "bindaddr", .kind = HF_KIND_STRING, .arg = "ADDR", .preset = "127.0.0.1", \
        .help = "address to listen on"                                                    \
    }
#define IFNAME                                                   \
    {                                                            \
        .name = "ifname", .kind = HF_KIND_STRING, .arg = "NAME", \
        .help = "network interface of a link-local IPv6 address" \
    }
#define SOCKET_MODE                                                             \
    {                                                                           \
        .name = "mode", .kind = HF_KIND_MODE, .arg = "OCTAL", .preset = "0770", \
        .help = "mode of the UNIX socket"                                       \
    }
#define OWNER                                                                                    \
    { .name = "uid", .kind = HF_KIND_USER, .arg = "USER", .help = "owner of the UNIX socket" },  \
    {                                                                                            \
        .name = "gid", .kind = HF_KIND_GROUP, .arg = "GROUP", .help = "group of the UNIX socket" \
    }
#define TYPE                                                                            \
    {                                                                                   \
        .name = "type", .kind = HF_KIND_CHOICE, .arg = "TYPE", .choices = "unixio|tcp", \
        .help = "kind of socket"                                                        \
    }

static const HfSubOption server_options[] = {
    TYPE,
    PORT,
    BIND,
    IFNAME,
    PATH("path", "UNIX socket to make"),
    FD("fd", "inherited socket: connected (tcp), or listening (unixio)"),
    FLAG("disconnect", "close the connection after every response"),
    SOCKET_MODE,
    OWNER,
    { .name = NULL },
};

static const HfSubOption control_options[] = {
    TYPE,
    PATH("path", "UNIX socket to make"),
    PORT,
    BIND,
    IFNAME,
    FD("fd", "inherited socket that listens"),
    FD("clientfd", "inherited socket that is connected (unixio)"),
    SOCKET_MODE,
    OWNER,
    FLAG("terminate", "end when the control connection is lost"),
    { .name = NULL },
};

static const HfSubOption state_options[] = {
    PATH("dir", "directory of the state files"),
    { .name = "backend-uri",
      .kind = HF_KIND_STRING,
      .arg = "URI",
      .help = "dir://DIRECTORY; file://FILE for one file or block device; slots://FILE for the "
              "same with quick durable writes, which swtpm does not read" },
    { .name = "mode",
      .kind = HF_KIND_MODE,
      .arg = "OCTAL",
      .help = "exact mode of state files (default 0640 without what the umask takes)" },
    FLAG("lock", "lock the file of file:// (all others are always locked)"),
    FLAG("backup", "keep the permanent state before the last one, and start from it if need be"),
    { .name = "fsync",
      .kind = HF_KIND_FLAG,
      .preset = "true",
      .help = "state is on disk before a command is answered (false as swtpm)" },
    FLAG("must-exist", "a TPM that is not there is an error, none is made"),
    { .name = NULL },
};

static const HfSubOption key_options[] = {
    PATH("file", "file of the key"),
    FD("fd", "descriptor to read the key from"),
    { .name = "format",
      .kind = HF_KIND_CHOICE,
      .arg = "FORM",
      .preset = "hex",
      .choices = "hex|binary",
      .help = "how file and fd hold the key" },
    PATH("pwdfile", "file of a passphrase, from which the key is derived"),
    FD("pwdfd", "descriptor to read a passphrase from"),
    { .name = "kdf",
      .kind = HF_KIND_CHOICE,
      .arg = "KDF",
      .preset = "pbkdf2",
      .choices = "pbkdf2|sha512",
      .help = "how the key is derived" },
    { .name = "mode",
      .kind = HF_KIND_CHOICE,
      .arg = "MODE",
      .preset = "aes-128-cbc",
      .choices = "aes-cbc|aes-128-cbc|aes-256-cbc",
      .help = "cipher and size of the key" },
    FLAG("remove", "remove file or pwdfile when it has been read"),
    { .name = NULL },
};

static const HfSubOption log_options[] = {
    PATH("file", "append to this file; - for no log"),
    { .name = "fd",
      .kind = HF_KIND_INT,
      .arg = "N",
      .min = 1,
      .max = G_MAXINT,
      .help = "write to this descriptor" },
    { .name = "level",
      .kind = HF_KIND_INT,
      .arg = "N",
      .preset = "1",
      .min = 0,
      .max = G_MAXINT,
      .help = "1 what an operator needs, 2 commands, 5 and up the TPM library" },
    { .name = "prefix", .kind = HF_KIND_STRING, .arg = "TEXT", .help = "put before every line" },
    FLAG("truncate", "empty the file first"),
    { .name = NULL },
};

static const HfSubOption pid_options[] = {
    PATH("file", "write the process number to this file"),
    FD("fd", "write it to this descriptor"),
    { .name = NULL },
};

static const HfSubOption flags_options[] = {
    FLAG("not-need-init", "the TPM is on at once, without INIT on the control channel"),
    FLAG("startup-none", "on at once; no Startup is sent"),
    FLAG("startup-clear", "on at once; send Startup(CLEAR)"),
    FLAG("startup-state", "on at once; send Startup(STATE)"),
    FLAG("startup-deactivated", "on at once; send Startup(DEACTIVATED), TPM 1.2"),
    FLAG("disable-auto-shutdown", "send no TPM2_Shutdown when the TPM is switched off"),
    { .name = NULL },
};

static const HfSubOption locality_options[] = {
    FLAG("reject-locality-4", "refuse locality 4"),
    FLAG("allow-set-locality", "take the SetLocality command on the data channel"),
    { .name = NULL },
};

static const HfSubOption seccomp_options[] = {
    { .name = "action",
      .kind = HF_KIND_CHOICE,
      .arg = "ACTION",
      .preset = "kill",
      .choices = "kill|log|none",
      .help = "on a system call that is not on the list" },
    { .name = NULL },
};

static const HfSubOption migration_options[] = {
    FLAG("incoming", "do not lock the state before it is needed"),
    FLAG("release-lock-outgoing", "accepted; the lock is always given up with the state"),
    { .name = NULL },
};

static const HfSubOption profile_options[] = {
    { .name = "name", .kind = HF_KIND_STRING, .arg = "NAME", .help = "a profile libtpms knows" },
    { .name = "profile", .kind = HF_KIND_STRING, .arg = "JSON", .help = "the profile itself" },
    PATH("file", "file of the profile"),
    FD("fd", "descriptor to read the profile from"),
    { .name = "remove-disabled",
      .kind = HF_KIND_CHOICE,
      .arg = "HOW",
      .choices = "check|fips-host",
      .help = "leave out of a custom profile what the host does not allow" },
    { .name = NULL },
};

static const HfSubOption pcap_options[] = {
    PATH("file", "append to this file"),
    FD("fd", "write to this descriptor"),
    FLAG("truncate", "empty the file first"),
    { .name = "mode",
      .kind = HF_KIND_MODE,
      .arg = "OCTAL",
      .preset = "0640",
      .help = "mode of the file" },
    FLAG("checksums", "compute the checksums of the packets"),
    { .name = NULL },
};

#ifdef HAVE_TPMLIB_SETPROFILE
#define PROFILE_FEATURES "cmdarg-profile cmdarg-print-profiles profile-opt-remove-disabled"
#else
#define PROFILE_FEATURES NULL
#endif

static const HfOption options[] = {
    { .name = "tpm2", .kind = HF_KIND_FLAG, .help = "Be a TPM 2.0 (default: TPM 1.2)" },
    { .name = "server",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = server_options,
      .where = SOCKET,
      .help = "Listen for TPM commands",
      .features = "tpm-send-command-header" },
    { .name = "port",
      .letter = 'p',
      .kind = HF_KIND_INT,
      .arg = "N",
      .min = 0,
      .max = 65535,
      .where = SOCKET,
      .help = "Listen for TPM commands on 127.0.0.1:N, one for each connection (0: do not)" },
    { .name = "fd",
      .letter = 'f',
      .kind = HF_KIND_INT,
      .arg = "N",
      .min = FIRST_FREE_FD,
      .max = G_MAXINT,
      .where = SOCKET | CHARDEV,
      .help = "Take TPM commands from this connected socket, or (chardev) character device" },
    { .name = "chardev",
      .letter = 'c',
      .kind = HF_KIND_PATH,
      .arg = "DEVICE",
      .where = CHARDEV,
      .help = "Take TPM commands from this character device" },
    { .name = "vtpm-proxy",
      .kind = HF_KIND_FLAG,
      .where = CHARDEV,
      .help = "Make /dev/tpmN with the kernel's vTPM proxy, and be its TPM" },
    { .name = "name",
      .letter = 'n',
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .where = CUSE,
      .help = "Make the device /dev/NAME" },
    { .name = "maj",
      .letter = 'M',
      .kind = HF_KIND_INT,
      .arg = "N",
      .max = MAJOR_MAX,
      .where = CUSE,
      .help = "Major number of the device (default: the kernel chooses)" },
    { .name = "min",
      .letter = 'm',
      .kind = HF_KIND_INT,
      .arg = "N",
      .max = MINOR_MAX,
      .where = CUSE,
      .help = "Minor number of the device" },
    { .name = "foreground",
      .kind = HF_KIND_FLAG,
      .where = CUSE,
      .help = "Do not go to the background" },
    { .name = "terminate",
      .letter = 't',
      .kind = HF_KIND_FLAG,
      .where = SOCKET,
      .help = "End when the data connection is lost" },
    { .name = "flags",
      .kind = HF_KIND_SUB,
      .arg = "FLAGS",
      .sub = flags_options,
      .help = "How the TPM starts and stops",
      .features = "flags-opt-startup flags-opt-disable-auto-shutdown" },
    { .name = "ctrl",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = control_options,
      .where = SOCKET | CHARDEV,
      .help = "Serve the control channel",
      .features = "ctrl-opt-terminate" },
    { .name = "seccomp",
      .kind = HF_KIND_SUB,
      .arg = "action=ACTION",
      .sub = seccomp_options,
      .help = "What happens on a forbidden system call: kill (default), log, none",
      .features = "cmdarg-seccomp" },
    { .name = "key",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = key_options,
      .help = "Encrypt the TPM's state with this key",
      .features = "cmdarg-key-fd cmdarg-pwd-fd" },
    { .name = "migration-key",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = key_options,
      .help = "Encrypt state that is handed out for migration with this key" },
    { .name = "print-states",
      .kind = HF_KIND_FLAG,
      .help = "Print which state files there are (JSON) and end",
      .features = "cmdarg-print-states" },
    { .name = "chroot",
      .letter = 'R',
      .kind = HF_KIND_PATH,
      .arg = "DIR",
      .help = "Make this the root directory first; every path is one below it",
      .features = "cmdarg-chroot" },
    { .name = "migration",
      .kind = HF_KIND_SUB,
      .arg = "FLAGS",
      .sub = migration_options,
      .help = "Who locks the state during migration",
      .features = "cmdarg-migration" },
    { .name = "tpmstate",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = state_options,
      .help = "Where the TPM's state is (or TPM_PATH in the environment)",
      .features = "nvram-backend-dir nvram-backend-file" },
    { .name = "print-capabilities",
      .kind = HF_KIND_FLAG,
      .help = "Print what this program can do (JSON) and end" },
    { .name = "profile",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = profile_options,
      .help = "Profile of a TPM 2.0 that is made (libtpms 0.10 or later)",
      .features = PROFILE_FEATURES },
    { .name = "print-profiles",
      .kind = HF_KIND_FLAG,
      .help = "Print which profiles the TPM library has (JSON) and end" },
    { .name = "print-info",
      .kind = HF_KIND_STRING,
      .arg = "FLAGS",
      .help = "Print what the TPM library tells about itself (JSON) and end",
      .features = "cmdarg-print-info tpmstate-opt-lock tpmstate-dir-backend-opt-backup "
                  "tpmstate-dir-backend-opt-fsync" },
    { .name = "pcap",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = pcap_options,
      .help = "Record commands and responses for Wireshark",
      .features = "cmdarg-pcap systemd-notify" },
    { .name = "locality",
      .kind = HF_KIND_SUB,
      .arg = "FLAGS",
      .sub = locality_options,
      .help = "Which localities are allowed" },
    { .name = "log",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = log_options,
      .help = "Where messages go (default: stderr)" },
    { .name = "pid",
      .kind = HF_KIND_SUB,
      .arg = "SPEC",
      .sub = pid_options,
      .help = "Write the process number when the sockets are there" },
    { .name = "daemon",
      .letter = 'd',
      .kind = HF_KIND_FLAG,
      .help = "Go to the background when ready (cuse does so anyway)" },
    { .name = "runas",
      .letter = 'r',
      .kind = HF_KIND_STRING,
      .arg = "USER",
      .help = "Become this user first" },
    { .name = NULL },
};

HfProgram hf_emulator_program(const char *argv0)
{
    g_autofree char *name = g_path_get_basename(argv0);
    bool swtpm = strcmp(name, "swtpm") == 0;
    return (HfProgram){
        .name = swtpm ? "swtpm" : "holdfast",
        .summary = "a virtual TPM for one virtual machine",
        .version_title = swtpm ? "TPM emulator version" : NULL,
        .commands = commands,
        .command_noun = swtpm ? "TPM interface type" : NULL,
        .options = options,
        .usage_exit = swtpm ? 1 : 2,
    };
}

static bool contradiction(GError **error, const char *text)
{
    return hf_error_set(error, HF_ERROR_USAGE, "%s", text);
}

/* As swtpm has it: a data channel of no type is of type tcp, a control channel must say. */
static const char *endpoint_type(const HfSubOptions *sub, const char *option)
{
    const char *type = hf_suboptions_string(sub, "type");
    return !type && strcmp(option, "--server") == 0 ? "tcp" : type;
}

static bool read_endpoint(const HfSubOptions *sub, const char *option, HfEndpoint *endpoint,
                          GError **error)
{
    const char *type = endpoint_type(sub, option);
    bool has_path = hf_suboptions_has(sub, "path");
    bool has_port = hf_suboptions_has(sub, "port");
    bool has_fd = hf_suboptions_has(sub, "fd");
    bool tcp = type && strcmp(type, "tcp") == 0;

    if (!type) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: type is missing", option);
    }
    if (tcp && has_path) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: path is for type=unixio", option);
    }
    if (!tcp &&
        (has_port || hf_suboptions_has(sub, "bindaddr") || hf_suboptions_has(sub, "ifname"))) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: port, bindaddr and ifname are for type=tcp",
                            option);
    }
    if (has_fd && (has_path || has_port)) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: fd excludes %s", option,
                            has_path ? "path" : "port");
    }
    endpoint->path = hf_suboptions_string(sub, "path");
    endpoint->port = (uint16_t)hf_suboptions_int(sub, "port");
    endpoint->bindaddr = hf_suboptions_string(sub, "bindaddr");
    endpoint->ifname = hf_suboptions_string(sub, "ifname");
    endpoint->mode = (mode_t)hf_suboptions_int(sub, "mode");
    endpoint->uid = hf_suboptions_uid(sub, "uid");
    endpoint->gid = hf_suboptions_gid(sub, "gid");
    endpoint->listener = has_fd ? (int)hf_suboptions_int(sub, "fd") : -1;
    return true;
}

static bool endpoint_given(const HfEndpoint *endpoint)
{
    return endpoint->path || endpoint->port || endpoint->listener >= 0 || endpoint->connection >= 0;
}

static bool read_control(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "ctrl");
    if (!sub) {
        return true;
    }
    if (!read_endpoint(sub, "--ctrl", &settings->control, error)) {
        return false;
    }
    if (hf_suboptions_has(sub, "clientfd")) {
        if (endpoint_given(&settings->control)) {
            return contradiction(error, "--ctrl: clientfd excludes fd, path and port");
        }
        if (strcmp(hf_suboptions_string(sub, "type"), "unixio") != 0) {
            return contradiction(error, "--ctrl: clientfd is for type=unixio");
        }
        settings->control.connection = (int)hf_suboptions_int(sub, "clientfd");
    }
    settings->control_terminate = hf_suboptions_flag(sub, "terminate");
    return endpoint_given(&settings->control) ||
           contradiction(error, "--ctrl: path, port, fd or clientfd is missing");
}

static bool read_server(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "server");
    if (!sub) {
        return true;
    }
    if (!read_endpoint(sub, "--server", &settings->data, error)) {
        return false;
    }
    settings->data_disconnect = hf_suboptions_flag(sub, "disconnect");
    if (strcmp(endpoint_type(sub, "--server"), "tcp") == 0) {
        /* As swtpm has it: of this type, a descriptor is connected. */
        settings->data.connection = settings->data.listener;
        settings->data.listener = -1;
    }
    return endpoint_given(&settings->data) ||
           contradiction(error, "--server: path, port or fd is missing");
}

static bool read_environment_port(HfSettings *settings, GError **error)
{
    const char *text = g_getenv("TPM_PORT");
    int64_t port = 0;
    if (!text || settings->interface != HF_INTERFACE_SOCKET || settings->control.connection >= 0 ||
        endpoint_given(&settings->data)) {
        return true;
    }
    if (!hf_value_check(HF_KIND_INT, "TPM_PORT", text, 0, 65535, NULL, &port, error)) {
        return false;
    }
    settings->data.port = (uint16_t)port;
    settings->data_disconnect = true;
    return true;
}

/* One of the ways to a character device. */
static bool read_chardev(HfSettings *settings, GError **error)
{
    const HfOptions *given = settings->options;
    settings->device_path = hf_options_string(given, "chardev");
    settings->device_fd = hf_options_has(given, "fd") ? (int)hf_options_int(given, "fd") : -1;
    settings->vtpm_proxy = hf_options_flag(given, "vtpm-proxy");
    int ways = hf_options_has(given, "chardev") + hf_options_has(given, "fd") +
               hf_options_flag(given, "vtpm-proxy");
    return ways <= 1 || contradiction(error, "--chardev, --fd and --vtpm-proxy exclude each other");
}

/* The name is a file in /dev and a value in CUSE's list of KEY=VALUE. */
static bool read_cuse(HfSettings *settings, GError **error)
{
    static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._:+-";
    const HfOptions *given = settings->options;
    const char *name = hf_options_string(given, "name");
    settings->cuse_name = name;
    settings->cuse_major = (unsigned)hf_options_int(given, "maj");
    settings->cuse_minor = (unsigned)hf_options_int(given, "min");
    if (settings->task != HF_TASK_SERVE) {
        return true;
    }
    if (!name) {
        return contradiction(error, "--name NAME is missing");
    }
    if (name[0] == '.' || name[0] == '\0' || strlen(name) > CUSE_NAME_MAX ||
        strspn(name, allowed) != strlen(name)) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--name: expected a name of letters, digits and ._:+- (at most %d, no "
                            "dot in front), found '%s'",
                            CUSE_NAME_MAX, name);
    }
    return true;
}

static bool read_data(HfSettings *settings, GError **error)
{
    const HfOptions *given = settings->options;
    settings->device_fd = -1;
    switch (settings->interface) {
    case HF_INTERFACE_CHARDEV: return read_chardev(settings, error);
    case HF_INTERFACE_CUSE: return read_cuse(settings, error);
    case HF_INTERFACE_SOCKET:
    default: break;
    }
    int ways = hf_options_has(given, "server") + hf_options_has(given, "port") +
               hf_options_has(given, "fd");
    if (ways > 1) {
        return contradiction(error, "--server, --port and --fd exclude each other");
    }
    settings->data_terminate = hf_options_flag(given, "terminate");
    if (hf_options_has(given, "port")) {
        settings->data.port = (uint16_t)hf_options_int(given, "port");
        settings->data_disconnect = true;
    }
    if (hf_options_has(given, "fd")) {
        settings->data.connection = (int)hf_options_int(given, "fd");
        settings->data.device = true;
    }
    return read_server(settings, error) && read_environment_port(settings, error);
}

static bool read_state(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "tpmstate");
    if (hf_suboptions_has(sub, "dir") && hf_suboptions_has(sub, "backend-uri")) {
        return contradiction(error, "--tpmstate: dir and backend-uri exclude each other");
    }
    settings->store = (HfStoreConfig){ .tpm2 = settings->version == HF_TPM_2_0, .fsync = true };
    if (sub) {
        settings->state = hf_suboptions_has(sub, "dir") ? hf_suboptions_string(sub, "dir")
                                                        : hf_suboptions_string(sub, "backend-uri");
        settings->store.mode_given = hf_suboptions_has(sub, "mode");
        settings->store.mode = (mode_t)hf_suboptions_int(sub, "mode");
        settings->store.fsync = hf_suboptions_flag(sub, "fsync");
        settings->must_exist = hf_suboptions_flag(sub, "must-exist");
        settings->store.lock = hf_suboptions_flag(sub, "lock");
        settings->store.backup = hf_suboptions_flag(sub, "backup");
        if (hf_suboptions_flag(sub, "backup") && settings->state &&
            strstr(settings->state, "://") && !g_str_has_prefix(settings->state, "dir://")) {
            return contradiction(error, "--tpmstate: backup is for a directory");
        }
    }
    if (!settings->state) {
        settings->state = g_getenv("TPM_PATH");
    }
    return true;
}

/* One of file, fd, pwdfile and pwdfd. */
static bool read_key(const HfSettings *settings, const char *name, const char *option,
                     HfKeySource *ret_source, GError **error)
{
    static const char *const ways[] = { "file", "fd", "pwdfile", "pwdfd" };
    const HfSubOptions *sub = hf_options_sub(settings->options, name);
    const char *way = NULL;

    for (size_t i = 0; sub && i < G_N_ELEMENTS(ways); i++) {
        if (!hf_suboptions_has(sub, ways[i])) {
            continue;
        }
        if (way) {
            return hf_error_set(error, HF_ERROR_USAGE, "%s: %s and %s exclude each other", option,
                                way, ways[i]);
        }
        way = ways[i];
    }
    if (!sub) {
        return true;
    }
    if (!way) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: file, fd, pwdfile or pwdfd is missing",
                            option);
    }
    bool passphrase = g_str_has_prefix(way, "pwd");
    bool descriptor = g_str_has_suffix(way, "fd");
    const char *form = hf_suboptions_string(sub, passphrase ? "kdf" : "format");
    *ret_source = (HfKeySource){
        .option = option,
        .file = descriptor ? NULL : hf_suboptions_string(sub, way),
        .fd = descriptor ? (int)hf_suboptions_int(sub, way) : -1,
        .form = strcmp(form, "hex") == 0      ? HF_KEY_HEX
                : strcmp(form, "binary") == 0 ? HF_KEY_BINARY
                : strcmp(form, "sha512") == 0 ? HF_KEY_SHA512
                                              : HF_KEY_PBKDF2,
        .size = hf_key_mode_size(hf_suboptions_string(sub, "mode")),
        .remove = hf_suboptions_flag(sub, "remove"),
    };
    return true;
}

static bool read_keys(HfSettings *settings, GError **error)
{
    return read_key(settings, "key", "--key", &settings->key, error) &&
           read_key(settings, "migration-key", "--migration-key", &settings->migration_key, error);
}

/* The Startup to send. The types have other numbers in TPM 1.2 and TPM 2.0. */
static bool read_startup(HfSettings *settings, const HfSubOptions *sub, GError **error)
{
    static const struct {
        const char *name;
        int type[2]; /* TPM 1.2, TPM 2.0; -1: none */
    } types[] = { { "startup-clear", { 1, 0 } },
                  { "startup-state", { 2, 1 } },
                  { "startup-deactivated", { 3, -1 } } };
    bool v2 = settings->version == HF_TPM_2_0;
    int given = hf_suboptions_flag(sub, "startup-none");

    settings->running = given > 0;
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (!hf_suboptions_flag(sub, types[i].name)) {
            continue;
        }
        if (types[i].type[v2] < 0) {
            return contradiction(error, "--flags: startup-deactivated is for TPM 1.2");
        }
        given++;
        settings->running = true;
        settings->startup_given = true;
        settings->startup = (uint16_t)types[i].type[v2];
    }
    return given <= 1 || contradiction(error, "--flags: startup-* exclude each other");
}

/* The kernel uses the TPM as soon as its device is there, and sets the locality by itself. */
static void set_vtpm_proxy(HfSettings *settings, bool no_startup)
{
    if (!settings->startup_given && !no_startup) {
        settings->startup = settings->version == HF_TPM_2_0 ? 0 : 1; /* CLEAR */
        settings->startup_given = true;
    }
    settings->running = true;
    settings->allow_set_locality = true;
}

static bool read_flags(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "flags");
    const HfSubOptions *locality = hf_options_sub(settings->options, "locality");
    const HfSubOptions *migration = hf_options_sub(settings->options, "migration");
    if (sub) {
        if (!read_startup(settings, sub, error)) {
            return false;
        }
        settings->running |= hf_suboptions_flag(sub, "not-need-init");
        settings->no_auto_shutdown = hf_suboptions_flag(sub, "disable-auto-shutdown");
    }
    if (locality) {
        settings->reject_locality_4 = hf_suboptions_flag(locality, "reject-locality-4");
        settings->allow_set_locality = hf_suboptions_flag(locality, "allow-set-locality");
    }
    if (settings->vtpm_proxy) {
        set_vtpm_proxy(settings, sub && hf_suboptions_flag(sub, "startup-none"));
    }
    settings->incoming = migration && hf_suboptions_flag(migration, "incoming");
    return !(settings->incoming && settings->running) ||
           contradiction(error, "--migration incoming excludes --flags that start the TPM");
}

static bool read_log(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "log");
    settings->log_fd = -1;
    settings->log_level = 1;
    if (!sub) {
        return true;
    }
    if (hf_suboptions_has(sub, "file") && hf_suboptions_has(sub, "fd")) {
        return contradiction(error, "--log: file and fd exclude each other");
    }
    settings->log_file = hf_suboptions_string(sub, "file");
    settings->log_fd = hf_suboptions_has(sub, "fd") ? (int)hf_suboptions_int(sub, "fd") : -1;
    settings->log_level = (unsigned)hf_suboptions_int(sub, "level");
    settings->log_prefix = hf_suboptions_string(sub, "prefix");
    settings->log_truncate = hf_suboptions_flag(sub, "truncate");
    return true;
}

static bool read_process(HfSettings *settings, GError **error)
{
    const HfSubOptions *pid = hf_options_sub(settings->options, "pid");
    const HfSubOptions *seccomp = hf_options_sub(settings->options, "seccomp");
    const char *action = seccomp ? hf_suboptions_string(seccomp, "action") : "kill";

    settings->pid_fd = -1;
    if (pid) {
        if (hf_suboptions_has(pid, "file") == hf_suboptions_has(pid, "fd")) {
            return contradiction(error, "--pid: expected file or fd, found both or none");
        }
        settings->pid_file = hf_suboptions_string(pid, "file");
        settings->pid_fd = hf_suboptions_has(pid, "fd") ? (int)hf_suboptions_int(pid, "fd") : -1;
    }
    settings->seccomp = strcmp(action, "none") == 0  ? HF_SECCOMP_NONE
                        : strcmp(action, "log") == 0 ? HF_SECCOMP_LOG
                                                     : HF_SECCOMP_KILL;
    settings->daemon = hf_options_flag(settings->options, "daemon");
    /* swtpm's front end of this name goes to the background by itself. */
    settings->daemon |= settings->interface == HF_INTERFACE_CUSE &&
                        !hf_options_flag(settings->options, "foreground");
    settings->user = hf_options_string(settings->options, "runas");
    settings->root = hf_options_string(settings->options, "chroot");
    return true;
}

static bool read_capture(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "pcap");
    settings->capture = (HfCaptureSettings){ .fd = -1 };
    if (!sub) {
        return true;
    }
    if (hf_suboptions_has(sub, "file") == hf_suboptions_has(sub, "fd")) {
        return contradiction(error, "--pcap: expected file or fd, found both or none");
    }
    settings->capture = (HfCaptureSettings){
        .file = hf_suboptions_string(sub, "file"),
        .fd = hf_suboptions_has(sub, "fd") ? (int)hf_suboptions_int(sub, "fd") : -1,
        .truncate = hf_suboptions_flag(sub, "truncate"),
        .mode_given = hf_suboptions_has(sub, "mode"),
        .mode = (mode_t)hf_suboptions_int(sub, "mode"),
        .checksums = hf_suboptions_flag(sub, "checksums"),
    };
    return true;
}

static bool read_profile(HfSettings *settings, GError **error)
{
    const HfSubOptions *sub = hf_options_sub(settings->options, "profile");
    int ways = hf_suboptions_has(sub, "name") + hf_suboptions_has(sub, "profile") +
               hf_suboptions_has(sub, "file") + hf_suboptions_has(sub, "fd");
    settings->profile = sub;
    if (sub && settings->version != HF_TPM_2_0) {
        return contradiction(error, "--profile is for --tpm2");
    }
    return !sub || ways == 1 ||
           contradiction(error, "--profile: expected one of name, profile, file and fd");
}

/* Decimal, octal or, mostly, hexadecimal. */
static bool read_info_flags(HfSettings *settings, GError **error)
{
    const char *text = hf_options_string(settings->options, "print-info");
    char *end = NULL;
    if (!text) {
        return true;
    }
    errno = 0;
    settings->info_flags = g_ascii_strtoull(text, &end, 0);
    return (g_ascii_isdigit(*text) && *end == '\0' && errno == 0) ||
           hf_error_set(error, HF_ERROR_USAGE, "--print-info: expected a number, found '%s'", text);
}

static bool read_task(HfSettings *settings, GError **error)
{
    const HfOptions *given = settings->options;
    settings->interface = (HfInterface)g_bit_nth_lsf(hf_options_command(given)->bit, -1);
    settings->version = hf_options_flag(given, "tpm2") ? HF_TPM_2_0 : HF_TPM_1_2;
    if (!read_info_flags(settings, error)) {
        return false;
    }
    int tasks = hf_options_flag(given, "print-capabilities") +
                hf_options_flag(given, "print-states") + hf_options_has(given, "print-info") +
                hf_options_flag(given, "print-profiles");
    if (tasks > 1) {
        return contradiction(error, "--print-capabilities, --print-states, --print-info and "
                                    "--print-profiles exclude each other");
    }
    settings->task = hf_options_flag(given, "print-capabilities") ? HF_TASK_PRINT_CAPABILITIES
                     : hf_options_flag(given, "print-states")     ? HF_TASK_PRINT_STATES
                     : hf_options_has(given, "print-info")        ? HF_TASK_PRINT_INFO
                     : hf_options_flag(given, "print-profiles")   ? HF_TASK_PRINT_PROFILES
                                                                  : HF_TASK_SERVE;
    return true;
}

/* NULL: the process will have something to do. */
static const char *why_useless(const HfSettings *settings)
{
    if (endpoint_given(&settings->control) || settings->interface == HF_INTERFACE_CUSE) {
        return NULL;
    }
    if (settings->interface == HF_INTERFACE_SOCKET && !endpoint_given(&settings->data)) {
        return "nothing to serve: --ctrl, --server, --port or --fd is missing";
    }
    return settings->running
               ? NULL
               : "the TPM would never be started: --ctrl or --flags not-need-init is missing";
}

static bool check_task(const HfSettings *settings, GError **error)
{
    bool needs_state = settings->task == HF_TASK_SERVE || settings->task == HF_TASK_PRINT_STATES;
    if (needs_state && !settings->state) {
        return contradiction(error,
                             "--tpmstate dir=DIRECTORY is missing (and TPM_PATH is not set)");
    }
    if (settings->task != HF_TASK_SERVE) {
        return true;
    }
    if (settings->interface == HF_INTERFACE_CHARDEV && !settings->device_path &&
        settings->device_fd < 0 && !settings->vtpm_proxy) {
        return contradiction(error, "nothing to serve: --chardev, --fd or --vtpm-proxy is missing");
    }
    const char *useless = why_useless(settings);
    /* swtpm says nothing and waits for a signal. */
    if (useless && settings->swtpm) {
        hf_log(1, "%s", useless);
        return true;
    }
    return !useless || contradiction(error, useless);
}

/* A descriptor is for one thing: the one who is done with it closes it, and its number may be that
 * of a state file by the time the other writes there. The same of a path. */
static bool check_apart(const HfSettings *settings, GError **error)
{
    const struct {
        const char *option;
        int fd;
    } uses[] = {
        { "--ctrl", settings->control.listener },
        { "--ctrl", settings->control.connection },
        { "--server", settings->data.listener },
        { "--fd or --server", settings->data.connection },
        { "--log", settings->log_fd },
        { "--pid", settings->pid_fd },
        { "--fd", settings->device_fd },
        { "--key", settings->key.fd },
        { "--migration-key", settings->migration_key.fd },
        { "--pcap", settings->capture.fd },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(uses); i++) {
        for (size_t k = 0; k < i; k++) {
            if (uses[i].fd >= FIRST_FREE_FD && uses[i].fd == uses[k].fd) {
                return hf_error_set(error, HF_ERROR_USAGE,
                                    "%s and %s: expected two descriptors, found %d twice",
                                    uses[k].option, uses[i].option, uses[i].fd);
            }
        }
    }
    if (settings->control.path && g_strcmp0(settings->control.path, settings->data.path) == 0) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--ctrl and --server: expected two paths, found %s twice",
                            settings->control.path);
    }
    return true;
}

/* swtpm's words for a front end that is missing or not there; scripts look for them. */
static void check_interface(const HfProgram *program, int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "%s: Missing TPM interface type.\nTry '%s --help'.\n", program->name,
                program->name);
        exit(program->usage_exit);
    }
    if (argv[1][0] == '-') {
        return;
    }
    for (const HfCommand *command = program->commands; command->name; command++) {
        if (strcmp(command->name, argv[1]) == 0) {
            return;
        }
    }
    fprintf(stderr, "%s: Unsupported TPM interface type '%s'.\n", program->name, argv[1]);
    exit(program->usage_exit);
}

HfSettings *hf_settings_parse(const HfProgram *program, int argc, char **argv, GError **error)
{
    check_interface(program, argc, argv);
    g_autoptr(HfSettings) settings = g_new0(HfSettings, 1);
    const HfEndpoint nowhere = { .listener = -1, .connection = -1 };
    settings->control = nowhere;
    settings->data = nowhere;
    settings->options = hf_options_parse_or_exit(program, argc, argv);
    settings->swtpm = strcmp(program->name, "swtpm") == 0;
    bool valid = read_task(settings, error) && read_state(settings, error) &&
                 read_keys(settings, error) && read_control(settings, error) &&
                 read_data(settings, error) && read_flags(settings, error) &&
                 read_log(settings, error) && read_process(settings, error) &&
                 read_capture(settings, error) && read_profile(settings, error) &&
                 check_task(settings, error) && check_apart(settings, error);
    return valid ? g_steal_pointer(&settings) : NULL;
}

void hf_settings_free(HfSettings *settings)
{
    if (settings) {
        hf_options_free(settings->options);
        g_free(settings);
    }
}
