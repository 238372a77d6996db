/*
 * data_channel.c - the data thread.
 *
 * What the two threads share (which descriptor is served, which waits, whether to go on) is under
 * one mutex; the descriptor that is served is closed under it too, so that nobody shuts down a
 * number that means something else by then.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/data_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "emulator/command_frame.h"

/* libtpms touches 19 KB of stack; sanitizers and libcrypto want their share. */
#define STACK_SIZE (512u * 1024u)
/* A command that has begun and does not go on is answered with an error after this time. */
#define PIECE_TIMEOUT_MS 2000
/* After accept failed (too many open files): the listener stays readable, so it is not asked. */
#define ACCEPT_PAUSE_MS 200
#define RC_2_0_LOCALITY 0x907u

struct HfDataChannel {
    HfEmulator *emulator;
    HfDataConfig config;
    pthread_t thread;
    bool thread_made;
    bool device; /* config.connection is no socket */
    int wake_fd;

    GMutex mutex;
    GCond changed;
    bool arrived; /* the thread is at the gate */
    bool open;    /* the gate is */
    bool quit;
    int offered;        /* waits to be served, or -1 */
    int current;        /* is served, or -1 */
    bool current_fixed; /* it was offered, not accepted */
    bool displaced;     /* it was shut down for an offered one */

    bool refused; /* accept failed the last time; data thread only, as is the rest */
    uint8_t input[HF_COMMAND_FRAME_MAX];
    size_t have;
    uint8_t output[4 + HF_TPM_BUFFER_MAX + 4];
};

static void wake(HfDataChannel *channel)
{
    const uint64_t one = 1;
    ssize_t n = write(channel->wake_fd, &one, sizeof(one));
    (void)n; /* full means awake */
}

static bool quitting(HfDataChannel *channel)
{
    g_mutex_lock(&channel->mutex);
    bool quit = channel->quit;
    g_mutex_unlock(&channel->mutex);
    return quit;
}

static void wake_taken(HfDataChannel *channel)
{
    uint64_t count = 0;
    ssize_t n = read(channel->wake_fd, &count, sizeof(count));
    (void)n;
}

/* A device takes no more at the moment. False when the thread must end. */
static bool wait_for_room(HfDataChannel *channel)
{
    struct pollfd p[2] = { { .fd = channel->wake_fd, .events = POLLIN },
                           { .fd = channel->current, .events = POLLOUT } };
    if (poll(p, G_N_ELEMENTS(p), -1) > 0 && p[0].revents != 0) {
        wake_taken(channel);
    }
    return !quitting(channel);
}

