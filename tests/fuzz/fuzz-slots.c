/*
 * fuzz-slots.c - a slots file, through the medium on a file in memory: read, written, read again.
 *
 * No fuzzer finds a SHA-256. So a file whose byte 255 is odd has the digests of its slots
 * made right first: what a hostile author of a file can do, the fuzzer can do, too.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz_store.h"
#include "state/slot_format.h"
#include "state/store_slots.h"

#define FLAG 255u /* after the header, before the slots */

static void make_right(uint8_t *data, size_t size, const HfSlotsHeader *header)
{
    HfEnvelope *plain = hf_envelope_plain_new();

    for (unsigned i = 0; i < HF_SLOTS; i++) {
        HfSlotHead head;
        uint64_t at = hf_slot_offset(i);
        if (at + HF_SLOT_HEAD_SIZE <= size &&
            hf_slot_head_read(&head, data + at, i, header->id) == HF_SLOT_HEAD &&
            at + hf_slot_span(&head) <= size) {
            hf_slot_seal(&head, header->id, plain, data + at);
        }
    }
    hf_envelope_free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    HfStoreConfig config = { .tpm2 = true, .medium_ops = &fuzz_medium };
    g_autofree uint8_t *copy = g_memdup2(data, size);
    HfSlotsHeader header;
    if (size > FLAG && (data[FLAG] & 1) && hf_slots_header_read(&header, copy, "input", NULL)) {
        make_right(copy, size, &header);
    }
    const char *path = fuzz_file(copy, size);
    g_autoptr(HfStore) store = hf_store_slots_open(path, &config, &error);
    fuzz_told(store != NULL, &error);
    fuzz_store_use(store, path, copy, size);
    return 0;
}
