/*
 * command12.c - parameters out, parameters in.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm12/command12.h"

#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define ORD_TAKE_OWNERSHIP 0x0000000du
#define ORD_CONTINUE_SELF_TEST 0x00000053u
#define ORD_GET_CAPABILITY 0x00000065u
#define ORD_PHYSICAL_ENABLE 0x0000006fu
#define ORD_PHYSICAL_SET_DEACTIVATED 0x00000072u
#define ORD_CREATE_EK 0x00000078u
#define ORD_READ_EK 0x0000007cu
#define ORD_OWNER_READ_INTERNAL_PUB 0x00000081u
#define ORD_STARTUP 0x00000099u
#define ORD_NV_DEFINE 0x000000ccu
#define ORD_NV_WRITE 0x000000cdu
#define ORD_NV_READ 0x000000cfu
#define ORD_PHYSICAL_PRESENCE 0x4000000au

#define ST_CLEAR 0x0001u
#define PRESENCE_PRESENT 0x0008u
#define PRESENCE_CMD_ENABLE 0x0020u
#define PID_OWNER 0x0005u
#define KEY_HANDLE_EK 0x40000006u
#define CAP_NV_INDEX 0x00000011u
#define TAG_NV_ATTRIBUTES 0x0017u
#define TAG_NV_DATA_PUBLIC 0x0018u

#define ALG_RSA 0x00000001u
#define ES_OAEP 0x0003u
#define SS_NONE 0x0001u
#define KEY_STORAGE 0x0011u
#define AUTH_ALWAYS 0x01u
#define EK_BITS 2048u
#define RSA_EXPONENT 65537u
#define OAEP_LABEL "TCPA"
#define ALL_LOCALITIES 0x1fu

#define NONCE_SIZE 20u
#define DIGEST_SIZE 20u
#define NV_PIECE 1024u

/* Runs a command whose response has nothing to say. */
static bool simple(const HfTransport *tpm, uint32_t ordinal, const GByteArray *parameters,
                   const char *name, GError **error)
{
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ordinal, parameters, NULL, NULL, error);
    if (!response) {
        g_prefix_error(error, "%s: ", name);
    }
    return response != NULL;
}

static bool with_u16(const HfTransport *tpm, uint32_t ordinal, uint16_t value, const char *name,
                     GError **error)
{
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u16(parameters, value);
    return simple(tpm, ordinal, parameters, name, error);
}

bool hf_tpm12_startup(const HfTransport *tpm, GError **error)
{
    return with_u16(tpm, ORD_STARTUP, ST_CLEAR, "TPM_Startup", error);
}

bool hf_tpm12_assert_presence(const HfTransport *tpm, GError **error)
{
    return with_u16(tpm, ORD_PHYSICAL_PRESENCE, PRESENCE_CMD_ENABLE, "TSC_PhysicalPresence",
                    error) &&
           with_u16(tpm, ORD_PHYSICAL_PRESENCE, PRESENCE_PRESENT, "TSC_PhysicalPresence", error);
}

bool hf_tpm12_enable(const HfTransport *tpm, GError **error)
{
    return simple(tpm, ORD_PHYSICAL_ENABLE, NULL, "TPM_PhysicalEnable", error);
}

bool hf_tpm12_activate(const HfTransport *tpm, GError **error)
{
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u8(parameters, 0); /* not deactivated */
    return simple(tpm, ORD_PHYSICAL_SET_DEACTIVATED, parameters, "TPM_PhysicalSetDeactivated",
                  error);
}

bool hf_tpm12_continue_self_test(const HfTransport *tpm, GError **error)
{
    return simple(tpm, ORD_CONTINUE_SELF_TEST, NULL, "TPM_ContinueSelfTest", error);
}

/* --- keys ------------------------------------------------------------------------------------ */

/* TPM_KEY_PARMS of an RSA-2048 key for OAEP. */
static void put_key_parms(GByteArray *out)
{
    hf_put_u32(out, ALG_RSA);
    hf_put_u16(out, ES_OAEP);
    hf_put_u16(out, SS_NONE);
    hf_put_u32(out, 12); /* TPM_RSA_KEY_PARMS follow */
    hf_put_u32(out, EK_BITS);
    hf_put_u32(out, 2); /* primes */
    hf_put_u32(out, 0); /* the default exponent */
}

/* TPM_PUBKEY of an RSA key. */
static HfPublicKey *read_pubkey(HfReader *r, GError **error)
{
    uint32_t algorithm = hf_reader_u32(r);
    hf_reader_u32(r); /* schemes */
    HfReader parms = hf_reader_sub(r, hf_reader_u32(r));
    uint32_t bits = hf_reader_u32(&parms);
    hf_reader_u32(&parms); /* primes */
    HfReader exponent_bytes = hf_reader_sub(&parms, hf_reader_u32(&parms));
    uint32_t exponent = hf_reader_left(&exponent_bytes) == 0 ? RSA_EXPONENT : 0;
    while (hf_reader_left(&exponent_bytes) > 0) {
        exponent = (exponent << 8) | hf_reader_u8(&exponent_bytes);
    }
    uint32_t size = hf_reader_u32(r);
    const uint8_t *modulus = hf_reader_bytes(r, size);
    if (!modulus || parms.failed || algorithm != ALG_RSA || size * 8u != bits) {
        hf_error_set(error, HF_ERROR_INVALID, "the response holds no RSA key");
        return NULL;
    }
    return hf_public_key_from_rsa(modulus, size, exponent, error);
}

