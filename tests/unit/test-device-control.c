/*
 * test-device-control.c - ioctls and TPM commands of a character device against a real TPM, without
 * a kernel's device: transfers of state in pieces, a lock that somebody else has, the worker.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "emulator/command_worker.h"
#include "emulator/device_control.h"
#include "holdfast/control.h"

#define DEADLINE (30 * G_TIME_SPAN_SECOND)

typedef struct {
    char *path;
    HfEmulator *emulator;
    HfDeviceControl *control;
    uint8_t buffer[HF_CONTROL_DEVICE_MAX]; /* the last answer */
    size_t size;
} World;

static const uint8_t startup[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0 };
static const uint8_t get_random[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16 };
/* NV_DefineSpace of 2048 bytes. */
static const uint8_t nv_define[] = { 0x80, 2, 0, 0, 0, 45, 0,    0,    1,    0x2a, 0x40, 0,
                                     0,    1, 0, 0, 0, 9,  0x40, 0,    0,    9,    0,    0,
                                     0,    0, 0, 0, 0, 0,  14,   0x01, 0x50, 0,    1,    0,
                                     11,   0, 2, 0, 2, 0,  0,    8,    0 };

static void world_up(World *world, gconstpointer incoming)
{
    g_autoptr(GError) error = NULL;
    const HfStoreConfig store_config = { .tpm2 = true };
    world->path = g_dir_make_tmp("hf-device.XXXXXX", &error);
    g_assert_no_error(error);
    HfStore *store = hf_store_open_uri(world->path, &store_config, &error);
    g_assert_no_error(error);
    const HfEmulatorConfig config = { .version = HF_TPM_2_0, .incoming = incoming != NULL };
    world->emulator = hf_emulator_new(&config, store, &error);
    g_assert_no_error(error);
    world->control = hf_device_control_new(world->emulator);
}

static void world_down(World *world, gconstpointer incoming)
{
    (void)incoming;
    hf_device_control_free(world->control);
    hf_emulator_free(world->emulator);
    g_autoptr(GDir) dir = g_dir_open(world->path, 0, NULL);
    const char *name = NULL;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(world->path, name, NULL);
        g_assert_cmpint(unlink(file), ==, 0);
    }
    g_assert_cmpint(rmdir(world->path), ==, 0);
    g_free(world->path);
}

/* An ioctl with the fields of message; its answer is in message and at *ret_tail. */
static HfDeviceAnswer ask(World *world, HfControlMessage *message, const uint8_t *piece, size_t n,
                          const uint8_t **ret_tail)
{
    uint8_t in[HF_CONTROL_DEVICE_MAX];
    size_t size = hf_control_device_size(message->row);
    hf_control_device_put(in, message, piece, n);
    HfDeviceAnswer answer =
        hf_device_control_ioctl(world->control, hf_control_device_request(message->row), in, size,
                                size, world->buffer, &world->size);
    if (answer == HF_DEVICE_DONE) {
        g_assert_cmpuint(world->size, ==, size);
        hf_control_device_get(world->buffer, message, ret_tail);
        hf_device_control_settle(world->control);
    }
    return answer;
}

static uint32_t plain(World *world, uint32_t number, HfControlField field, uint64_t value)
{
    HfControlMessage message = { .row = hf_control_row(number) };
    message.value[field] = value;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_DONE);
    return (uint32_t)message.value[HF_FIELD_RESULT];
}

static uint32_t run(World *world, const uint8_t *command, size_t size)
{
    uint8_t response[HF_TPM_BUFFER_MAX];
    g_assert_cmpuint(hf_emulator_execute(world->emulator, command, size, response), >=, 10);
    return hf_fetch_u32(response + 6);
}

static void test_ioctls(World *world, gconstpointer data)
{
    (void)data;
    HfControlMessage message = { .row = hf_control_row(HF_CONTROL_GET_CAPABILITY) };
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_DONE);
    g_assert_cmphex(message.value[HF_FIELD_FLAGS], ==, 0x16fff);
    g_assert_cmphex(plain(world, HF_CONTROL_HASH_START, HF_FIELD_FLAGS, 0), ==, 0x0a);
    g_assert_cmphex(plain(world, HF_CONTROL_INIT, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(plain(world, HF_CONTROL_SET_LOCALITY, HF_FIELD_LOCALITY, 4), ==, 0);
    g_assert_cmphex(plain(world, HF_CONTROL_SET_LOCALITY, HF_FIELD_LOCALITY, 5), ==, 0x3d);

    message = (HfControlMessage){ .row = hf_control_row(HF_CONTROL_HASH_DATA) };
    g_assert_cmphex(plain(world, HF_CONTROL_HASH_START, HF_FIELD_FLAGS, 0), ==, 0);
    message.value[HF_FIELD_LENGTH] = HF_CONTROL_DEVICE_HASH_PIECE;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_DONE);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 0);
    message.value[HF_FIELD_LENGTH] = HF_CONTROL_DEVICE_HASH_PIECE + 1;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_DONE);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 3);
    g_assert_cmphex(plain(world, HF_CONTROL_HASH_END, HF_FIELD_FLAGS, 0), ==, 0);
}

