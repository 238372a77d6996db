/*
 * exchange12.c - framing, and the proofs of an OIAP session.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm12/exchange12.h"

#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/random.h"

#define HEADER_SIZE 10u
#define NONCE_SIZE 20u
#define DIGEST_SIZE 20u
#define SESSION_SIZE (NONCE_SIZE + 1u + DIGEST_SIZE) /* of a response */

#define TAG_COMMAND 0x00c1u
#define TAG_COMMAND_AUTH 0x00c2u
#define TAG_RESPONSE 0x00c4u
#define TAG_RESPONSE_AUTH 0x00c5u

#define ORD_OIAP 0x0000000au

typedef struct {
    uint32_t handle;
    uint8_t even[NONCE_SIZE];
    uint8_t odd[NONCE_SIZE];
} Session;

static const char *code_words(uint32_t code)
{
    static const struct {
        uint32_t code;
        const char *words;
    } table[] = {
        { 1, "authentication failed" },
        { 2, "bad index" },
        { 3, "bad parameter" },
        { 6, "the TPM is deactivated" },
        { 7, "the TPM is disabled" },
        { 8, "the command is disabled" },
        { 9, "it failed" },
        { 12, "key not found" },
        { 17, "no space" },
        { 20, "there is an owner already" },
        { 35, "there is no endorsement key" },
        { 38, "not before TPM_Startup" },
        { 45, "physical presence is needed" },
        { 59, "authorisation conflicts with the index" },
        { 60, "the area is locked" },
        { 66, "the area is write-locked" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].code == code) {
            return table[i].words;
        }
    }
    return "TPM 1.2 return code";
}

void hf_tpm12_response_free(HfTpm12Response *response)
{
    if (response) {
        explicit_bzero(response->bytes->data, response->bytes->len);
        g_byte_array_unref(response->bytes);
        g_free(response);
    }
}

/* --- the proofs ------------------------------------------------------------------------------ */

/* HMAC(auth, SHA1(what the TPM and we sign) ‖ even ‖ odd ‖ continue) */
static void prove(const HfSecret *auth, uint32_t first, uint32_t second, const void *parameters,
                  size_t size, bool response, const Session *session, uint8_t *ret_mac)
{
    uint8_t word[4];
    uint8_t digest[DIGEST_SIZE];
    const uint8_t no_more = 0;
    HfHash *hash = hf_hash_new(HF_HASH_SHA1);
    hf_store_u32(word, first);
    hf_hash_update(hash, word, sizeof(word));
    if (response) {
        hf_store_u32(word, second);
        hf_hash_update(hash, word, sizeof(word));
    }
    hf_hash_update(hash, parameters, size);
    hf_hash_finish(hash, digest);
    hf_hash_free(hash);
    HfHmac *hmac = hf_hmac_new(HF_HASH_SHA1, auth->data, auth->size);
    hf_hmac_update(hmac, digest, sizeof(digest));
    hf_hmac_update(hmac, session->even, NONCE_SIZE);
    hf_hmac_update(hmac, session->odd, NONCE_SIZE);
    hf_hmac_update(hmac, &no_more, 1);
    hf_hmac_finish(hmac, ret_mac);
    hf_hmac_free(hmac);
}

static bool check_proof(HfTpm12Response *response, uint32_t ordinal, const HfSecret *auth,
                        const Session *session, GError **error)
{
    HfReader *r = &response->parameters;
    size_t size = hf_reader_left(r);
    if (size < SESSION_SIZE) {
        return hf_error_set(error, HF_ERROR_INVALID, "response without the end of its session");
    }
    size -= SESSION_SIZE;
    HfReader parameters = hf_reader_sub(r, size);
    Session after = *session;
    memcpy(after.even, hf_reader_bytes(r, NONCE_SIZE), NONCE_SIZE);
    bool goes_on = hf_reader_u8(r) != 0;
    const uint8_t *found = hf_reader_bytes(r, DIGEST_SIZE);
    uint8_t wanted[DIGEST_SIZE];
    prove(auth, 0, ordinal, parameters.data, size, true, &after, wanted);
    if (goes_on || !hf_secret_equal(found, wanted, DIGEST_SIZE)) {
        return hf_error_set(error, HF_ERROR_AUTH, "the response does not prove itself");
    }
    response->parameters = parameters;
    return true;
}

/* --- framing --------------------------------------------------------------------------------- */

