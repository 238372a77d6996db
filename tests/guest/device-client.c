/*
 * device-client.c - a client of /dev/vtpm (holdfast cuse), for the guest of guest-devices.sh.
 *
 * Usage: device-client DEVICE. Every ioctl with the number and the structure that swtpm's callers
 * use, spelled out here on purpose and not taken from our own tables; TPM commands by write and
 * read; what must be refused. Prints "ok WHAT" or "not-ok WHAT" for each check. The TPM is a TPM 2
 * with a new state, off. It is shut down at the end.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PIECE 3072u

typedef union {
    struct {
        uint32_t flags, type, offset;
    } request;
    struct {
        uint32_t result, flags, total, length;
        uint8_t data[PIECE];
    } response;
} GetBlob;

typedef union {
    struct {
        uint32_t flags, type, length;
        uint8_t data[PIECE];
    } request;
    uint32_t result;
} SetBlob;

typedef union {
    struct {
        uint32_t length;
        uint8_t data[4096];
    } request;
    uint32_t result;
} HashData;

typedef union {
    uint32_t size;
    struct {
        uint32_t result, size, min, max;
    } response;
} BufferSize;

typedef union {
    struct {
        uint64_t flags;
        uint32_t offset, zero;
    } request;
    struct {
        uint32_t result, total, length;
        char text[PIECE];
    } response;
} GetInfo;

typedef struct {
    uint32_t result;
    uint8_t bit, zero[3];
} Established;

typedef struct {
    uint32_t result, flags;
} Config;

#define GET_CAPABILITY _IOR('P', 0, uint64_t)
#define INIT _IOWR('P', 1, uint32_t)
#define SHUTDOWN _IOR('P', 2, uint32_t)
#define GET_ESTABLISHED _IOR('P', 3, Established)
#define SET_LOCALITY _IOWR('P', 4, uint32_t)
#define HASH_START _IOR('P', 5, uint32_t)
#define HASH_DATA _IOWR('P', 6, HashData)
#define HASH_END _IOR('P', 7, uint32_t)
#define CANCEL _IOR('P', 8, uint32_t)
#define STORE_VOLATILE _IOR('P', 9, uint32_t)
#define RESET_ESTABLISHED _IOWR('P', 10, uint32_t)
#define GET_STATEBLOB _IOWR('P', 11, GetBlob)
#define SET_STATEBLOB _IOWR('P', 12, SetBlob)
#define STOP _IOR('P', 13, uint32_t)
#define GET_CONFIG _IOR('P', 14, Config)
#define SET_DATAFD _IOR('P', 15, uint32_t)
#define SET_BUFFERSIZE _IOWR('P', 16, BufferSize)
#define GET_INFO _IOWR('P', 17, GetInfo)
#define LOCK_STORAGE _IOWR('P', 18, uint32_t)

typedef struct {
    uint8_t data[256 * 1024];
    size_t size;
} Blob;

static void check(bool good, const char *what)
{
    int number = errno;
    printf("%s %s\n", good ? "ok" : "not-ok", what);
    if (!good) {
        fprintf(stderr, "failed: %s (errno %d)\n", what, number);
    }
    fflush(stdout);
}

/* A command whose argument and answer are one word. */
static uint32_t plain(int fd, unsigned long request, uint32_t word)
{
    return ioctl(fd, request, &word) == 0 ? word : 0xffff0000u + (uint32_t)errno;
}

static bool refused(int fd, unsigned long request, int number)
{
    uint8_t room[8192] = { 0 };
    return ioctl(fd, request, room) == -1 && errno == number;
}

/* A command by write; its response by read. Returns the response code, or ~0. */
static uint32_t command(int fd, const void *data, size_t size, uint8_t *response, ssize_t *ret_size)
{
    if (write(fd, data, size) != (ssize_t)size) {
        return ~0u;
    }
    *ret_size = read(fd, response, 4096);
    if (*ret_size < 10) {
        return ~0u;
    }
    return (uint32_t)response[6] << 24 | (uint32_t)response[7] << 16 | (uint32_t)response[8] << 8 |
           response[9];
}

