/*
 * emulator.c - the virtual TPM of this process.
 *
 * One mutex stands around the engine; the data thread holds it for one command, the control thread
 * for one request. A mutex is not fair, and a client may send commands faster than they run: so who
 * wants the engine stands in a queue before it. Power changes only in the control thread, so that thread may look at `running`
 * without the mutex.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "emulator/emulator.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "emulator/storage.h"
#include "holdfast/control.h"

/* SetLocality of the Linux vTPM proxy (linux/vtpm_proxy.h), and its answers in swtpm. */
#define CC_SET_LOCALITY_2_0 0x20001000u
#define CC_SET_LOCALITY_1_2 0x50001000u /* swtpm's; the kernel sends the other one */

#define RC_1_2_FAIL 0x9u
#define RC_1_2_BAD_PARAM_SIZE 0x19u
#define RC_1_2_BAD_LOCALITY 0x3du
#define RC_2_0_FAILURE 0x101u
#define CC_2_0_CHANGE_EPS 0x124u
#define CC_2_0_CHANGE_PPS 0x125u
#define CC_2_0_CLEAR 0x126u
#define RC_2_0_BAD_LOCALITY 0x107u
#define RC_2_0_INSUFFICIENT 0x9au
#define RC_2_0_INITIALIZE 0x100u

#define HEADER_SIZE 10u
#define LOCALITY_MAX 4u

struct HfEmulator {
    HfEmulatorConfig config;
    HfStorage *storage;
    HfEngine *engine;
    GMutex queue_mutex; /* held while waiting for the next one */
    GMutex engine_mutex;
    gint locality;
    bool incoming;             /* the source of the migration may go on yet; under the mutex */
    bool storage_error_logged; /* of this power cycle; under the mutex */
    bool failure_logged;       /* the same */
    bool off_logged;           /* of this time of being off; under the mutex */
    char *refused;             /* why the last command was not run, or NULL; under the mutex */
    bool volatile_spent;       /* what is stored was resumed already; the same */
    gint untidy;               /* powered on since hf_emulator_rest */
    int end_fd;
    gint ending; /* 0: no; else exit code + 1 */
};

HfEmulator *hf_emulator_new(const HfEmulatorConfig *config, HfStore *store, GError **error)
{
    g_autoptr(HfEmulator) emulator = g_new0(HfEmulator, 1);
    emulator->config = *config;
    emulator->incoming = config->incoming;
    emulator->storage = hf_storage_new(store, config->must_exist);
    g_mutex_init(&emulator->queue_mutex);
    g_mutex_init(&emulator->engine_mutex);
    emulator->end_fd = eventfd(0, EFD_CLOEXEC);
    if (emulator->end_fd < 0) {
        hf_error_errno(error, errno, "cannot make an event descriptor");
        return NULL;
    }
    emulator->engine =
        hf_engine_new(config->version, hf_storage_callbacks(), emulator->storage, error);
    return emulator->engine ? g_steal_pointer(&emulator) : NULL;
}

void hf_emulator_free(HfEmulator *emulator)
{
    if (!emulator) {
        return;
    }
    if (emulator->engine) {
        hf_emulator_stop(emulator);
    }
    hf_engine_free(emulator->engine);
    hf_storage_free(emulator->storage);
    hf_fd_close(&emulator->end_fd);
    g_free(emulator->refused);
    g_mutex_clear(&emulator->engine_mutex);
    g_mutex_clear(&emulator->queue_mutex);
    g_free(emulator);
}

HfTpmVersion hf_emulator_version(const HfEmulator *emulator)
{
    return emulator->config.version;
}

bool hf_emulator_running(const HfEmulator *emulator)
{
    return hf_engine_running(emulator->engine);
}

HfEngine *hf_emulator_enter(HfEmulator *emulator)
{
    g_mutex_lock(&emulator->queue_mutex);
    g_mutex_lock(&emulator->engine_mutex);
    g_mutex_unlock(&emulator->queue_mutex);
    return emulator->engine;
}

/* To switch the TPM off: nobody needs the result of a command that runs. */
static void enter_to_end(HfEmulator *emulator)
{
    g_mutex_lock(&emulator->queue_mutex);
    (void)hf_engine_cancel(emulator->engine);
    g_mutex_lock(&emulator->engine_mutex);
    g_mutex_unlock(&emulator->queue_mutex);
}

void hf_emulator_leave(HfEmulator *emulator)
{
    g_mutex_unlock(&emulator->engine_mutex);
}