static HfTpm12Response *read_response(GByteArray *bytes, bool with_auth, uint32_t *ret_code,
                                      GError **error)
{
    HfReader r = hf_reader(bytes->data, bytes->len);
    uint16_t tag = hf_reader_u16(&r);
    uint32_t size = hf_reader_u32(&r);
    uint32_t code = hf_reader_u32(&r);
    if (r.failed || size != bytes->len) {
        hf_error_set(error, HF_ERROR_INVALID, "response of %u bytes that claims %u", bytes->len,
                     size);
        return NULL;
    }
    *ret_code = code;
    if (code != 0) {
        hf_error_set(error, HF_ERROR_TPM, "%s (0x%x)", code_words(code), code);
        return NULL;
    }
    if (tag != (with_auth ? TAG_RESPONSE_AUTH : TAG_RESPONSE)) {
        hf_error_set(error, HF_ERROR_INVALID, "response with tag 0x%04x", tag);
        return NULL;
    }
    HfTpm12Response *response = g_new0(HfTpm12Response, 1);
    response->bytes = g_byte_array_ref(bytes);
    response->parameters = hf_reader_rest(&r);
    return response;
}

static HfTpm12Response *run(const HfTransport *tpm, uint32_t ordinal, const GByteArray *parameters,
                            const GByteArray *trailer, uint32_t *ret_code, GError **error)
{
    g_autoptr(GByteArray) command = g_byte_array_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t size = HEADER_SIZE + (parameters ? parameters->len : 0) + (trailer ? trailer->len : 0);
    hf_put_u16(command, trailer ? TAG_COMMAND_AUTH : TAG_COMMAND);
    hf_put_u32(command, (uint32_t)size);
    hf_put_u32(command, ordinal);
    if (parameters) {
        hf_put_bytes(command, parameters->data, parameters->len);
    }
    if (trailer) {
        hf_put_bytes(command, trailer->data, trailer->len);
    }
    if (!tpm->transmit(tpm->user, command->data, command->len, bytes, error)) {
        return NULL;
    }
    return read_response(bytes, trailer != NULL, ret_code, error);
}

static bool open_session(const HfTransport *tpm, Session *ret_session, GError **error)
{
    uint32_t code = 0;
    g_autoptr(HfTpm12Response) response = run(tpm, ORD_OIAP, NULL, NULL, &code, error);
    if (!response) {
        return false;
    }
    Session session = { .handle = hf_reader_u32(&response->parameters) };
    const uint8_t *even = hf_reader_bytes(&response->parameters, NONCE_SIZE);
    if (!even) {
        return hf_error_set(error, HF_ERROR_INVALID, "OIAP: response is too short");
    }
    memcpy(session.even, even, NONCE_SIZE);
    hf_random_bytes(session.odd, NONCE_SIZE);
    *ret_session = session;
    return true;
}

static HfTpm12Response *run_proved(const HfTransport *tpm, uint32_t ordinal,
                                   const GByteArray *parameters, const HfSecret *auth,
                                   uint32_t *ret_code, GError **error)
{
    Session session;
    uint8_t mac[DIGEST_SIZE];
    if (!open_session(tpm, &session, error)) {
        return NULL;
    }
    prove(auth, ordinal, 0, parameters ? parameters->data : NULL, parameters ? parameters->len : 0,
          false, &session, mac);
    g_autoptr(GByteArray) trailer = g_byte_array_new();
    hf_put_u32(trailer, session.handle);
    hf_put_bytes(trailer, session.odd, NONCE_SIZE);
    hf_put_u8(trailer, 0); /* the session ends with this command */
    hf_put_bytes(trailer, mac, sizeof(mac));
    g_autoptr(HfTpm12Response) response = run(tpm, ordinal, parameters, trailer, ret_code, error);
    if (!response || !check_proof(response, ordinal, auth, &session, error)) {
        return NULL;
    }
    return g_steal_pointer(&response);
}

HfTpm12Response *hf_tpm12_exchange(const HfTransport *tpm, uint32_t ordinal,
                                   const GByteArray *parameters, const HfSecret *auth,
                                   uint32_t *ret_code, GError **error)
{
    uint32_t code = 0;
    HfTpm12Response *response = auth ? run_proved(tpm, ordinal, parameters, auth, &code, error)
                                     : run(tpm, ordinal, parameters, NULL, &code, error);
    if (ret_code) {
        *ret_code = code;
    }
    return response;
}