static const uint8_t startup[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0 };
static const uint8_t get_random[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16 };
static const uint8_t pcr_extend[] = { 0x80, 2, 0, 0, 0, 0x41, 0,    0, 1, 0x82, 0, 0, 0,
                                      0x10, 0, 0, 0, 9, 0x40, 0,    0, 9, 0,    0, 0, 0,
                                      0,    0, 0, 0, 1, 0,    0x0b, 1, 1, 1,    1, 1, 1,
                                      1,    1, 1, 1, 1, 1,    1,    1, 1, 1,    1, 1, 1,
                                      1,    1, 1, 1, 1, 1,    1,    1, 1, 1,    1, 1, 1 };
static const uint8_t pcr_read[] = { 0x80, 1, 0, 0, 0, 0x14, 0, 0, 1, 0x7e,
                                    0,    0, 0, 1, 0, 0x0b, 3, 0, 0, 1 };
/* NV_DefineSpace of index 0x1500010, 2048 bytes. */
static const uint8_t nv_define[] = { 0x80, 2, 0, 0, 0, 0x2d, 0,    0, 1,    0x2a, 0x40, 0,
                                     0,    1, 0, 0, 0, 9,    0x40, 0, 0,    9,    0,    0,
                                     0,    0, 0, 0, 0, 0,    0x0e, 1, 0x50, 0,    0x10, 0,
                                     0x0b, 0, 2, 0, 2, 0,    0,    8, 0 };
/* CreatePrimary of an RSA key of 3072 bits in the null hierarchy. */
static const uint8_t make_key[] = {
    0x80, 2, 0,    0, 0,    0x43, 0, 0, 1, 0x31, 0x40, 0, 0, 7, 0,    0, 0, 9, 0x40, 0, 0, 9, 0, 0,
    0,    0, 0,    0, 4,    0,    0, 0, 0, 0,    0x1a, 0, 1, 0, 0x0b, 0, 3, 4, 0x72, 0, 0, 0, 6, 0,
    0x80, 0, 0x43, 0, 0x10, 0x0c, 0, 0, 0, 0,    0,    0, 0, 0, 0,    0, 0, 0, 0
};

static uint32_t run(int fd, const uint8_t *data, size_t size)
{
    uint8_t response[4096];
    ssize_t n = 0;
    return command(fd, data, size, response, &n);
}

#define RUN(fd, array) run(fd, array, sizeof(array))

static void test_stopped(int fd, const char *device)
{
    uint64_t bits = 0;
    BufferSize size = { .size = 0 };
    Config config = { 9, 9 };
    Established established = { .result = 9 };
    check(ioctl(fd, GET_CAPABILITY, &bits) == 0 && bits == 0x16fff,
          "GET_CAPABILITY: everything but SET_DATAFD and command headers");
    check(open(device, O_RDWR) == -1 && errno == EBUSY, "a second open is refused with EBUSY");
    check(RUN(fd, get_random) == 0x101, "a command while the TPM is off fails");
    check(ioctl(fd, GET_CONFIG, &config) == 0 && config.result == 0 && config.flags == 0,
          "GET_CONFIG: no keys");
    check(ioctl(fd, GET_ESTABLISHED, &established) == 0 && established.result == 0x0a,
          "GET_TPMESTABLISHED while it is off: 0x0a");
    check(ioctl(fd, SET_BUFFERSIZE, &size) == 0 && size.response.result == 0 &&
              size.response.max == 4096,
          "SET_BUFFERSIZE: asks");
    check(plain(fd, HASH_START, 0) == 0x0a, "HASH_START while it is off: 0x0a");
    check(plain(fd, CANCEL, 0) == 0x0a, "CANCEL while it is off: 0x0a");
    check(plain(fd, STORE_VOLATILE, 0) == 0x0a, "STORE_VOLATILE while it is off: 0x0a");
    GetBlob blob = { .request = { 1, 1, 0 } };
    check(ioctl(fd, GET_STATEBLOB, &blob) == 0 && blob.response.result == 0x0a,
          "GET_STATEBLOB while it is off: 0x0a");
    check(plain(fd, STOP, 0) == 0, "STOP while it is off");
}

