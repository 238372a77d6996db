/*
 * ak_enrolment.c - request and answer for an AK certificate, and the sealing between them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/ak_enrolment.h"

#include <string.h>

#include "base/error.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "tools/common/parcel.h"
#include "tpm2/credential.h"

#define NONCE_SIZE 32u
#define SECRET_SIZE 32u
#define PUBLIC_MAX 1024u
#define CERTIFICATES_MAX (32u * 1024u)

static const char seal_info[] = "holdfast AK certificate";

static const HfParcelItem request_items[HF_AK_REQUEST_PARTS] = {
    [HF_AK_REQUEST_NONCE] = { "nonce", NONCE_SIZE, NONCE_SIZE },
    [HF_AK_REQUEST_AK] = { "AK", 1, PUBLIC_MAX },
    [HF_AK_REQUEST_EK] = { "EK", 1, PUBLIC_MAX },
    [HF_AK_REQUEST_EK_CERTIFICATE] = { "EK certificate", 0, 8192 },
    [HF_AK_REQUEST_ABOVE] = { "certificates above the EK's", 0, 16384 },
};

static const HfParcelFormat request_format = {
    .magic = "HFAKREQ1",
    .version = 1,
    .what = "AK request",
    .items = request_items,
    .count = HF_AK_REQUEST_PARTS,
};

enum { REQUEST, AK_NAME, CREDENTIAL, SEED, SEALED, ANSWER_PARTS };

static const HfParcelItem answer_items[ANSWER_PARTS] = {
    [REQUEST] = { "request", 32, 32 },
    [AK_NAME] = { "AK name", 3, 2 + HF_HASH_MAX },
    [CREDENTIAL] = { "credential", 1, 256 },
    [SEED] = { "seed", 1, HF_RSA_MAX_BYTES },
    [SEALED] = { "sealed", HF_AEAD_TAG_SIZE + 1, HF_AEAD_TAG_SIZE + CERTIFICATES_MAX },
};

static const HfParcelFormat answer_format = {
    .magic = "HFAKANS1",
    .version = 1,
    .what = "AK answer",
    .items = answer_items,
    .count = ANSWER_PARTS,
};

HfAkRequest *hf_ak_request_new(void)
{
    HfAkRequest *request = g_new0(HfAkRequest, 1);
    uint8_t nonce[NONCE_SIZE];

    hf_random_bytes(nonce, sizeof(nonce));
    request->parts[HF_AK_REQUEST_NONCE] = g_bytes_new(nonce, sizeof(nonce));
    return request;
}

void hf_ak_request_free(HfAkRequest *request)
{
    if (request) {
        hf_parcel_clear(request->parts, HF_AK_REQUEST_PARTS);
        g_clear_pointer(&request->digest, g_bytes_unref);
        g_free(request);
    }
}

GBytes *hf_ak_request_write(const HfAkRequest *request)
{
    return hf_parcel_write(&request_format, request->parts);
}

HfAkRequest *hf_ak_request_read(GBytes *file, const char *label, GError **error)
{
    g_autoptr(HfAkRequest) request = g_new0(HfAkRequest, 1);
    HfDigest digest;

    if (!hf_parcel_read(&request_format, file, label, request->parts, error)) {
        return NULL;
    }
    digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    request->digest = g_bytes_new(digest.data, digest.size);
    return g_steal_pointer(&request);
}

void hf_ak_answer_free(HfAkAnswer *answer)
{
    if (answer) {
        g_clear_pointer(&answer->request, g_bytes_unref);
        g_clear_pointer(&answer->ak_name, g_bytes_unref);
        g_clear_pointer(&answer->credential, g_bytes_unref);
        g_clear_pointer(&answer->seed, g_bytes_unref);
        g_clear_pointer(&answer->sealed, g_bytes_unref);
        g_free(answer);
    }
}

GBytes *hf_ak_answer_write(const HfAkAnswer *answer)
{
    GBytes *const values[ANSWER_PARTS] = {
        [REQUEST] = answer->request, [AK_NAME] = answer->ak_name, [CREDENTIAL] = answer->credential,
        [SEED] = answer->seed,       [SEALED] = answer->sealed,
    };

    return hf_parcel_write(&answer_format, values);
}

HfAkAnswer *hf_ak_answer_read(GBytes *file, const char *label, GError **error)
{
    GBytes *values[ANSWER_PARTS] = { NULL };
    HfAkAnswer *answer;

    if (!hf_parcel_read(&answer_format, file, label, values, error)) {
        return NULL;
    }
    answer = g_new0(HfAkAnswer, 1);
    answer->request = values[REQUEST];
    answer->ak_name = values[AK_NAME];
    answer->credential = values[CREDENTIAL];
    answer->seed = values[SEED];
    answer->sealed = values[SEALED];
    return answer;
}

/* Key, then nonce. A secret is used for one answer, so the nonce never repeats under a key. */
static HfSecret *seal_key(const HfSecret *secret, GBytes *salt)
{
    HfSecret *key = hf_secret_new(HF_AEAD_KEY_SIZE + HF_AEAD_NONCE_SIZE);

    hf_kdf_hkdf(HF_HASH_SHA256, secret->data, secret->size, g_bytes_get_data(salt, NULL),
                g_bytes_get_size(salt), seal_info, strlen(seal_info), key->data, key->size);
    return key;
}

