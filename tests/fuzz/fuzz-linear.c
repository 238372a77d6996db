/*
 * fuzz-linear.c - swtpm's linear file, through the medium on a file in memory: read, written,
 * read again. A file that is refused is left as it is.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "fuzz_store.h"
#include "state/linear_map.h"
#include "state/store_linear.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    const char *path = fuzz_file(data, size);
    HfStoreConfig config = { .tpm2 = true, .medium_ops = &fuzz_medium };
    if (size >= HF_LINEAR_HEADER_SIZE) {
        HfLinearMap map;
        HfLinearSection section;
        fuzz_told(hf_linear_map_read(&map, data, size, "input", &error), &error);
        if (hf_linear_map_read(&map, data, size, "input", NULL)) {
            (void)hf_linear_map_place(&map, 1000, UINT32_MAX, &section);
        }
    }
    g_autoptr(HfStore) store = hf_store_linear_open(path, &config, &error);
    fuzz_told(store != NULL, &error);
    fuzz_store_use(store, path, data, size);
    return 0;
}
