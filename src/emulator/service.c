/*
 * service.c - the steps of an emulator process.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "emulator/capture.h"
#include "emulator/daemon.h"
#include "emulator/emulator.h"
#include "emulator/frontend.h"
#include "emulator/leftovers.h"
#include "engine/engine_profile.h"
#include "holdfast/control.h"

struct HfService {
    const HfSettings *settings;
    int ready_fd;  /* of the parent that waits, or -1 */
    int notify_fd; /* of the service manager, or -1 */
    int log_fd;    /* of our log file, or -1 */
    int signal_fd;
    HfLeftovers *leftovers;
    HfFrontend *frontend;
    int state_dir;           /* of the store, borrowed; -1: it has none */
    HfSecret *key;           /* of the state, or NULL */
    HfSecret *migration_key; /* or NULL */
    HfEnvelope *envelope;    /* around `key`, or NULL */
    HfCapture *capture;      /* or NULL */
    HfEmulator *emulator;
    HfFarewell farewell;
};

HfService *hf_service_new(const HfSettings *settings)
{
    HfService *service = g_new0(HfService, 1);
    service->settings = settings;
    service->ready_fd = -1;
    service->notify_fd = -1;
    service->log_fd = -1;
    service->signal_fd = -1;
    service->state_dir = -1;
    service->farewell.fd = -1;
    service->frontend = hf_frontend_new(settings);
    service->leftovers = hf_leftovers_new();
    return service;
}

static void bid_farewell(HfFarewell *farewell)
{
    if (farewell->fd >= 0) {
        ssize_t n = send(farewell->fd, farewell->bytes, sizeof(farewell->bytes),
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)n; /* nobody is left who could be told */
        hf_fd_close(&farewell->fd);
    }
}

void hf_service_free(HfService *service)
{
    if (!service) {
        return;
    }
    hf_frontend_free(service->frontend);
    hf_emulator_free(service->emulator);
    hf_capture_free(service->capture);
    hf_envelope_free(service->envelope);
    hf_secret_free(service->migration_key);
    hf_secret_free(service->key);
    hf_leftovers_free(service->leftovers);
    hf_fd_close(&service->signal_fd);
    if (service->log_fd >= 0) {
        hf_log_to_fd(-1);
        hf_fd_close(&service->log_fd);
    }
    hf_fd_close(&service->notify_fd);
    hf_fd_close(&service->ready_fd);
    bid_farewell(&service->farewell);
    g_free(service);
}

bool hf_service_detach(HfService *service, GError **error)
{
    return !service->settings->daemon || hf_daemon_detach(&service->ready_fd, error);
}

static bool open_log(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    hf_log_set_level(settings->log_level);
    hf_log_set_prefix(settings->log_prefix);
    hf_log_set_dumps(settings->swtpm);
    if (settings->log_fd >= 0) {
        if (fcntl(settings->log_fd, F_SETFD, FD_CLOEXEC) != 0) {
            return hf_error_errno(error, errno, "--log: descriptor %d", settings->log_fd);
        }
        hf_log_to_fd(settings->log_fd);
    } else if (g_strcmp0(settings->log_file, "-") == 0) {
        hf_log_to_fd(-1);
    } else if (settings->log_file) {
        HfOutput how = HF_OUTPUT_APPEND | (settings->log_truncate ? HF_OUTPUT_EMPTY : 0);
        service->log_fd = hf_file_open_output(settings->log_file, how, 0600, error);
        if (service->log_fd < 0) {
            g_prefix_error(error, "log file: ");
            return false;
        }
        hf_log_to_fd(service->log_fd);
    }
    return true;
}

/* The signals that end the process are read by the control thread. */
static bool open_signals(HfService *service, GError **error)
{
    sigset_t set;
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return hf_error_errno(error, errno, "cannot set up signals");
    }
    service->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return service->signal_fd >= 0 || hf_error_errno(error, errno, "cannot set up signals");
}

/* A pid file that was inherited is removed at the end as well, when it has a name. */
static void remove_inherited(HfService *service, int fd)
{
    char self[32];
    struct stat given, named;
    g_snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    g_autofree char *path = g_file_read_link(self, NULL);
    if (path && fstat(fd, &given) == 0 && S_ISREG(given.st_mode) && lstat(path, &named) == 0 &&
        given.st_dev == named.st_dev && given.st_ino == named.st_ino) {
        (void)hf_leftovers_add(service->leftovers, path, NULL);
    }
}

