/*
 * slot_format.c - reading and writing the header and the heads of slots; see slot_format.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "state/slot_format.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/secret.h"
#include "crypto/hash.h"

#define FORMAT_VERSION 1u
#define FLAG_HELD 1u
#define FAMILY_2_0 2u
#define FAMILY_1_2 1u
#define HEADER_DIGEST_AT 96u
#define HEAD_DIGEST_AT 64u

static const uint8_t file_magic[16] = { 'h', 'o', 'l', 'd', 'f', 'a', 's',  't',
                                        '-', 's', 'l', 'o', 't', 's', '\r', '\n' };
static const uint8_t slot_magic[8] = { 'h', 'f', 's', 'l', 'o', 't', '\r', '\n' };

bool hf_slots_header_looks(const uint8_t *data, size_t size)
{
    return size >= sizeof file_magic && memcmp(data, file_magic, sizeof file_magic) == 0;
}

static bool check_header(uint8_t min_version, uint16_t header_size, uint8_t family, uint8_t flags,
                         const char *label, GError **error)
{
    if (min_version != FORMAT_VERSION || header_size != HF_SLOTS_HEADER_SIZE) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: expected slots for a reader of version %u with a header of %u "
                            "bytes, found version %u with one of %u",
                            label, FORMAT_VERSION, HF_SLOTS_HEADER_SIZE, min_version, header_size);
    }
    if (family != FAMILY_2_0 && family != FAMILY_1_2) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: expected the family %u or %u of a TPM, found %u", label,
                            FAMILY_1_2, FAMILY_2_0, family);
    }
    if ((flags & ~FLAG_HELD) != 0) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED, "%s: unknown flags 0x%x", label,
                            flags & ~FLAG_HELD);
    }
    return true;
}

bool hf_slots_header_read(HfSlotsHeader *ret_header, const uint8_t data[HF_SLOTS_HEADER_SIZE],
                          const char *label, GError **error)
{
    HfReader reader = hf_reader(data, HF_SLOTS_HEADER_SIZE);
    HfSlotsHeader header = { 0 };
    uint8_t digest[HF_SLOT_DIGEST_SIZE];
    uint8_t min_version, family, flags;
    uint16_t header_size;

    (void)hf_reader_bytes(&reader, sizeof file_magic);
    (void)hf_reader_u8(&reader);
    min_version = hf_reader_u8(&reader);
    header_size = hf_reader_u16(&reader);
    family = hf_reader_u8(&reader);
    flags = hf_reader_u8(&reader);
    (void)hf_reader_bytes(&reader, 10);
    memcpy(header.id, hf_reader_bytes(&reader, sizeof header.id), sizeof header.id);
    hf_hash_sha256_bare(data, HEADER_DIGEST_AT, digest);
    if (memcmp(digest, data + HEADER_DIGEST_AT, sizeof digest) != 0) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: the header is damaged: its SHA-256 is not right", label);
    }
    if (!check_header(min_version, header_size, family, flags, label, error)) {
        return false;
    }
    header.tpm2 = family == FAMILY_2_0;
    header.held = (flags & FLAG_HELD) != 0;
    *ret_header = header;
    return true;
}

void hf_slots_header_write(const HfSlotsHeader *header, uint8_t ret_data[HF_SLOTS_HEADER_SIZE])
{
    memset(ret_data, 0, HF_SLOTS_HEADER_SIZE);
    memcpy(ret_data, file_magic, sizeof file_magic);
    ret_data[16] = FORMAT_VERSION;
    ret_data[17] = FORMAT_VERSION;
    hf_store_u16(ret_data + 18, HF_SLOTS_HEADER_SIZE);
    ret_data[20] = header->tpm2 ? FAMILY_2_0 : FAMILY_1_2;
    ret_data[21] = header->held ? FLAG_HELD : 0;
    memcpy(ret_data + 32, header->id, sizeof header->id);
    hf_hash_sha256_bare(ret_data, HEADER_DIGEST_AT, ret_data + HEADER_DIGEST_AT);
}

uint32_t hf_slot_room(unsigned index)
{
    g_assert(index < HF_SLOTS);
    return HF_SLOT_FIRST_ROOM << (index / 2);
}

uint64_t hf_slot_offset(unsigned index)
{
    uint32_t room = hf_slot_room(index);

    /* All smaller pairs together: twice the difference to the first room. */
    return HF_SLOTS_BEGIN + 2u * (uint64_t)(room - HF_SLOT_FIRST_ROOM) +
           (index % 2 ? (uint64_t)room : 0);
}

uint32_t hf_slot_blob_at(const HfSlotHead *head, HfStateKind kind)
{
    uint32_t at = HF_SLOT_HEAD_SIZE;

    for (unsigned i = 0; i < (unsigned)kind; i++) {
        at += head->size[i];
    }
    return at;
}