static void log_failure(const char *context, const GError *error)
{
    hf_log(1, "%s: %s", context, error ? error->message : "no reason given");
}

/* The TPM has done nothing since it was resumed from what is stored: that is whole without it. (Of a
 * state that is held back nothing is stored.) */
static bool idle(const HfEmulator *emulator)
{
    return emulator->volatile_spent && !hf_storage_held_back(emulator->storage);
}

/* Under the mutex. A TPM whose state was handed over must not write it any more. What is held back
 * stays so: a guest that is reset before its first command goes on with that. */
static void power_off(HfEmulator *emulator)
{
    g_autoptr(GError) error = NULL;
    if (!hf_engine_running(emulator->engine)) {
        return;
    }
    bool locked = hf_storage_locked(emulator->storage);
    if (!emulator->config.no_auto_shutdown && locked && !idle(emulator) &&
        !hf_engine_auto_shutdown(emulator->engine, &error)) {
        log_failure("shutting the TPM down", error);
    }
    hf_engine_power_off(emulator->engine);
    if (!locked) {
        hf_storage_drop_back(emulator->storage);
    }
    hf_storage_forget(emulator->storage);
}

/* Under the mutex, with the storage locked, before the TPM does anything that could change it: what
 * is stored follows it from here on, and a volatile state it leaves behind must not come back. */
static bool go_on(HfEmulator *emulator, GError **error)
{
    if (!hf_storage_flush(emulator->storage, error)) {
        return false;
    }
    if (emulator->volatile_spent &&
        !hf_storage_callbacks()->remove(emulator->storage, HF_BLOB_VOLATILE, error)) {
        return false;
    }
    emulator->volatile_spent = false;
    emulator->incoming = false;
    return true;
}

void hf_emulator_stop(HfEmulator *emulator)
{
    enter_to_end(emulator);
    power_off(emulator);
    hf_emulator_leave(emulator);
}

/* Under the mutex, before the engine is switched on. A target that gets its state over the control
 * channel, while the same TPM is stored already, shares the storage with the source: it changes
 * nothing there before its guest goes on, so that the source can when the migration fails. */
static void prepare_storage(HfEmulator *emulator)
{
    HfStorage *storage = emulator->storage;
    if (!hf_storage_locked(storage)) {
        hf_storage_remember(storage);
    } else if (emulator->incoming && hf_engine_has_set_blobs(emulator->engine) &&
               !hf_storage_lacks(storage, HF_BLOB_PERMANENT)) {
        hf_storage_hold_back(storage);
    }
}

/* What the engine says of the permanent state that is stored. */
static uint32_t judge(HfEmulator *emulator, GError **error)
{
    g_autoptr(GBytes) blob = hf_storage_look(emulator->storage, error);
    gsize size = 0;
    const uint8_t *data = blob ? g_bytes_get_data(blob, &size) : NULL;
    if (!blob) {
        return HF_TPM_SUCCESS; /* the store has said what there is to say */
    }
    uint32_t result = hf_engine_set_blob(emulator->engine, HF_BLOB_PERMANENT, data, size, error);
    hf_engine_drop_blobs(emulator->engine);
    return result;
}

/* The engine is off and did not start from what is stored. Whether that was because the permanent
 * state is damaged inside, and the one before it, kept with `backup`, is not. What a later libtpms
 * has made, or another key encrypted, is not damaged. */
static bool fall_back(HfEmulator *emulator)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GError) other = NULL;
    HfStorage *storage = emulator->storage;
    if (!hf_storage_locked(storage) || hf_storage_held_back(storage) ||
        !hf_storage_use_backup(storage, NULL) || !hf_engine_result_damaged(judge(emulator, &why))) {
        return false;
    }
    (void)hf_storage_use_backup(storage, why->message);
    if (judge(emulator, &other) == HF_TPM_SUCCESS && !other) {
        return true;
    }
    (void)hf_storage_use_backup(storage, NULL);
    log_failure("nor can the TPM start from the state before its last one", other);
    return false;
}

/* Under the mutex. A stored volatile state is resumed once: were it resumed by a later INIT again,
 * a guest that reboots would find its old PCRs. It stays until the TPM goes on. */
