/*
 * command.c - the command builder, the response reader, and the commands about keys and the TPM as
 * a whole.
 *
 * NV commands are in command_nv.c, PCR and capability commands in command_pcr.c; all go through
 * hf_tpm_command_run. Auth values are in the command's bytes: they are wiped when it is freed.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/command.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"
#include "tpm2/response.h"

#define RETRIES_MAX 100u
#define HEADER_SIZE 10u
#define SESSION_CONTINUE 0x01u /* TPMA_SESSION continueSession */
#define AUTH_MAX HF_HASH_MAX

struct HfTpmCommand {
    uint32_t code;
    GByteArray *handles;
    GByteArray *auths;
    unsigned sessions;
    GByteArray *parameters;
};

HfTpmCommand *hf_tpm_command_new(uint32_t command_code)
{
    HfTpmCommand *command = g_new0(HfTpmCommand, 1);

    command->code = command_code;
    command->handles = g_byte_array_new();
    /* Room for all: growing would leave copies of secrets behind in freed memory. */
    command->auths = g_byte_array_sized_new(3 * (9 + AUTH_MAX));
    command->parameters = g_byte_array_sized_new(HF_COMMAND_MAX);
    return command;
}

static void wipe_array(GByteArray *array)
{
    if (array->len > 0) {
        explicit_bzero(array->data, array->len);
    }
    g_byte_array_unref(array);
}

void hf_tpm_command_free(HfTpmCommand *command)
{
    if (command) {
        g_byte_array_unref(command->handles);
        wipe_array(command->auths);
        wipe_array(command->parameters);
        g_free(command);
    }
}

void hf_tpm_command_handle(HfTpmCommand *command, uint32_t handle)
{
    hf_put_u32(command->handles, handle);
}

void hf_tpm_command_auth(HfTpmCommand *command, const HfSecret *auth)
{
    g_assert(!auth || auth->size <= AUTH_MAX);
    hf_put_u32(command->auths, TPM2_RS_PW);
    hf_put_u16(command->auths, 0);
    hf_put_u8(command->auths, SESSION_CONTINUE);
    hf_put_tpm2b(command->auths, auth ? auth->data : NULL, auth ? auth->size : 0);
    command->sessions++;
}

void hf_tpm_command_session(HfTpmCommand *command, uint32_t session)
{
    hf_put_u32(command->auths, session);
    hf_put_u16(command->auths, 0);
    hf_put_u8(command->auths, SESSION_CONTINUE);
    hf_put_u16(command->auths, 0);
    command->sessions++;
}

GByteArray *hf_tpm_command_parameters(HfTpmCommand *command)
{
    return command->parameters;
}

/* The command's bytes; to be wiped. */
static GByteArray *assemble(const HfTpmCommand *command)
{
    GByteArray *w = g_byte_array_sized_new(2 * HF_COMMAND_MAX);
    bool sessions = command->sessions > 0;

    hf_put_u16(w, sessions ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS);
    hf_put_u32(w, 0);
    hf_put_u32(w, command->code);
    hf_put_bytes(w, command->handles->data, command->handles->len);
    if (sessions) {
        hf_put_u32(w, command->auths->len);
        hf_put_bytes(w, command->auths->data, command->auths->len);
    }
    hf_put_bytes(w, command->parameters->data, command->parameters->len);
    hf_set_u32_at(w, 2, w->len);
    return w;
}

static const char *name_of(const HfTpmCommand *command)
{
    const char *name = hf_command_name(command->code);

    return name ? name : "TPM command";
}

/* Sends until the TPM takes it; *ret_code is the answer's code. */
static GByteArray *exchange(const HfTpmCommand *command, const HfTransport *tpm, uint32_t *ret_code,
                            GError **error)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    GByteArray *bytes = assemble(command);
    bool good = false;

    for (unsigned i = 0; i < RETRIES_MAX; i++) {
        g_byte_array_set_size(response, 0);
        good = tpm->transmit(tpm->user, bytes->data, bytes->len, response, error);
        if (!good) {
            break;
        }
        good = response->len >= HEADER_SIZE && hf_fetch_u32(response->data + 2) == response->len;
        if (!good) {
            hf_error_set(error, HF_ERROR_INVALID, "%s: malformed response of %u bytes from the TPM",
                         name_of(command), response->len);
            break;
        }
        *ret_code = hf_fetch_u32(response->data + 6);
        if (*ret_code != TPM2_RC_RETRY && *ret_code != TPM2_RC_YIELDED) {
            break;
        }
    }
    wipe_array(bytes);
    return good ? g_steal_pointer(&response) : NULL;
}

/* One nonce, attributes and HMAC a session, then nothing. */
static bool session_area_good(HfReader *r, unsigned sessions)
{
    for (unsigned i = 0; i < sessions; i++) {
        hf_reader_tpm2b(r, HF_HASH_MAX);
        hf_reader_u8(r);
        hf_reader_tpm2b(r, HF_HASH_MAX);
    }
    return hf_reader_done(r);
}

/* Finds the parameters and checks the session area. */
static bool open_response(const HfTpmCommand *command, HfTpmResponse *response, bool wants_handle,
                          GError **error)
{
    HfReader r = hf_reader(response->bytes->data, response->bytes->len);
    uint16_t tag = hf_reader_u16(&r);
    uint16_t expected = command->sessions > 0 ? TPM2_ST_SESSIONS : TPM2_ST_NO_SESSIONS;

    hf_reader_bytes(&r, HEADER_SIZE - 2);
    if (wants_handle) {
        response->handle = hf_reader_u32(&r);
    }
    if (tag == TPM2_ST_SESSIONS) {
        response->parameters = hf_reader_sub(&r, hf_reader_u32(&r));
    } else {
        response->parameters = hf_reader_rest(&r);
    }
    if (response->parameters.failed || tag != expected ||
        !session_area_good(&r, command->sessions)) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: malformed response from the TPM",
                            name_of(command));
    }
    return true;
}

