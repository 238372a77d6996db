/*
 * device-attack.c - clients with bad manners of the devices of `holdfast cuse` and the vTPM proxy,
 * for the guest of guest-devices.sh.
 *
 * Usage: device-attack cuse DEVICE      a new TPM 2, off; it is running at the end
 *        device-attack proxy DEVICE     /dev/tpmN of the proxy, in use by nobody else
 *        device-attack lost DEVICE      a command that takes long; whoever starts this kills the
 *                                       emulator meanwhile. DEVICE is running.
 * Prints "ok WHAT" or "not-ok WHAT" for each check, as device-client does.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define ROOM (4u * PAGE)

/* The requests that exist: number, direction, size. */
static const struct {
    unsigned char number, direction;
    unsigned short size;
} known[] = {
    { 0, _IOC_READ, 8 },
    { 1, _IOC_READ | _IOC_WRITE, 4 },
    { 2, _IOC_READ, 4 },
    { 3, _IOC_READ, 8 },
    { 4, _IOC_READ | _IOC_WRITE, 4 },
    { 5, _IOC_READ, 4 },
    { 6, _IOC_READ | _IOC_WRITE, 4100 },
    { 7, _IOC_READ, 4 },
    { 8, _IOC_READ, 4 },
    { 9, _IOC_READ, 4 },
    { 10, _IOC_READ | _IOC_WRITE, 4 },
    { 11, _IOC_READ | _IOC_WRITE, 3088 },
    { 12, _IOC_READ | _IOC_WRITE, 3084 },
    { 13, _IOC_READ, 4 },
    { 14, _IOC_READ, 8 },
    { 16, _IOC_READ | _IOC_WRITE, 16 },
    { 17, _IOC_READ | _IOC_WRITE, 3088 },
    { 18, _IOC_READ | _IOC_WRITE, 4 },
};

#define KNOWN (sizeof(known) / sizeof(known[0]))
#define SHUTDOWN_NUMBER 2
#define REQUEST(i) _IOC((unsigned)known[i].direction, 'P', (unsigned)known[i].number, known[i].size)
#define INIT _IOWR('P', 1, uint32_t)

static const uint8_t startup[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0 };
static const uint8_t get_random[] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16 };
/* CreatePrimary of an RSA key of 3072 bits in the null hierarchy. */
static const uint8_t make_key[] = {
    0x80, 2, 0,    0, 0,    0x43, 0, 0, 1, 0x31, 0x40, 0, 0, 7, 0,    0, 0, 9, 0x40, 0, 0, 9, 0, 0,
    0,    0, 0,    0, 4,    0,    0, 0, 0, 0,    0x1a, 0, 1, 0, 0x0b, 0, 3, 4, 0x72, 0, 0, 0, 6, 0,
    0x80, 0, 0x43, 0, 0x10, 0x0c, 0, 0, 0, 0,    0,    0, 0, 0, 0,    0, 0, 0, 0
};
static uint8_t *volatile nowhere; /* the compiler need not know */

/* What the kernel's driver says to the proxy: SetLocality 4. */
static const uint8_t set_locality[] = { 0x80, 1, 0, 0, 0, 11, 0x20, 0, 0x10, 0, 4 };

static void check(bool good, const char *what)
{
    int number = errno;
    printf("%s %s\n", good ? "ok" : "not-ok", what);
    if (!good) {
        fprintf(stderr, "failed: %s (errno %d)\n", what, number);
    }
    fflush(stdout);
}

static bool works(int fd)
{
    uint8_t response[PAGE];
    return write(fd, get_random, sizeof(get_random)) == (ssize_t)sizeof(get_random) &&
           read(fd, response, sizeof(response)) == 28;
}

static bool starts(int fd)
{
    uint32_t word = 0;
    uint8_t response[PAGE];
    return ioctl(fd, INIT, &word) == 0 && word == 0 &&
           write(fd, startup, sizeof(startup)) == (ssize_t)sizeof(startup) &&
           read(fd, response, sizeof(response)) == 10;
}

/* The last `size` bytes before a page that is not there. */
static uint8_t *edge(size_t size)
{
    uint8_t *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || munmap(room + ROOM - PAGE, PAGE) != 0) {
        exit(2);
    }
    return room + ROOM - PAGE - size;
}

static bool is_known(unsigned direction, unsigned number, unsigned size)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i].direction == direction && known[i].number == number && known[i].size == size) {
            return true;
        }
    }
    return false;
}