static uint32_t power_on(HfEmulator *emulator, uint32_t flags)
{
    g_autoptr(GError) error = NULL;
    bool stored = !hf_storage_lacks(emulator->storage, HF_BLOB_VOLATILE);
    bool replaced = hf_engine_has_set_blobs(emulator->engine);

    emulator->storage_error_logged = false;
    emulator->failure_logged = false;
    emulator->off_logged = false;
    prepare_storage(emulator);
    uint32_t result = hf_engine_power_on(emulator->engine, !emulator->volatile_spent, &error);
    if (result != HF_TPM_SUCCESS && !replaced && fall_back(emulator)) {
        g_clear_error(&error);
        result = hf_engine_power_on(emulator->engine, !emulator->volatile_spent, &error);
    }
    if (result != HF_TPM_SUCCESS) {
        log_failure("the TPM cannot start", error);
        if (replaced) {
            hf_storage_drop_back(emulator->storage); /* the engine wants all of it again */
        }
        return result;
    }
    g_atomic_int_set(&emulator->untidy, 1);
    bool again = emulator->volatile_spent;
    emulator->volatile_spent = stored;
    bool gone = replaced || again || (flags & HF_CONTROL_INIT_DELETE_VOLATILE) != 0;
    if (gone && hf_storage_locked(emulator->storage) && !hf_storage_held_back(emulator->storage) &&
        !go_on(emulator, &error)) {
        log_failure("removing the stored volatile state", error);
    }
    return HF_TPM_SUCCESS;
}

uint32_t hf_emulator_init(HfEmulator *emulator, uint32_t flags)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = HF_CONTROL_FAIL;

    enter_to_end(emulator);
    power_off(emulator);
    bool only_looks = emulator->incoming && !hf_engine_has_set_blobs(emulator->engine);
    bool ready = only_looks || hf_storage_lock(emulator->storage, 0, &error);
    if (ready) {
        result = power_on(emulator, flags);
    } else {
        log_failure("the TPM cannot start", error);
    }
    hf_emulator_leave(emulator);
    return result;
}

void hf_emulator_startup(HfEmulator *emulator, uint16_t type)
{
    HfEngine *engine = NULL;
    if (!hf_emulator_enter_to_change(emulator, &engine)) {
        return;
    }
    uint32_t code = hf_engine_startup(engine, type);
    hf_emulator_leave(emulator);
    if (code != HF_TPM_SUCCESS && code != RC_2_0_INITIALIZE) { /* 0x100: volatile state resumed */
        hf_log(1, "the TPM answered Startup with 0x%x", code);
    }
}

uint32_t hf_emulator_config_flags(const HfEmulator *emulator)
{
    const HfStateKeys *keys = &emulator->config.keys;
    return (keys->state ? HF_CONTROL_CONFIG_FILE_KEY : 0) |
           (keys->migration ? HF_CONTROL_CONFIG_MIGRATION_KEY : 0);
}

uint32_t hf_emulator_get_blob(HfEmulator *emulator, HfBlobKind kind, uint32_t flags,
                              GBytes **ret_blob, uint32_t *ret_flags)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = HF_CONTROL_FAIL;

    HfEngine *engine = hf_emulator_enter(emulator);
    /* Only what TPM_SaveState has stored: libtpms would make one now, and a guest that resets itself
     * after a migration could go back to its PCRs of this moment with Startup(STATE). */
    bool saved = kind == HF_BLOB_SAVESTATE && hf_engine_running(engine);
    g_autoptr(GBytes) plain = saved ? hf_storage_callbacks()->load(emulator->storage, kind, &error)
                                    : hf_engine_get_blob(engine, kind, &result, &error);
    hf_emulator_leave(emulator);
    if (plain) {
        gsize size = 0;
        const uint8_t *data = g_bytes_get_data(plain, &size);
        bool encrypted = false;
        *ret_blob = hf_migration_blob_wrap(&emulator->config.keys,
                                           (flags & HF_CONTROL_STATE_DECRYPTED) != 0, data, size,
                                           &encrypted);
        *ret_flags = encrypted ? HF_CONTROL_STATE_ENCRYPTED : 0;
        return HF_CONTROL_OK;
    }
    if (result == HF_CONTROL_RETRY || hf_error_is(error, HF_ERROR_NOT_FOUND)) {
        return HF_CONTROL_RETRY;
    }
    log_failure("reading the TPM's state", error);
    return result != HF_CONTROL_OK ? result : HF_CONTROL_FAIL;
}

