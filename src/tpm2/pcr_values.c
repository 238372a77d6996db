/*
 * pcr_values.c - PCR values: kept, digested over a selection, read from the files tpm2-tools write.
 *
 * A values file only claims something; hf_pcr_values_digest compared with a signed quote is what
 * makes it true. So the readers here check form and completeness, nothing else.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/pcr.h"

/* tpm2-tools' "serialized" form: C structs of tpm2-tss as they lie in memory, little-endian. */
#define DUMP_BANK_SIZE 8u                           /* u16 hash, u8 size, 4 bytes of map, padding */
#define DUMP_HEAD_SIZE (4u + 16u * DUMP_BANK_SIZE)  /* u32 count, 16 banks */
#define DUMP_DIGEST_SIZE (2u + HF_HASH_MAX)         /* u16 size, room for the largest digest */
#define DUMP_LIST_SIZE (4u + 8u * DUMP_DIGEST_SIZE) /* u32 count, 8 digests */
#define DUMP_LISTS_MAX (HF_PCR_BANKS_MAX * HF_PCR_COUNT)

struct HfPcrValues {
    GArray *list; /* HfPcrValue */
};

HfPcrValues *hf_pcr_values_new(void)
{
    HfPcrValues *values = g_new0(HfPcrValues, 1);

    values->list = g_array_new(FALSE, TRUE, sizeof(HfPcrValue));
    return values;
}

void hf_pcr_values_free(HfPcrValues *values)
{
    if (values) {
        g_array_unref(values->list);
        g_free(values);
    }
}

const uint8_t *hf_pcr_values_get(const HfPcrValues *values, uint16_t hash, unsigned index)
{
    for (guint i = 0; i < values->list->len; i++) {
        const HfPcrValue *value = &g_array_index(values->list, HfPcrValue, i);

        if (value->hash == hash && value->index == index) {
            return value->digest;
        }
    }
    return NULL;
}

bool hf_pcr_values_add(HfPcrValues *values, uint16_t hash, unsigned index, const void *digest,
                       size_t size, GError **error)
{
    HfPcrValue value = { .hash = hash, .index = index };

    if (hf_hash_size(hash) == 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "PCR values: bank 0x%04x is unknown", hash);
    }
    if (index >= 32) {
        return hf_error_set(error, HF_ERROR_INVALID, "PCR values: there is no PCR %u", index);
    }
    if (size != hf_hash_size(hash)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "PCR values: %s:%u: expected %zu bytes, found %zu", hf_hash_name(hash),
                            index, hf_hash_size(hash), size);
    }
    if (hf_pcr_values_get(values, hash, index)) {
        return hf_error_set(error, HF_ERROR_INVALID, "PCR values: %s:%u is there twice",
                            hf_hash_name(hash), index);
    }
    memcpy(value.digest, digest, size);
    g_array_append_val(values->list, value);
    return true;
}

/* Calls `each` for every selected PCR in the order digests are made. */
typedef bool (*EachPcr)(uint16_t hash, unsigned index, void *user, GError **error);

static bool each_selected(const HfPcrSelection *selection, EachPcr each, void *user, GError **error)
{
    for (uint32_t i = 0; i < selection->count; i++) {
        const HfPcrBank *bank = &selection->banks[i];

        for (unsigned index = 0; index < 32; index++) {
            if ((bank->mask >> index & 1) && !each(bank->hash, index, user, error)) {
                return false;
            }
        }
    }
    return true;
}

typedef struct {
    const HfPcrValues *values;
    HfHash *hash;
} DigestJob;

static bool digest_one(uint16_t hash, unsigned index, void *user, GError **error)
{
    DigestJob *job = user;
    const uint8_t *value = hf_pcr_values_get(job->values, hash, index);

    if (!value) {
        const char *name = hf_hash_name(hash);

        return hf_error_set(error, HF_ERROR_NOT_FOUND, "PCR values: none for %s:%u",
                            name ? name : "unknown bank", index);
    }
    if (job->hash) {
        hf_hash_update(job->hash, value, hf_hash_size(hash));
    }
    return true;
}

bool hf_pcr_values_digest(const HfPcrValues *values, const HfPcrSelection *selection, uint16_t hash,
                          HfDigest *ret_digest, GError **error)
{
    g_autoptr(HfHash) running = hf_hash_new(hash);
    DigestJob job = { values, running };
    HfDigest digest = hf_digest_zero(hash);

    if (!each_selected(selection, digest_one, &job, error)) {
        return false;
    }
    hf_hash_finish(running, digest.data);
    *ret_digest = digest;
    return true;
}

typedef struct {
    HfPcrValues *values;
    HfReader digests;
} ReadJob;

