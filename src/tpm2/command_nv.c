/*
 * command_nv.c - NV indices: define, write and read in pieces, lock, describe.
 *
 * A piece is HF_NV_PIECE bytes, which every TPM of the PC Client profile takes. A response is
 * believed only as far as its sizes fit what was asked for.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/command.h"
#include "tpm2/constants.h"

bool hf_tpm_nv_define(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                      const HfNvPublic *pub, const HfSecret *index_auth, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_NV_DefineSpace);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    size_t at;

    hf_tpm_command_handle(command, hierarchy);
    hf_tpm_command_auth(command, auth);
    hf_put_tpm2b(w, index_auth ? index_auth->data : NULL, index_auth ? index_auth->size : 0);
    at = w->len;
    hf_put_u16(w, 0);
    hf_nv_public_write(pub, w);
    hf_set_u16_at(w, at, (uint16_t)(w->len - at - 2));
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        g_prefix_error(error, "NV index 0x%08x: ", pub->index);
    }
    return response != NULL;
}

/* A command on an index that has no parameters. */
static bool run_on_index(const HfTransport *tpm, uint32_t code, uint32_t handle,
                         const HfSecret *auth, uint32_t index, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(code);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, handle);
    hf_tpm_command_handle(command, index);
    hf_tpm_command_auth(command, auth);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        g_prefix_error(error, "NV index 0x%08x: ", index);
    }
    return response != NULL;
}

bool hf_tpm_nv_undefine(const HfTransport *tpm, uint32_t hierarchy, const HfSecret *auth,
                        uint32_t index, GError **error)
{
    return run_on_index(tpm, TPM2_CC_NV_UndefineSpace, hierarchy, auth, index, error);
}

static bool write_piece(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                        uint32_t index, const uint8_t *data, size_t n, size_t offset,
                        GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_NV_Write);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, auth_handle);
    hf_tpm_command_handle(command, index);
    hf_tpm_command_auth(command, auth);
    hf_put_tpm2b(w, data, n);
    hf_put_u16(w, (uint16_t)offset);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    return response != NULL;
}

bool hf_tpm_nv_write(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                     uint32_t index, const void *data, size_t n, GError **error)
{
    const uint8_t *bytes = data;
    size_t done = 0;

    if (n > UINT16_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "NV index 0x%08x: %zu bytes are more than an index holds", index, n);
    }
    /* An empty write still marks the index as written. */
    do {
        size_t piece = MIN(n - done, HF_NV_PIECE);

        if (!write_piece(tpm, auth_handle, auth, index, bytes + done, piece, done, error)) {
            g_prefix_error(error, "NV index 0x%08x: ", index);
            return false;
        }
        done += piece;
    } while (done < n);
    return true;
}

bool hf_tpm_nv_write_lock(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                          uint32_t index, GError **error)
{
    return run_on_index(tpm, TPM2_CC_NV_WriteLock, auth_handle, auth, index, error);
}

static bool read_piece(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                       uint32_t index, size_t n, GByteArray *data, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_NV_Read);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    HfReader piece;

    hf_tpm_command_handle(command, auth_handle);
    hf_tpm_command_handle(command, index);
    hf_tpm_command_auth(command, auth);
    hf_put_u16(w, (uint16_t)n);
    hf_put_u16(w, (uint16_t)data->len);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        return false;
    }
    piece = hf_reader_tpm2b(&response->parameters, n);
    if (!hf_reader_done(&response->parameters) || piece.size != n) {
        return hf_error_set(error, HF_ERROR_INVALID, "TPM2_NV_Read: expected %zu bytes, found %zu",
                            n, piece.size);
    }
    hf_put_bytes(data, piece.data, piece.size);
    return true;
}

GBytes *hf_tpm_nv_read_size(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                            uint32_t index, size_t size, GError **error)
{
    g_autoptr(GByteArray) data = g_byte_array_new();

    while (data->len < size) {
        size_t piece = MIN(size - data->len, HF_NV_PIECE);

        if (!read_piece(tpm, auth_handle, auth, index, piece, data, error)) {
            g_prefix_error(error, "NV index 0x%08x: ", index);
            return NULL;
        }
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&data));
}

GBytes *hf_tpm_nv_read(const HfTransport *tpm, uint32_t auth_handle, const HfSecret *auth,
                       uint32_t index, GError **error)
{
    HfNvPublic pub = { 0 };

    return hf_tpm_nv_read_public(tpm, index, &pub, error)
               ? hf_tpm_nv_read_size(tpm, auth_handle, auth, index, pub.size, error)
               : NULL;
}

bool hf_tpm_nv_read_public(const HfTransport *tpm, uint32_t index, HfNvPublic *ret_public,
                           GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_NV_ReadPublic);
    g_autoptr(HfTpmResponse) response = NULL;
    HfNvPublic pub;
    HfTpmName expected;
    HfTpmName name;
    HfReader sub;

    hf_tpm_command_handle(command, index);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        g_prefix_error(error, "NV index 0x%08x: ", index);
        return false;
    }
    sub = hf_reader_tpm2b(&response->parameters, HF_COMMAND_MAX);
    if (!hf_nv_public_parse(sub.data, sub.size, &pub, error) ||
        !hf_tpm_name_read(&response->parameters, "name", &name, error)) {
        return false;
    }
    expected = hf_nv_public_name(&pub);
    if (pub.index != index || !hf_tpm_name_equal(&name, &expected)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "TPM2_NV_ReadPublic: answer is not about index 0x%08x", index);
    }
    *ret_public = pub;
    return true;
}