uint32_t hf_emulator_set_blob(HfEmulator *emulator, HfBlobKind kind, uint32_t flags,
                              const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = HF_CONTROL_FAIL;

    if (!hf_storage_regain(emulator->storage, &error)) {
        log_failure("the storage cannot be used, so the TPM ends", error);
        hf_emulator_end(emulator, 1);
        return HF_CONTROL_IO_ERROR;
    }
    bool encrypted = (flags & HF_CONTROL_STATE_ENCRYPTED) != 0;
    g_autoptr(GBytes) plain =
        hf_migration_blob_unwrap(&emulator->config.keys, data, size, encrypted, &result, &error);
    if (!plain) {
        log_failure("SET_STATEBLOB", error);
        return result;
    }
    gsize plain_size = 0;
    const uint8_t *bytes = g_bytes_get_data(plain, &plain_size);
    result = hf_engine_set_blob(hf_emulator_enter(emulator), kind, bytes, plain_size, &error);
    if (result != HF_TPM_SUCCESS) {
        hf_storage_drop_back(emulator->storage); /* the engine wants all of it again */
    } else if (kind != HF_BLOB_VOLATILE) {
        hf_storage_bring_saved(emulator->storage, bytes,
                               kind == HF_BLOB_SAVESTATE ? plain_size : 0);
    }
    hf_emulator_leave(emulator);
    if (result != HF_TPM_SUCCESS) {
        log_failure("SET_STATEBLOB", error);
    }
    return result;
}

uint32_t hf_emulator_store_volatile(HfEmulator *emulator)
{
    g_autoptr(GError) error = NULL;
    uint32_t result = HF_CONTROL_FAIL;

    if (!hf_storage_regain(emulator->storage, &error)) {
        log_failure("STORE_VOLATILE", error);
        return HF_CONTROL_FAIL;
    }
    HfEngine *engine = hf_emulator_enter(emulator);
    g_autoptr(GBytes) blob = hf_engine_get_blob(engine, HF_BLOB_VOLATILE, &result, &error);
    gsize size = 0;
    const uint8_t *data = blob ? g_bytes_get_data(blob, &size) : NULL;
    bool saved =
        blob && hf_storage_flush(emulator->storage, &error) &&
        hf_storage_callbacks()->save(emulator->storage, HF_BLOB_VOLATILE, data, size, &error);
    emulator->volatile_spent = emulator->volatile_spent && !saved;
    hf_emulator_leave(emulator);
    if (saved) {
        return HF_CONTROL_OK;
    }
    log_failure("STORE_VOLATILE", error);
    return blob || result == HF_CONTROL_OK ? HF_CONTROL_FAIL : result;
}

void hf_emulator_hand_over(HfEmulator *emulator)
{
    g_autoptr(GError) error = NULL;
    /* Under the mutex, so that no command is between its check of the lock and its store. The next
     * owner removes a volatile state that was resumed, and this one would find something changed. */
    HfEngine *engine = hf_emulator_enter(emulator);
    bool running = hf_engine_running(engine);
    bool held = hf_storage_held_back(emulator->storage);
    if (running && !held && hf_storage_locked(emulator->storage) && !go_on(emulator, &error)) {
        log_failure("handing the TPM's state out", error);
    }
    if (!running) {
        hf_storage_drop_back(emulator->storage); /* it could not be held against what is stored */
    }
    hf_storage_release(emulator->storage);
    hf_emulator_leave(emulator);
}

bool hf_emulator_enter_to_change(HfEmulator *emulator, HfEngine **ret_engine)
{
    g_autoptr(GError) error = NULL;
    if (!hf_storage_regain(emulator->storage, &error)) {
        log_failure("the storage cannot be used", error);
        return false;
    }
    HfEngine *engine = hf_emulator_enter(emulator);
    if (!go_on(emulator, &error)) {
        hf_emulator_leave(emulator);
        log_failure("the TPM's state cannot be stored", error);
        return false;
    }
    *ret_engine = engine;
    return true;
}

bool hf_emulator_lock_storage(HfEmulator *emulator, GError **error)
{
    return hf_storage_lock(emulator->storage, 0, error);
}

bool hf_emulator_set_locality(HfEmulator *emulator, uint8_t locality)
{
    if (locality > LOCALITY_MAX ||
        (locality == LOCALITY_MAX && emulator->config.reject_locality_4)) {
        return false;
    }
    g_atomic_int_set(&emulator->locality, locality);
    return true;
}

uint32_t hf_emulator_cancel(HfEmulator *emulator)
{
    return hf_engine_cancel(emulator->engine);
}

