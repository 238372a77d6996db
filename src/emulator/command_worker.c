/*
 * command_worker.c - the thread, and the place for one command and its response.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/command_worker.h"

#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"

/* As the data thread of the channels (data_channel.c). */
#define STACK_SIZE (512u * 1024u)

typedef enum { STATE_IDLE, STATE_RUNNING, STATE_DONE } State;

struct HfCommandWorker {
    HfEmulator *emulator;
    HfCommandDone *done;
    void *user;
    pthread_t thread;
    bool thread_made;

    GMutex mutex;
    GCond changed;
    bool arrived;
    bool quit;
    bool awaited;
    bool answering; /* `done` is being called */
    bool discarded; /* nobody wants the response of the command that runs */
    State state;
    size_t taken; /* bytes of the response */

    /* Of the worker while it runs a command, otherwise of the loop. */
    uint8_t command[HF_TPM_BUFFER_MAX];
    size_t command_size;
    uint8_t response[HF_TPM_BUFFER_MAX];
    size_t response_size;
};

/* Not between the end of a command and the end of `done`. */
static void lock(HfCommandWorker *worker)
{
    g_mutex_lock(&worker->mutex);
    while (worker->answering) {
        g_cond_wait(&worker->changed, &worker->mutex);
    }
}

static void run(HfCommandWorker *worker)
{
    worker->response_size = hf_emulator_execute(worker->emulator, worker->command,
                                                worker->command_size, worker->response);
    if (worker->response_size >= 10 && hf_log_level() >= 2) {
        hf_log(2, " TPM command 0x%x, %zu bytes: response 0x%x, %zu bytes",
               worker->command_size >= 10 ? hf_fetch_u32(worker->command + 6) : 0,
               worker->command_size, hf_fetch_u32(worker->response + 6), worker->response_size);
    }
}

static void *worker_thread(void *user)
{
    HfCommandWorker *worker = user;
    g_mutex_lock(&worker->mutex);
    worker->arrived = true;
    g_cond_broadcast(&worker->changed);
    while (!worker->quit) {
        if (worker->state != STATE_RUNNING) {
            g_cond_wait(&worker->changed, &worker->mutex);
            continue;
        }
        g_mutex_unlock(&worker->mutex);
        run(worker);
        hf_emulator_rest(worker->emulator);
        g_mutex_lock(&worker->mutex);
        worker->state = worker->discarded ? STATE_IDLE : STATE_DONE;
        if (worker->awaited) {
            worker->awaited = false;
            worker->answering = true;
            g_mutex_unlock(&worker->mutex);
            worker->done(worker->user);
            g_mutex_lock(&worker->mutex);
            worker->answering = false;
            g_cond_broadcast(&worker->changed);
        }
    }
    g_mutex_unlock(&worker->mutex);
    return NULL;
}

HfCommandWorker *hf_command_worker_new(HfEmulator *emulator, HfCommandDone *done, void *user,
                                       GError **error)
{
    HfCommandWorker *worker = g_new0(HfCommandWorker, 1);
    worker->emulator = emulator;
    worker->done = done;
    worker->user = user;
    g_mutex_init(&worker->mutex);
    g_cond_init(&worker->changed);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    int rc = pthread_create(&worker->thread, &attributes, worker_thread, worker);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        hf_command_worker_free(worker);
        hf_error_errno(error, rc, "cannot make the data thread");
        return NULL;
    }
    worker->thread_made = true;
    g_mutex_lock(&worker->mutex);
    while (!worker->arrived) {
        g_cond_wait(&worker->changed, &worker->mutex);
    }
    g_mutex_unlock(&worker->mutex);
    return worker;
}

void hf_command_worker_free(HfCommandWorker *worker)
{
    if (!worker) {
        return;
    }
    g_mutex_lock(&worker->mutex);
    worker->quit = true;
    g_cond_broadcast(&worker->changed);
    g_mutex_unlock(&worker->mutex);
    if (worker->thread_made) {
        pthread_join(worker->thread, NULL);
    }
    explicit_bzero(worker->command, sizeof(worker->command));
    explicit_bzero(worker->response, sizeof(worker->response));
    g_cond_clear(&worker->changed);
    g_mutex_clear(&worker->mutex);
    g_free(worker);
}

bool hf_command_worker_submit(HfCommandWorker *worker, const uint8_t *command, size_t size)
{
    g_assert(size <= sizeof(worker->command));
    lock(worker);
    bool free = worker->state != STATE_RUNNING;
    if (free) {
        memcpy(worker->command, command, size);
        worker->command_size = size;
        worker->taken = 0;
        worker->discarded = false;
        worker->state = STATE_RUNNING;
        g_cond_broadcast(&worker->changed);
    }
    g_mutex_unlock(&worker->mutex);
    return free;
}

bool hf_command_worker_await(HfCommandWorker *worker)
{
    lock(worker);
    bool running = worker->state == STATE_RUNNING;
    worker->awaited = running;
    g_mutex_unlock(&worker->mutex);
    return running;
}

bool hf_command_worker_awaited(HfCommandWorker *worker)
{
    lock(worker);
    bool awaited = worker->awaited;
    g_mutex_unlock(&worker->mutex);
    return awaited;
}

bool hf_command_worker_unawait(HfCommandWorker *worker)
{
    lock(worker);
    bool awaited = worker->awaited;
    worker->awaited = false;
    g_mutex_unlock(&worker->mutex);
    return awaited;
}

size_t hf_command_worker_take(HfCommandWorker *worker, size_t max, const uint8_t **ret_data)
{
    size_t n = 0;
    g_mutex_lock(&worker->mutex);
    if (worker->state == STATE_DONE) {
        n = MIN(max, worker->response_size - worker->taken);
        *ret_data = worker->response + worker->taken;
        worker->taken += n;
        if (worker->taken == worker->response_size) {
            worker->state = STATE_IDLE;
        }
    }
    g_mutex_unlock(&worker->mutex);
    return n;
}

void hf_command_worker_discard(HfCommandWorker *worker)
{
    lock(worker);
    if (worker->state == STATE_RUNNING) {
        worker->discarded = true;
    } else {
        worker->state = STATE_IDLE;
    }
    g_mutex_unlock(&worker->mutex);
}