static void test_unknown(World *world, gconstpointer data)
{
    (void)data;
    uint8_t in[HF_CONTROL_DEVICE_MAX] = { 0 };
    const HfControlRow *row = hf_control_row(HF_CONTROL_INIT);
    const struct {
        unsigned long request;
        size_t in_size, out_size;
    } cases[] = {
        { TCGETS, 4096, 4096 },
        { hf_control_device_request(hf_control_row(HF_CONTROL_SET_DATAFD)), 4, 4 },
        { hf_control_device_request(row), 3, 4 }, /* less than the union */
        { hf_control_device_request(row), 4, 3 },
        { hf_control_device_request(row), 0, 0 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        HfDeviceAnswer answer =
            hf_device_control_ioctl(world->control, cases[i].request, in, cases[i].in_size,
                                    cases[i].out_size, world->buffer, &world->size);
        g_assert_cmpint(answer, ==, HF_DEVICE_UNKNOWN);
    }
    g_assert_false(hf_emulator_running(world->emulator));
}

/* The permanent state, by ioctls, or by one of them and reads. */
static GByteArray *fetch(World *world, bool by_read)
{
    GByteArray *blob = g_byte_array_new();
    uint64_t total = 1;
    while (blob->len < total) {
        const uint8_t *piece = NULL;
        size_t n = 0;
        if (by_read && blob->len > 0) {
            g_assert_true(hf_device_control_read(world->control, 777, &piece, &n));
            g_assert_cmpuint(n, >, 0);
        } else {
            HfControlMessage message = { .row = hf_control_row(HF_CONTROL_GET_STATEBLOB) };
            message.value[HF_FIELD_FLAGS] = HF_CONTROL_STATE_DECRYPTED;
            message.value[HF_FIELD_TYPE] = HF_CONTROL_BLOB_PERMANENT;
            message.value[HF_FIELD_OFFSET] = blob->len;
            g_assert_cmpint(ask(world, &message, NULL, 0, &piece), ==, HF_DEVICE_DONE);
            g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 0);
            total = message.value[HF_FIELD_TOTAL];
            n = message.value[HF_FIELD_LENGTH];
            g_assert_cmpuint(n, <=, HF_CONTROL_DEVICE_PIECE);
        }
        g_byte_array_append(blob, piece, (guint)n);
    }
    g_assert_cmpuint(blob->len, ==, total);
    return blob;
}

static uint32_t set_piece(World *world, uint32_t type, const uint8_t *piece, size_t n)
{
    HfControlMessage message = { .row = hf_control_row(HF_CONTROL_SET_STATEBLOB) };
    message.value[HF_FIELD_TYPE] = type;
    message.value[HF_FIELD_LENGTH] = n;
    g_assert_cmpint(ask(world, &message, piece, MIN(n, HF_CONTROL_DEVICE_PIECE), NULL), ==,
                    HF_DEVICE_DONE);
    return (uint32_t)message.value[HF_FIELD_RESULT];
}

static bool more(World *world, const uint8_t *data, size_t size)
{
    bool taken = false;
    g_assert_true(hf_device_control_write(world->control, data, size, &taken));
    return taken;
}

