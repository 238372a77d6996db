/*
 * fuse_library.c - finds libfuse3's functions.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "emulator/fuse_library.h"

#include <dlfcn.h>
#include <stddef.h>

#include "base/error.h"

HfFuse the_fuse;

#ifdef HF_STATIC_EMULATOR

#define TAKE(name) .name = name,

bool hf_fuse_load(GError **error G_GNUC_UNUSED)
{
    the_fuse = (HfFuse){ HF_FUSE_FUNCTIONS(TAKE) };
    return true;
}

#else

#define ROW(member) { #member, offsetof(HfFuse, member) },

static const struct {
    const char *name;
    size_t offset;
} rows[] = { HF_FUSE_FUNCTIONS(ROW) };

bool hf_fuse_load(GError **error)
{
    HfFuse found;
    void *library = dlopen(HF_FUSE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED, "the command cuse needs libfuse3: %s",
                            dlerror());
    }
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        void *symbol = dlsym(library, rows[i].name);
        if (!symbol) {
            return hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: there is no %s in it",
                                HF_FUSE_LIBRARY, rows[i].name);
        }
        G_STRUCT_MEMBER(void *, &found, rows[i].offset) = symbol;
    }
    the_fuse = found;
    return true;
}

#endif
