/*
 * emulator_options.h - the command line of `holdfast`, which is that of `swtpm`.
 *
 * One table; what it says together is checked here and put into HfSettings. Nothing is opened.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_EMULATOR_OPTIONS_H
#define HOLDFAST_EMULATOR_EMULATOR_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/options.h"
#include "engine/engine.h"
#include "sandbox/sandbox.h"
#include "state/keys.h"
#include "state/store.h"

typedef enum {
    HF_TASK_SERVE,
    HF_TASK_PRINT_CAPABILITIES,
    HF_TASK_PRINT_STATES,
    HF_TASK_PRINT_INFO,
    HF_TASK_PRINT_PROFILES,
} HfTask;

/* How TPM commands come in. */
typedef enum {
    HF_INTERFACE_SOCKET,
    HF_INTERFACE_CHARDEV,
    HF_INTERFACE_CUSE,
} HfInterface;

/* Where a channel is. At most one of path, port, listener and connection is given. */
typedef struct {
    const char *path; /* UNIX socket to make, or NULL */
    mode_t mode;
    uid_t uid;     /* (uid_t)-1: leave */
    gid_t gid;     /* (gid_t)-1: leave */
    uint16_t port; /* TCP port, or 0 */
    const char *bindaddr;
    const char *ifname; /* NULL: none */
    int listener;       /* inherited, listens; or -1 */
    int connection;     /* inherited, connected; or -1 */
    bool device;        /* the connection may be a character device */
} HfEndpoint;

/* Record of commands and responses. */
typedef struct {
    const char *file; /* NULL: none */
    int fd;           /* -1: none */
    bool truncate;
    bool mode_given; /* mode exact; else without what the umask takes */
    mode_t mode;
    bool checksums; /* of the packets are computed */
} HfCaptureSettings;

/* Strings are borrowed from the options. */
typedef struct {
    HfOptions *options; /* owned */
    HfTask task;
    HfInterface interface;
    HfTpmVersion version;
    uint64_t info_flags;

    const char *state; /* directory or URI, or NULL */
    HfStoreConfig store;
    bool must_exist;
    HfKeySource key;           /* size 0: none */
    HfKeySource migration_key; /* the same */

    HfEndpoint control;
    bool control_terminate;
    HfEndpoint data;
    bool data_terminate;
    bool data_disconnect;

    const char *device_path; /* chardev: the device to open, or NULL */
    int device_fd;           /* chardev: the device, inherited; or -1 */
    bool vtpm_proxy;         /* chardev: make a device of the kernel's vTPM proxy */
    const char *cuse_name;   /* cuse: the device in /dev */
    unsigned cuse_major;     /* 0: the kernel chooses */
    unsigned cuse_minor;

    bool running;     /* power on before serving */
    uint16_t startup; /* type of Startup to send, if any */
    bool startup_given;
    bool no_auto_shutdown;
    bool reject_locality_4;
    bool allow_set_locality;
    bool incoming;

    const char *log_file; /* NULL: stderr, "-": nowhere */
    int log_fd;           /* -1 */
    unsigned log_level;
    const char *log_prefix;
    bool log_truncate;
    bool swtpm; /* called by that name: from log level 2 on the traffic itself */

    const char *pid_file;
    int pid_fd; /* -1 */
    bool daemon;
    const char *user;
    const char *root;            /* --chroot */
    const HfSubOptions *profile; /* one of name, profile, file, fd; or NULL */
    HfCaptureSettings capture;
    HfSeccompAction seccomp;
} HfSettings;

/* The program by the name it was called: under swtpm's name wrong usage exits with 1. */
HfProgram hf_emulator_program(const char *argv0);

/* Parses argv, or prints what is wrong and exits; exits after --help too. Contradictions are
 * *error (NULL is returned). */
HfSettings *hf_settings_parse(const HfProgram *program, int argc, char **argv, GError **error);
void hf_settings_free(HfSettings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSettings, hf_settings_free)

#endif
