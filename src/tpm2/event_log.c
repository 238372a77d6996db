/*
 * event_log.c - TCG event logs: parsed, replayed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tpm2/event_log.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

#define EV_NO_ACTION 3u
#define SHA1_SIZE 20u
#define BANKS_MAX 8u
#define EVENT_DATA_MAX (256u * 1024u)
#define PCRS 16u
#define FIRMWARE_PCRS 0xffu

static const char signature[16] = "Spec ID Event03";
static const char startup_locality[16] = "StartupLocality";

typedef struct {
    uint16_t hash;
    uint16_t size;
    bool known;
    uint8_t pcrs[PCRS][HF_HASH_MAX];
} Bank;

typedef struct {
    Bank banks[BANKS_MAX];
    uint32_t count;
    bool extended;  /* PCR 0 was, so a start-up locality comes too late */
    HfLogEach each; /* may be NULL */
    void *user;
} Replay;

static bool wrong(GError **error, unsigned event, const char *why)
{
    return hf_error_set(error, HF_ERROR_INVALID, "event log: event %u: %s", event, why);
}

/* The list of algorithms in the first event's data. */
static bool read_algorithms(HfReader *data, Replay *replay, GError **error)
{
    replay->count = hf_reader_u32_le(data);
    if (data->failed || replay->count == 0 || replay->count > BANKS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "event log: header: 1 to %u algorithms expected", BANKS_MAX);
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        Bank *bank = &replay->banks[i];

        bank->hash = hf_reader_u16_le(data);
        bank->size = hf_reader_u16_le(data);
        bank->known = hf_hash_size(bank->hash) != 0;
        if (data->failed || bank->size == 0 || bank->size > HF_HASH_MAX ||
            (bank->known && bank->size != hf_hash_size(bank->hash))) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "event log: header: algorithm 0x%04x: %u bytes do not fit",
                                bank->hash, bank->size);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (replay->banks[j].hash == bank->hash) {
                return hf_error_set(error, HF_ERROR_INVALID,
                                    "event log: header: algorithm 0x%04x is there twice",
                                    bank->hash);
            }
        }
    }
    return true;
}

static bool read_header(HfReader *r, Replay *replay, GError **error)
{
    uint32_t pcr = hf_reader_u32_le(r);
    uint32_t type = hf_reader_u32_le(r);
    const uint8_t *digest = hf_reader_bytes(r, SHA1_SIZE);
    uint32_t size = hf_reader_u32_le(r);
    HfReader data = hf_reader_sub(r, size);
    const uint8_t *id = hf_reader_bytes(&data, sizeof(signature));
    uint8_t vendor;

    if (!digest || data.failed || pcr != 0 || type != EV_NO_ACTION) {
        return hf_error_set(error, HF_ERROR_INVALID, "event log: header: malformed");
    }
    if (memcmp(id, signature, sizeof(signature)) != 0) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "event log: header: the crypto-agile format (\"%s\") expected",
                            signature);
    }
    (void)hf_reader_bytes(&data, 4 + 4); /* platform class; versions, errata, size of a word */
    if (!read_algorithms(&data, replay, error)) {
        return false;
    }
    vendor = hf_reader_u8(&data);
    (void)hf_reader_bytes(&data, vendor);
    return hf_reader_done(&data) ||
           hf_error_set(error, HF_ERROR_INVALID, "event log: header: its size does not fit");
}

static Bank *find_bank(Replay *replay, uint16_t hash)
{
    for (uint32_t i = 0; i < replay->count; i++) {
        if (replay->banks[i].hash == hash) {
            return &replay->banks[i];
        }
    }
    return NULL;
}

static void extend(Bank *bank, uint32_t pcr, const uint8_t *digest)
{
    uint8_t both[2 * HF_HASH_MAX];

    if (!bank->known) {
        return;
    }
    memcpy(both, bank->pcrs[pcr], bank->size);
    memcpy(both + bank->size, digest, bank->size);
    hf_hash_once(bank->hash, both, 2u * bank->size, bank->pcrs[pcr]);
}

/* TPM2_Startup came from another locality: PCR 0 begins with its number. */
static bool read_locality(Replay *replay, unsigned number, HfReader *data, GError **error)
{
    const uint8_t *id = hf_reader_bytes(data, sizeof(startup_locality));
    uint8_t locality;

    if (!id || memcmp(id, startup_locality, sizeof(startup_locality)) != 0) {
        return true; /* another EV_NO_ACTION, which says nothing of PCRs */
    }
    locality = hf_reader_u8(data);
    if (!hf_reader_done(data) || locality > 4 || replay->extended) {
        return wrong(error, number, "a start-up locality that cannot be");
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        memset(replay->banks[i].pcrs[0], 0, HF_HASH_MAX);
        replay->banks[i].pcrs[0][replay->banks[i].size - 1] = locality;
    }
    return true;
}