static bool write_all(HfDataChannel *channel, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(channel->current, data, size);
        if (n < 0 &&
            (errno == EINTR || (errno == EAGAIN && channel->device && wait_for_room(channel)))) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Runs the command of a frame; its response stands at `at` then. 0: the process ends. */
static size_t execute(HfDataChannel *channel, const HfCommandFrame *frame, uint8_t *at)
{
    const uint8_t *command = channel->input + frame->offset;
    if (frame->prefixed && !hf_emulator_set_locality(channel->emulator, frame->locality)) {
        return hf_emulator_refuse(channel->emulator, RC_2_0_LOCALITY, at);
    }
    size_t n = hf_emulator_execute(channel->emulator, command, frame->size, at);
    if (n >= 10 && hf_log_level() >= 2) {
        hf_log(2, " TPM command 0x%x, %zu bytes: response 0x%x, %zu bytes",
               frame->size >= 10 ? hf_fetch_u32(command + 6) : 0, frame->size, hf_fetch_u32(at + 6),
               n);
    }
    return n;
}

/* One command, one write. */
static bool answer(HfDataChannel *channel, const HfCommandFrame *frame)
{
    uint8_t *response = channel->output + 4;
    size_t size = execute(channel, frame, response);
    bool sent = false;
    if (size > 0 && frame->prefixed) {
        hf_store_u32(channel->output, (uint32_t)size);
        hf_store_u32(response + size, 0);
        sent = write_all(channel, channel->output, 4 + size + 4);
    } else if (size > 0) {
        sent = write_all(channel, response, size);
    }
    hf_emulator_rest(channel->emulator);
    channel->have -= frame->used;
    memmove(channel->input, channel->input + frame->used, channel->have);
    /* The vTPM proxy refuses an answer for which nobody waits any more; that is not its end. */
    return sent || (channel->device && size > 0 && !quitting(channel));
}

/* Waits for a device to have something. False when the thread must end. */
static bool wait_for_device(HfDataChannel *channel, bool *ret_late)
{
    while (!quitting(channel)) {
        struct pollfd p[2] = { { .fd = channel->wake_fd, .events = POLLIN },
                               { .fd = channel->current, .events = POLLIN } };
        int n = poll(p, G_N_ELEMENTS(p), channel->have > 0 ? PIECE_TIMEOUT_MS : -1);
        if (n > 0 && p[0].revents != 0) {
            wake_taken(channel);
        } else if (n >= 0) {
            *ret_late = n == 0;
            return true;
        }
    }
    return false;
}

/* Reads once. While a command is incomplete there is a limit to how long the next piece may take;
 * *ret_late says that it passed. False at the end of the connection. */
static bool receive(HfDataChannel *channel, bool *ret_late)
{
    *ret_late = false;
    if (channel->device) {
        if (!wait_for_device(channel, ret_late)) {
            return false;
        }
    } else if (channel->have > 0) {
        struct pollfd p = { .fd = channel->current, .events = POLLIN };
        *ret_late = poll(&p, 1, PIECE_TIMEOUT_MS) == 0;
    }
    if (*ret_late) {
        return true;
    }
    ssize_t n = -1;
    do {
        n = read(channel->current, channel->input + channel->have,
                 sizeof(channel->input) - channel->have);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN && channel->device) {
        return true; /* somebody else took what there was */
    }
    if (n <= 0) {
        return false;
    }
    channel->have += (size_t)n;
    return true;
}

/* Serves channel->current until it ends. */
static void serve(HfDataChannel *channel)
{
    bool headers = hf_emulator_version(channel->emulator) == HF_TPM_2_0;
    bool late = false;
    channel->have = 0;
    while (receive(channel, &late)) {
        HfCommandFrame frame;
        bool found = hf_command_frame_find(channel->input, channel->have, headers, &frame);
        if (!found && late) {
            frame = hf_command_frame_rest(channel->input, channel->have, headers);
            found = true;
        }
        while (found) {
            if (!answer(channel, &frame) ||
                (channel->config.disconnect && !channel->current_fixed)) {
                return;
            }
            found = channel->have > 0 &&
                    hf_command_frame_find(channel->input, channel->have, headers, &frame);
        }
    }
}

/* Takes the offered connection, if there is one. */
static bool take_offered(HfDataChannel *channel)
{
    g_mutex_lock(&channel->mutex);
    bool taken = channel->offered >= 0 && !channel->quit;
    if (taken) {
        channel->current = hf_fd_steal(&channel->offered);
        channel->current_fixed = true;
        channel->displaced = false;
    }
    g_mutex_unlock(&channel->mutex);
    return taken;
}

static bool take_accepted(HfDataChannel *channel)
{
    g_autoptr(GError) error = NULL;
    int fd = hf_socket_accept(channel->config.listener, &error);
    if (fd < 0 && !channel->refused) {
        hf_log(1, "data channel: %s", error->message);
    }
    channel->refused = fd < 0;
    if (channel->refused) {
        return false;
    }
    g_mutex_lock(&channel->mutex);
    bool late = channel->offered >= 0 || channel->quit;
    if (!late) {
        channel->current = fd;
        channel->current_fixed = false;
        channel->displaced = false;
    }
    g_mutex_unlock(&channel->mutex);
    if (late) {
        (void)close(fd);
    }
    return !late;
}

/* Waits for a connection; false when there is no more to do. */
static bool next_connection(HfDataChannel *channel)
{
    bool pause = false;
    while (!quitting(channel)) {
        if (take_offered(channel)) {
            return true;
        }
        struct pollfd p[2] = { { .fd = channel->wake_fd, .events = POLLIN },
                               { .fd = pause ? -1 : channel->config.listener, .events = POLLIN } };
        if (poll(p, G_N_ELEMENTS(p), pause ? ACCEPT_PAUSE_MS : -1) < 0) {
            continue; /* EINTR */
        }
        pause = false;
        if (p[0].revents != 0) {
            wake_taken(channel);
        } else if (p[1].revents != 0) {
            if (take_accepted(channel)) {
                return true;
            }
            pause = channel->refused;
        }
    }
    return false;
}

static void close_current(HfDataChannel *channel)
{
    g_mutex_lock(&channel->mutex);
    bool fixed = channel->current_fixed;
    bool lost = !channel->displaced && !channel->quit;
    bool own = fixed && channel->config.connection >= 0;
    hf_fd_close(&channel->current);
    channel->current_fixed = false;
    channel->config.connection = -1;
    g_mutex_unlock(&channel->mutex);
    if (lost && (channel->config.terminate || own)) {
        hf_emulator_end(channel->emulator, 0);
    }
}

static void *data_thread(void *user)
{
    HfDataChannel *channel = user;
    g_mutex_lock(&channel->mutex);
    channel->arrived = true;
    g_cond_broadcast(&channel->changed);
    while (!channel->open) {
        g_cond_wait(&channel->changed, &channel->mutex);
    }
    g_mutex_unlock(&channel->mutex);
    while (next_connection(channel)) {
        serve(channel);
        close_current(channel);
    }
    return NULL;
}

static bool start_thread(HfDataChannel *channel, GError **error)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int rc = pthread_create(&channel->thread, &attributes, data_thread, channel);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        return hf_error_errno(error, rc, "cannot make the data thread");
    }
    channel->thread_made = true;
    g_mutex_lock(&channel->mutex);
    while (!channel->arrived) {
        g_cond_wait(&channel->changed, &channel->mutex);
    }
    g_mutex_unlock(&channel->mutex);
    return true;
}

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The thread sleeps in read and write of a socket, which can be shut down; nobody can shut down a
 * device, so there it sleeps in poll. */
