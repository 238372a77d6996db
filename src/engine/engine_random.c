/*
 * engine_random.c - RAND_bytes of this program: the kernel's random numbers, or no program.
 *
 * libtpms draws its seeds from OpenSSL's RAND_bytes, and when that fails it falls back to
 * rand() seeded with the time without saying so. A symbol of the executable wins over the one of
 * libcrypto, so libtpms gets this one: it cannot fail, and it spares each start OpenSSL's own
 * generator (about 2 ms). The program must export the symbol or, linked statically, wrap it
 * (ENGINE_LDFLAGS); hf_engine_new refuses to work when it does not.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "crypto/random.h"
#include "engine/engine_private.h"
#include "engine/engine_shim.h"

HF_REAL_DECLARE(int, RAND_bytes, (unsigned char *buf, int num))

int HF_SHIM(RAND_bytes)(unsigned char *buf, int num)
{
    if (num < 0) {
        abort();
    }
    hf_random_bytes(buf, (size_t)num);
    return 1;
}

#ifdef HF_STATIC_ENGINE
bool hf_engine_random_linked(void)
{
    /* Without --wrap a plain RAND_bytes is libcrypto's. */
    int (*volatile called)(unsigned char *, int) = RAND_bytes;

    return called == HF_SHIM(RAND_bytes);
}
#else
bool hf_engine_random_linked(void)
{
    int (*own)(unsigned char *, int) = RAND_bytes;
    void *found = dlsym(RTLD_DEFAULT, "RAND_bytes");

    return found != NULL && memcmp(&found, &own, sizeof found) == 0;
}
#endif