size_t hf_emulator_refuse(const HfEmulator *emulator, uint32_t code, uint8_t *response)
{
    hf_store_u16(response, emulator->config.version == HF_TPM_2_0 ? 0x8001 : 0x00c4);
    hf_store_u32(response + 2, HEADER_SIZE);
    hf_store_u32(response + 6, code);
    return HEADER_SIZE;
}

/* SetLocality of the vTPM proxy: 0 when the command is another one. */
static size_t set_locality_command(HfEmulator *emulator, const uint8_t *command, size_t size,
                                   uint8_t *response)
{
    bool v2 = emulator->config.version == HF_TPM_2_0;
    uint32_t ordinal = size < HEADER_SIZE ? 0 : hf_fetch_u32(command + 6);
    if (ordinal != CC_SET_LOCALITY_2_0 && (v2 || ordinal != CC_SET_LOCALITY_1_2)) {
        return 0;
    }
    uint32_t code = 0;
    if (!emulator->config.allow_set_locality) {
        hf_log(1, "SetLocality command: refused, --locality allow-set-locality was not given");
        code = v2 ? RC_2_0_FAILURE : RC_1_2_FAIL;
    } else if (size <= HEADER_SIZE) {
        code = v2 ? RC_2_0_INSUFFICIENT : RC_1_2_BAD_PARAM_SIZE;
    } else if (!hf_emulator_set_locality(emulator, command[HEADER_SIZE])) {
        code = v2 ? RC_2_0_BAD_LOCALITY : RC_1_2_BAD_LOCALITY;
    }
    return hf_emulator_refuse(emulator, code, response);
}

/* The guest's firmware or owner may take the certified endorsement keys away; somebody should know. */
static void note_new_keys(const HfEmulator *emulator, const uint8_t *command, size_t size,
                          const uint8_t *response, size_t n)
{
    if (emulator->config.version == HF_TPM_2_0 && size >= HEADER_SIZE && n >= HEADER_SIZE &&
        hf_fetch_u32(command + 6) == CC_2_0_CHANGE_EPS && hf_fetch_u32(response + 6) == 0) {
        hf_log(1,
               "TPM2_ChangeEPS: the TPM has other endorsement keys now, their certificates in NV "
               "do not match them any more; holdfast-setup --withdraw-certificates removes them");
    }
}

/* A volatile state goes with the seeds of its TPM: with others in the permanent state, neither could
 * be used. So a stored one goes before a command that can change them, whatever becomes of that. */
static void note_seeds(HfEmulator *emulator, const uint8_t *command, size_t size)
{
    uint32_t code = size >= HEADER_SIZE ? hf_fetch_u32(command + 6) : 0;
    if (emulator->config.version == HF_TPM_2_0 &&
        (code == CC_2_0_CHANGE_EPS || code == CC_2_0_CHANGE_PPS || code == CC_2_0_CLEAR)) {
        emulator->volatile_spent = !hf_storage_lacks(emulator->storage, HF_BLOB_VOLATILE);
    }
}

/* The guest's answer to a command that is not run; the next one tries again. Under the mutex. */
static size_t refuse_to_run(HfEmulator *emulator, const GError *why, uint8_t *response)
{
    if (g_strcmp0(emulator->refused, why->message) != 0) {
        log_failure("the TPM's state could not be stored, the command is not run", why);
        g_free(emulator->refused);
        emulator->refused = g_strdup(why->message);
    }
    return hf_emulator_refuse(
        emulator, emulator->config.version == HF_TPM_2_0 ? RC_2_0_FAILURE : RC_1_2_FAIL, response);
}

/* Under the mutex, with the storage locked. */
static size_t run(HfEmulator *emulator, const uint8_t *command, size_t size, uint8_t *response)
{
    const uint8_t *answer = NULL;
    g_autoptr(GError) error = NULL;
    note_seeds(emulator, command, size);
    if (!go_on(emulator, &error)) {
        return refuse_to_run(emulator, error, response);
    }
    g_clear_pointer(&emulator->refused, g_free);
    uint8_t locality = (uint8_t)g_atomic_int_get(&emulator->locality);
    size_t n = hf_engine_process(emulator->engine, command, size, locality, &answer);
    g_assert(n <= HF_TPM_BUFFER_MAX);
    memcpy(response, answer, n);
    note_new_keys(emulator, command, size, response, n);
    const GError *failure = hf_engine_storage_error(emulator->engine);
    if (failure && !emulator->storage_error_logged) {
        emulator->storage_error_logged = true;
        log_failure("the TPM's state could not be stored, the TPM is in failure mode", failure);
    }
    if (!failure && !emulator->failure_logged && n >= HEADER_SIZE &&
        emulator->config.version == HF_TPM_2_0 && hf_fetch_u32(response + 6) == RC_2_0_FAILURE) {
        emulator->failure_logged = true;
        hf_log(1,
               "TPM command 0x%x: answered with 0x101, the TPM is in failure mode (its reason: "
               "--log level=5, or TPM2_GetTestResult)",
               size >= HEADER_SIZE ? hf_fetch_u32(command + 6) : 0);
    }
    return n;
}