/* A key and SHA1(key ‖ nonce), which ties the answer to the question. */
static HfPublicKey *read_checked(HfTpm12Response *response, const uint8_t *nonce, GError **error)
{
    HfReader *r = &response->parameters;
    const uint8_t *start = r->data + r->offset;
    g_autoptr(HfPublicKey) key = read_pubkey(r, error);
    if (!key) {
        return NULL;
    }
    size_t size = (size_t)(r->data + r->offset - start);
    const uint8_t *found = hf_reader_bytes(r, DIGEST_SIZE);
    uint8_t wanted[DIGEST_SIZE];
    HfHash *hash = hf_hash_new(HF_HASH_SHA1);
    hf_hash_update(hash, start, size);
    hf_hash_update(hash, nonce, NONCE_SIZE);
    hf_hash_finish(hash, wanted);
    hf_hash_free(hash);
    if (!found || !hf_secret_equal(found, wanted, DIGEST_SIZE)) {
        hf_error_set(error, HF_ERROR_INVALID, "the answer does not belong to the question");
        return NULL;
    }
    return g_steal_pointer(&key);
}

HfPublicKey *hf_tpm12_create_ek(const HfTransport *tpm, GError **error)
{
    uint8_t nonce[NONCE_SIZE];
    hf_random_bytes(nonce, sizeof(nonce));
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_bytes(parameters, nonce, sizeof(nonce));
    put_key_parms(parameters);
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ORD_CREATE_EK, parameters, NULL, NULL, error);
    HfPublicKey *key = response ? read_checked(response, nonce, error) : NULL;
    if (!key) {
        g_prefix_error(error, "TPM_CreateEndorsementKeyPair: ");
    }
    return key;
}

HfPublicKey *hf_tpm12_read_ek(const HfTransport *tpm, GError **error)
{
    uint8_t nonce[NONCE_SIZE];
    hf_random_bytes(nonce, sizeof(nonce));
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_bytes(parameters, nonce, sizeof(nonce));
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ORD_READ_EK, parameters, NULL, NULL, error);
    HfPublicKey *key = response ? read_checked(response, nonce, error) : NULL;
    if (!key) {
        g_prefix_error(error, "TPM_ReadPubek: ");
    }
    return key;
}

HfPublicKey *hf_tpm12_owner_read_ek(const HfTransport *tpm, const HfSecret *owner, GError **error)
{
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u32(parameters, KEY_HANDLE_EK);
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ORD_OWNER_READ_INTERNAL_PUB, parameters, owner, NULL, error);
    HfPublicKey *key = response ? read_pubkey(&response->parameters, error) : NULL;
    if (!key) {
        g_prefix_error(error, "TPM_OwnerReadInternalPub: ");
    }
    return key;
}

static bool put_encrypted(GByteArray *out, const HfPublicKey *ek, const HfSecret *auth,
                          GError **error)
{
    g_autoptr(GBytes) encrypted = hf_public_key_encrypt_oaep(
        ek, HF_HASH_SHA1, OAEP_LABEL, strlen(OAEP_LABEL), auth->data, auth->size, error);
    if (!encrypted) {
        return false;
    }
    hf_put_u32(out, (uint32_t)g_bytes_get_size(encrypted));
    hf_put_gbytes(out, encrypted);
    return true;
}

bool hf_tpm12_take_ownership(const HfTransport *tpm, const HfPublicKey *ek, const HfSecret *owner,
                             const HfSecret *srk, GError **error)
{
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u16(parameters, PID_OWNER);
    if (!put_encrypted(parameters, ek, owner, error) ||
        !put_encrypted(parameters, ek, srk, error)) {
        return false;
    }
    /* TPM_KEY: the storage root key to be made. */
    hf_put_u32(parameters, 0x01010000u); /* structure version 1.1 */
    hf_put_u16(parameters, KEY_STORAGE);
    hf_put_u32(parameters, 0); /* flags: stays in this TPM */
    hf_put_u8(parameters, AUTH_ALWAYS);
    put_key_parms(parameters);
    hf_put_u32(parameters, 0); /* no PCRs */
    hf_put_u32(parameters, 0); /* no public key yet */
    hf_put_u32(parameters, 0); /* no private one */
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ORD_TAKE_OWNERSHIP, parameters, owner, NULL, error);
    if (!response) {
        g_prefix_error(error, "TPM_TakeOwnership: ");
    }
    return response != NULL;
}

/* --- NV -------------------------------------------------------------------------------------- */

