/*
 * enrolment.c - the files of introduction and challenge.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/enrolment.h"

#include "base/error.h"
#include "tools/common/evidence.h"
#include "tools/common/parcel.h"

#define PUBLIC_MAX 1024

static const HfParcelItem introduction_items[HF_INTRODUCTION_PARTS] = {
    [HF_INTRODUCTION_ROOTED] = { "rooted", 1, 1 },
    [HF_INTRODUCTION_MIGRATION] = { "migration policy", 1, 256 },
    [HF_INTRODUCTION_PLATFORM] = { "platform", 1, 1024 },
    [HF_INTRODUCTION_AK] = { "AK", 0, PUBLIC_MAX },
    [HF_INTRODUCTION_EK] = { "EK", 0, PUBLIC_MAX },
    [HF_INTRODUCTION_EK_CERTIFICATE] = { "EK certificate", 0, 8192 },
    [HF_INTRODUCTION_ABOVE] = { "certificates above the EK's", 0, 16384 },
    [HF_INTRODUCTION_HOST_TPM] = { "host TPM", 0, 256 },
};

static const HfParcelFormat introduction_format = {
    .magic = "HFHELLO1",
    .version = 1,
    .what = "host introduction",
    .items = introduction_items,
    .count = HF_INTRODUCTION_PARTS,
};

enum { NONCE, AK_NAME, CREDENTIAL, SEED, CHALLENGE_PARTS };

static const HfParcelItem challenge_items[CHALLENGE_PARTS] = {
    [NONCE] = { "nonce", HF_NONCE_SIZE, HF_NONCE_SIZE },
    [AK_NAME] = { "AK name", 0, 2 + HF_HASH_MAX },
    [CREDENTIAL] = { "credential", 0, 256 },
    [SEED] = { "seed", 0, HF_RSA_MAX_BYTES },
};

static const HfParcelFormat challenge_format = {
    .magic = "HFCHALL1",
    .version = 1,
    .what = "challenge",
    .items = challenge_items,
    .count = CHALLENGE_PARTS,
};

HfIntroduction *hf_introduction_new(HfRooted rooted)
{
    HfIntroduction *introduction = g_new0(HfIntroduction, 1);
    uint8_t byte = (uint8_t)rooted;

    introduction->rooted = rooted;
    introduction->parts[HF_INTRODUCTION_ROOTED] = g_bytes_new(&byte, 1);
    return introduction;
}

void hf_introduction_free(HfIntroduction *introduction)
{
    if (introduction) {
        hf_parcel_clear(introduction->parts, HF_INTRODUCTION_PARTS);
        g_free(introduction);
    }
}

GBytes *hf_introduction_write(const HfIntroduction *introduction)
{
    return hf_parcel_write(&introduction_format, introduction->parts);
}

static bool check_introduction(const HfIntroduction *introduction, const char *label,
                               GError **error)
{
    bool hardware = introduction->rooted == HF_ROOTED_HARDWARE;

    for (unsigned i = HF_INTRODUCTION_AK; i < HF_INTRODUCTION_PARTS; i++) {
        bool optional = i == HF_INTRODUCTION_EK_CERTIFICATE || i == HF_INTRODUCTION_ABOVE;
        bool there = introduction->parts[i] != NULL;

        if (there != hardware && !(optional && hardware)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "%s: introduction: %s: %s in a %s introduction", label,
                                introduction_items[i].name, hardware ? "missing" : "not expected",
                                hardware ? "hardware-rooted" : "software-rooted");
        }
    }
    return true;
}

HfIntroduction *hf_introduction_read(GBytes *file, const char *label, GError **error)
{
    g_autoptr(HfIntroduction) introduction = g_new0(HfIntroduction, 1);
    uint8_t rooted;

    if (!hf_parcel_read(&introduction_format, file, label, introduction->parts, error)) {
        return NULL;
    }
    rooted = *(const uint8_t *)g_bytes_get_data(introduction->parts[HF_INTRODUCTION_ROOTED], NULL);
    if (rooted != HF_ROOTED_HARDWARE && rooted != HF_ROOTED_SOFTWARE) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: introduction: rooted: 0 or 1 expected, found %u",
                     label, rooted);
        return NULL;
    }
    introduction->rooted = (HfRooted)rooted;
    return check_introduction(introduction, label, error) ? g_steal_pointer(&introduction) : NULL;
}

void hf_challenge_free(HfChallenge *challenge)
{
    if (challenge) {
        g_clear_pointer(&challenge->nonce, g_bytes_unref);
        g_clear_pointer(&challenge->ak_name, g_bytes_unref);
        g_clear_pointer(&challenge->credential, g_bytes_unref);
        g_clear_pointer(&challenge->seed, g_bytes_unref);
        g_free(challenge);
    }
}

GBytes *hf_challenge_write(const HfChallenge *challenge)
{
    GBytes *const values[CHALLENGE_PARTS] = {
        [NONCE] = challenge->nonce,
        [AK_NAME] = challenge->ak_name,
        [CREDENTIAL] = challenge->credential,
        [SEED] = challenge->seed,
    };

    return hf_parcel_write(&challenge_format, values);
}

HfChallenge *hf_challenge_read(GBytes *file, const char *label, GError **error)
{
    GBytes *values[CHALLENGE_PARTS] = { NULL };
    g_autoptr(HfChallenge) challenge = NULL;

    if (!hf_parcel_read(&challenge_format, file, label, values, error)) {
        return NULL;
    }
    challenge = g_new0(HfChallenge, 1);
    challenge->nonce = values[NONCE];
    challenge->ak_name = values[AK_NAME];
    challenge->credential = values[CREDENTIAL];
    challenge->seed = values[SEED];
    if (!challenge->ak_name != !challenge->credential ||
        !challenge->credential != !challenge->seed) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: challenge: AK name, credential and seed expected, or none of them",
                     label);
        return NULL;
    }
    return g_steal_pointer(&challenge);
}
