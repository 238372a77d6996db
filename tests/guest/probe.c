/*
 * probe.c - what a process may do where it runs: for guest-selinux.sh and guest-apparmor.sh.
 *
 * Usage: probe [--profile NAME] ACTION WORD
 *     read FILE        its content goes to standard output
 *     label FILE       its SELinux label goes there
 *     connect PORT     of 127.0.0.1, TCP
 *     unix SOCKET      connects
 *     tpm SOCKET       as QEMU does: connects, hands over a data channel (SET_DATAFD), INIT, GetRandom
 *     run PROGRAM      in its place
 *     signal PID       SIGTERM
 * With --profile it goes into that AppArmor profile first, as a child of libvirt does. Exit code: 0
 * done, 1 refused, and by what is on standard error, 2 wrong usage.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool enter(const char *profile)
{
    char words[256];
    int n = snprintf(words, sizeof(words), "changeprofile %s", profile);
    int fd = open("/proc/self/attr/current", O_WRONLY);
    bool done = fd >= 0 && write(fd, words, (size_t)n) == n;
    close(fd);
    return done;
}

static bool act_read(const char *word)
{
    char data[4096];
    int fd = open(word, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));
    if (n > 0) {
        fwrite(data, 1, (size_t)n, stdout);
    }
    return n >= 0;
}

static bool act_label(const char *word)
{
    char label[256];
    ssize_t n = lgetxattr(word, "security.selinux", label, sizeof(label));
    if (n > 0) {
        printf("%.*s\n", (int)n, label);
    }
    return n > 0;
}

static bool act_connect(const char *word)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(word)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        fd = -1;
    }
    return fd;
}

static bool act_unix(const char *word)
{
    return connect_unix(word) >= 0;
}

static bool answered(int fd, const uint8_t *request, size_t size, size_t want)
{
    uint8_t answer[64];
    return write(fd, request, size) == (ssize_t)size &&
           recv(fd, answer, want, MSG_WAITALL) == (ssize_t)want;
}

static bool hand_over(int control, int data)
{
    uint8_t command[4] = { 0, 0, 0, 0x10 };
    uint8_t result[4] = { 1 };
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof(int))];
    } extra = { .room = { 0 } };
    struct iovec part = { .iov_base = command, .iov_len = sizeof(command) };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof(extra)
    };
    extra.header.cmsg_level = SOL_SOCKET;
    extra.header.cmsg_type = SCM_RIGHTS;
    extra.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&extra.header), &data, sizeof(int));
    return sendmsg(control, &message, 0) == sizeof(command) &&
           recv(control, result, sizeof(result), MSG_WAITALL) == sizeof(result) &&
           memcmp(result, "\0\0\0\0", sizeof(result)) == 0;
}

static bool act_tpm(const char *word)
{
    static const uint8_t init[8] = { 0, 0, 0, 2 };
    static const uint8_t startup[12] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44 };
    static const uint8_t get_random[12] = { 0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16 };
    int pair[2];
    int control = connect_unix(word);
    return control >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
           hand_over(control, pair[1]) && close(pair[1]) == 0 &&
           answered(control, init, sizeof(init), 4) &&
           answered(pair[0], startup, sizeof(startup), 10) &&
           answered(pair[0], get_random, sizeof(get_random), 28);
}

static bool act_run(const char *word)
{
    execl(word, word, (char *)NULL);
    return false;
}

static bool act_signal(const char *word)
{
    int number = atoi(word);
    return number > 1 && kill((pid_t)number, SIGTERM) == 0;
}

static const struct {
    const char *name;
    bool (*act)(const char *word);
} actions[] = {
    { "read", act_read }, { "label", act_label }, { "connect", act_connect }, { "unix", act_unix },
    { "tpm", act_tpm },   { "run", act_run },     { "signal", act_signal },
};

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--profile") == 0) {
        if (!enter(argv[2])) {
            fprintf(stderr, "probe: profile %s: %s\n", argv[2], strerror(errno));
            return 1;
        }
        argc -= 2;
        argv += 2;
    }
    for (size_t i = 0; argc == 3 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(argv[1], actions[i].name) == 0) {
            errno = 0;
            if (actions[i].act(argv[2])) {
                return 0;
            }
            fprintf(stderr, "probe: %s %s: %s\n", argv[1], argv[2], strerror(errno));
            return 1;
        }
    }
    fprintf(stderr, "usage: probe [--profile NAME] ACTION WORD\n");
    return 2;
}