static void make_blocking(int fd, bool block)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = block ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags >= 0 && flags != wanted) {
        (void)fcntl(fd, F_SETFL, wanted);
    }
}

HfDataChannel *hf_data_channel_new(HfEmulator *emulator, const HfDataConfig *config, GError **error)
{
    g_autoptr(HfDataChannel) channel = g_new0(HfDataChannel, 1);
    channel->emulator = emulator;
    channel->config = *config;
    channel->current = -1;
    channel->offered = config->connection;
    channel->device = config->connection >= 0 && !is_socket(config->connection);
    g_mutex_init(&channel->mutex);
    g_cond_init(&channel->changed);
    channel->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (channel->wake_fd < 0) {
        hf_error_errno(error, errno, "cannot make an event descriptor");
        return NULL;
    }
    if (channel->offered >= 0) {
        make_blocking(channel->offered, !channel->device);
    }
    return start_thread(channel, error) ? g_steal_pointer(&channel) : NULL;
}

void hf_data_channel_open(HfDataChannel *channel)
{
    g_mutex_lock(&channel->mutex);
    channel->open = true;
    g_cond_broadcast(&channel->changed);
    g_mutex_unlock(&channel->mutex);
}

void hf_data_channel_free(HfDataChannel *channel)
{
    if (!channel) {
        return;
    }
    g_mutex_lock(&channel->mutex);
    channel->quit = true;
    channel->open = true;
    g_cond_broadcast(&channel->changed);
    if (channel->current >= 0) {
        (void)shutdown(channel->current, SHUT_RDWR);
    }
    g_mutex_unlock(&channel->mutex);
    if (channel->thread_made) {
        wake(channel);
        pthread_join(channel->thread, NULL);
    }
    hf_fd_close(&channel->offered);
    hf_fd_close(&channel->config.listener);
    hf_fd_close(&channel->wake_fd);
    g_cond_clear(&channel->changed);
    g_mutex_clear(&channel->mutex);
    g_free(channel);
}

/* The other end was closed: nobody sends here or reads an answer any more. */
static bool abandoned(int fd)
{
    struct pollfd p = { .fd = fd };
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

bool hf_data_channel_offer(HfDataChannel *channel, int fd)
{
    g_mutex_lock(&channel->mutex);
    /* The thread may not have seen yet that its client left: its command may still run. */
    bool waiting = channel->offered >= 0 && !abandoned(channel->offered);
    bool served = channel->current_fixed && !abandoned(channel->current);
    bool taken = !waiting && !served && !channel->quit;
    if (taken) {
        hf_fd_close(&channel->offered);
        make_blocking(fd, true);
        channel->offered = fd;
        if (channel->current >= 0 && !channel->current_fixed) {
            channel->displaced = true;
            (void)shutdown(channel->current, SHUT_RDWR);
        }
    }
    g_mutex_unlock(&channel->mutex);
    if (taken) {
        wake(channel);
    } else {
        (void)close(fd);
    }
    return taken;
}
