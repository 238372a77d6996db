/*
 * evidence.c - the delegation request file.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/evidence.h"

#include <string.h>

#include "base/error.h"
#include "crypto/hmac.h"
#include "tools/common/parcel.h"

#define PUBLIC_MAX 1024
#define ATTEST_MAX 2048

static const HfParcelItem items[HF_EVIDENCE_PARTS] = {
    [HF_EVIDENCE_ROOTED] = { "rooted", 1, 1 },
    [HF_EVIDENCE_NONCE] = { "nonce", HF_NONCE_SIZE, HF_NONCE_SIZE },
    [HF_EVIDENCE_REQUEST] = { "request", 1, 8192 },
    [HF_EVIDENCE_MIGRATION] = { "migration policy", 1, 256 },
    [HF_EVIDENCE_PLATFORM] = { "platform", 1, 1024 },
    [HF_EVIDENCE_KEY] = { "key", 0, PUBLIC_MAX },
    [HF_EVIDENCE_CREATION] = { "creation data", 0, ATTEST_MAX },
    [HF_EVIDENCE_CREATION_ATTEST] = { "creation attest", 0, ATTEST_MAX },
    [HF_EVIDENCE_CREATION_SIGNATURE] = { "creation signature", 0, PUBLIC_MAX },
    [HF_EVIDENCE_AK] = { "AK", 0, PUBLIC_MAX },
    [HF_EVIDENCE_QUOTE] = { "quote", 0, ATTEST_MAX },
    [HF_EVIDENCE_QUOTE_SIGNATURE] = { "quote signature", 0, PUBLIC_MAX },
    [HF_EVIDENCE_PCRS] = { "PCR values", 0, 16384 },
    [HF_EVIDENCE_EK] = { "EK", 0, PUBLIC_MAX },
    [HF_EVIDENCE_EK_CERTIFICATE] = { "EK certificate", 0, 8192 },
    [HF_EVIDENCE_HOST_TPM] = { "host TPM", 0, 256 },
    [HF_EVIDENCE_PROOF] = { "proof", 0, PUBLIC_MAX },
    [HF_EVIDENCE_ANSWER] = { "answer", 0, 32 },
    [HF_EVIDENCE_COUNTER_INDEX] = { "counter index", 0, 4 },
    [HF_EVIDENCE_COUNTER_ATTEST] = { "counter attest", 0, ATTEST_MAX },
    [HF_EVIDENCE_COUNTER_SIGNATURE] = { "counter signature", 0, PUBLIC_MAX },
    [HF_EVIDENCE_EVENT_LOG] = { "event log", 0, HF_EVIDENCE_LOG_MAX },
    [HF_EVIDENCE_DEVICE_MODEL] = { "device model", 0, 256 },
};

static const HfParcelFormat format = {
    .magic = "HFENROL1",
    .version = 3,
    .what = "delegation request",
    .items = items,
    .count = HF_EVIDENCE_PARTS,
};

/* Without the last record: what CAs of before understand. */
static const HfParcelFormat format_2 = {
    .magic = "HFENROL1",
    .version = 2,
    .what = "delegation request",
    .items = items,
    .count = HF_EVIDENCE_DEVICE_MODEL,
};

static GBytes *write_parts(GBytes *const *parts)
{
    return hf_parcel_write(parts[HF_EVIDENCE_DEVICE_MODEL] ? &format : &format_2, parts);
}

HfEvidence *hf_evidence_new(HfRooted rooted)
{
    HfEvidence *evidence = g_new0(HfEvidence, 1);
    uint8_t byte = (uint8_t)rooted;

    evidence->rooted = rooted;
    evidence->parts[HF_EVIDENCE_ROOTED] = g_bytes_new(&byte, 1);
    return evidence;
}

void hf_evidence_free(HfEvidence *evidence)
{
    if (!evidence) {
        return;
    }
    hf_parcel_clear(evidence->parts, HF_EVIDENCE_PARTS);
    g_free(evidence);
}

GBytes *hf_evidence_write(const HfEvidence *evidence)
{
    return write_parts(evidence->parts);
}

/* The records that go with the kind, and no others. */
static bool check_parts(const HfEvidence *evidence, const char *label, GError **error)
{
    bool hardware = evidence->rooted == HF_ROOTED_HARDWARE;

    for (unsigned i = HF_EVIDENCE_KEY; i < HF_EVIDENCE_DEVICE_MODEL; i++) {
        bool optional = i == HF_EVIDENCE_EK_CERTIFICATE || i > HF_EVIDENCE_PROOF;
        bool there = evidence->parts[i] != NULL;

        if (i != HF_EVIDENCE_PROOF && there != hardware && !(optional && hardware)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "%s: delegation request: %s: %s in a %s request", label,
                                items[i].name, hardware ? "missing" : "not expected",
                                hardware ? "hardware-rooted" : "software-rooted");
        }
    }
    if (!evidence->parts[HF_EVIDENCE_PROOF]) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: delegation request: proof: missing",
                            label);
    }
    return true;
}

