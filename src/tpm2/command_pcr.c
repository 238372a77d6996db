/*
 * command_pcr.c - PCRs and capabilities.
 *
 * Lists a TPM gives in several answers are asked for until it says there is no more; each round
 * must bring something new, so a TPM that lies cannot keep us in a loop.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/command.h"
#include "tpm2/constants.h"

#define HANDLES_A_ROUND 64u
#define DIGESTS_MAX 8u /* of one TPML_DIGEST */

/* The answer's reader stands behind the capability number. *ret_more: the TPM has more. */
static HfTpmResponse *get_capability(const HfTransport *tpm, uint32_t capability, uint32_t property,
                                     uint32_t count, bool *ret_more, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_GetCapability);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;
    uint32_t found;

    hf_put_u32(w, capability);
    hf_put_u32(w, property);
    hf_put_u32(w, count);
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        return NULL;
    }
    *ret_more = hf_reader_u8(&response->parameters) != 0;
    found = hf_reader_u32(&response->parameters);
    if (response->parameters.failed || found != capability) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "TPM2_GetCapability: expected capability %u, found %u", capability, found);
        return NULL;
    }
    return g_steal_pointer(&response);
}

bool hf_tpm_get_pcrs(const HfTransport *tpm, HfPcrSelection *ret_selection, GError **error)
{
    bool more = false;
    g_autoptr(HfTpmResponse) response =
        get_capability(tpm, TPM2_CAP_PCRS, 0, HF_PCR_BANKS_MAX, &more, error);

    return response && hf_pcr_selection_read(&response->parameters, ret_selection, error);
}

bool hf_tpm_get_property(const HfTransport *tpm, uint32_t property, uint32_t *ret_value,
                         GError **error)
{
    bool more = false;
    g_autoptr(HfTpmResponse) response =
        get_capability(tpm, TPM2_CAP_TPM_PROPERTIES, property, 1, &more, error);
    uint32_t count;
    uint32_t found;
    uint32_t value;

    if (!response) {
        return false;
    }
    count = hf_reader_u32(&response->parameters);
    found = hf_reader_u32(&response->parameters);
    value = hf_reader_u32(&response->parameters);
    /* A TPM answers with the next property when it does not have this one. */
    if (count != 1 || response->parameters.failed || found != property) {
        return hf_error_set(error, HF_ERROR_NOT_FOUND, "TPM property 0x%x does not exist",
                            property);
    }
    *ret_value = value;
    return true;
}

/* Appends one answer's handles; false when it is malformed or one is not above the last. */
static bool take_handles(HfReader *r, GArray *handles, uint32_t *next)
{
    uint32_t count = hf_reader_u32(r);

    if (r->failed || count > HANDLES_A_ROUND) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        guint32 handle = hf_reader_u32(r);

        if (r->failed || handle < *next) {
            return false;
        }
        g_array_append_val(handles, handle);
        *next = handle + 1;
    }
    return hf_reader_done(r);
}

GArray *hf_tpm_get_handles(const HfTransport *tpm, uint32_t first, GError **error)
{
    g_autoptr(GArray) handles = g_array_new(FALSE, FALSE, sizeof(guint32));
    uint32_t next = first;
    bool more = true;

    while (more) {
        uint32_t before = next;
        g_autoptr(HfTpmResponse) response =
            get_capability(tpm, TPM2_CAP_HANDLES, next, HANDLES_A_ROUND, &more, error);

        if (!response) {
            return NULL;
        }
        if (!take_handles(&response->parameters, handles, &next) || (more && next == before)) {
            hf_error_set(error, HF_ERROR_INVALID, "TPM2_GetCapability: malformed list of handles");
            return NULL;
        }
    }
    return g_steal_pointer(&handles);
}

