/*
 * fuzz-engine.c - control and data channel of a real TPM: both servers in this process, clients
 * over sockets, state in memory.
 *
 * An input is a list of u8 kind, u16 length (big-endian), bytes: kind & 3 is 0 for a client of the
 * control channel, 1 the same with a descriptor, else a client of the data channel. A client says
 * everything, half closes, and waits until it is disconnected, so an input always does the same.
 * The TPM is manufactured once; every input begins with a copy of it, off.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "emulator/control_server.h"
#include "emulator/data_channel.h"
#include "emulator/emulator.h"
#include "fuzz.h"

#define PARTS_MAX 8
#define INPUT_MAX 16384u

typedef struct {
    HfStore base;
    GBytes *blob[HF_STATE_COUNT];
} MemoryStore;

static GBytes *memory_load(HfStore *store, HfStateKind kind, GError **error)
{
    MemoryStore *memory = (MemoryStore *)store;
    if (!memory->blob[kind]) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "%s is not there", hf_state_kind_name(kind));
        return NULL;
    }
    return g_bytes_ref(memory->blob[kind]);
}

static bool memory_remove(HfStore *store, HfStateKind kind, GError **error)
{
    (void)error;
    g_clear_pointer(&((MemoryStore *)store)->blob[kind], g_bytes_unref);
    return true;
}

static bool memory_save(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                        GError **error)
{
    (void)memory_remove(store, kind, error);
    ((MemoryStore *)store)->blob[kind] = g_bytes_new(data, size);
    return true;
}

static bool memory_stat(HfStore *store, HfStateKind kind, int64_t *ret_size, GError **error)
{
    GBytes *blob = ((MemoryStore *)store)->blob[kind];
    (void)error;
    *ret_size = blob ? (int64_t)g_bytes_get_size(blob) : -1;
    return true;
}

static bool memory_lock(HfStore *store, unsigned retries, GError **error)
{
    (void)store;
    (void)retries;
    (void)error;
    return true;
}

static void memory_unlock(HfStore *store)
{
    (void)store;
}

static void memory_free(HfStore *store)
{
    for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
        (void)memory_remove(store, kind, NULL);
    }
    g_free(store);
}

static const HfStoreClass memory_class = { "memory",    memory_load, memory_save,   memory_remove,
                                           memory_stat, memory_lock, memory_unlock, memory_free };

static MemoryStore *memory_new(GBytes *permanent)
{
    MemoryStore *memory = g_new0(MemoryStore, 1);
    memory->base.class = &memory_class;
    memory->blob[HF_STATE_PERMANENT] = permanent ? g_bytes_ref(permanent) : NULL;
    return memory;
}

static HfEmulator *emulator_new(MemoryStore *memory)
{
    GError *error = NULL;
    HfEmulatorConfig config = { .version = HF_TPM_2_0, .allow_set_locality = true };
    HfEmulator *emulator = hf_emulator_new(&config, &memory->base, &error);
    g_assert_no_error(error);
    return emulator;
}

/* A TPM as it comes from the factory. */
static GBytes *manufacture(void)
{
    MemoryStore *memory = memory_new(NULL);
    g_autoptr(HfEmulator) emulator = emulator_new(memory);
    (void)signal(SIGPIPE, SIG_IGN);
    hf_log_to_fd(-1);
    hf_log_set_level(0);
    g_assert_cmpuint(hf_emulator_init(emulator, 0), ==, 0);
    return g_bytes_ref(memory->blob[HF_STATE_PERMANENT]);
}

typedef struct {
    HfEmulator *emulator;
    HfDataChannel *data;
    HfControlConfig config;
    struct sockaddr_un address;
    socklen_t address_size;
    pthread_t thread;
} Service;

static void *serve(void *user)
{
    Service *service = user;
    (void)hf_control_server_run(service->emulator, service->data, &service->config);
    return NULL;
}

static void service_start(Service *service, GBytes *permanent)
{
    GError *error = NULL;
    HfDataConfig data = { .listener = -1, .connection = -1 };
    service->emulator = emulator_new(memory_new(permanent));
    service->data = hf_data_channel_new(service->emulator, &data, &error);
    g_assert_no_error(error);
    hf_data_channel_open(service->data);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    service->address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    service->address_size = sizeof(service->address);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&service->address, sizeof(sa_family_t)), ==,
                    0); /* a name in no file system, of the kernel's choice */
    g_assert_cmpint(
        getsockname(listener, (struct sockaddr *)&service->address, &service->address_size), ==, 0);
    g_assert_cmpint(listen(listener, 4), ==, 0);
    service->config = (HfControlConfig){ .listener = listener,
                                         .connection = -1,
                                         .signal_fd = eventfd(0, EFD_CLOEXEC) };
    g_assert_cmpint(pthread_create(&service->thread, NULL, serve, service), ==, 0);
}

static void service_stop(Service *service)
{
    hf_emulator_end(service->emulator, 0);
    g_assert_cmpint(pthread_join(service->thread, NULL), ==, 0);
    hf_data_channel_free(service->data);
    hf_emulator_free(service->emulator);
    g_assert_cmpint(close(service->config.signal_fd), ==, 0);
}

static void send_with_descriptor(int fd, const uint8_t *data, size_t size)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    hf_autofd int passed = -1, ours = -1;
    int pair[2];
    struct iovec vector = { .iov_base = g_memdup2(data, size), .iov_len = size };
    struct msghdr message = { .msg_iov = &vector,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    passed = pair[0];
    ours = pair[1]; /* closed at once: the end of the connection */
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof(int));
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
    g_free(vector.iov_base);
}

/* Reads what there is to read, until the other side hangs up. */
static void listen_out(int fd)
{
    uint8_t buffer[65536];
    (void)shutdown(fd, SHUT_WR);
    while (read(fd, buffer, sizeof(buffer)) > 0) {
    }
}

static void control_client(Service *service, const uint8_t *data, size_t size, bool descriptor)
{
    hf_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&service->address, service->address_size) != 0) {
        return; /* a request ended the service */
    }
    if (descriptor && size > 0) {
        send_with_descriptor(fd, data, size);
    } else {
        (void)send(fd, data, size, MSG_NOSIGNAL);
    }
    listen_out(fd);
}

static void data_client(Service *service, const uint8_t *data, size_t size)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    hf_autofd int fd = pair[0];
    g_assert_cmpint(send(fd, data, size, MSG_NOSIGNAL), ==, size);
    if (hf_data_channel_offer(service->data, pair[1])) {
        listen_out(fd);
    } else {
        (void)close(pair[1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GBytes *permanent;
    Service service = { 0 };
    HfReader r = hf_reader(data, size);
    if (size > INPUT_MAX) {
        return 0;
    }
    if (!permanent) {
        permanent = manufacture();
    }
    service_start(&service, permanent);
    for (int i = 0; i < PARTS_MAX && hf_reader_left(&r) > 0; i++) {
        uint8_t kind = hf_reader_u8(&r) & 3;
        HfReader part = hf_reader_tpm2b(&r, INPUT_MAX);
        if (r.failed) {
            break;
        }
        if (kind < 2) {
            control_client(&service, part.data, part.size, kind == 1);
        } else {
            data_client(&service, part.data, part.size);
        }
    }
    service_stop(&service);
    return 0;
}
