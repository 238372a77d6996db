/*
 * engine_shim.h - functions of libcrypto and libc that this folder defines in their place, for
 * libtpms.
 *
 * With shared libraries a symbol of the executable wins over the library's: HF_SHIM(f) is f itself,
 * exported by ENGINE_LDFLAGS, and the library's is found by dlsym. In a static program both would
 * collide: HF_SHIM(f) is __wrap_f, to which the linker leads calls of f (-Wl,--wrap=f), and
 * the library's is __real_f. Each shim is in a file of its own and says what it is for.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_SHIM_H
#define HOLDFAST_ENGINE_SHIM_H

#ifdef HF_STATIC_ENGINE
/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's names */
#define HF_SHIM(function) __wrap_##function
/* Declares the library's own; `pointer` becomes its address. */
#define HF_REAL_DECLARE(type, function, arguments) \
    type __real_##function arguments;              \
    type __wrap_##function arguments;
#define HF_REAL(pointer, function) ((pointer) = __real_##function)
#else
#include <dlfcn.h>
#include <string.h>
#define HF_SHIM(function) function
#define HF_REAL_DECLARE(type, function, arguments)
#define HF_REAL(pointer, function)                   \
    do {                                             \
        void *found = dlsym(RTLD_NEXT, #function);   \
        memcpy(&(pointer), &found, sizeof(pointer)); \
    } while (0)
#endif

#endif
