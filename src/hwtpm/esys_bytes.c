/*
 * esys_bytes.c - tpm2-tss structures to bytes and back.
 *
 * What the TPM returned is marshalled again by tpm2-tss' own code, so that the bytes in files and
 * requests are the ones the specification defines; what comes from files is parsed to its end.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/esys_bytes.h"

#include <string.h>

/* Larger than any structure here: a TPM2B_PUBLIC of RSA-4096 has below 700 bytes. */
#define SCRATCH 4096

/* A structure that the TPM returned always fits: anything else is a fault of ours. */
static GBytes *marshalled(TSS2_RC rc, const uint8_t *scratch, size_t size)
{
    g_assert(rc == TSS2_RC_SUCCESS);
    return g_bytes_new(scratch, size);
}

GBytes *hf_esys_public_bytes(const TPM2B_PUBLIC *area)
{
    uint8_t scratch[SCRATCH];
    size_t offset = 0;
    TSS2_RC rc;

    rc = Tss2_MU_TPMT_PUBLIC_Marshal(&area->publicArea, scratch, sizeof(scratch), &offset);
    return marshalled(rc, scratch, offset);
}

GBytes *hf_esys_creation_bytes(const TPM2B_CREATION_DATA *data)
{
    uint8_t scratch[SCRATCH];
    size_t offset = 0;
    TSS2_RC rc;

    rc = Tss2_MU_TPMS_CREATION_DATA_Marshal(&data->creationData, scratch, sizeof(scratch), &offset);
    return marshalled(rc, scratch, offset);
}

GBytes *hf_esys_ticket_bytes(const TPMT_TK_CREATION *ticket)
{
    uint8_t scratch[SCRATCH];
    size_t offset = 0;
    TSS2_RC rc;

    rc = Tss2_MU_TPMT_TK_CREATION_Marshal(ticket, scratch, sizeof(scratch), &offset);
    return marshalled(rc, scratch, offset);
}

GBytes *hf_esys_signature_bytes(const TPMT_SIGNATURE *signature)
{
    uint8_t scratch[SCRATCH];
    size_t offset = 0;
    TSS2_RC rc;

    rc = Tss2_MU_TPMT_SIGNATURE_Marshal(signature, scratch, sizeof(scratch), &offset);
    return marshalled(rc, scratch, offset);
}

GBytes *hf_esys_name_bytes(ESYS_CONTEXT *esys, ESYS_TR handle, GError **error)
{
    hf_autoesys TPM2B_NAME *name = NULL;

    if (!hf_esys_check(Esys_TR_GetName(esys, handle, &name), "name of an object", error)) {
        return NULL;
    }
    return g_bytes_new(name->name, name->size);
}

bool hf_esys_public_parse(GBytes *bytes, const char *what, TPM2B_PUBLIC *ret_area, GError **error)
{
    size_t size = 0;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    TPM2B_PUBLIC area = { 0 };
    size_t offset = 0;

    if (Tss2_MU_TPMT_PUBLIC_Unmarshal(data, size, &offset, &area.publicArea) != TSS2_RC_SUCCESS ||
        offset != size) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: %zu bytes of a TPMT_PUBLIC expected, found something else", what,
                            size);
    }
    *ret_area = area;
    return true;
}

bool hf_esys_ticket_parse(GBytes *bytes, const char *what, TPMT_TK_CREATION *ret_ticket,
                          GError **error)
{
    size_t size = 0;
    const uint8_t *data = g_bytes_get_data(bytes, &size);
    TPMT_TK_CREATION ticket = { 0 };
    size_t offset = 0;

    if (Tss2_MU_TPMT_TK_CREATION_Unmarshal(data, size, &offset, &ticket) != TSS2_RC_SUCCESS ||
        offset != size) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "%s: %zu bytes of a TPMT_TK_CREATION expected, found something else",
                            what, size);
    }
    *ret_ticket = ticket;
    return true;
}

bool hf_esys_buffer_fill(GBytes *bytes, const char *what, UINT16 *ret_size, BYTE *ret_buffer,
                         size_t max, GError **error)
{
    size_t size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    if (size > max) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: at most %zu bytes expected, found %zu",
                            what, max, size);
    }
    if (size > 0) {
        memcpy(ret_buffer, data, size);
    }
    *ret_size = (UINT16)size;
    return true;
}

bool hf_esys_template(const HfPublic *template, TPM2B_PUBLIC *ret_area, GError **error)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    g_autoptr(GBytes) bytes = NULL;

    hf_public_write(template, w);
    bytes = g_byte_array_free_to_bytes(g_steal_pointer(&w));
    return hf_esys_public_parse(bytes, "public area", ret_area, error);
}

bool hf_esys_public_read(const TPM2B_PUBLIC *area, HfPublic *ret_public, GError **error)
{
    g_autoptr(GBytes) bytes = hf_esys_public_bytes(area);

    return hf_public_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), ret_public,
                           error);
}
