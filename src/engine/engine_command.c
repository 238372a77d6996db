/*
 * engine_command.c - commands: the guest's, the few of our own, and cancelling one that runs.
 *
 * Cancelling without losing it: libtpms forgets a cancel that comes before it has entered the
 * command, and it does so a few instructions after it asked for the locality. So the
 * canceller sends again until the thread that runs the command has, by its own processor clock,
 * certainly passed that point (or the command has ended). No thread of ours stands between, and a
 * command that nobody cancels pays for two uncontended locks.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/random.h"
#include "engine/engine_private.h"

#define HEADER_SIZE 10u
#define TPM2_ST_NO_SESSIONS 0x8001u
#define TPM12_TAG_RQU 0x00c1u
#define TPM12_TAG_RSP 0x00c4u
#define TPM2_CC_STARTUP 0x144u
#define TPM2_CC_SHUTDOWN 0x145u
#define TPM2_CC_STIR_RANDOM 0x146u
#define TPM12_ORD_STARTUP 0x99u
#define TPM2_SU_CLEAR 0u
#define TPM2_SU_STATE 1u
#define TPM2_RC_INITIALIZE 0x100u
#define TPM2_RC_TESTING 0x90au
#define TPM2_RC_RETRY 0x922u
#define NO_RESPONSE 0xffffffffu
#define RETRIES_MAX 8u
#define STIR_SIZE 64u
#define CANCEL_ENTRY_US 2000 /* processor time in which a command has entered for certain */
#define CANCEL_INTERVAL_US 500

void hf_cancel_init(HfCancel *cancel)
{
    g_mutex_init(&cancel->lock);
    g_cond_init(&cancel->ended);
}

void hf_cancel_clear(HfCancel *cancel)
{
    g_mutex_clear(&cancel->lock);
    g_cond_clear(&cancel->ended);
}

void hf_cancel_progress(HfCancel *cancel, HfProgress progress)
{
    if (atomic_load(&cancel->progress) < (int)progress) {
        atomic_store(&cancel->progress, (int)progress);
    }
}

static void cancel_begin(HfCancel *cancel)
{
    g_mutex_lock(&cancel->lock);
    cancel->serial++;
    atomic_store(&cancel->progress, HF_PROGRESS_NONE);
    if (pthread_getcpuclockid(pthread_self(), &cancel->cpu_time) != 0) {
        cancel->cpu_time = CLOCK_PROCESS_CPUTIME_ID;
    }
    atomic_store(&cancel->busy, 1);
    g_mutex_unlock(&cancel->lock);
}

static void cancel_end(HfCancel *cancel)
{
    g_mutex_lock(&cancel->lock);
    atomic_store(&cancel->busy, 0);
    if (cancel->waiters > 0) {
        g_cond_broadcast(&cancel->ended);
    }
    g_mutex_unlock(&cancel->lock);
}