/* Records 1 to 4, each with its length. */
static GBytes *additional(const HfAkAnswer *answer)
{
    GBytes *const records[] = { answer->request, answer->ak_name, answer->credential,
                                answer->seed };
    GByteArray *w = g_byte_array_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(records); i++) {
        hf_put_tpm2b(w, g_bytes_get_data(records[i], NULL), g_bytes_get_size(records[i]));
    }
    return g_byte_array_free_to_bytes(w);
}

HfAkAnswer *hf_ak_answer_seal(const HfAkRequest *request, const HfPublic *ek, const HfPublic *ak,
                              GBytes *certificates, GError **error)
{
    g_autoptr(HfAkAnswer) answer = g_new0(HfAkAnswer, 1);
    g_autoptr(HfSecret) secret = hf_secret_new(SECRET_SIZE);
    HfTpmName name = hf_public_name(ak);
    g_autoptr(HfCredential) credential = NULL;
    g_autoptr(HfSecret) key = NULL;
    g_autoptr(GBytes) aad = NULL;

    g_assert(g_bytes_get_size(certificates) <= CERTIFICATES_MAX);
    hf_random_bytes(secret->data, secret->size);
    credential = hf_credential_make(ek, &name, secret->data, secret->size, error);
    if (!credential) {
        return NULL;
    }
    answer->request = g_bytes_ref(request->digest);
    answer->ak_name = g_bytes_new(name.data, name.size);
    answer->credential = g_bytes_ref(credential->id_object);
    answer->seed = g_bytes_ref(credential->encrypted_secret);
    key = seal_key(secret, answer->request);
    aad = additional(answer);
    answer->sealed = hf_aead_seal(
        key->data, key->data + HF_AEAD_KEY_SIZE, g_bytes_get_data(aad, NULL), g_bytes_get_size(aad),
        g_bytes_get_data(certificates, NULL), g_bytes_get_size(certificates));
    return g_steal_pointer(&answer);
}

GBytes *hf_ak_answer_open(const HfAkAnswer *answer, const HfSecret *secret, GError **error)
{
    g_autoptr(HfSecret) key = seal_key(secret, answer->request);
    g_autoptr(GBytes) aad = additional(answer);
    g_autoptr(HfSecret) plain = hf_aead_open(
        key->data, key->data + HF_AEAD_KEY_SIZE, g_bytes_get_data(aad, NULL), g_bytes_get_size(aad),
        g_bytes_get_data(answer->sealed, NULL), g_bytes_get_size(answer->sealed), error);

    if (!plain) {
        g_prefix_error(error, "AK answer: sealed certificates: ");
        return NULL;
    }
    return g_bytes_new(plain->data, plain->size);
}
