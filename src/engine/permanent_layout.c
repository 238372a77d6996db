/*
 * permanent_layout.c - the strict reader of a fresh permanent state.
 *
 *     PERSISTENT_ALL       u16 version 3 or 4, u32 magic, u16 minimum; version 4: u16 size, profile
 *     PACompileConstants   u16 version, u32 magic, u16 minimum; u32 count, count times u32; block
 *     PERSISTENT_DATA      u16 version 4 or 5, u32 magic, u16 minimum; what `persistent_data` reads
 *     ORDERLY_DATA         its magic, and more that is not looked at
 *     u32 magic of PERSISTENT_ALL again, at the very end
 *
 * All big-endian. A block is u8 1, u16 size, and that many bytes: what newer versions add.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "engine/permanent_layout.h"

#include "base/bytes.h"
#include "base/error.h"

#define ALL_MAGIC 0xab364723u
#define CONSTANTS_MAGIC 0xc9ea6431u
#define DATA_MAGIC 0x12213443u
#define ORDERLY_MAGIC 0x56657887u
#define CONSTANTS_COUNT 120u
#define PROFILE_MAX 16384u
#define BANKS_MAX 16u
#define LIST_MAX 64u

static bool unknown(GError **error, const char *what, uint32_t found)
{
    return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "the state of this libtpms has a form that is not known: %s, found 0x%x",
                        what, found);
}

/* What every part begins with. */
static bool header(HfReader *r, uint32_t magic, uint16_t low, uint16_t high, uint16_t *ret_version,
                   const char *what, GError **error)
{
    uint16_t version = hf_reader_u16(r);
    uint32_t found = hf_reader_u32(r);

    (void)hf_reader_u16(r); /* the oldest reader it is for */
    if (r->failed || found != magic) {
        return unknown(error, what, found);
    }
    if (version < low || version > high) {
        return unknown(error, what, version);
    }
    *ret_version = version;
    return true;
}

/* The contents of a block, and that there is one. */
static HfReader block(HfReader *r)
{
    uint8_t there = hf_reader_u8(r);
    uint16_t size = hf_reader_u16(r);
    HfReader content = hf_reader_sub(r, size);

    content.failed = content.failed || there != 1;
    return content;
}

static bool is_empty_block(HfReader *r)
{
    HfReader content = block(r);

    return hf_reader_done(&content);
}

static bool compile_constants(HfReader *r, GError **error)
{
    uint16_t version;
    uint32_t count;

    if (!header(r, CONSTANTS_MAGIC, 3, 3, &version, "compile constants", error)) {
        return false;
    }
    count = hf_reader_u32(r);
    if (r->failed || count != CONSTANTS_COUNT) {
        return unknown(error, "number of compile constants", count);
    }
    (void)hf_reader_bytes(r, 4 * (size_t)count);
    return is_empty_block(r) || unknown(error, "end of the compile constants", 0);
}

/* TPML_PCR_SELECTION */
static bool skip_pcr_selection(HfReader *r)
{
    uint32_t count = hf_reader_u32(r);

    for (uint32_t i = 0; i < count && count <= BANKS_MAX; i++) {
        (void)hf_reader_u16(r);
        (void)hf_reader_bytes(r, hf_reader_u8(r));
    }
    return !r->failed && count <= BANKS_MAX;
}

/* u16 size and that many bytes. */
static bool skip_list(HfReader *r)
{
    HfReader list = hf_reader_tpm2b(r, LIST_MAX);

    return !list.failed && !r->failed;
}

static bool read_seeds(HfReader *r, HfPermanentLayout *layout, GError **error)
{
    for (unsigned i = 0; i < 6; i++) {
        uint16_t size = hf_reader_u16(r);

        if (r->failed || size != 0) {
            return hf_error_set(error, HF_ERROR_STATE,
                                "the TPM is not a new one: a hierarchy has a%s",
                                i < 3 ? " policy" : "n auth value");
        }
    }
    for (unsigned i = 0; i < HF_SEEDS; i++) {
        uint16_t size = hf_reader_u16(r);

        if (r->failed || size != HF_SEED_SIZE) {
            return unknown(error, "size of a seed or proof", size);
        }
        layout->at[i] = r->offset;
        (void)hf_reader_bytes(r, HF_SEED_SIZE);
    }
    return !r->failed || unknown(error, "seeds", 0);
}

/* The block at the end: PCR shadow, and in a block of its own the levels of the three seeds. */
static bool read_levels(HfReader *r, HfPermanentLayout *layout, GError **error)
{
    HfReader tail = block(r);
    HfReader levels;

    if (!skip_pcr_selection(&tail)) {
        return unknown(error, "PCR selection at the end of the persistent data", 0);
    }
    levels = block(&tail);
    layout->compat_level = hf_reader_u8(&levels);
    (void)hf_reader_u16(&levels);
    if (!is_empty_block(&levels) || !hf_reader_done(&levels) || !hf_reader_done(&tail)) {
        return unknown(error, "end of the persistent data", (uint32_t)r->offset);
    }
    return true;
}

static bool persistent_data(HfReader *r, HfPermanentLayout *layout, GError **error)
{
    uint16_t version;
    uint8_t clock_size;
    HfReader policies;

    if (!header(r, DATA_MAGIC, 4, 5, &version, "persistent data", error)) {
        return false;
    }
    (void)hf_reader_u8(r);       /* disableClear */
    (void)hf_reader_bytes(r, 6); /* algorithms of the three policies */
    if (!read_seeds(r, layout, error)) {
        return false;
    }
    (void)hf_reader_bytes(r, 8 + 4); /* total and other reset count */
    policies = block(r);
    if (policies.failed || !skip_pcr_selection(r) || !skip_list(r)) {
        return unknown(error, "PCR policies and allocation", (uint32_t)r->offset);
    }
    (void)hf_reader_bytes(r, 4 * 4 + 1 + 2); /* lockout numbers, orderly state */
    if (!skip_list(r)) {
        return unknown(error, "audited commands", (uint32_t)r->offset);
    }
    (void)hf_reader_bytes(r, 2 + 8 + 3 * 4); /* audit hash and counter, firmware versions */
    clock_size = hf_reader_u8(r);
    if (r->failed || (clock_size != 4 && clock_size != 8)) {
        return unknown(error, "size of the clock's epoch", clock_size);
    }
    (void)hf_reader_bytes(r, clock_size);
    return read_levels(r, layout, error);
}

bool hf_permanent_layout(const void *data, size_t size, HfPermanentLayout *ret_layout,
                         GError **error)
{
    HfReader r = hf_reader(data, size);
    HfPermanentLayout layout = { 0 };
    uint16_t version = 0;

    if (!header(&r, ALL_MAGIC, 3, 4, &version, "permanent state", error)) {
        return false;
    }
    if (version == 4) {
        HfReader profile = hf_reader_tpm2b(&r, PROFILE_MAX);

        if (profile.failed || profile.size == 0) {
            return unknown(error, "profile", (uint32_t)profile.size);
        }
    }
    if (!compile_constants(&r, error) || !persistent_data(&r, &layout, error) ||
        !header(&r, ORDERLY_MAGIC, 0, UINT16_MAX, &version, "orderly data", error)) {
        return false;
    }
    if (hf_reader_left(&r) < 4 || hf_fetch_u32((const uint8_t *)data + size - 4) != ALL_MAGIC) {
        return unknown(error, "end of the permanent state", (uint32_t)size);
    }
    *ret_layout = layout;
    return true;
}