static void test_requests(int fd)
{
    static const unsigned sizes[] = { 0, 1, 3, 4, 5, 8, 16, 3084, 3088, 4096, 4100, 16383 };
    static uint8_t room[ROOM];
    unsigned wrong = 0;
    for (unsigned number = 0; number < 24; number++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            for (unsigned direction = 0; direction < 4; direction++) {
                unsigned long request = _IOC(direction, 'P', number, sizes[s]);
                if (!is_known(direction, number, sizes[s]) &&
                    (ioctl(fd, request, room) != -1 || errno != EINVAL)) {
                    fprintf(stderr, "request 0x%lx: errno %d\n", request, errno);
                    wrong++;
                }
            }
        }
    }
    check(wrong == 0, "refused: every number with every other size and direction");
    check(works(fd), "the TPM goes on after that");
}

static void test_pointers(int fd)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < KNOWN; i++) {
        size_t size = known[i].size;
        if (known[i].number == SHUTDOWN_NUMBER) {
            continue; /* it is done before its answer is written */
        }
        wrong += ioctl(fd, REQUEST(i), NULL) != -1 || errno != EFAULT;
        wrong += ioctl(fd, REQUEST(i), (void *)~0xfffUL) != -1 || errno != EFAULT;
        /* All but the last byte is there. */
        uint8_t *cut = edge(size - 1);
        memset(cut, 0, size - 1);
        wrong += ioctl(fd, REQUEST(i), cut) != -1 || errno != EFAULT;
        if (wrong != 0) {
            fprintf(stderr, "request %u: errno %d\n", known[i].number, errno);
        }
    }
    check(wrong == 0, "refused: every request with pointers to nothing, and to too little");
    check(starts(fd) && works(fd), "the TPM starts after that");
    check(write(fd, nowhere, 12) == -1 && errno == EFAULT, "refused: a command from nowhere");
    bool lost = write(fd, get_random, sizeof(get_random)) == (ssize_t)sizeof(get_random) &&
                read(fd, nowhere, 28) == -1 && errno == EFAULT;
    check(lost, "refused: a response to nowhere");
    check(works(fd), "the next command has its own response");
}

/* What the words of a request say, as far as it may go. */
static void test_words(int fd)
{
    static uint32_t words[ROOM / 4];
    bool good = true;
    for (int type = 0; type < 8; type++) {
        memset(words, 0xff, sizeof(words));
        words[1] = (uint32_t)type;
        good = good && ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 11, 3088), words) == 0 &&
               (words[0] != 0 || words[3] == 0);
    }
    check(good, "GET_STATEBLOB beyond every end gives nothing");
    memset(words, 0xff, sizeof(words));
    check(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 6, 4100), words) == 0 && words[0] == 3,
          "HASH_DATA of 4 GiB: 3");
    memset(words, 0xff, sizeof(words));
    check(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 17, 3088), words) == 0 && words[0] == 3,
          "GET_INFO beyond the end: 3");
    memset(words, 0xff, sizeof(words));
    check(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 4, 4), words) == 0 && words[0] == 0x3d,
          "SET_LOCALITY 0xffffffff: 0x3d");
    words[0] = 0;
    check(ioctl(fd, _IOC(_IOC_READ, 'P', 13, 4), words) == 0 && words[0] == 0, "STOP");
    memset(words, 0xff, sizeof(words));
    words[1] = 1;
    check(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 12, 3084), words) == 0 && words[0] == 9,
          "SET_STATEBLOB of 4 GiB: 9");
    memset(words, 0xff, sizeof(words));
    check(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'P', 16, 16), words) == 0 && words[0] == 0 &&
              words[1] == words[3],
          "SET_BUFFERSIZE of 4 GiB sets the largest");
    check(starts(fd) && works(fd), "the TPM starts after that");
}

static void test_pieces(int fd)
{
    uint8_t response[PAGE];
    ssize_t got = 0;
    bool good = write(fd, get_random, sizeof(get_random)) == (ssize_t)sizeof(get_random) &&
                read(fd, response, 0) == 0;
    while (good && got < 28) {
        good = read(fd, response + got, 1) == 1;
        got++;
    }
    check(good && read(fd, response, 1) == 0 && response[5] == 28, "a response, byte by byte");
    uint8_t halves[sizeof(get_random)];
    memcpy(halves, get_random, sizeof(halves));
    struct iovec parts[] = { { halves, 6 }, { halves + 6, 6 } };
    check(writev(fd, parts, 2) == 12 && read(fd, response, sizeof(response)) == 28,
          "a command from two places in memory");
    check(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ENODEV,
          "refused: to be mapped");
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    check(poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0, "poll says that it can be written to");
}