static void test_refused_ioctls(int fd)
{
    check(refused(fd, _IO('P', 0), EINVAL), "refused: right number without a size");
    check(refused(fd, _IOWR('P', 1, uint64_t), EINVAL), "refused: right number, wrong size");
    check(refused(fd, _IOR('P', 1, uint32_t), EINVAL), "refused: right number, wrong direction");
    check(refused(fd, _IOR('P', 19, uint32_t), EINVAL), "refused: a number too high");
    check(refused(fd, _IOWR('Q', 1, uint32_t), EINVAL), "refused: another type");
    check(refused(fd, SET_DATAFD, EINVAL), "refused: SET_DATAFD, which is for sockets");
    check(refused(fd, TCGETS, EINVAL), "refused: TCGETS");
    check(ioctl(fd, INIT, NULL) == -1 && errno == EFAULT, "refused: a pointer to nothing");
    check(plain(fd, SET_LOCALITY, 5) == 0x3d, "SET_LOCALITY 5: 0x3d");
    uint8_t much[5000] = { 0 };
    check(write(fd, much, 4097) == -1 && errno == E2BIG, "refused: a command of 4097 bytes");
}

static void test_commands(int fd)
{
    uint8_t response[4096];
    check(plain(fd, INIT, 0) == 0, "INIT");
    check(RUN(fd, startup) == 0, "Startup");
    check(RUN(fd, get_random) == 0, "GetRandom");
    check(read(fd, response, sizeof(response)) == 0, "a response is read once");
    bool whole = write(fd, get_random, sizeof(get_random)) == sizeof(get_random) &&
                 read(fd, response, 10) == 10 && response[5] == 28 &&
                 read(fd, response + 10, 4000) == 18;
    check(whole, "a response can be read in pieces");
    check(run(fd, get_random, 5) != 0, "a command of five bytes is answered with an error");
    check(run(fd, get_random, 11) != 0, "a command that is cut off is answered with an error");
    BufferSize size = { .size = 4000 };
    check(ioctl(fd, SET_BUFFERSIZE, &size) == 0 && size.response.result == 0x0a,
          "SET_BUFFERSIZE sets nothing while it is on");
    GetInfo info = { .request = { 1, 0, 0 } };
    check(ioctl(fd, GET_INFO, &info) == 0 && info.response.result == 0 &&
              info.response.length == info.response.total &&
              strstr(info.response.text, "TPMSpecification") != NULL,
          "GET_INFO");
    info.request.flags = 1;
    info.request.offset = 100000;
    check(ioctl(fd, GET_INFO, &info) == 0 && info.response.result == 3,
          "GET_INFO beyond the end: 3");
}

static void test_hash(int fd)
{
    HashData hash = { .request = { .length = 4 } };
    Established established = { .result = 9 };
    memcpy(hash.request.data, "boot", 4);
    check(plain(fd, HASH_START, 0) == 0, "HASH_START");
    check(ioctl(fd, HASH_DATA, &hash) == 0 && hash.result == 0, "HASH_DATA");
    hash.request.length = 4097;
    check(ioctl(fd, HASH_DATA, &hash) == 0 && hash.result == 3, "HASH_DATA of 4097 bytes: 3");
    hash.request.length = 4096;
    check(ioctl(fd, HASH_DATA, &hash) == 0 && hash.result == 0, "HASH_DATA of 4096 bytes");
    check(plain(fd, HASH_END, 0) == 0, "HASH_END");
    check(ioctl(fd, GET_ESTABLISHED, &established) == 0 && established.bit == 1,
          "GET_TPMESTABLISHED: 1 after the sequence");
    check(plain(fd, RESET_ESTABLISHED, 5) == 0x3d, "RESET_TPMESTABLISHED from 5: 0x3d");
    check(plain(fd, RESET_ESTABLISHED, 3) == 0, "RESET_TPMESTABLISHED from 3");
    check(ioctl(fd, GET_ESTABLISHED, &established) == 0 && established.bit == 0, "it is reset");
    check(plain(fd, SET_LOCALITY, 3) == 0 && plain(fd, SET_LOCALITY, 0) == 0, "SET_LOCALITY");
}

/* A blob by ioctls alone, or by one ioctl and reads. */
static bool get_blob(int fd, uint32_t type, bool by_read, Blob *blob)
{
    GetBlob piece;
    uint32_t total = 0;
    blob->size = 0;
    do {
        memset(&piece, 0, sizeof(piece));
        piece.request.flags = 1;
        piece.request.type = type;
        piece.request.offset = (uint32_t)blob->size;
        if (ioctl(fd, GET_STATEBLOB, &piece) != 0 || piece.response.result != 0 ||
            piece.response.length > PIECE || piece.response.length == 0 ||
            blob->size + piece.response.length > sizeof(blob->data)) {
            return false;
        }
        memcpy(blob->data + blob->size, piece.response.data, piece.response.length);
        blob->size += piece.response.length;
        total = piece.response.total;
    } while (!by_read && blob->size < total);
    while (blob->size < total) {
        ssize_t n = read(fd, blob->data + blob->size, 1000);
        if (n <= 0) {
            return false;
        }
        blob->size += (size_t)n;
    }
    return blob->size == total;
}