static bool read_one(uint16_t hash, unsigned index, void *user, GError **error)
{
    ReadJob *job = user;
    const uint8_t *digest = hf_reader_bytes(&job->digests, hf_hash_size(hash));

    if (!digest) {
        return hf_error_set(error, HF_ERROR_INVALID, "PCR values: file ends before PCR %u", index);
    }
    return hf_pcr_values_add(job->values, hash, index, digest, hf_hash_size(hash), error);
}

/* Bare digests in the selection's order. */
static HfPcrValues *parse_bare(HfReader digests, const HfPcrSelection *selection, GError **error)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    ReadJob job = { values, digests };

    if (!each_selected(selection, read_one, &job, error)) {
        return NULL;
    }
    if (!hf_reader_done(&job.digests)) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "PCR values: file has %zu bytes more than the selection needs",
                     hf_reader_left(&job.digests));
        return NULL;
    }
    return g_steal_pointer(&values);
}

bool hf_pcr_value_parse(const char *text, HfPcrValue *ret_value, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ":", -1);
    g_autoptr(GBytes) digest = NULL;
    guint64 index = 0;
    uint16_t hash;

    if (g_strv_length(words) != 3 ||
        !g_ascii_string_to_unsigned(words[1], 10, 0, HF_PCR_COUNT - 1, &index, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID, "expected BANK:NUMBER:HEX, found \"%s\"",
                            text);
    }
    hash = hf_hash_by_name(words[0]);
    if (hash == 0) {
        return hf_error_set(error, HF_ERROR_INVALID, "bank %s is unknown", words[0]);
    }
    digest = hf_hex_parse(words[2], "PCR value", error);
    if (!digest) {
        return false;
    }
    if (g_bytes_get_size(digest) != hf_hash_size(hash)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s:%s: expected %zu bytes, found %zu",
                            words[0], words[1], hf_hash_size(hash), g_bytes_get_size(digest));
    }
    *ret_value = (HfPcrValue){ .hash = hash, .index = (unsigned)index };
    memcpy(ret_value->digest, g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));
    return true;
}

/* "sha256:7:HEX" or an empty line or a comment. */
static bool parse_line(char *line, unsigned number, HfPcrValues *values, GError **error)
{
    char *comment = strchr(line, '#');
    HfPcrValue value;

    if (comment) {
        *comment = '\0';
    }
    g_strstrip(line);
    if (line[0] == '\0') {
        return true;
    }
    if (!hf_pcr_value_parse(line, &value, error)) {
        g_prefix_error(error, "PCR values: line %u: ", number);
        return false;
    }
    return hf_pcr_values_add(values, value.hash, value.index, value.digest,
                             hf_hash_size(value.hash), error);
}

static HfPcrValues *parse_text(const void *data, size_t n, const HfPcrSelection *selection,
                               GError **error)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    g_autofree char *text = n > 0 ? g_strndup(data, n) : g_strdup("");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    DigestJob complete = { values, NULL };

    for (unsigned i = 0; lines[i]; i++) {
        if (!parse_line(lines[i], i + 1, values, error)) {
            return NULL;
        }
    }
    return each_selected(selection, digest_one, &complete, error) ? g_steal_pointer(&values) : NULL;
}

/* The head of a dump as a selection. */
static bool dump_selection(HfReader *r, HfPcrSelection *ret_selection, GError **error)
{
    HfPcrSelection selection = { .count = hf_reader_u32_le(r) };

    if (selection.count > HF_PCR_BANKS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "PCR values: expected at most %u banks, found %u", HF_PCR_BANKS_MAX,
                            selection.count);
    }
    for (uint32_t i = 0; i < HF_PCR_BANKS_MAX; i++) {
        HfPcrBank bank = { .hash = hf_reader_u16_le(r), .size = hf_reader_u8(r) };
        unsigned used = MIN(bank.size, 4u);

        for (unsigned byte = 0; byte < 4; byte++) {
            uint32_t map = hf_reader_u8(r);

            bank.mask |= byte < used ? map << (8 * byte) : 0;
        }
        hf_reader_u8(r);
        if (i < selection.count) {
            selection.banks[i] = bank;
        }
    }
    *ret_selection = selection;
    return true;
}

/* Appends the digests of one list. */
static bool dump_list(HfReader *r, GByteArray *digests, GError **error)
{
    uint32_t count = hf_reader_u32_le(r);

    for (uint32_t i = 0; i < 8; i++) {
        uint16_t size = hf_reader_u16_le(r);
        const uint8_t *digest = hf_reader_bytes(r, HF_HASH_MAX);

        if (!digest || count > 8 || size > HF_HASH_MAX) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "PCR values: a list of digests is malformed");
        }
        if (i < count) {
            hf_put_bytes(digests, digest, size);
        }
    }
    return true;
}

