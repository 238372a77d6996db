/*
 * frontend_cuse.c - `holdfast cuse`: the TPM is a character device in user space.
 *
 * One loop (the control thread) takes the kernel's requests: open, read, write, ioctl, release. TPM
 * commands are run by a worker, so that CANCEL_TPM_CMD and other ioctls are heard meanwhile; a read
 * that comes too early is answered by the worker when the command is done. libfuse gets a
 * descriptor that is open already, handles no signals and goes to no background; it is used for
 * the kernel's wire format alone. ioctls are "restricted": the kernel copies as many bytes as the
 * request number says, no pointer of a client is ever followed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "emulator/command_worker.h"
#include "emulator/device_control.h"
#include "emulator/frontend.h"
#include "emulator/fuse_library.h"

#define CUSE_DEVICE "/dev/cuse"
/* The kernel says hello as soon as the descriptor is open. */
#define HELLO_TIMEOUT_MS 10000
#define LOCK_PAUSE_MS 10

typedef struct {
    HfFrontend base;
    const HfSettings *settings;
    int fd; /* of /dev/cuse, or -1; libfuse's own once there is a session */
    struct fuse_session *session;
    struct fuse_buf buffer;
    HfEmulator *emulator;
    HfCommandWorker *worker;
    HfDeviceControl *control;
    bool greeted; /* the kernel knows what device to make */
    bool opened;

    /* A read or an open that waits for the command that runs; the worker's while it is awaited. */
    fuse_req_t waiting;
    bool waiting_opens;
    size_t waiting_size;
    struct fuse_file_info waiting_file;
    fuse_req_t locking; /* LOCK_STORAGE that is tried again and again, or NULL */

    uint8_t answer[HF_CONTROL_DEVICE_MAX];
} Cuse;

static Cuse *cuse_of(fuse_req_t request)
{
    return the_fuse.fuse_req_userdata(request);
}

static void reply_error(fuse_req_t request, int number)
{
    (void)the_fuse.fuse_reply_err(request, number);
}

static void give_response(Cuse *cuse, fuse_req_t request, size_t size)
{
    const uint8_t *data = NULL;
    size_t n = hf_command_worker_take(cuse->worker, size, &data);
    (void)the_fuse.fuse_reply_buf(request, (const char *)data, n);
}

/* The command is done; in the worker's thread. */
static void answer_waiting(void *user)
{
    Cuse *cuse = user;
    if (cuse->waiting_opens) {
        (void)the_fuse.fuse_reply_open(cuse->waiting, &cuse->waiting_file);
    } else {
        give_response(cuse, cuse->waiting, cuse->waiting_size);
    }
}

/* The client got a signal while it waits. */
static void on_interrupt(fuse_req_t request, void *user)
{
    Cuse *cuse = user;
    if (request == cuse->locking) {
        cuse->locking = NULL;
        hf_device_control_forget(cuse->control);
        reply_error(request, EINTR);
    } else if (request == cuse->waiting && hf_command_worker_unawait(cuse->worker)) {
        cuse->opened = cuse->opened && !cuse->waiting_opens;
        reply_error(request, EINTR);
    }
}

/* False: no command is running, and the request is the caller's to answer. */
static bool wait_for_command(Cuse *cuse, fuse_req_t request, bool opens, size_t size,
                             const struct fuse_file_info *file)
{
    /* Before it may be answered by the worker, after which it is gone. */
    the_fuse.fuse_req_interrupt_func(request, on_interrupt, cuse);
    cuse->waiting = request;
    cuse->waiting_opens = opens;
    cuse->waiting_size = size;
    cuse->waiting_file = *file;
    return hf_command_worker_await(cuse->worker);
}

/* A command whose client has left may still run: the next client waits for its end. */
static void on_open(fuse_req_t request, struct fuse_file_info *file)
{
    Cuse *cuse = cuse_of(request);
    if (cuse->opened) {
        reply_error(request, EBUSY);
        return;
    }
    cuse->opened = true;
    if (!wait_for_command(cuse, request, true, 0, file)) {
        (void)the_fuse.fuse_reply_open(request, file);
    }
}

static void on_release(fuse_req_t request, struct fuse_file_info *file)
{
    Cuse *cuse = cuse_of(request);
    (void)file;
    hf_command_worker_discard(cuse->worker);
    hf_device_control_reset(cuse->control);
    cuse->opened = false;
    reply_error(request, 0);
}

static void on_read(fuse_req_t request, size_t size, off_t offset, struct fuse_file_info *file)
{
    Cuse *cuse = cuse_of(request);
    const uint8_t *data = NULL;
    size_t n = 0;
    (void)offset; /* it is a stream */
    if (hf_device_control_read(cuse->control, size, &data, &n)) {
        (void)the_fuse.fuse_reply_buf(request, (const char *)data, n);
    } else if (hf_command_worker_awaited(cuse->worker)) {
        reply_error(request, EBUSY); /* two read at once */
    } else if (!wait_for_command(cuse, request, false, size, file)) {
        give_response(cuse, request, size);
    }
}