/* Two processes with one descriptor. */
static void test_shared(int fd)
{
    uint8_t response[PAGE];
    bool begun = write(fd, make_key, sizeof(make_key)) == (ssize_t)sizeof(make_key);
    pid_t child = fork();
    if (child == 0) {
        ssize_t n = read(fd, response, sizeof(response));
        _exit(n >= 10 ? 1 : n == -1 && errno == EBUSY ? 2 : 3);
    }
    ssize_t n = read(fd, response, sizeof(response));
    int own = n >= 10 ? 1 : n == -1 && errno == EBUSY ? 2 : 3;
    int status = 0;
    waitpid(child, &status, 0);
    /* Whoever comes too late finds the response taken: an empty read. */
    int other = WEXITSTATUS(status);
    check(begun && (own == 1) + (other == 1) == 1 && (own != 3 || other != 3),
          "two that read at once: one has the response");
    check(works(fd), "the next command works");
}

/* Opens the device, tells what came of it, and keeps it until all have told: `go` ends. */
static void open_and_tell(const char *device, int told, int go)
{
    int fd = open(device, O_RDWR);
    char word = fd >= 0 ? 'i' : errno == EBUSY ? 'b' : 'x';
    _exit(write(told, &word, 1) == 1 && read(go, &word, 1) == 0 ? 0 : 1);
}

/* Many open at once: one gets in, and the next when that one has left. */
static void test_openers(const char *device)
{
    enum { CROWD = 8 };
    int go[2];
    int done[2];
    int in = 0;
    int busy = 0;
    if (pipe(go) != 0 || pipe(done) != 0) {
        exit(2);
    }
    for (int i = 0; i < CROWD; i++) {
        if (fork() == 0) {
            close(go[1]);
            open_and_tell(device, done[1], go[0]);
        }
    }
    for (int i = 0; i < CROWD; i++) {
        char word = 0;
        if (read(done[0], &word, 1) == 1) {
            in += word == 'i';
            busy += word == 'b';
        }
    }
    close(go[1]);
    while (wait(NULL) > 0) {
    }
    check(in == 1 && busy == CROWD - 1, "of eight that open at once one gets in");
    int fd = open(device, O_RDWR | O_NONBLOCK);
    check(fd >= 0 && works(fd), "and the next when all have left");
    close(fd);
    fd = open(device, O_RDONLY);
    check(fd >= 0 && write(fd, get_random, 12) == -1 && errno == EBADF,
          "refused: to write to what is open for reading");
    close(fd);
}

static int attack_cuse(const char *device)
{
    int fd = open(device, O_RDWR);
    check(fd >= 0 && starts(fd) && works(fd), "the device is open, its TPM starts");
    test_requests(fd);
    test_pointers(fd);
    test_words(fd);
    test_pieces(fd);
    test_shared(fd);
    close(fd);
    test_openers(device);
    return 0;
}

static int attack_proxy(const char *device)
{
    static uint8_t much[2 * PAGE];
    uint8_t response[PAGE];
    int fd = open(device, O_RDWR);
    check(fd >= 0 && works(fd), "the device is open");
    check(open(device, O_RDWR) == -1 && errno == EBUSY, "a second open is refused with EBUSY");
    check(write(fd, set_locality, sizeof(set_locality)) == -1,
          "refused: the kernel's own command from a user");
    check(works(fd), "the next command works");
    check(write(fd, get_random, 5) == -1 && errno == EINVAL, "refused: five bytes");
    check(write(fd, get_random, 11) == -1 && errno == EINVAL, "refused: a command that is cut off");
    memcpy(much, get_random, sizeof(get_random));
    check(write(fd, much, sizeof(much)) == -1 && errno == E2BIG, "refused: a command of 8 KiB");
    check(write(fd, nowhere, 12) == -1 && errno == EFAULT, "refused: a command from nowhere");
    check(works(fd), "the next command works, too");
    bool left = write(fd, get_random, sizeof(get_random)) == (ssize_t)sizeof(get_random);
    close(fd);
    fd = open(device, O_RDWR | O_NONBLOCK);
    check(left && fd >= 0 && read(fd, response, sizeof(response)) <= 0,
          "the next client finds no response of another");
    close(fd);
    return 0;
}

static int lose(const char *device)
{
    uint8_t response[PAGE];
    int fd = open(device, O_RDWR);
    /* A proxy's device answers in write(), CUSE's in read(). */
    ssize_t n = write(fd, make_key, sizeof(make_key));
    if (n == (ssize_t)sizeof(make_key)) {
        n = read(fd, response, sizeof(response));
    }
    check(fd >= 0 && n == -1, "who waits for a response is told that there will be none");
    check(write(fd, get_random, sizeof(get_random)) == -1, "and the device is dead");
    uint32_t word = 0;
    check(ioctl(fd, INIT, &word) == -1, "to its ioctls, too");
    check(close(fd) == 0, "it can be closed");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "cuse") == 0) {
        return attack_cuse(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "proxy") == 0) {
        return attack_proxy(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "lost") == 0) {
        return lose(argv[2]);
    }
    fprintf(stderr, "usage: device-attack cuse|proxy|lost DEVICE\n");
    return 2;
}