/* Text for people and certificates: UTF-8 without control characters. */
static bool check_text(const HfEvidence *evidence, HfEvidencePart part, const char *label,
                       GError **error)
{
    size_t size = 0;
    const char *text;
    bool good;

    if (!evidence->parts[part]) {
        return true;
    }
    text = g_bytes_get_data(evidence->parts[part], &size);
    good = g_utf8_validate_len(text, size, NULL);
    for (const char *p = size > 0 ? text : NULL; good && p;
         p = g_utf8_find_next_char(p, text + size)) {
        gunichar c = g_utf8_get_char(p);

        /* A format character turns the direction of writing, or hides. */
        good = !g_unichar_iscntrl(c) && g_unichar_type(c) != G_UNICODE_FORMAT;
    }
    return good ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "%s: delegation request: %s: text without control characters expected",
                        label, items[part].name);
}

HfEvidence *hf_evidence_read(GBytes *file, const char *label, GError **error)
{
    g_autoptr(HfEvidence) evidence = g_new0(HfEvidence, 1);
    uint8_t rooted;

    if (!hf_parcel_read(&format, file, label, evidence->parts, error)) {
        return NULL;
    }
    rooted = *(const uint8_t *)g_bytes_get_data(evidence->parts[HF_EVIDENCE_ROOTED], NULL);
    if (rooted != HF_ROOTED_HARDWARE && rooted != HF_ROOTED_SOFTWARE) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: delegation request: rooted: 0 or 1 expected, found %u", label, rooted);
        return NULL;
    }
    evidence->rooted = (HfRooted)rooted;
    if (!check_parts(evidence, label, error) ||
        !check_text(evidence, HF_EVIDENCE_MIGRATION, label, error) ||
        !check_text(evidence, HF_EVIDENCE_PLATFORM, label, error) ||
        !check_text(evidence, HF_EVIDENCE_DEVICE_MODEL, label, error) ||
        !check_text(evidence, HF_EVIDENCE_HOST_TPM, label, error)) {
        return NULL;
    }
    return g_steal_pointer(&evidence);
}

HfDigest hf_evidence_digest(GBytes *nonce, const HfTpmName *name, GBytes *request)
{
    HfDigest inner =
        hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(request, NULL), g_bytes_get_size(request));
    g_autoptr(HfHash) hash = hf_hash_new(HF_HASH_SHA256);
    HfDigest digest = hf_digest_zero(HF_HASH_SHA256);

    hf_hash_update(hash, "ENROL", 5);
    hf_hash_update(hash, g_bytes_get_data(nonce, NULL), g_bytes_get_size(nonce));
    hf_hash_update(hash, name->data, name->size);
    hf_hash_update(hash, inner.data, inner.size);
    hf_hash_finish(hash, digest.data);
    return digest;
}

HfDigest hf_evidence_proof(const HfEvidence *evidence, uint16_t hash)
{
    static const char prefix[] = "holdfast delegation request";
    HfEvidence without = *evidence;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(HfHash) state = hf_hash_new(hash);
    HfDigest digest = hf_digest_zero(hash);

    without.parts[HF_EVIDENCE_PROOF] = NULL;
    file = write_parts(without.parts);
    hf_hash_update(state, prefix, sizeof(prefix) - 1);
    hf_hash_update(state, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    hf_hash_finish(state, digest.data);
    return digest;
}

GBytes *hf_evidence_answer(const HfEvidence *evidence, const HfSecret *secret)
{
    static const char prefix[] = "holdfast challenge answer";
    HfEvidence without = *evidence;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(HfHmac) hmac = hf_hmac_new(HF_HASH_SHA256, secret->data, secret->size);
    uint8_t mac[32];

    without.parts[HF_EVIDENCE_PROOF] = NULL;
    without.parts[HF_EVIDENCE_ANSWER] = NULL;
    file = write_parts(without.parts);
    hf_hmac_update(hmac, prefix, sizeof(prefix) - 1);
    hf_hmac_update(hmac, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    hf_hmac_finish(hmac, mac);
    return g_bytes_new(mac, sizeof(mac));
}

HfTpmName hf_evidence_software_name(GBytes *spki)
{
    HfTpmName name = { .size = 2 + 32, .data = { 0x00, 0x0b } };

    hf_hash_once(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki),
                 name.data + 2);
    return name;
}