static void on_write(fuse_req_t request, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *file)
{
    Cuse *cuse = cuse_of(request);
    bool taken = false;
    (void)offset;
    (void)file;
    if (hf_device_control_write(cuse->control, (const uint8_t *)data, size, &taken)) {
        (void)(taken ? the_fuse.fuse_reply_write(request, size)
                     : the_fuse.fuse_reply_err(request, EFBIG));
    } else if (size > HF_TPM_BUFFER_MAX) {
        reply_error(request, E2BIG);
    } else if (!hf_command_worker_submit(cuse->worker, (const uint8_t *)data, size)) {
        reply_error(request, EBUSY);
    } else {
        (void)the_fuse.fuse_reply_write(request, size);
    }
}

static void reply_ioctl(Cuse *cuse, fuse_req_t request, size_t size)
{
    (void)the_fuse.fuse_reply_ioctl(request, 0, cuse->answer, size);
    explicit_bzero(cuse->answer, sizeof(cuse->answer));
    hf_device_control_settle(cuse->control);
}

static void on_ioctl(fuse_req_t request, int command, void *argument, struct fuse_file_info *file,
                     unsigned int flags, const void *in, size_t in_size, size_t out_size)
{
    Cuse *cuse = cuse_of(request);
    size_t size = 0;
    (void)argument;
    (void)file;
    (void)flags;
    HfDeviceAnswer answer = hf_device_control_ioctl(cuse->control, (unsigned)command, in, in_size,
                                                    out_size, cuse->answer, &size);
    switch (answer) {
    case HF_DEVICE_DONE: reply_ioctl(cuse, request, size); break;
    case HF_DEVICE_BUSY: reply_error(request, EBUSY); break;
    case HF_DEVICE_AGAIN:
        the_fuse.fuse_req_interrupt_func(request, on_interrupt, cuse);
        cuse->locking = request;
        break;
    case HF_DEVICE_UNKNOWN:
    default: reply_error(request, EINVAL); break;
    }
}

static void try_lock_again(Cuse *cuse)
{
    size_t size = 0;
    if (hf_device_control_again(cuse->control, cuse->answer, &size) == HF_DEVICE_DONE) {
        fuse_req_t request = cuse->locking;
        cuse->locking = NULL;
        reply_ioctl(cuse, request, size);
    }
}

static void on_greeted(void *user)
{
    Cuse *cuse = user;
    cuse->greeted = true;
}

static const struct cuse_lowlevel_ops operations = {
    .init_done = on_greeted,
    .open = on_open,
    .read = on_read,
    .write = on_write,
    .release = on_release,
    .ioctl = on_ioctl,
};

static void G_GNUC_PRINTF(2, 0)
    log_of_fuse(enum fuse_log_level level, const char *format, va_list arguments)
{
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    (void)level;
    hf_log(1, "libfuse: %s", g_strchomp(text));
}

/* A name that is there already, of whatever device, would hide ours or be hidden by it. */
static bool name_is_free(const char *name, GError **error)
{
    g_autofree char *path = g_strconcat("/dev/", name, NULL);
    struct stat st;
    if (lstat(path, &st) == 0) {
        return hf_error_set(error, HF_ERROR_EXISTS, "%s: is there already", path);
    }
    return errno == ENOENT || hf_error_errno(error, errno, "%s", path);
}

