/*
 * live_tpm.c - the TPM side of the tests: libtpms through src/engine, commands through src/tpm2.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "live_tpm.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"
#include "tpm2/template.h"

#define CC_CERTIFY_CREATION 0x0000014au
#define CC_CERTIFY 0x00000148u
#define CC_ACTIVATE_CREDENTIAL 0x00000147u
#define CC_CREATE 0x00000153u
#define CC_LOAD 0x00000157u
#define CC_QUOTE 0x00000158u
#define CC_START_AUTH_SESSION 0x00000176u

static GBytes *live_load(void *user, HfBlobKind kind, GError **error)
{
    LiveTpm *live = user;

    if (kind != HF_BLOB_PERMANENT || !live->permanent) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "no such blob");
        return NULL;
    }
    return g_bytes_ref(live->permanent);
}

static bool live_save(void *user, HfBlobKind kind, const uint8_t *data, size_t size, GError **error)
{
    LiveTpm *live = user;

    (void)error;
    g_assert_cmpint(kind, ==, HF_BLOB_PERMANENT);
    g_clear_pointer(&live->permanent, g_bytes_unref);
    live->permanent = g_bytes_new(data, size);
    return true;
}

static bool live_remove(void *user, HfBlobKind kind, GError **error)
{
    (void)user;
    (void)kind;
    (void)error;
    return true;
}

static const HfEngineStorage live_storage = { live_load, live_save, live_remove };

static bool live_transmit(void *user, const uint8_t *command, size_t size, GByteArray *response,
                          GError **error)
{
    LiveTpm *live = user;
    const uint8_t *bytes = NULL;
    size_t n = hf_engine_process(live->engine, command, size, 0, &bytes);

    (void)error;
    live->sent++;
    g_byte_array_append(response, bytes, (guint)n);
    return true;
}

LiveTpm *live_tpm_new(void)
{
    LiveTpm *live = g_new0(LiveTpm, 1);
    GError *error = NULL;

    live->engine = hf_engine_new(HF_TPM_2_0, &live_storage, live, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(hf_engine_power_on(live->engine, false, &error), ==, 0);
    g_assert_no_error(error);
    live->transport = (HfTransport){ live_transmit, live };
    return live;
}

void live_tpm_free(LiveTpm *live)
{
    if (live) {
        hf_engine_free(live->engine);
        g_clear_pointer(&live->permanent, g_bytes_unref);
        g_free(live);
    }
}

void live_tpm_ak_template(uint16_t scheme, HfPublic *ret_public)
{
    bool ecc = scheme == TPM2_ALG_ECDSA;

    hf_template_public(ecc ? HF_TEMPLATE_SRK_P256 : HF_TEMPLATE_SRK_RSA2048, ret_public);
    ret_public->attributes &= ~TPMA_OBJECT_DECRYPT;
    ret_public->attributes |= TPMA_OBJECT_SIGN_ENCRYPT;
    ret_public->symmetric = (HfTpmSymmetric){ TPM2_ALG_NULL, 0, 0 };
    ret_public->scheme = (HfTpmScheme){ scheme, TPM2_ALG_SHA256, 0 };
}

static void put_2b(GByteArray *w, GBytes *bytes)
{
    hf_put_tpm2b(w, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static GBytes *get_2b(HfReader *r)
{
    HfReader sub = hf_reader_tpm2b(r, HF_COMMAND_MAX);

    g_assert_false(sub.failed);
    return g_bytes_new(sub.data, sub.size);
}

static GBytes *get_rest(HfReader *r)
{
    HfReader rest = hf_reader_rest(r);

    return g_bytes_new(rest.data, rest.size);
}

static HfTpmResponse *run(LiveTpm *live, HfTpmCommand *command, bool wants_handle)
{
    GError *error = NULL;
    HfTpmResponse *response =
        hf_tpm_command_run(command, &live->transport, wants_handle, NULL, &error);

    g_assert_no_error(error);
    return response;
}

/* TPM2B_ATTEST and TPMT_SIGNATURE. */
static void take_attest(HfTpmResponse *response, GBytes **ret_attest, GBytes **ret_signature)
{
    *ret_attest = get_2b(&response->parameters);
    *ret_signature = get_rest(&response->parameters);
}

void live_tpm_quote(LiveTpm *live, uint32_t key, GBytes *nonce, const HfPcrSelection *selection,
                    GBytes **ret_attest, GBytes **ret_signature)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_QUOTE);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, key);
    hf_tpm_command_auth(command, NULL);
    put_2b(w, nonce);
    hf_put_u16(w, TPM2_ALG_NULL);
    hf_pcr_selection_write(selection, w);
    response = run(live, command, false);
    take_attest(response, ret_attest, ret_signature);
}

/* TPM2_Load of what TPM2_Create gave. */
static uint32_t load(LiveTpm *live, uint32_t parent, GBytes *private, GBytes *public)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_LOAD);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, parent);
    hf_tpm_command_auth(command, NULL);
    put_2b(hf_tpm_command_parameters(command), private);
    put_2b(hf_tpm_command_parameters(command), public);
    response = run(live, command, true);
    return response->handle;
}

