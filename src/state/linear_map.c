/*
 * linear_map.c - reading, writing and planning the header of a linear file; see linear_map.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/linear_map.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define FORMAT_VERSION 1u
#define MAGIC_SIZE 8u

static const uint8_t magic[MAGIC_SIZE] = { 'n', 'i', 'l', 'm', 'p', 't', 'w', 's' };

HfLinearKind hf_linear_kind(const uint8_t *header, size_t size)
{
    static const uint8_t erased[] = {
        0, 0, 0, 0, 0, 0, 0, 0, FORMAT_VERSION, 0, HF_LINEAR_HEADER_SIZE, 0
    };

    if (size >= sizeof magic && memcmp(header, magic, sizeof magic) == 0) {
        return HF_LINEAR_OURS;
    }
    return size >= HF_LINEAR_HEADER_SIZE && memcmp(header, erased, sizeof erased) == 0
               ? HF_LINEAR_ERASED
               : HF_LINEAR_FOREIGN;
}

static bool overlap(const HfLinearSection *a, const HfLinearSection *b)
{
    return a->offset != 0 && b->offset != 0 && a->offset < b->offset + (uint64_t)b->room &&
           b->offset < a->offset + (uint64_t)a->room;
}

static bool check_section(const HfLinearMap *map, unsigned i, uint64_t size, const char *label,
                          GError **error)
{
    const HfLinearSection *s = &map->slot[i];

    if (s->offset == 0) {
        return true;
    }
    if (s->offset < HF_LINEAR_HEADER_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: section %u at offset %u lies in the header of %u bytes", label, i,
                            s->offset, HF_LINEAR_HEADER_SIZE);
    }
    if (s->used > s->room) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: section %u has %u bytes of data in a room of %u", label, i,
                            s->used, s->room);
    }
    if (s->offset + (uint64_t)s->used > size) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: section %u reaches past the end: it is truncated", label, i);
    }
    for (unsigned j = 0; j < i; j++) {
        if (overlap(s, &map->slot[j])) {
            return hf_error_set(error, HF_ERROR_INVALID, "%s: sections %u and %u overlap", label, j,
                                i);
        }
    }
    return true;
}

bool hf_linear_map_read(HfLinearMap *ret_map, const uint8_t header[HF_LINEAR_HEADER_SIZE],
                        uint64_t size, const char *label, GError **error)
{
    HfReader reader = hf_reader(header, HF_LINEAR_HEADER_SIZE);
    HfLinearMap map;
    uint8_t version;
    uint16_t header_size;

    (void)hf_reader_bytes(&reader, MAGIC_SIZE);
    version = hf_reader_u8(&reader);
    (void)hf_reader_u8(&reader);
    header_size = hf_reader_u16_le(&reader);
    if (version != FORMAT_VERSION || header_size != HF_LINEAR_HEADER_SIZE) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: expected a linear store of version %u with a header of %u bytes, "
                            "found version %u with one of %u",
                            label, FORMAT_VERSION, HF_LINEAR_HEADER_SIZE, version, header_size);
    }
    for (unsigned i = 0; i < HF_LINEAR_SLOTS; i++) {
        map.slot[i].offset = hf_reader_u32_le(&reader);
        map.slot[i].used = hf_reader_u32_le(&reader);
        map.slot[i].room = hf_reader_u32_le(&reader);
        if (!check_section(&map, i, size, label, error)) {
            return false;
        }
    }
    *ret_map = map;
    return true;
}

void hf_linear_map_write(const HfLinearMap *map, uint8_t ret_header[HF_LINEAR_HEADER_SIZE])
{
    g_autoptr(GByteArray) out = g_byte_array_sized_new(HF_LINEAR_HEADER_SIZE);

    hf_put_bytes(out, magic, sizeof magic);
    hf_put_u8(out, FORMAT_VERSION);
    hf_put_u8(out, 0);
    hf_put_u16_le(out, HF_LINEAR_HEADER_SIZE);
    for (unsigned i = 0; i < HF_LINEAR_SLOTS; i++) {
        hf_put_u32_le(out, map->slot[i].offset);
        hf_put_u32_le(out, map->slot[i].used);
        hf_put_u32_le(out, map->slot[i].room);
    }
    g_assert(out->len == HF_LINEAR_HEADER_SIZE);
    memcpy(ret_header, out->data, out->len);
}

/* The end of the last section that is in the way, or 0 when none is. */
static uint64_t obstacle(const HfLinearMap *map, const HfLinearSection *wanted)
{
    uint64_t end = 0;

    for (size_t i = 0; i < HF_LINEAR_SLOTS; i++) {
        if (overlap(wanted, &map->slot[i])) {
            end = MAX(end, map->slot[i].offset + (uint64_t)map->slot[i].room);
        }
    }
    return end;
}

static bool place(const HfLinearMap *map, uint64_t limit, HfLinearSection *section)
{
    uint64_t offset = HF_LINEAR_HEADER_SIZE;

    /* Every step goes behind a section, so the number of sections bounds the steps. */
    while (offset + section->room <= MIN(limit, UINT32_MAX)) {
        section->offset = (uint32_t)offset;
        offset = obstacle(map, section);
        if (offset == 0) {
            return true;
        }
    }
    return false;
}

bool hf_linear_map_place(const HfLinearMap *map, uint32_t used, uint64_t limit,
                         HfLinearSection *ret_section)
{
    HfLinearSection section = { .used = used, .room = 1 };

    g_assert(used > 0 && used <= UINT32_MAX / 2);
    while (section.room < used) {
        section.room *= 2;
    }
    if (!place(map, limit, &section)) {
        section.room = used;
        if (!place(map, limit, &section)) {
            return false;
        }
    }
    *ret_section = section;
    return true;
}