static uint32_t set_piece(int fd, uint32_t type, const uint8_t *data, size_t size)
{
    SetBlob piece = { .request = { .type = type, .length = (uint32_t)size } };
    if (size > 0 && size <= PIECE) {
        memcpy(piece.request.data, data, size);
    }
    return ioctl(fd, SET_STATEBLOB, &piece) == 0 ? piece.result : ~0u;
}

static uint32_t set_blob(int fd, uint32_t type, const Blob *blob)
{
    uint32_t result = 0;
    for (size_t at = 0; at <= blob->size && result == 0; at += PIECE) {
        size_t left = blob->size - at;
        result = set_piece(fd, type, blob->data + at, left < PIECE ? left : PIECE);
    }
    return result;
}

static uint32_t set_blob_by_write(int fd, uint32_t type, const Blob *blob)
{
    uint32_t result = set_piece(fd, type, NULL, 0);
    for (size_t at = 0; at < blob->size && result == 0; at += 700) {
        size_t n = blob->size - at < 700 ? blob->size - at : 700;
        result = write(fd, blob->data + at, n) == (ssize_t)n ? 0 : ~0u;
    }
    return result == 0 ? set_piece(fd, type, NULL, 0) : result;
}

typedef struct {
    Blob permanent, volatile_state;
    uint8_t pcr[4096]; /* the response of PCR_Read */
} Saved;

static void test_state_out(int fd, Saved *saved)
{
    static Blob again;
    ssize_t n = 0;
    uint8_t another[sizeof(nv_define)];
    memcpy(another, nv_define, sizeof(another));
    another[34]++; /* of another index */
    check(RUN(fd, nv_define) == 0 && RUN(fd, another) == 0, "NV_DefineSpace, twice");
    check(RUN(fd, pcr_extend) == 0, "PCR_Extend");
    check(command(fd, pcr_read, sizeof(pcr_read), saved->pcr, &n) == 0 && n == 62, "PCR_Read");
    check(plain(fd, STORE_VOLATILE, 0) == 0, "STORE_VOLATILE");
    check(plain(fd, LOCK_STORAGE, 0) == 0, "LOCK_STORAGE: it is locked");
    check(get_blob(fd, 1, false, &saved->permanent) && saved->permanent.size > PIECE,
          "the permanent state, of several pieces, by ioctls");
    check(get_blob(fd, 1, true, &again) && again.size == saved->permanent.size &&
              memcmp(again.data, saved->permanent.data, again.size) == 0,
          "the same by one ioctl and reads");
    check(RUN(fd, get_random) == 0, "after it read gives responses again");
    check(get_blob(fd, 2, true, &saved->volatile_state), "the volatile state");
    GetBlob none = { .request = { 1, 3, 0 } };
    check(ioctl(fd, GET_STATEBLOB, &none) == 0 && none.response.result == 0x800,
          "the save state, which there is not: 0x800");
    GetBlob other = { .request = { 1, 4, 0 } };
    check(ioctl(fd, GET_STATEBLOB, &other) == 0 && other.response.result == 9,
          "a state that nobody knows: 9");
}

static void test_state_in(int fd, const Saved *saved)
{
    const Blob *permanent = &saved->permanent;
    uint8_t pcr[4096];
    ssize_t n = 0;
    check(set_piece(fd, 1, permanent->data, 100) == 0x0a, "SET_STATEBLOB while it is on: 0x0a");
    check(plain(fd, STOP, 0) == 0, "STOP");
    check(set_piece(fd, 4, permanent->data, 100) == 3, "SET_STATEBLOB of an unknown type: 3");
    check(set_piece(fd, 1, permanent->data, PIECE + 1) == 3, "SET_STATEBLOB of 3073 bytes: 3");
    check(set_piece(fd, 1, permanent->data, 100) != 0, "half a state is refused");
    check(set_blob(fd, 1, permanent) == 0, "the permanent state goes back by ioctls");
    check(set_blob_by_write(fd, 2, &saved->volatile_state) == 0, "the volatile state by writes");
    check(plain(fd, INIT, 1) == 0, "INIT with them");
    check(command(fd, pcr_read, sizeof(pcr_read), pcr, &n) == 0 && n == 62 &&
              memcmp(saved->pcr + 10, pcr + 10, 52) == 0,
          "the PCR is what it was");
    check(plain(fd, STOP, 0) == 0 && set_blob_by_write(fd, 1, permanent) == 0 &&
              plain(fd, INIT, 1) == 0 && RUN(fd, startup) == 0,
          "the permanent state by writes");
}

