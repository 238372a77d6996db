/*
 * test-two-threads.c - the two threads of an emulator and our own client of the control channel:
 * every request against a real TPM, a server that does not keep to the protocol, and both channels
 * at once (which `make check-tsan` runs under ThreadSanitizer, with more rounds).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/socket.h"
#include "control/client.h"
#include "emulator/control_server.h"
#include "emulator/data_channel.h"
#include "emulator/emulator.h"

#define ROUNDS 40u

static const uint8_t startup[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0 };
static const uint8_t get_random[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16 };

typedef struct {
    char *path;
    HfEmulator *emulator;
    HfDataChannel *data;
    HfControlConfig config;
    HfControlClient *client;
    int guest; /* our end of the data channel */
    pthread_t thread;
} World;

static void *serve(void *user)
{
    World *world = user;
    (void)hf_control_server_run(world->emulator, world->data, &world->config);
    return NULL;
}

static void pair_of(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void world_up(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    int channel[2];
    int control[2];
    const HfStoreConfig store_config = { .tpm2 = true };
    const HfEmulatorConfig config = { .version = HF_TPM_2_0 };
    hf_log_set_level(0);
    world->path = g_dir_make_tmp("hf-threads.XXXXXX", &error);
    HfStore *store = hf_store_open_uri(world->path, &store_config, &error);
    g_assert_no_error(error);
    world->emulator = hf_emulator_new(&config, store, &error);
    g_assert_no_error(error);
    pair_of(channel);
    pair_of(control);
    const HfDataConfig data_config = { .listener = -1, .connection = -1 };
    world->data = hf_data_channel_new(world->emulator, &data_config, &error);
    g_assert_no_error(error);
    hf_data_channel_open(world->data);
    world->config = (HfControlConfig){ .listener = -1,
                                       .connection = control[0],
                                       .signal_fd = eventfd(0, EFD_CLOEXEC) };
    g_assert_cmpint(pthread_create(&world->thread, NULL, serve, world), ==, 0);
    world->client = hf_control_client_new(control[1]);
    g_assert_true(hf_control_client_set_datafd(world->client, channel[0], &error));
    g_assert_cmpint(close(channel[0]), ==, 0);
    world->guest = channel[1];
}

static void world_down(World *world, gconstpointer data)
{
    (void)data;
    hf_control_client_free(world->client);
    hf_emulator_end(world->emulator, 0);
    g_assert_cmpint(pthread_join(world->thread, NULL), ==, 0);
    hf_data_channel_free(world->data);
    hf_emulator_free(world->emulator);
    close(world->guest);
    close(world->config.signal_fd);
    g_autoptr(GDir) dir = g_dir_open(world->path, 0, NULL);
    for (const char *name = NULL; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *file = g_build_filename(world->path, name, NULL);
        g_assert_cmpint(unlink(file), ==, 0);
    }
    g_assert_cmpint(rmdir(world->path), ==, 0);
    g_free(world->path);
}

/* The response code. */
static uint32_t command(const World *world, const uint8_t *bytes, size_t size)
{
    uint8_t response[4096];
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    g_assert_true(hf_socket_write_full(world->guest, bytes, size, NULL));
    g_assert_true(hf_socket_read_full(world->guest, response, 10, deadline, NULL));
    size_t rest = hf_fetch_u32(response + 2) - 10;
    g_assert_cmpuint(rest, <, sizeof(response) - 10);
    g_assert_true(hf_socket_read_full(world->guest, response + 10, rest, deadline, NULL));
    return hf_fetch_u32(response + 6);
}

/* --- every request --- */

static void refused(World *world, bool done, uint32_t result, GError **error)
{
    g_assert_false(done);
    g_assert_cmphex(hf_control_client_result(world->client), ==, result);
    g_assert_nonnull(strstr((*error)->message, "result 0x"));
    g_clear_error(error);
}

static void client_asks(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    HfControlClient *client = world->client;
    uint32_t bits = 0;
    uint32_t size = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    bool established = true;
    g_assert_true(hf_control_client_get_capability(client, &bits, &error));
    g_assert_cmphex(bits & HF_CONTROL_CAP_INIT, !=, 0);
    g_assert_true(hf_control_client_set_buffersize(client, 0, &size, &min, &max, &error));
    g_assert_true(min <= size && size <= max);
    g_assert_true(hf_control_client_set_buffersize(client, min, NULL, NULL, NULL, &error));
    g_assert_true(hf_control_client_set_buffersize(client, max, NULL, NULL, NULL, &error));
    g_assert_true(hf_control_client_get_established(client, &established, &error));
    g_assert_false(established);
    refused(world, hf_control_client_hash_start(client, &error), HF_CONTROL_BAD_ORDINAL, &error);
    refused(world, hf_control_client_store_volatile(client, &error), HF_CONTROL_BAD_ORDINAL,
            &error);
    refused(world, hf_control_client_set_locality(client, 5, &error), HF_CONTROL_BAD_LOCALITY,
            &error);
    g_assert_true(hf_control_client_init(client, 0, &error));
    g_assert_cmphex(command(world, startup, sizeof(startup)), ==, 0);
    g_assert_true(hf_control_client_get_config(client, &bits, &error));
    g_assert_cmphex(bits, ==, 0);
    g_autofree char *info = hf_control_client_get_info(client, 1, &error);
    g_assert_nonnull(strstr(info, "TPMSpecification"));
    g_assert_true(hf_control_client_lock_storage(client, 0, &error));
    g_assert_true(hf_control_client_cancel(client, &error));
    refused(world, hf_control_client_reset_established(client, 5, &error), HF_CONTROL_BAD_LOCALITY,
            &error);
    g_assert_true(hf_control_client_shutdown(client, &error));
}

static void client_hashes(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    HfControlClient *client = world->client;
    g_autofree uint8_t *bytes = g_malloc0(100000);
    bool established = false;
    g_assert_true(hf_control_client_init(client, 0, &error));
    for (size_t piece = 0; piece <= 4096; piece += 4095) {
        hf_control_client_set_piece(client, piece);
        g_assert_true(hf_control_client_hash_start(client, &error));
        g_assert_true(
            hf_control_client_hash_data(client, bytes, piece == 0 ? 100000 : 5000, &error));
        g_assert_true(hf_control_client_hash_data(client, bytes, 0, &error));
        g_assert_true(hf_control_client_hash_end(client, &error));
    }
    g_assert_true(hf_control_client_get_established(client, &established, &error));
    g_assert_true(established);
    g_assert_true(hf_control_client_reset_established(client, 3, &error));
    g_assert_true(hf_control_client_get_established(client, &established, &error));
    g_assert_false(established);
}

static void client_moves_state(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    HfControlClient *client = world->client;
    uint32_t flags = 9;
    g_assert_true(hf_control_client_init(client, 0, &error));
    g_assert_cmphex(command(world, startup, sizeof(startup)), ==, 0);
    g_autoptr(GBytes) permanent = hf_control_client_get_stateblob(
        client, HF_CONTROL_BLOB_PERMANENT, HF_CONTROL_STATE_DECRYPTED, &flags, &error);
    g_assert_no_error(error);
    g_assert_cmphex(flags, ==, 0);
    g_autoptr(GBytes) volatile_state =
        hf_control_client_get_stateblob(client, HF_CONTROL_BLOB_VOLATILE, 0, NULL, &error);
    g_assert_no_error(error);
    g_assert_null(
        hf_control_client_get_stateblob(client, HF_CONTROL_BLOB_SAVESTATE, 0, NULL, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_autofree uint8_t *large = g_malloc0(HF_CONTROL_BLOB_MAX + 1);
    g_assert_false(hf_control_client_set_stateblob(client, HF_CONTROL_BLOB_PERMANENT, 0, large,
                                                   HF_CONTROL_BLOB_MAX + 1, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_true(hf_control_client_stop(client, &error));
    hf_control_client_set_piece(client, 1000);
    g_assert_true(hf_control_client_set_stateblob(client, HF_CONTROL_BLOB_PERMANENT, 0,
                                                  g_bytes_get_data(permanent, NULL),
                                                  g_bytes_get_size(permanent), &error));
    g_assert_true(hf_control_client_set_stateblob(client, HF_CONTROL_BLOB_VOLATILE, 0,
                                                  g_bytes_get_data(volatile_state, NULL),
                                                  g_bytes_get_size(volatile_state), &error));
    g_assert_true(hf_control_client_init(client, 0, &error));
    g_assert_cmphex(command(world, get_random, sizeof(get_random)), ==, 0); /* goes on */
}

/* --- a server that is none --- */

typedef struct {
    const char *what;
    uint8_t answer[24];
    size_t size;
    HfErrorCode code;
} Lie;

static const Lie lies[] = {
    { "nothing", { 0 }, 0, HF_ERROR_CLOSED },
    { "half a result", { 0, 0 }, 2, HF_ERROR_INVALID },
    { "no sizes", { 0, 0, 0, 0, 0, 0 }, 6, HF_ERROR_INVALID },
    { "more than there can be",
      { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
      16,
      HF_ERROR_INVALID },
    { "more now than in all",
      { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9 },
      16,
      HF_ERROR_INVALID },
    { "less than it says",
      { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 'x' },
      17,
      HF_ERROR_INVALID },
    { "an unknown result", { 0xde, 0xad, 0xbe, 0xef }, 4, HF_ERROR_TPM },
};

static void client_is_lied_to(gconstpointer data)
{
    const Lie *lie = data;
    g_autoptr(GError) error = NULL;
    int pair[2];
    pair_of(pair);
    g_autoptr(HfControlClient) client = hf_control_client_new(pair[0]);
    g_assert_true(hf_socket_write_full(pair[1], lie->answer, lie->size, &error));
    g_assert_cmpint(shutdown(pair[1], SHUT_WR), ==, 0);
    g_assert_null(
        hf_control_client_get_stateblob(client, HF_CONTROL_BLOB_PERMANENT, 0, NULL, &error));
    g_assert_error(error, HF_ERROR, (int)lie->code);
    g_assert_nonnull(strstr(error->message, "GET_STATEBLOB"));
    close(pair[1]);
}

static void client_does_not_wait_for_ever(void)
{
    g_autoptr(GError) error = NULL;
    int pair[2];
    pair_of(pair);
    g_autoptr(HfControlClient) client = hf_control_client_new(pair[0]);
    hf_control_client_set_timeout(client, 20);
    g_assert_false(hf_control_client_init(client, 0, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_TIMEOUT);
    g_clear_error(&error);
    close(pair[1]);
    signal(SIGPIPE, SIG_IGN);
    g_assert_false(hf_control_client_stop(client, &error));
    g_assert_nonnull(error);
}

static void client_finds_nobody(void)
{
    static const char *const paths[] = { "/nonexistent/socket", "", "/dev/null" };
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_assert_null(hf_control_client_connect_unix(paths[i], &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
    }
    g_assert_null(hf_control_client_connect_tcp("host.invalid", 1, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_null(hf_control_client_open_device("/nonexistent/device", &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    hf_control_client_free(NULL);
}

/* --- both at once --- */

static unsigned rounds(void)
{
    const char *given = g_getenv("HF_ROUNDS");
    return given ? (unsigned)g_ascii_strtoull(given, NULL, 10) : ROUNDS;
}

static void *guest(void *user)
{
    const World *world = user;
    for (unsigned i = 0; i < rounds() * 20; i++) {
        uint32_t code = command(world, get_random, sizeof(get_random));
        if (code != 0) { /* it was switched off and on meanwhile */
            (void)command(world, startup, sizeof(startup));
        }
    }
    return NULL;
}

/* What QEMU does, and what it does while a guest's command runs. */
static void manage(HfControlClient *client, unsigned round, GError **error)
{
    uint32_t bits = 0;
    bool established = false;
    g_assert_true(hf_control_client_get_capability(client, &bits, error));
    g_assert_true(hf_control_client_cancel(client, error));
    g_assert_true(hf_control_client_get_established(client, &established, error));
    g_assert_true(hf_control_client_set_locality(client, (uint8_t)(round % 4), error));
    g_assert_true(hf_control_client_store_volatile(client, error));
    g_autoptr(GBytes) blob =
        hf_control_client_get_stateblob(client, HF_CONTROL_BLOB_VOLATILE, 0, NULL, error);
    g_assert_nonnull(blob);
    g_autofree char *info = hf_control_client_get_info(client, 1, error);
    g_assert_nonnull(info);
    if (round % 8 == 0) {
        g_assert_true(hf_control_client_stop(client, error));
        g_assert_true(hf_control_client_init(client, HF_CONTROL_INIT_DELETE_VOLATILE, error));
    }
}

static void both_at_once(World *world, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    pthread_t thread;
    g_assert_true(hf_control_client_init(world->client, 0, &error));
    g_assert_cmphex(command(world, startup, sizeof(startup)), ==, 0);
    g_assert_cmpint(pthread_create(&thread, NULL, guest, world), ==, 0);
    for (unsigned round = 1; round <= rounds(); round++) {
        manage(world->client, round, &error);
    }
    g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
    g_assert_no_error(error);
    (void)command(world, startup, sizeof(startup));
    g_assert_cmphex(command(world, get_random, sizeof(get_random)), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/threads/client/asks", World, NULL, world_up, client_asks, world_down);
    g_test_add("/threads/client/hashes", World, NULL, world_up, client_hashes, world_down);
    g_test_add("/threads/client/state", World, NULL, world_up, client_moves_state, world_down);
    for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strdup_printf("/threads/client/lies/%s", lies[i].what);
        g_test_add_data_func(path, &lies[i], client_is_lied_to);
    }
    g_test_add_func("/threads/client/patience", client_does_not_wait_for_ever);
    g_test_add_func("/threads/client/nobody", client_finds_nobody);
    g_test_add("/threads/both", World, NULL, world_up, both_at_once, world_down);
    return g_test_run();
}
