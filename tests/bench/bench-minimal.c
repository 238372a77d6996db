/*
 * bench-minimal.c - the limit: libtpms behind two sockets, and nothing else.
 *
 * Takes the command line that bench-driver gives a subject, of which it looks at --tpmstate dir=,
 * clientfd= and --fd. It answers CMD_INIT and serves TPM commands; it has no sandbox, no options,
 * no other control commands, and stores state by plain write. Four bytes on the data channel, which are
 * no command, are a count N in this machine's order, and sent back: each command is then run N times and the
 * median of the time inside TPMLIB_Process (nanoseconds, 8 bytes) follows the response.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <fcntl.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <libtpms/tpm_nvfilename.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int state_dir; /* libtpms' callbacks carry no user pointer */

static TPM_RESULT nvram_init(void)
{
    return TPM_SUCCESS;
}

static TPM_RESULT load(unsigned char **data, uint32_t *length, uint32_t number, const char *name)
{
    int fd = openat(state_dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    (void)number;
    if (fd < 0) {
        return TPM_RETRY;
    }
    *data = malloc(512 * 1024);
    n = *data ? read(fd, *data, 512 * 1024) : -1;
    (void)close(fd);
    *length = (uint32_t)n;
    return n >= 0 ? TPM_SUCCESS : TPM_FAIL;
}

static TPM_RESULT store(const unsigned char *data, uint32_t length, uint32_t number,
                        const char *name)
{
    int fd = openat(state_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd >= 0 ? write(fd, data, length) : -1;

    (void)number;
    (void)close(fd);
    return n == (ssize_t)length ? TPM_SUCCESS : TPM_FAIL;
}

static TPM_RESULT drop(uint32_t number, const char *name, TPM_BOOL must_exist)
{
    (void)number;
    (void)must_exist;
    (void)unlinkat(state_dir, name, 0);
    return TPM_SUCCESS;
}

static TPM_RESULT locality(TPM_MODIFIER_INDICATOR *ret, uint32_t number)
{
    (void)number;
    *ret = 0;
    return TPM_SUCCESS;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#define REPEAT_MAX 100000u

/* Reads and answers commands; the bytes of a command come at once. */
static void serve(int fd)
{
    static int64_t times[REPEAT_MAX];
    uint32_t repeat = 0;
    unsigned char command[4096], copy[4096];
    unsigned char *response = NULL;
    uint32_t size = 0, room = 0;
    ssize_t n;

    while ((n = read(fd, command, sizeof(command))) > 0) {
        if (n == (ssize_t)sizeof(repeat)) {
            memcpy(&repeat, command, sizeof(repeat));
            repeat = repeat < REPEAT_MAX ? repeat : REPEAT_MAX;
            if (write(fd, command, sizeof(repeat)) != (ssize_t)sizeof(repeat)) {
                break;
            }
            continue;
        }
        for (size_t i = 0; i < repeat || i == 0; i++) {
            memcpy(copy, command, (size_t)n);
            times[i] = -now();
            (void)TPMLIB_Process(&response, &size, &room, copy, (uint32_t)n);
            times[i] += now();
        }
        if (repeat > 0) {
            qsort(times, repeat, sizeof(*times), compare);
            response = realloc(response, room + sizeof(*times));
            memcpy(response + size, &times[repeat / 2], sizeof(*times));
            size += (uint32_t)sizeof(*times);
        }
        if (write(fd, response, size) != (ssize_t)size) {
            break;
        }
    }
    free(response);
}

int main(int argc, char **argv)
{
    struct libtpms_callbacks callbacks = { .sizeOfStruct = sizeof(callbacks),
                                           .tpm_nvram_init = nvram_init,
                                           .tpm_nvram_loaddata = load,
                                           .tpm_nvram_storedata = store,
                                           .tpm_nvram_deletename = drop,
                                           .tpm_io_getlocality = locality };
    int control = -1, data = -1;
    unsigned char request[8];

    for (int i = 1; i + 1 < argc; i++) {
        if (strncmp(argv[i], "dir=", 4) == 0) {
            state_dir = open(argv[i] + 4, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        } else if (strncmp(argv[i], "type=unixio,clientfd=", 21) == 0) {
            control = (int)strtol(argv[i] + 21, NULL, 10);
        } else if (strcmp(argv[i], "--fd") == 0) {
            data = (int)strtol(argv[i + 1], NULL, 10);
        }
    }
    if (TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) != TPM_SUCCESS ||
        TPMLIB_RegisterCallbacks(&callbacks) != TPM_SUCCESS ||
        read(control, request, sizeof(request)) != (ssize_t)sizeof(request)) {
        return EXIT_FAILURE;
    }
    uint32_t result = TPMLIB_MainInit() == TPM_SUCCESS ? 0 : UINT32_MAX;
    if (write(control, &result, sizeof(result)) != (ssize_t)sizeof(result)) {
        return EXIT_FAILURE;
    }
    serve(data);
    return EXIT_SUCCESS;
}