static void test_endless_state(int fd)
{
    uint8_t piece[4096] = { 0 };
    bool stopped = false;
    check(plain(fd, STOP, 0) == 0 && set_piece(fd, 1, piece, PIECE) == 0, "a blob begins");
    for (int i = 0; i < 300 && !stopped; i++) {
        stopped = write(fd, piece, sizeof(piece)) == -1 && errno == EFBIG;
    }
    check(stopped, "and is refused when it has no end");
    check(plain(fd, INIT, 0) == 0 && RUN(fd, startup) == 0, "the TPM that is stored starts");
}

typedef struct {
    int fd;
    uint32_t code;
} Reader;

static void *read_code(void *user)
{
    Reader *reader = user;
    uint8_t response[4096] = { 0 };
    ssize_t n = read(reader->fd, response, sizeof(response));
    reader->code = n >= 10 ? (uint32_t)response[8] << 8 | response[9] : ~0u;
    return NULL;
}

static void test_cancel(int fd)
{
    pthread_t thread;
    Reader reader = { fd, ~0u };
    check(write(fd, make_key, sizeof(make_key)) == sizeof(make_key), "a long command begins");
    check(write(fd, get_random, sizeof(get_random)) == -1 && errno == EBUSY,
          "a second command meanwhile is refused with EBUSY");
    pthread_create(&thread, NULL, read_code, &reader);
    check(plain(fd, SET_LOCALITY, 0) == 0, "SET_LOCALITY meanwhile");
    uint64_t bits = 0;
    check(ioctl(fd, GET_CAPABILITY, &bits) == 0 && bits != 0, "GET_CAPABILITY meanwhile");
    check(plain(fd, CANCEL, 0) == 0, "CANCEL meanwhile");
    pthread_join(thread, NULL);
    check(reader.code == 0x909, "the command was cancelled");
    check(RUN(fd, get_random) == 0, "and the next one works");
}

static void on_alarm(int number)
{
    (void)number;
}

static void test_interrupt(int fd)
{
    uint8_t response[4096];
    const struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
    check(write(fd, make_key, sizeof(make_key)) == sizeof(make_key), "a long command again");
    const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
    setitimer(ITIMER_REAL, &soon, NULL);
    check(read(fd, response, sizeof(response)) == -1 && errno == EINTR,
          "a signal interrupts the read");
    check(plain(fd, CANCEL, 0) == 0 && read(fd, response, sizeof(response)) == 10,
          "the response is there for the next read");
}

/* A client dies while its command runs; the next one opens the device. */
static void test_orphan(int fd, const char *device)
{
    uint8_t response[4096];
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        int own = open(device, O_RDWR);
        bool begun = own >= 0 && write(own, make_key, sizeof(make_key)) == sizeof(make_key);
        kill(getpid(), begun ? SIGKILL : SIGTERM);
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a client dies over its command");
    int next = open(device, O_RDWR);
    check(next >= 0, "the next client can open the device");
    check(read(next, response, sizeof(response)) == 0, "and finds no response of another");
    check(RUN(next, get_random) == 0, "its commands work");
    check(plain(next, SHUTDOWN, 0) == 0, "SHUTDOWN");
    close(next);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: device-client DEVICE\n");
        return 2;
    }
    static Saved saved;
    int fd = open(argv[1], O_RDWR);
    check(fd >= 0, "the device can be opened");
    test_stopped(fd, argv[1]);
    test_refused_ioctls(fd);
    test_commands(fd);
    test_hash(fd);
    test_state_out(fd, &saved);
    test_state_in(fd, &saved);
    test_endless_state(fd);
    test_cancel(fd);
    test_interrupt(fd);
    test_orphan(fd, argv[1]);
    return 0;
}