static bool write_pid(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    char text[16];
    int n = snprintf(text, sizeof(text), "%ld", (long)getpid());
    if (settings->pid_fd >= 0) {
        hf_autofd int given = settings->pid_fd;
        remove_inherited(service, given);
        return hf_fd_write_all(given, text, (size_t)n, "--pid", error);
    }
    if (!settings->pid_file) {
        return true;
    }
    hf_autofd int fd = hf_file_open_output(settings->pid_file, HF_OUTPUT_EMPTY, 0644, error);
    if (fd < 0) {
        g_prefix_error(error, "pid file: ");
        return false;
    }
    return hf_leftovers_add(service->leftovers, settings->pid_file, error) &&
           hf_fd_write_all(fd, text, (size_t)n, settings->pid_file, error);
}

static bool open_keys(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    if (settings->key.size > 0) {
        service->key = hf_key_read(&settings->key, error);
        if (!service->key) {
            return false;
        }
        service->envelope = hf_envelope_aes_new(service->key);
    }
    if (settings->migration_key.size > 0) {
        service->migration_key = hf_key_read(&settings->migration_key, error);
        if (!service->migration_key) {
            return false;
        }
    }
    return true;
}

/* The JSON object of --profile, or NULL. */
static char *read_profile(const HfSubOptions *sub, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    if (hf_suboptions_has(sub, "name")) {
        return hf_profile_by_name(hf_suboptions_string(sub, "name"), error);
    }
    if (hf_suboptions_has(sub, "profile")) {
        return g_strdup(hf_suboptions_string(sub, "profile"));
    }
    if (hf_suboptions_has(sub, "file")) {
        bytes = hf_file_read(hf_suboptions_string(sub, "file"), HF_PROFILE_MAX, error);
    } else {
        hf_autofd int fd = (int)hf_suboptions_int(sub, "fd");
        bytes = hf_fd_read_all(fd, HF_PROFILE_MAX, "fd", error);
    }
    return bytes ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)) : NULL;
}

static bool set_profile(HfEngine *engine, const HfSubOptions *sub, GError **error)
{
    const char *remove = hf_suboptions_string(sub, "remove-disabled");
    HfProfileRemoval removal = HF_PROFILE_KEEP;
    if (remove && !hf_profile_removal_parse(remove, &removal, error)) {
        return false;
    }
    g_autofree char *available = hf_engine_info(engine, HF_ENGINE_INFO_PROFILES);
    g_autofree char *json = hf_engine_has_profiles() ? read_profile(sub, error) : g_strdup("");
    g_autofree char *ready = !json || *json == '\0'
                                 ? g_steal_pointer(&json)
                                 : hf_profile_prepare(json, available, removal, error);
    return ready && hf_engine_set_profile(engine, ready, error);
}

static bool apply_profile(HfService *service, GError **error)
{
    const HfSubOptions *sub = service->settings->profile;
    if (!sub) {
        return true;
    }
    bool set = set_profile(hf_emulator_enter(service->emulator), sub, error);
    hf_emulator_leave(service->emulator);
    if (!set) {
        g_prefix_error(error, "--profile: ");
    }
    return set;
}

/* The TPM, off. libtpms and the engine open what they need now. */
static bool open_emulator(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    const HfEmulatorConfig config = {
        .version = settings->version,
        .must_exist = settings->must_exist,
        .incoming = settings->incoming,
        .no_auto_shutdown = settings->no_auto_shutdown,
        .reject_locality_4 = settings->reject_locality_4,
        .allow_set_locality = settings->allow_set_locality,
        .capture = service->capture,
        .keys = { .state = service->key, .migration = service->migration_key },
    };
    HfStoreConfig store_config = settings->store;
    store_config.envelope = service->envelope;
    HfStore *store = hf_store_open_uri(settings->state, &store_config, error);
    if (!store) {
        return false;
    }
    service->state_dir = hf_store_dir_fd(store);
    service->emulator = hf_emulator_new(&config, store, error);
    if (service->emulator && !apply_profile(service, error)) {
        return false;
    }
    if (service->emulator && settings->log_level >= 5) {
        int fd = settings->log_fd >= 0 ? settings->log_fd : service->log_fd;
        bool nowhere = g_strcmp0(settings->log_file, "-") == 0;
        /* Four blanks: the library's messages are those of level 5 and up. */
        g_autofree char *prefix =
            g_strconcat(settings->log_prefix ? settings->log_prefix : "", "    ", NULL);
        hf_engine_set_debug(hf_emulator_enter(service->emulator),
                            fd < 0 && !nowhere ? STDERR_FILENO : fd, settings->log_level - 4,
                            prefix);
        hf_emulator_leave(service->emulator);
    }
    return service->emulator != NULL;
}