HfTpmResponse *hf_tpm_command_run(HfTpmCommand *command, const HfTransport *tpm, bool wants_handle,
                                  uint32_t *ret_code, GError **error)
{
    g_autoptr(HfTpmResponse) response = g_new0(HfTpmResponse, 1);
    uint32_t code = 0;

    response->bytes = exchange(command, tpm, &code, error);
    if (ret_code) {
        *ret_code = code;
    }
    if (!response->bytes) {
        return NULL;
    }
    if (code != TPM2_RC_SUCCESS) {
        g_autofree char *text = hf_response_text(code);

        hf_error_set(error, HF_ERROR_TPM, "%s: %s", name_of(command), text);
        return NULL;
    }
    return open_response(command, response, wants_handle, error) ? g_steal_pointer(&response)
                                                                 : NULL;
}

void hf_tpm_response_free(HfTpmResponse *response)
{
    if (response) {
        if (response->bytes) {
            wipe_array(response->bytes);
        }
        g_free(response);
    }
}

/* Runs a command of whose response nothing is wanted. */
static bool run_plain(HfTpmCommand *command, const HfTransport *tpm, GError **error)
{
    g_autoptr(HfTpmResponse) response = hf_tpm_command_run(command, tpm, false, NULL, error);

    return response != NULL;
}

bool hf_tpm_startup(const HfTransport *tpm, uint16_t type, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_Startup);

    hf_put_u16(command->parameters, type);
    return run_plain(command, tpm, error);
}

bool hf_tpm_shutdown(const HfTransport *tpm, uint16_t type, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_Shutdown);

    hf_put_u16(command->parameters, type);
    return run_plain(command, tpm, error);
}

bool hf_tpm_self_test(const HfTransport *tpm, bool full, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_SelfTest);

    hf_put_u8(command->parameters, full);
    return run_plain(command, tpm, error);
}

/* TPM2B_PUBLIC out of a response. */
static bool read_public_2b(HfReader *r, HfPublic *ret_public, GError **error)
{
    HfReader sub = hf_reader_tpm2b(r, HF_COMMAND_MAX);
    HfPublic pub;

    if (sub.failed || !hf_public_read(&sub, &pub, error)) {
        return sub.failed ? hf_error_set(error, HF_ERROR_INVALID, "public area: is missing")
                          : false;
    }
    if (!hf_reader_done(&sub)) {
        return hf_error_set(error, HF_ERROR_INVALID, "public area: bytes follow its end");
    }
    *ret_public = pub;
    return true;
}

bool hf_tpm_create_primary(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                           const HfPublic *template, uint32_t *ret_handle, HfPublic *ret_public,
                           GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_CreatePrimary);
    g_autoptr(HfTpmResponse) response = NULL;
    HfPublic pub;

    hf_tpm_command_handle(command, hierarchy);
    hf_tpm_command_auth(command, auth);
    hf_put_u16(command->parameters, 4); /* TPM2B_SENSITIVE_CREATE: empty auth, empty data */
    hf_put_u16(command->parameters, 0);
    hf_put_u16(command->parameters, 0);
    hf_public_write_2b(template, command->parameters);
    hf_put_u16(command->parameters, 0); /* outsideInfo */
    hf_put_u32(command->parameters, 0); /* creationPCR */
    response = hf_tpm_command_run(command, tpm, true, NULL, error);
    if (!response) {
        return false;
    }
    if (!read_public_2b(&response->parameters, &pub, error)) {
        hf_tpm_flush_context(tpm, response->handle, NULL);
        g_prefix_error(error, "TPM2_CreatePrimary: ");
        return false;
    }
    if (ret_public) {
        *ret_public = pub;
    }
    *ret_handle = response->handle;
    return true;
}

bool hf_tpm_evict_control(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                          uint32_t object, uint32_t persistent, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_EvictControl);

    hf_tpm_command_handle(command, hierarchy);
    hf_tpm_command_handle(command, object);
    hf_tpm_command_auth(command, auth);
    hf_put_u32(command->parameters, persistent);
    return run_plain(command, tpm, error);
}

bool hf_tpm_flush_context(const HfTransport *tpm, uint32_t handle, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_FlushContext);

    /* The handle is a parameter here, without authorisation. */
    hf_put_u32(command->parameters, handle);
    return run_plain(command, tpm, error);
}

bool hf_tpm_read_public(const HfTransport *tpm, uint32_t handle, HfPublic *ret_public,
                        GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_ReadPublic);
    g_autoptr(HfTpmResponse) response = NULL;
    HfTpmName expected;
    HfTpmName name;
    HfPublic pub;

    hf_tpm_command_handle(command, handle);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response || !read_public_2b(&response->parameters, &pub, error) ||
        !hf_tpm_name_read(&response->parameters, "name", &name, error)) {
        return false;
    }
    expected = hf_public_name(&pub);
    if (!hf_tpm_name_equal(&name, &expected)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "TPM2_ReadPublic: name does not belong to the public area");
    }
    *ret_public = pub;
    return true;
}

bool hf_tpm_hierarchy_change_auth(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                                  const HfSecret *new_auth, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_HierarchyChangeAuth);

    hf_tpm_command_handle(command, hierarchy);
    hf_tpm_command_auth(command, auth);
    hf_put_tpm2b(command->parameters, new_auth ? new_auth->data : NULL,
                 new_auth ? new_auth->size : 0);
    return run_plain(command, tpm, error);
}
