/*
 * random.c - getrandom or abort.
 *
 * A caller that could go on without random bytes would make a key anybody can guess, so there is no
 * error to return.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "crypto/random.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

void hf_random_bytes(void *out, size_t n)
{
    static const char message[] = "the kernel gives no random numbers, giving up\n";
    uint8_t *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            /* Never without a word: the operator has to know why the program died. */
            (void)!write(STDERR_FILENO, message, sizeof message - 1);
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}