void live_tpm_create_key(LiveTpm *live, uint32_t parent, GBytes *outside, LiveKey *ret_key)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_CREATE);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    g_autoptr(GBytes) private = NULL;
    g_autoptr(GBytes) public = NULL;
    GError *error = NULL;
    HfPublic template;

    live_tpm_ak_template(TPM2_ALG_ECDSA, &template);
    template.attributes &= ~TPMA_OBJECT_RESTRICTED;
    hf_tpm_command_handle(command, parent);
    hf_tpm_command_auth(command, NULL);
    hf_put_u16(w, 4);
    hf_put_u32(w, 0);
    hf_public_write_2b(&template, w);
    put_2b(w, outside);
    hf_put_u32(w, 0);
    response = run(live, command, false);
    private = get_2b(&response->parameters);
    public = get_2b(&response->parameters);
    ret_key->creation = get_2b(&response->parameters);
    ret_key->creation_hash = get_2b(&response->parameters);
    ret_key->ticket = get_rest(&response->parameters);
    hf_public_parse(g_bytes_get_data(public, NULL), g_bytes_get_size(public), &ret_key->pub,
                    &error);
    g_assert_no_error(error);
    ret_key->handle = load(live, parent, private, public);
}

void live_key_clear(LiveKey *key)
{
    g_clear_pointer(&key->creation, g_bytes_unref);
    g_clear_pointer(&key->creation_hash, g_bytes_unref);
    g_clear_pointer(&key->ticket, g_bytes_unref);
}

void live_tpm_certify_creation(LiveTpm *live, uint32_t signer, const LiveKey *key, GBytes *nonce,
                               GBytes **ret_attest, GBytes **ret_signature)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_CERTIFY_CREATION);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, signer);
    hf_tpm_command_handle(command, key->handle);
    hf_tpm_command_auth(command, NULL);
    put_2b(w, nonce);
    put_2b(w, key->creation_hash);
    hf_put_u16(w, TPM2_ALG_NULL);
    hf_put_gbytes(w, key->ticket);
    response = run(live, command, false);
    take_attest(response, ret_attest, ret_signature);
}

void live_tpm_certify(LiveTpm *live, uint32_t signer, uint32_t object, GBytes *nonce,
                      GBytes **ret_attest, GBytes **ret_signature)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_CERTIFY);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, object);
    hf_tpm_command_handle(command, signer);
    hf_tpm_command_auth(command, NULL);
    hf_tpm_command_auth(command, NULL);
    put_2b(w, nonce);
    hf_put_u16(w, TPM2_ALG_NULL);
    response = run(live, command, false);
    take_attest(response, ret_attest, ret_signature);
}

HfTpmResponse *live_tpm_run(LiveTpm *live, HfTpmCommand *command)
{
    return run(live, command, false);
}

uint32_t live_tpm_session(LiveTpm *live, uint8_t type)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_START_AUTH_SESSION);
    GByteArray *w = hf_tpm_command_parameters(command);
    static const uint8_t nonce[16] = { 1 };
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, TPM2_RH_NULL);
    hf_tpm_command_handle(command, TPM2_RH_NULL);
    hf_put_tpm2b(w, nonce, sizeof nonce);
    hf_put_u16(w, 0);
    hf_put_u8(w, type);
    hf_put_u16(w, TPM2_ALG_NULL);
    hf_put_u16(w, TPM2_ALG_SHA256);
    response = run(live, command, true);
    return response->handle;
}

void live_tpm_policy_secret(LiveTpm *live, uint32_t session, uint32_t entity, GBytes *ref)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PolicySecret);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, entity);
    hf_tpm_command_handle(command, session);
    hf_tpm_command_auth(command, NULL);
    hf_put_u16(w, 0); /* nonceTPM */
    hf_put_u16(w, 0); /* cpHashA */
    put_2b(w, ref);
    hf_put_u32(w, 0); /* expiration */
    response = run(live, command, false);
}

GBytes *live_tpm_activate(LiveTpm *live, uint32_t object, uint32_t ek, GBytes *id_object,
                          GBytes *encrypted_secret, uint32_t *ret_code)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_ACTIVATE_CREDENTIAL);
    uint32_t session = live_tpm_session(live, LIVE_POLICY);
    g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
    g_autoptr(HfTpmResponse) response = NULL;
    GError *error = NULL;
    HfPublic pub;

    g_assert_true(hf_tpm_read_public(&live->transport, ek, &pub, &error));
    hf_tpm_command_handle(command, object);
    hf_tpm_command_handle(command, ek);
    hf_tpm_command_auth(command, NULL);
    if (pub.attributes & TPMA_OBJECT_USERWITHAUTH) {
        hf_tpm_command_auth(command, NULL);
    } else {
        live_tpm_policy_secret(live, session, TPM2_RH_ENDORSEMENT, none);
        hf_tpm_command_session(command, session);
    }
    put_2b(hf_tpm_command_parameters(command), id_object);
    put_2b(hf_tpm_command_parameters(command), encrypted_secret);
    response = hf_tpm_command_run(command, &live->transport, false, ret_code, NULL);
    g_assert_true(hf_tpm_flush_context(&live->transport, session, NULL));
    return response ? get_2b(&response->parameters) : NULL;
}