/* Processor time of the thread that runs the command, in microseconds. */
static int64_t command_time(const HfCancel *cancel)
{
    struct timespec now;

    if (clock_gettime(cancel->cpu_time, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* Sends the cancel until it must have arrived or the command is over; the lock is held. */
static void cancel_until_inside(HfCancel *cancel)
{
    uint64_t serial = cancel->serial;
    int64_t since = -1;
    int progress;

    while (atomic_load(&cancel->busy) && cancel->serial == serial) {
        progress = atomic_load(&cancel->progress);
        if (progress == HF_PROGRESS_LOCALITY && since < 0) {
            since = command_time(cancel);
        }
        if (progress == HF_PROGRESS_INSIDE ||
            (since >= 0 && command_time(cancel) - since > CANCEL_ENTRY_US)) {
            (void)TPMLIB_CancelCommand();
            return;
        }
        (void)TPMLIB_CancelCommand();
        g_cond_wait_until(&cancel->ended, &cancel->lock,
                          g_get_monotonic_time() + CANCEL_INTERVAL_US);
    }
}

uint32_t hf_engine_cancel(HfEngine *engine)
{
    HfCancel *cancel = &engine->cancel;

    if (engine->version != HF_TPM_2_0) {
        return TPM_FAIL;
    }
    g_mutex_lock(&cancel->lock);
    cancel->waiters++;
    cancel_until_inside(cancel);
    cancel->waiters--;
    g_mutex_unlock(&cancel->lock);
    return TPM_SUCCESS;
}

bool hf_engine_busy(const HfEngine *engine)
{
    return atomic_load(&engine->cancel.busy) != 0;
}

static uint32_t code_of(const HfResponse *response)
{
    return response->size >= HEADER_SIZE ? hf_fetch_u32(response->data + 6) : NO_RESPONSE;
}

/* libtpms gave no response although it runs (no memory): the guest gets one all the same. */
static void answer_failure(HfEngine *engine, HfResponse *response)
{
    if (response->room < HEADER_SIZE) {
        free(response->data);
        response->room = HF_TPM_BUFFER_MAX;
        response->data = g_malloc(response->room);
    }
    hf_store_u16(response->data,
                 engine->version == HF_TPM_2_0 ? TPM2_ST_NO_SESSIONS : TPM12_TAG_RSP);
    hf_store_u32(response->data + 2, HEADER_SIZE);
    hf_store_u32(response->data + 6, hf_engine_failure(engine));
    response->size = HEADER_SIZE;
}

static void run(HfEngine *engine, const uint8_t *command, size_t size, HfResponse *response)
{
    if (!engine->command || size > engine->command_room) {
        g_free(engine->command);
        engine->command_room = MAX(size, HF_TPM_BUFFER_MAX);
        engine->command = g_malloc(engine->command_room);
    }
    if (size > 0) {
        memcpy(engine->command, command, size);
    }
    engine->pristine = false;
    response->size = 0;
    if (TPMLIB_Process(&response->data, &response->size, &response->room, engine->command,
                       (uint32_t)size) != TPM_SUCCESS) {
        response->size = 0;
    }
}

/* What a command did to the life of the TPM. */
static void note_command(HfEngine *engine, const uint8_t *command, size_t size, uint32_t code)
{
    uint32_t ordinal = size >= HEADER_SIZE ? hf_fetch_u32(command + 6) : 0;

    if (engine->version != HF_TPM_2_0) {
        return;
    }
    engine->was_shut_down = ordinal == TPM2_CC_SHUTDOWN && code == 0;
    if (engine->stir_at_startup && ordinal == TPM2_CC_STARTUP && code == 0) {
        engine->stir_at_startup = false;
        (void)hf_engine_stir(engine, NULL);
    }
}

size_t hf_engine_process(HfEngine *engine, const uint8_t *command, size_t size, uint8_t locality,
                         const uint8_t **ret_response)
{
    g_assert(engine->running);
    g_assert(size <= HF_BLOB_MAX);
    engine->locality = locality;
    cancel_begin(&engine->cancel);
    run(engine, command, size, &engine->guest);
    cancel_end(&engine->cancel);
    if (engine->guest.size < HEADER_SIZE) {
        answer_failure(engine, &engine->guest);
    }
    note_command(engine, command, size, code_of(&engine->guest));
    if (engine->stack_used) {
        hf_engine_wipe_stack(engine);
    }
    *ret_response = engine->guest.data;
    return engine->guest.size;
}

uint32_t hf_engine_run_own(HfEngine *engine, const uint8_t *command, size_t size)
{
    uint32_t code = NO_RESPONSE;

    g_assert(engine->running);
    engine->locality = 0;
    for (unsigned i = 0; i < RETRIES_MAX; i++) {
        run(engine, command, size, &engine->own);
        code = code_of(&engine->own);
        if (engine->version != HF_TPM_2_0 || (code != TPM2_RC_RETRY && code != TPM2_RC_TESTING)) {
            break;
        }
    }
    note_command(engine, command, size, code);
    if (engine->stack_used) {
        hf_engine_wipe_stack(engine);
    }
    return code;
}

/* A command whose only parameter is one u16. */
static uint32_t run_u16(HfEngine *engine, uint32_t ordinal, uint16_t parameter)
{
    uint8_t command[HEADER_SIZE + 2];

    hf_store_u16(command, engine->version == HF_TPM_2_0 ? TPM2_ST_NO_SESSIONS : TPM12_TAG_RQU);
    hf_store_u32(command + 2, sizeof command);
    hf_store_u32(command + 6, ordinal);
    hf_store_u16(command + HEADER_SIZE, parameter);
    return hf_engine_run_own(engine, command, sizeof command);
}

uint32_t hf_engine_startup(HfEngine *engine, uint16_t type)
{
    return run_u16(engine, engine->version == HF_TPM_2_0 ? TPM2_CC_STARTUP : TPM12_ORD_STARTUP,
                   type);
}

bool hf_engine_auto_shutdown(HfEngine *engine, GError **error)
{
    uint32_t code;

    if (!engine->running || engine->version != HF_TPM_2_0 || engine->was_shut_down) {
        return true;
    }
    code = run_u16(engine, TPM2_CC_SHUTDOWN, TPM2_SU_STATE);
    if (code != 0 && code != TPM2_RC_INITIALIZE) {
        code = run_u16(engine, TPM2_CC_SHUTDOWN, TPM2_SU_CLEAR);
    }
    if (code == 0 || code == TPM2_RC_INITIALIZE) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_TPM, "TPM2_Shutdown failed with 0x%x%s%s", code,
                        engine->storage_error ? ": " : "",
                        engine->storage_error ? engine->storage_error->message : "");
}

bool hf_engine_stir(HfEngine *engine, GError **error)
{
    uint8_t command[HEADER_SIZE + 2 + STIR_SIZE];
    uint32_t code;

    /* The generator of TPM 1.2 is RAND_bytes: nothing of it is in the state. */
    if (engine->version != HF_TPM_2_0) {
        return true;
    }
    hf_store_u16(command, TPM2_ST_NO_SESSIONS);
    hf_store_u32(command + 2, sizeof command);
    hf_store_u32(command + 6, TPM2_CC_STIR_RANDOM);
    hf_store_u16(command + HEADER_SIZE, STIR_SIZE);
    hf_random_bytes(command + HEADER_SIZE + 2, STIR_SIZE);
    code = hf_engine_run_own(engine, command, sizeof command);
    explicit_bzero(command, sizeof command);
    explicit_bzero(engine->command, sizeof command);
    if (code == TPM2_RC_INITIALIZE) {
        engine->stir_at_startup = true;
        return true;
    }
    /* A TPM that was saved in failure mode gives no random numbers that could repeat. */
    if (code == 0 || code == HF_TPM_RC_FAILURE) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_TPM,
                        "the random generator of the resumed TPM cannot be stirred: 0x%x", code);
}