/* Answers for a TPM that is off. */
static size_t run_off(HfEmulator *emulator, const uint8_t *command, size_t size, uint8_t *response)
{
    bool v2 = emulator->config.version == HF_TPM_2_0;
    uint32_t code = v2 ? RC_2_0_FAILURE : RC_1_2_FAIL;
    if (!emulator->off_logged) {
        emulator->off_logged = true;
        hf_log(1, "TPM command 0x%x: answered with 0x%x, the TPM is off (no INIT yet)",
               size >= HEADER_SIZE ? hf_fetch_u32(command + 6) : 0, code);
    }
    return hf_emulator_refuse(emulator, code, response);
}

/* 0: somebody else has the TPM, or has gone on with it, and this process ends. With another reason the
 * command is not run, and the next one tries again. */
static size_t not_regained(HfEmulator *emulator, const GError *why, uint8_t *response)
{
    size_t n = 0;
    if (hf_error_is(why, HF_ERROR_BUSY) || hf_error_is(why, HF_ERROR_STATE)) {
        log_failure("the storage cannot be used again, so the TPM ends", why);
        return 0;
    }
    hf_emulator_enter(emulator);
    n = refuse_to_run(emulator, why, response);
    hf_emulator_leave(emulator);
    return n;
}

static size_t execute(HfEmulator *emulator, const uint8_t *command, size_t size, uint8_t *response)
{
    size_t n = set_locality_command(emulator, command, size, response);
    while (n == 0) {
        g_autoptr(GError) error = NULL;
        HfEngine *engine = hf_emulator_enter(emulator);
        bool running = hf_engine_running(engine);
        bool locked = hf_storage_locked(emulator->storage);
        if (running && locked) {
            n = run(emulator, command, size, response);
        } else if (!running) {
            n = run_off(emulator, command, size, response);
        }
        hf_emulator_leave(emulator);
        if (running && !locked && !hf_storage_regain(emulator->storage, &error)) {
            n = not_regained(emulator, error, response);
            if (n == 0) {
                hf_emulator_end(emulator, 1);
                return 0;
            }
        }
    }
    return n;
}

size_t hf_emulator_execute(HfEmulator *emulator, const uint8_t *command, size_t size,
                           uint8_t *response)
{
    hf_capture_command(emulator->config.capture, command, size);
    hf_log_dump(2, " SWTPM_IO_Read:", command, size);
    size_t n = execute(emulator, command, size, response);
    if (n > 0) {
        hf_capture_response(emulator->config.capture, response, n);
        hf_log_dump(2, " SWTPM_IO_Write:", response, n);
    }
    return n;
}

void hf_emulator_rest(HfEmulator *emulator)
{
    if (g_atomic_int_get(&emulator->untidy) != 0) {
        hf_emulator_enter(emulator);
        hf_engine_release_zeros();
        g_atomic_int_set(&emulator->untidy, 0);
        hf_emulator_leave(emulator);
    }
}

void hf_emulator_end(HfEmulator *emulator, int exit_code)
{
    const uint64_t one = 1;
    if (g_atomic_int_compare_and_exchange(&emulator->ending, 0, exit_code + 1)) {
        ssize_t n = write(emulator->end_fd, &one, sizeof(one));
        g_assert(n == sizeof(one)); /* an event counter takes its first 1 */
    }
}

int hf_emulator_end_fd(const HfEmulator *emulator)
{
    return emulator->end_fd;
}

bool hf_emulator_ending(HfEmulator *emulator, int *ret_exit_code)
{
    int ending = g_atomic_int_get(&emulator->ending);
    if (ending == 0) {
        return false;
    }
    *ret_exit_code = ending - 1;
    return true;
}