static bool open_cuse(HfFrontend *frontend, GError **error)
{
    Cuse *cuse = (Cuse *)frontend;
    if (!hf_fuse_load(error) || !name_is_free(cuse->settings->cuse_name, error)) {
        return false;
    }
    /* Not blocking: what poll saw may be gone when it is read. */
    cuse->fd = open(CUSE_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (cuse->fd < 0) {
        const char *hint = errno == ENOENT ? " (is the module cuse loaded?)" : "";
        return hf_error_errno(error, errno, "cannot open " CUSE_DEVICE "%s", hint);
    }
    return true;
}

/* libfuse's part of the work; after this it opens nothing any more. */
static bool open_session(HfFrontend *frontend, HfLeftovers *leftovers, GError **error)
{
    Cuse *cuse = (Cuse *)frontend;
    (void)leftovers;
    g_autofree char *name = g_strconcat("DEVNAME=", cuse->settings->cuse_name, NULL);
    g_autofree char *descriptor = g_strdup_printf("/dev/fd/%d", cuse->fd);
    g_autofree char *program = g_strdup("holdfast");
    const char *information[] = { name };
    char *words[] = { program, NULL };
    struct fuse_args arguments = FUSE_ARGS_INIT(1, words);
    const struct cuse_info device = { .dev_major = cuse->settings->cuse_major,
                                      .dev_minor = cuse->settings->cuse_minor,
                                      .dev_info_argc = 1,
                                      .dev_info_argv = information };
    the_fuse.fuse_set_log_func(log_of_fuse);
    cuse->session = the_fuse.cuse_lowlevel_new(&arguments, &device, &operations, cuse);
    if (!cuse->session) {
        return hf_error_set(error, HF_ERROR_FAILED, "libfuse cannot make a session");
    }
    if (the_fuse.fuse_session_mount(cuse->session, descriptor) != 0) {
        return hf_error_set(error, HF_ERROR_FAILED, "libfuse does not take " CUSE_DEVICE);
    }
    cuse->fd = -1;
    return true;
}

static bool connect_worker(HfFrontend *frontend, HfEmulator *emulator, GError **error)
{
    Cuse *cuse = (Cuse *)frontend;
    cuse->emulator = emulator;
    cuse->control = hf_device_control_new(emulator);
    cuse->worker = hf_command_worker_new(emulator, answer_waiting, cuse, error);
    return cuse->worker != NULL;
}

/* One request of the kernel. False: the device is gone. */
static bool take_request(Cuse *cuse)
{
    int n = the_fuse.fuse_session_receive_buf(cuse->session, &cuse->buffer);
    if (n == -EAGAIN || n == -EINTR) {
        return true;
    }
    if (n <= 0) {
        return false;
    }
    the_fuse.fuse_session_process_buf(cuse->session, &cuse->buffer);
    return true;
}

/* The kernel makes the device while it takes our answer to its hello. What it does not like it only
 * says in its own log; the descriptor is dead then. */
static bool make_device(HfFrontend *frontend, GError **error)
{
    Cuse *cuse = (Cuse *)frontend;
    const HfSettings *settings = cuse->settings;
    int fd = the_fuse.fuse_session_fd(cuse->session);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (!cuse->greeted) {
        if (poll(&p, 1, HELLO_TIMEOUT_MS) <= 0 || (p.revents & POLLIN) == 0 ||
            !take_request(cuse)) {
            return hf_error_set(error, HF_ERROR_FAILED, CUSE_DEVICE ": the kernel is silent");
        }
    }
    if (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0) {
        return hf_error_set(error, HF_ERROR_FAILED,
                            "the kernel did not make /dev/%s, major %u, minor %u: name or number "
                            "may be taken (its log says)",
                            settings->cuse_name, settings->cuse_major, settings->cuse_minor);
    }
    hf_log(2, " made /dev/%s", settings->cuse_name);
    return true;
}

static void turn(Cuse *cuse, int signal_fd)
{
    struct pollfd p[3] = { { .fd = signal_fd, .events = POLLIN },
                           { .fd = hf_emulator_end_fd(cuse->emulator), .events = POLLIN },
                           { .fd = the_fuse.fuse_session_fd(cuse->session), .events = POLLIN } };
    int n = poll(p, G_N_ELEMENTS(p), cuse->locking ? LOCK_PAUSE_MS : -1);
    if (n < 0) {
        return; /* EINTR */
    }
    if (p[0].revents != 0) {
        hf_frontend_take_signal(cuse->emulator, signal_fd);
    } else if (p[1].revents == 0 && p[2].revents != 0 && !take_request(cuse)) {
        hf_log(1, "the kernel has taken /dev/%s away", cuse->settings->cuse_name);
        hf_emulator_end(cuse->emulator, 1);
    }
    if (n == 0 && cuse->locking) {
        try_lock_again(cuse);
    }
}

/* SHUTDOWN is answered by the device, which goes with the process. */
static int run_session(HfFrontend *frontend, int signal_fd, HfFarewell *farewell)
{
    (void)farewell;
    Cuse *cuse = (Cuse *)frontend;
    int exit_code = 0;
    while (!hf_emulator_ending(cuse->emulator, &exit_code)) {
        turn(cuse, signal_fd);
    }
    return exit_code;
}

static void free_cuse(HfFrontend *frontend)
{
    Cuse *cuse = (Cuse *)frontend;
    hf_command_worker_free(cuse->worker); /* answers who waits */
    if (cuse->locking) {
        reply_error(cuse->locking, EINTR);
    }
    if (cuse->session) {
        the_fuse.fuse_session_destroy(cuse->session);
    }
    if (cuse->buffer.mem) {
        explicit_bzero(cuse->buffer.mem, cuse->buffer.size);
        free(cuse->buffer.mem);
    }
    hf_device_control_free(cuse->control);
    hf_fd_close(&cuse->fd);
    g_free(cuse);
}

static const HfFrontendClass cuse_class = {
    .profile = HF_PROFILE_CUSE,
    .profile_file = HF_PROFILE_CUSE_FILE,
    .open_device = open_cuse,
    .open = open_session,
    .connect = connect_worker,
    .start = make_device,
    .run = run_session,
    .free = free_cuse,
};

HfFrontend *hf_frontend_cuse_new(const HfSettings *settings)
{
    Cuse *cuse = g_new0(Cuse, 1);
    cuse->base.class = &cuse_class;
    cuse->settings = settings;
    cuse->fd = -1;
    return &cuse->base;
}