uint32_t hf_slot_span(const HfSlotHead *head)
{
    return hf_slot_blob_at(head, HF_STATE_COUNT);
}

static bool all_zero(const uint8_t *data, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++) {
        any |= data[i];
    }
    return any == 0;
}

HfSlotKind hf_slot_head_read(HfSlotHead *ret_head, const uint8_t data[HF_SLOT_HEAD_SIZE],
                             unsigned index, const uint8_t id[HF_SLOTS_ID_SIZE])
{
    HfReader reader = hf_reader(data, HF_SLOT_HEAD_SIZE);
    HfSlotHead head = { 0 };
    uint32_t room = hf_slot_room(index) - HF_SLOT_HEAD_SIZE;

    if (all_zero(data, HF_SLOT_HEAD_SIZE)) {
        return HF_SLOT_UNUSED;
    }
    if (memcmp(hf_reader_bytes(&reader, sizeof slot_magic), slot_magic, sizeof slot_magic) != 0 ||
        memcmp(hf_reader_bytes(&reader, HF_SLOTS_ID_SIZE), id, HF_SLOTS_ID_SIZE) != 0) {
        return HF_SLOT_OTHER;
    }
    head.number = hf_reader_u64(&reader);
    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        head.size[i] = hf_reader_u32(&reader);
        if (head.size[i] > room) {
            return HF_SLOT_OTHER;
        }
        room -= head.size[i];
    }
    (void)hf_reader_bytes(&reader, HEAD_DIGEST_AT - reader.offset);
    memcpy(head.digest, hf_reader_bytes(&reader, sizeof head.digest), sizeof head.digest);
    memcpy(head.tag, hf_reader_bytes(&reader, sizeof head.tag), sizeof head.tag);
    if (head.number == 0) {
        return HF_SLOT_OTHER;
    }
    *ret_head = head;
    return HF_SLOT_HEAD;
}

/* Over the head without digest and tag, and the blobs. */
static void digest_of(const uint8_t *slot, uint32_t span, uint8_t ret_digest[HF_SLOT_DIGEST_SIZE])
{
    const HfHashPiece pieces[] = { { slot, HEAD_DIGEST_AT },
                                   { slot + HF_SLOT_HEAD_SIZE, span - HF_SLOT_HEAD_SIZE } };

    hf_hash_sha256_pieces(pieces, G_N_ELEMENTS(pieces), ret_digest);
}

bool hf_slot_intact(const HfSlotHead *head, const uint8_t *slot)
{
    uint8_t digest[HF_SLOT_DIGEST_SIZE];

    digest_of(slot, hf_slot_span(head), digest);
    return memcmp(digest, head->digest, sizeof digest) == 0;
}

static void tag_of(const HfSlotHead *head, HfEnvelope *envelope,
                   uint8_t ret_tag[HF_ENVELOPE_TAG_SIZE])
{
    static const char purpose[] = "holdfast slots 1"; /* its zero byte included */
    uint8_t message[sizeof purpose + HF_SLOT_DIGEST_SIZE];

    memcpy(message, purpose, sizeof purpose);
    memcpy(message + sizeof purpose, head->digest, HF_SLOT_DIGEST_SIZE);
    envelope->class->tag(envelope, message, sizeof message, ret_tag);
}

void hf_slot_seal(HfSlotHead *head, const uint8_t id[HF_SLOTS_ID_SIZE], HfEnvelope *envelope,
                  uint8_t *slot)
{
    uint8_t *at = slot + sizeof slot_magic;

    memset(slot, 0, HF_SLOT_HEAD_SIZE);
    memcpy(slot, slot_magic, sizeof slot_magic);
    memcpy(at, id, HF_SLOTS_ID_SIZE);
    at += HF_SLOTS_ID_SIZE;
    hf_store_u32(at, (uint32_t)(head->number >> 32));
    hf_store_u32(at + 4, (uint32_t)head->number);
    for (unsigned i = 0; i < HF_STATE_COUNT; i++) {
        hf_store_u32(at + 8 + 4 * i, head->size[i]);
    }
    digest_of(slot, hf_slot_span(head), head->digest);
    tag_of(head, envelope, head->tag);
    memcpy(slot + HEAD_DIGEST_AT, head->digest, sizeof head->digest);
    memcpy(slot + HEAD_DIGEST_AT + sizeof head->digest, head->tag, sizeof head->tag);
}

bool hf_slot_authentic(const HfSlotHead *head, HfEnvelope *envelope)
{
    uint8_t tag[HF_ENVELOPE_TAG_SIZE];

    tag_of(head, envelope, tag);
    return hf_secret_equal(tag, head->tag, sizeof tag);
}