/* Before the root directory changes. A service manager that cannot be told must not stop a TPM. */
static void open_notify(HfService *service)
{
    g_autoptr(GError) error = NULL;
    service->notify_fd = hf_notify_open(&error);
    if (error) {
        hf_log_error("the service manager will not be told that the TPM is ready", error);
    }
}

static bool open_capture(HfService *service, GError **error)
{
    const HfCaptureSettings *settings = &service->settings->capture;
    if (!settings->file && settings->fd < 0) {
        return true;
    }
    service->capture = hf_capture_open(settings, error);
    return service->capture != NULL;
}

bool hf_service_open(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    HfFrontend *frontend = service->frontend;
    open_notify(service);
    /* Then root directory and user: what is made from there on belongs to it, and can be removed by
     * it. */
    return frontend->class->open_device(frontend, error) &&
           hf_sandbox_become_in(settings->root, settings->user, error) &&
           open_log(service, error) && open_capture(service, error) && open_keys(service, error) &&
           open_signals(service, error) &&
           frontend->class->open(frontend, service->leftovers, error) &&
           open_emulator(service, error) && write_pid(service, error) &&
           (!settings->daemon || hf_daemon_drop_stdout(error));
}

/* Whether a state directory, or a file of a TPM in it, is closed to this process as it is now. */
static bool closed_dir(int dir)
{
    hf_autofd int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    bool closed = !entries || faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0;
    if (entries) {
        int held = hf_fd_steal(&fd); /* belongs to the stream now */
        const struct dirent *entry = NULL;
        while (!closed && (entry = readdir(entries))) {
            bool ours =
                g_str_has_prefix(entry->d_name, "tpm") || strcmp(entry->d_name, ".lock") == 0;
            closed = ours && faccessat(held, entry->d_name, R_OK | W_OK, AT_EACCESS) != 0;
        }
        (void)closedir(entries);
    }
    return closed;
}

/* Root as an ordinary user could not work with what is to be worked with. */
static bool blocked(const void *user)
{
    const HfService *service = user;
    size_t n = 0;
    const int *dirs = hf_leftovers_dirs(service->leftovers, &n);
    bool closed = service->state_dir >= 0 && closed_dir(service->state_dir);
    for (size_t i = 0; !closed && i < n; i++) {
        closed = faccessat(dirs[i], ".", W_OK | X_OK, AT_EACCESS) != 0;
    }
    return closed;
}

bool hf_service_enclose(HfService *service, GError **error)
{
    bool active = false;
    bool kept = false;
    HfSandboxPaths paths = { .state_dirs = &service->state_dir,
                             .n_state_dirs = service->state_dir >= 0 };
    paths.unlink_dirs = hf_leftovers_dirs(service->leftovers, &paths.n_unlink_dirs);
    if (!hf_sandbox_drop_capabilities_unless(blocked, service, &kept, error)) {
        return false;
    }
    if (kept) {
        hf_log(2, " files are another user's: CAP_DAC_OVERRIDE is kept");
    }
    /* Find out now, not at INIT. */
    if (service->state_dir >= 0 &&
        faccessat(service->state_dir, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        return hf_error_errno(error, errno,
                              "%s: user %ld may not write here (--runas names another user)",
                              service->settings->state, (long)geteuid());
    }
    if (!hf_sandbox_landlock(&paths, &active, error)) {
        return false;
    }
    if (!active) {
        hf_log(2, " this kernel has no Landlock, files are not fenced in");
    }
    return true;
}

bool hf_service_connect(HfService *service, GError **error)
{
    return service->frontend->class->connect(service->frontend, service->emulator, error);
}

bool hf_service_filter(HfService *service, GError **error)
{
    const HfFrontendClass *class = service->frontend->class;
    return hf_sandbox_seccomp(service->state_dir >= 0 ? class->profile : class->profile_file,
                              service->settings->seccomp, error);
}

bool hf_service_start(HfService *service, GError **error)
{
    const HfSettings *settings = service->settings;
    if (settings->running) {
        uint32_t result = hf_emulator_init(service->emulator, 0);
        if (result != HF_CONTROL_OK) {
            return hf_error_set(error, HF_ERROR_TPM, "the TPM does not start, result 0x%x", result);
        }
        if (settings->startup_given) {
            hf_emulator_startup(service->emulator, settings->startup);
        }
    }
    if (!service->frontend->class->start(service->frontend, error)) {
        return false;
    }
    hf_daemon_ready(&service->ready_fd);
    hf_notify_ready(&service->notify_fd);
    return true;
}

int hf_service_run(HfService *service)
{
    int exit_code =
        service->frontend->class->run(service->frontend, service->signal_fd, &service->farewell);
    /* Nobody waits for the answer of a command that still runs. */
    (void)hf_emulator_cancel(service->emulator);
    return exit_code;
}