static void test_transfer(World *world, gconstpointer data)
{
    (void)data;
    const uint8_t *piece = NULL;
    size_t n = 0;
    bool taken = false;
    g_assert_cmphex(plain(world, HF_CONTROL_INIT, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(run(world, startup, sizeof(startup)), ==, 0);
    g_assert_cmphex(run(world, nv_define, sizeof(nv_define)), ==, 0);
    g_autoptr(GByteArray) blob = fetch(world, false);
    g_autoptr(GByteArray) again = fetch(world, true);
    g_assert_cmpuint(blob->len, >, HF_CONTROL_DEVICE_PIECE);
    g_assert_cmpmem(blob->data, blob->len, again->data, again->len);
    g_assert_false(hf_device_control_read(world->control, 10, &piece, &n)); /* nothing is left */
    g_assert_cmphex(set_piece(world, 1, blob->data, 100), ==, 0x0a);
    g_assert_false(hf_device_control_write(world->control, blob->data, 100, &taken));

    g_assert_cmphex(plain(world, HF_CONTROL_STOP, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(set_piece(world, 1, blob->data, HF_CONTROL_DEVICE_PIECE + 1), ==, 3);
    g_assert_cmphex(set_piece(world, 7, blob->data, 1), ==, 3);
    g_assert_cmphex(set_piece(world, 1, blob->data, 100), !=, 0); /* half a state */

    /* By ioctls; an ioctl between them ends the transfer. */
    g_assert_cmphex(set_piece(world, 1, blob->data, HF_CONTROL_DEVICE_PIECE), ==, 0);
    g_assert_cmphex(plain(world, HF_CONTROL_GET_CONFIG, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_false(hf_device_control_write(world->control, blob->data, 1, &taken));
    g_assert_cmphex(set_piece(world, 1, blob->data, HF_CONTROL_DEVICE_PIECE), ==, 0);
    g_assert_cmphex(set_piece(world, 1, blob->data + HF_CONTROL_DEVICE_PIECE,
                              blob->len - HF_CONTROL_DEVICE_PIECE),
                    ==, 0);
    g_assert_cmphex(plain(world, HF_CONTROL_INIT, HF_FIELD_FLAGS, 0), ==, 0);

    /* Announced, by writes, closed. */
    g_assert_cmphex(plain(world, HF_CONTROL_STOP, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(set_piece(world, 1, NULL, 0), ==, 0);
    g_assert_true(more(world, blob->data, 1000));
    g_assert_true(more(world, blob->data + 1000, blob->len - 1000));
    g_assert_cmphex(set_piece(world, 1, NULL, 0), ==, 0);
    g_assert_false(hf_device_control_write(world->control, blob->data, 1, &taken));
    g_assert_cmphex(set_piece(world, 3, NULL, 0), ==, 0); /* there is no save state: fine */
    g_assert_cmphex(plain(world, HF_CONTROL_INIT, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(run(world, startup, sizeof(startup)), ==, 0);

    /* Without an end. */
    static const uint8_t much[HF_CONTROL_BLOB_MAX];
    g_assert_cmphex(plain(world, HF_CONTROL_STOP, HF_FIELD_FLAGS, 0), ==, 0);
    g_assert_cmphex(set_piece(world, 1, much, HF_CONTROL_DEVICE_PIECE), ==, 0);
    g_assert_false(more(world, much, sizeof(much)));
    g_assert_false(hf_device_control_write(world->control, much, 1, &taken));
}

/* Another process holds the lock until the pipe ends. */
static pid_t lock_elsewhere(const char *path, int *ret_pipe)
{
    int go[2];
    int there[2];
    char byte = 0;
    g_assert_cmpint(pipe(go) | pipe(there), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        const HfStoreConfig config = { .tpm2 = true };
        g_autoptr(HfStore) store = hf_store_open_uri(path, &config, NULL);
        (void)close(go[1]);
        bool locked = store && store->class->lock(store, 0, NULL);
        if (locked && write(there[1], "1", 1) == 1) {
            (void)!read(go[0], &byte, 1);
        }
        _exit(locked ? 0 : 1);
    }
    (void)close(go[0]);
    (void)close(there[1]);
    g_assert_cmpint(read(there[0], &byte, 1), ==, 1);
    (void)close(there[0]);
    *ret_pipe = go[1];
    return child;
}

static void test_lock(World *world, gconstpointer data)
{
    (void)data;
    int pipe_end = -1;
    int status = 0;
    HfControlMessage message = { .row = hf_control_row(HF_CONTROL_LOCK_STORAGE) };
    pid_t child = lock_elsewhere(world->path, &pipe_end);
    g_assert_cmphex(plain(world, HF_CONTROL_LOCK_STORAGE, HF_FIELD_RETRIES, 0), ==, 9);

    message.value[HF_FIELD_RETRIES] = 2;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_AGAIN);
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_BUSY);
    g_assert_cmphex(plain(world, HF_CONTROL_SET_LOCALITY, HF_FIELD_LOCALITY, 1), ==, 0);
    g_assert_cmpint(hf_device_control_again(world->control, world->buffer, &world->size), ==,
                    HF_DEVICE_AGAIN);
    g_assert_cmpint(hf_device_control_again(world->control, world->buffer, &world->size), ==,
                    HF_DEVICE_DONE);
    hf_control_device_get(world->buffer, &message, NULL);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 9);

    message.value[HF_FIELD_RETRIES] = 1000000;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_AGAIN);
    hf_device_control_forget(world->control);
    message.value[HF_FIELD_RETRIES] = 1000000;
    g_assert_cmpint(ask(world, &message, NULL, 0, NULL), ==, HF_DEVICE_AGAIN);
    (void)close(pipe_end);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(hf_device_control_again(world->control, world->buffer, &world->size), ==,
                    HF_DEVICE_DONE);
    hf_control_device_get(world->buffer, &message, NULL);
    g_assert_cmphex(message.value[HF_FIELD_RESULT], ==, 0);
}

typedef struct {
    GMutex mutex;
    GCond changed;
    unsigned done;
} Bell;

static void ring(void *user)
{
    Bell *bell = user;
    g_mutex_lock(&bell->mutex);
    bell->done++;
    g_cond_signal(&bell->changed);
    g_mutex_unlock(&bell->mutex);
}

/* The command that runs is over. */
static void wait_for_bell(HfCommandWorker *worker, Bell *bell)
{
    gint64 end = g_get_monotonic_time() + DEADLINE;
    g_mutex_lock(&bell->mutex);
    unsigned before = bell->done;
    if (hf_command_worker_await(worker)) {
        while (bell->done == before && g_cond_wait_until(&bell->changed, &bell->mutex, end)) {
        }
        g_assert_cmpuint(bell->done, ==, before + 1);
    }
    g_mutex_unlock(&bell->mutex);
}

static void test_worker(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    Bell bell = { .done = 0 };
    const uint8_t *response = NULL;
    HfCommandWorker *worker = hf_command_worker_new(world->emulator, ring, &bell, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(hf_command_worker_take(worker, 10, &response), ==, 0);
    g_assert_false(hf_command_worker_await(worker));
    g_assert_false(hf_command_worker_unawait(worker));

    /* The engine is held, so the command runs as long as this test likes. */
    (void)hf_emulator_enter(world->emulator);
    g_assert_true(hf_command_worker_submit(worker, get_random, sizeof(get_random)));
    g_assert_false(hf_command_worker_submit(worker, get_random, sizeof(get_random)));
    g_assert_true(hf_command_worker_await(worker));
    g_assert_true(hf_command_worker_awaited(worker));
    g_assert_true(hf_command_worker_unawait(worker));
    g_assert_false(hf_command_worker_awaited(worker));
    hf_emulator_leave(world->emulator);
    wait_for_bell(worker, &bell);
    g_assert_cmpuint(hf_command_worker_take(worker, 6, &response), ==, 6); /* in pieces */
    g_assert_cmpuint(hf_fetch_u32(response + 2), ==, 10);
    g_assert_cmpuint(hf_command_worker_take(worker, 100, &response), ==, 4);
    g_assert_cmphex(hf_fetch_u32(response), ==, 0x101); /* the TPM is off */
    g_assert_cmpuint(hf_command_worker_take(worker, 100, &response), ==, 0);

    /* Nobody wants the response: neither that of a command that runs nor one that is there. */
    (void)hf_emulator_enter(world->emulator);
    g_assert_true(hf_command_worker_submit(worker, get_random, sizeof(get_random)));
    hf_command_worker_discard(worker);
    hf_emulator_leave(world->emulator);
    wait_for_bell(worker, &bell);
    g_assert_cmpuint(hf_command_worker_take(worker, 100, &response), ==, 0);
    g_assert_true(hf_command_worker_submit(worker, get_random, sizeof(get_random)));
    wait_for_bell(worker, &bell);
    hf_command_worker_discard(worker);
    g_assert_cmpuint(hf_command_worker_take(worker, 100, &response), ==, 0);
    g_assert_cmpuint(bell.done, <=, 3);
    hf_command_worker_free(worker);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    g_test_add("/device/ioctls", World, NULL, world_up, test_ioctls, world_down);
    g_test_add("/device/unknown", World, NULL, world_up, test_unknown, world_down);
    g_test_add("/device/transfer", World, NULL, world_up, test_transfer, world_down);
    g_test_add("/device/lock", World, "incoming", world_up, test_lock, world_down);
    g_test_add("/device/worker", World, NULL, world_up, test_worker, world_down);
    return g_test_run();
}