bool hf_tpm_pcr_allocate(const HfTransport *tpm, const HfSecret *platform_auth,
                         const HfPcrSelection *selection, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PCR_Allocate);
    g_autoptr(HfTpmResponse) response = NULL;
    uint8_t success;
    uint32_t max;
    uint32_t needed;
    uint32_t available;

    hf_tpm_command_handle(command, TPM2_RH_PLATFORM);
    hf_tpm_command_auth(command, platform_auth);
    hf_pcr_selection_write(selection, hf_tpm_command_parameters(command));
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    if (!response) {
        return false;
    }
    success = hf_reader_u8(&response->parameters);
    max = hf_reader_u32(&response->parameters);
    needed = hf_reader_u32(&response->parameters);
    available = hf_reader_u32(&response->parameters);
    if (!hf_reader_done(&response->parameters)) {
        return hf_error_set(error, HF_ERROR_INVALID, "TPM2_PCR_Allocate: malformed answer");
    }
    if (!success) {
        return hf_error_set(
            error, HF_ERROR_TPM,
            "TPM2_PCR_Allocate: no room (at most %u PCRs, %u bytes needed, %u free)", max, needed,
            available);
    }
    return true;
}

/* Adds the values of one answer and takes them out of `left`. */
static bool take_values(HfReader *r, HfPcrSelection *left, HfPcrValues *values, GError **error)
{
    HfPcrSelection got;
    uint32_t count;
    uint32_t used = 0;

    hf_reader_u32(r); /* pcrUpdateCounter */
    if (!hf_pcr_selection_read(r, &got, error)) {
        return false;
    }
    count = hf_reader_u32(r);
    if (count == 0) {
        g_autofree char *text = hf_pcr_selection_text(left);

        return hf_error_set(error, HF_ERROR_NOT_FOUND, "TPM2_PCR_Read: the TPM has no %s", text);
    }
    for (uint32_t i = 0; i < got.count && i < left->count; i++) {
        HfPcrBank *bank = &left->banks[i];

        if (got.banks[i].hash != bank->hash || (got.banks[i].mask & ~bank->mask) != 0) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "TPM2_PCR_Read: answer has PCRs nobody asked for");
        }
        for (unsigned pcr = 0; pcr < 32; pcr++) {
            HfReader digest;

            if (!(got.banks[i].mask & (1u << pcr))) {
                continue;
            }
            digest = hf_reader_tpm2b(r, HF_HASH_MAX);
            used++;
            if (!hf_pcr_values_add(values, bank->hash, pcr, digest.data, digest.size, error)) {
                return false;
            }
        }
        bank->mask &= ~got.banks[i].mask;
    }
    if (used != count || !hf_reader_done(r) || used > DIGESTS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "TPM2_PCR_Read: malformed answer");
    }
    return true;
}

HfPcrValues *hf_tpm_pcr_read(const HfTransport *tpm, const HfPcrSelection *selection,
                             GError **error)
{
    g_autoptr(HfPcrValues) values = hf_pcr_values_new();
    HfPcrSelection left = *selection;

    while (hf_pcr_selection_total(&left) > 0) {
        g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PCR_Read);
        g_autoptr(HfTpmResponse) response = NULL;

        hf_pcr_selection_write(&left, hf_tpm_command_parameters(command));
        response = hf_tpm_command_run(command, tpm, false, NULL, error);
        if (!response || !take_values(&response->parameters, &left, values, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&values);
}

bool hf_tpm_pcr_extend(const HfTransport *tpm, unsigned index, const HfDigest *digests,
                       size_t count, GError **error)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PCR_Extend);
    GByteArray *w = hf_tpm_command_parameters(command);
    g_autoptr(HfTpmResponse) response = NULL;

    hf_tpm_command_handle(command, index);
    hf_tpm_command_auth(command, NULL);
    hf_put_u32(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        hf_put_u16(w, digests[i].alg);
        hf_put_bytes(w, digests[i].data, digests[i].size);
    }
    response = hf_tpm_command_run(command, tpm, false, NULL, error);
    return response != NULL;
}