/* TPM_PCR_INFO_SHORT: no PCR, any locality. */
static void put_no_pcrs(GByteArray *out)
{
    static const uint8_t zero[DIGEST_SIZE];
    hf_put_u16(out, 3);
    hf_put_bytes(out, zero, 3);
    hf_put_u8(out, ALL_LOCALITIES);
    hf_put_bytes(out, zero, sizeof(zero));
}

bool hf_tpm12_nv_define(const HfTransport *tpm, uint32_t index, uint32_t attributes, uint32_t size,
                        GError **error)
{
    static const uint8_t no_auth[HF_TPM12_AUTH_SIZE];
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u16(parameters, TAG_NV_DATA_PUBLIC);
    hf_put_u32(parameters, index);
    put_no_pcrs(parameters);
    put_no_pcrs(parameters);
    hf_put_u16(parameters, TAG_NV_ATTRIBUTES);
    hf_put_u32(parameters, attributes);
    hf_put_u8(parameters, 0); /* the locks that reading, writing */
    hf_put_u8(parameters, 0);
    hf_put_u8(parameters, 0); /* and defining may set: none */
    hf_put_u32(parameters, size);
    hf_put_bytes(parameters, no_auth, sizeof(no_auth));
    return simple(tpm, ORD_NV_DEFINE, parameters, "TPM_NV_DefineSpace", error);
}

bool hf_tpm12_nv_lock(const HfTransport *tpm, GError **error)
{
    return hf_tpm12_nv_define(tpm, HF_TPM12_NV_LOCK, 0, 0, error);
}

bool hf_tpm12_nv_write(const HfTransport *tpm, uint32_t index, const void *data, size_t size,
                       GError **error)
{
    const uint8_t *bytes = data;
    for (size_t offset = 0; offset < size; offset += NV_PIECE) {
        size_t piece = MIN(NV_PIECE, size - offset);
        g_autoptr(GByteArray) parameters = g_byte_array_new();
        hf_put_u32(parameters, index);
        hf_put_u32(parameters, (uint32_t)offset);
        hf_put_u32(parameters, (uint32_t)piece);
        hf_put_bytes(parameters, bytes + offset, piece);
        if (!simple(tpm, ORD_NV_WRITE, parameters, "TPM_NV_WriteValue", error)) {
            return false;
        }
    }
    return true;
}

GBytes *hf_tpm12_nv_read(const HfTransport *tpm, uint32_t index, size_t size, const HfSecret *owner,
                         GError **error)
{
    g_autoptr(GByteArray) content = g_byte_array_new();
    while (content->len < size) {
        uint32_t wanted = (uint32_t)MIN(NV_PIECE, size - content->len);
        g_autoptr(GByteArray) parameters = g_byte_array_new();
        hf_put_u32(parameters, index);
        hf_put_u32(parameters, content->len);
        hf_put_u32(parameters, wanted);
        g_autoptr(HfTpm12Response) response =
            hf_tpm12_exchange(tpm, ORD_NV_READ, parameters, owner, NULL, error);
        if (!response) {
            g_prefix_error(error, "TPM_NV_ReadValue: ");
            return NULL;
        }
        HfReader *r = &response->parameters;
        const uint8_t *data = hf_reader_u32(r) == wanted ? hf_reader_bytes(r, wanted) : NULL;
        if (!data) {
            hf_error_set(error, HF_ERROR_INVALID, "TPM_NV_ReadValue: fewer bytes than asked for");
            return NULL;
        }
        hf_put_bytes(content, data, wanted);
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&content));
}

static void skip_pcrs(HfReader *r)
{
    hf_reader_bytes(r, hf_reader_u16(r));
    hf_reader_bytes(r, 1 + DIGEST_SIZE);
}

bool hf_tpm12_nv_public(const HfTransport *tpm, uint32_t index, uint32_t *ret_attributes,
                        uint32_t *ret_size, GError **error)
{
    g_autoptr(GByteArray) parameters = g_byte_array_new();
    hf_put_u32(parameters, CAP_NV_INDEX);
    hf_put_u32(parameters, 4);
    hf_put_u32(parameters, index);
    g_autoptr(HfTpm12Response) response =
        hf_tpm12_exchange(tpm, ORD_GET_CAPABILITY, parameters, NULL, NULL, error);
    if (!response) {
        g_prefix_error(error, "TPM_GetCapability: ");
        return false;
    }
    HfReader r = hf_reader_sub(&response->parameters, hf_reader_u32(&response->parameters));
    hf_reader_u16(&r); /* tag */
    bool same = hf_reader_u32(&r) == index;
    skip_pcrs(&r);
    skip_pcrs(&r);
    hf_reader_u16(&r); /* tag */
    uint32_t attributes = hf_reader_u32(&r);
    hf_reader_bytes(&r, 3); /* locks */
    uint32_t size = hf_reader_u32(&r);
    if (r.failed || !same) {
        return hf_error_set(error, HF_ERROR_INVALID, "TPM_GetCapability: no such area described");
    }
    *ret_attributes = attributes;
    *ret_size = size;
    return true;
}