static HfPcrValues *parse_dump(const void *data, size_t n, const HfPcrSelection *selection,
                               GError **error)
{
    g_autoptr(GByteArray) digests = g_byte_array_new();
    HfReader r = hf_reader(data, n);
    HfPcrSelection own;
    uint32_t lists;

    if (!dump_selection(&r, &own, error)) {
        return NULL;
    }
    if (!hf_pcr_selection_equal(&own, selection)) {
        g_autofree char *expected = hf_pcr_selection_text(selection);
        g_autofree char *found = hf_pcr_selection_text(&own);

        hf_error_set(error, HF_ERROR_INVALID,
                     "PCR values: expected a file for selection %s, found one for %s", expected,
                     found);
        return NULL;
    }
    lists = hf_reader_u32_le(&r);
    if (lists > DUMP_LISTS_MAX || hf_reader_left(&r) != (size_t)lists * DUMP_LIST_SIZE) {
        hf_error_set(error, HF_ERROR_INVALID, "PCR values: file size does not fit its %u lists",
                     lists);
        return NULL;
    }
    for (uint32_t i = 0; i < lists; i++) {
        if (!dump_list(&r, digests, error)) {
            return NULL;
        }
    }
    return parse_bare(hf_reader(digests->data, digests->len), selection, error);
}

typedef struct {
    const HfPcrValues *values;
    GByteArray *out;
    unsigned count;
} DumpJob;

static bool dump_one(uint16_t hash, unsigned index, void *user, GError **error)
{
    DumpJob *job = user;
    size_t size = hf_hash_size(hash);
    const uint8_t *value = hf_pcr_values_get(job->values, hash, index);
    uint8_t room[HF_HASH_MAX] = { 0 };

    (void)error;
    g_assert(value);
    if (job->count++ % 8 == 0) {
        hf_put_u32_le(job->out, 8); /* digests of this list; the last one's is mended */
    }
    memcpy(room, value, size);
    hf_put_u16_le(job->out, (uint16_t)size);
    hf_put_bytes(job->out, room, sizeof room);
    return true;
}

static void dump_head(const HfPcrSelection *selection, GByteArray *out)
{
    hf_put_u32_le(out, selection->count);
    for (uint32_t i = 0; i < HF_PCR_BANKS_MAX; i++) {
        const HfPcrBank none = { 0 };
        const HfPcrBank *bank = i < selection->count ? &selection->banks[i] : &none;

        hf_put_u16_le(out, bank->hash);
        hf_put_u8(out, bank->size);
        hf_put_u32_le(out, bank->mask);
        hf_put_u8(out, 0);
    }
}

GBytes *hf_pcr_values_dump(const HfPcrValues *values, const HfPcrSelection *selection)
{
    GByteArray *out = g_byte_array_new();
    unsigned total = hf_pcr_selection_total(selection);
    DumpJob job = { values, out, 0 };

    dump_head(selection, out);
    hf_put_u32_le(out, (total + 7) / 8);
    (void)each_selected(selection, dump_one, &job, NULL);
    if (total % 8 != 0) {
        const uint8_t count = total % 8;

        out->data[out->len - count * DUMP_DIGEST_SIZE - 4] = count;
        g_byte_array_set_size(out, out->len + (8 - count) * DUMP_DIGEST_SIZE);
        memset(out->data + out->len - (8 - count) * DUMP_DIGEST_SIZE, 0,
               (8 - count) * DUMP_DIGEST_SIZE);
    }
    return g_byte_array_free_to_bytes(out);
}

static bool is_text(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!g_ascii_isprint(data[i]) && !g_ascii_isspace(data[i])) {
            return false;
        }
    }
    return true;
}

HfPcrValues *hf_pcr_values_parse(const void *data, size_t n, const HfPcrSelection *selection,
                                 GError **error)
{
    size_t bare = 0;

    for (uint32_t i = 0; i < selection->count; i++) {
        const HfPcrBank *bank = &selection->banks[i];

        bare += hf_hash_size(bank->hash) * (size_t)__builtin_popcount(bank->mask);
    }
    if (is_text(data, n)) {
        return parse_text(data, n, selection, error);
    }
    if (n != bare && n > DUMP_HEAD_SIZE + 4 && (n - DUMP_HEAD_SIZE - 4) % DUMP_LIST_SIZE == 0) {
        return parse_dump(data, n, selection, error);
    }
    return parse_bare(hf_reader(data, n), selection, error);
}