/* The digests, one of each announced algorithm. */
static bool read_digests(HfReader *r, Replay *replay, unsigned number,
                         const uint8_t *ret_digests[BANKS_MAX], GError **error)
{
    uint32_t count = hf_reader_u32_le(r);

    if (r->failed || count != replay->count) {
        return wrong(error, number, "a digest of each algorithm expected");
    }
    for (uint32_t i = 0; i < count; i++) {
        Bank *bank = find_bank(replay, hf_reader_u16_le(r));

        if (!bank || ret_digests[bank - replay->banks]) {
            return wrong(error, number, "a digest of each algorithm expected, once");
        }
        ret_digests[bank - replay->banks] = hf_reader_bytes(r, bank->size);
    }
    return !r->failed || wrong(error, number, "ends early");
}

static bool read_event(HfReader *r, Replay *replay, unsigned number, GError **error)
{
    const uint8_t *digests[BANKS_MAX] = { NULL };
    uint32_t pcr = hf_reader_u32_le(r);
    uint32_t type = hf_reader_u32_le(r);
    HfReader data;
    uint32_t size;

    if (!read_digests(r, replay, number, digests, error)) {
        return false;
    }
    size = hf_reader_u32_le(r);
    if (r->failed || size > EVENT_DATA_MAX || size > hf_reader_left(r)) {
        return wrong(error, number, "its data are larger than what is left");
    }
    data = hf_reader_sub(r, size);
    if (type == EV_NO_ACTION) {
        return read_locality(replay, number, &data, error);
    }
    if (pcr >= PCRS) {
        return wrong(error, number, "a PCR from 0 to 15 expected");
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        g_assert(digests[i]); /* each has its own: as many as banks, none twice */
        const HfLogEvent event = { number, pcr, type, replay->banks[i].hash, digests[i] };

        extend(&replay->banks[i], pcr, digests[i]);
        if (replay->each && replay->banks[i].known) {
            replay->each(&event, replay->user);
        }
    }
    replay->extended = replay->extended || pcr == 0;
    return true;
}

HfPcrValues *hf_event_log_replay(const void *data, size_t n, GError **error)
{
    return hf_event_log_walk(data, n, NULL, NULL, error);
}

HfPcrValues *hf_event_log_walk(const void *data, size_t n, HfLogEach each, void *user,
                               GError **error)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    g_autofree Replay *replay = g_new0(Replay, 1);
    HfReader r = hf_reader(data, n);

    replay->each = each;
    replay->user = user;
    if (!read_header(&r, replay, error)) {
        return NULL;
    }
    for (unsigned number = 1; hf_reader_left(&r) > 0; number++) {
        if (number > HF_EVENT_LOG_EVENTS_MAX) {
            wrong(error, number, "too many events");
            return NULL;
        }
        if (!read_event(&r, replay, number, error)) {
            return NULL;
        }
    }
    for (uint32_t i = 0; i < replay->count; i++) {
        const Bank *bank = &replay->banks[i];

        for (unsigned pcr = 0; bank->known && pcr < PCRS; pcr++) {
            if (!hf_pcr_values_add(values, bank->hash, pcr, bank->pcrs[pcr], bank->size, error)) {
                return NULL;
            }
        }
    }
    return g_steal_pointer(&values);
}

bool hf_event_log_leads(const HfPcrValues *log, const HfPcrValues *values, uint16_t hash,
                        unsigned pcr)
{
    const uint8_t *replayed = hf_pcr_values_get(log, hash, pcr);
    const uint8_t *quoted = hf_pcr_values_get(values, hash, pcr);

    return replayed && quoted && memcmp(replayed, quoted, hf_hash_size(hash)) == 0;
}

bool hf_event_log_check(const HfPcrValues *log, const HfPcrSelection *selection,
                        const HfPcrValues *values, GError **error)
{
    for (uint32_t b = 0; b < selection->count; b++) {
        const HfPcrBank *bank = &selection->banks[b];

        for (unsigned pcr = 0; pcr < 8; pcr++) {
            const uint8_t *replayed = hf_pcr_values_get(log, bank->hash, pcr);

            if (!(bank->mask & FIRMWARE_PCRS & (1u << pcr))) {
                continue;
            }
            if (!replayed) {
                return hf_error_set(error, HF_ERROR_POLICY,
                                    "event log: it has no bank of algorithm 0x%04x", bank->hash);
            }
            if (!hf_event_log_leads(log, values, bank->hash, pcr)) {
                g_autofree char *found = hf_hex(replayed, hf_hash_size(bank->hash));

                return hf_error_set(error, HF_ERROR_POLICY,
                                    "event log: it leads to another value of PCR %u than was "
                                    "quoted: %s",
                                    pcr, found);
            }
        }
    }
    return true;
}
