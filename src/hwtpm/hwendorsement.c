/*
 * hwendorsement.c - the host TPM's endorsement key and its certificate.
 *
 * The key is taken from the standard template, not from what some certificate says: after
 * TPM2_ChangeEPS the certificate in NV belongs to a key that is gone.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwendorsement.h"

#include "hwtpm/esys_bytes.h"
#include "tpm2/template.h"

/* An EK certificate with everything a vendor puts into it stays well below. */
#define CERTIFICATE_MAX 8192U
/* Every TPM takes reads of this size. */
#define READ_STEP 512U

static bool read_by_template(HfConnection *connection, HfTemplate which, HfPublic *ret_public,
                             GError **error)
{
    hf_autoesys TPM2B_PUBLIC *area = NULL;
    ESYS_TR handle = ESYS_TR_NONE;
    HfPublic template;
    bool persistent;
    bool done;

    hf_template_public(which, &template);
    persistent = hf_esys_persistent(connection, hf_template_info(which)->handle, which, &handle);
    if (!persistent && !hf_esys_primary(connection, ESYS_TR_RH_ENDORSEMENT, &template,
                                        "create the endorsement key", &handle, error)) {
        return false;
    }
    done = HF_TPM("read the endorsement key", error,
                  Esys_ReadPublic(connection->esys, handle, connection->session, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &area, NULL, NULL)) &&
           hf_esys_public_read(area, ret_public, error);
    if (persistent) {
        Esys_TR_Close(connection->esys, &handle);
    } else {
        hf_esys_flush(connection, handle);
    }
    return done;
}

static GBytes *read_index(HfConnection *connection, ESYS_TR nv, uint16_t size, GError **error)
{
    g_autoptr(GByteArray) content = g_byte_array_new();

    if (size > CERTIFICATE_MAX) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "certificate of the host TPM: at most %u bytes expected, found %u",
                     CERTIFICATE_MAX, size);
        return NULL;
    }
    while (content->len < size) {
        UINT16 step = (UINT16)MIN(READ_STEP, size - content->len);
        hf_autoesys TPM2B_MAX_NV_BUFFER *part = NULL;

        if (!HF_TPM("read the certificate of the host TPM", error,
                    Esys_NV_Read(connection->esys, nv, nv, connection->session, ESYS_TR_NONE,
                                 ESYS_TR_NONE, step, (UINT16)content->len, &part))) {
            return NULL;
        }
        if (part->size != step) {
            hf_error_set(error, HF_ERROR_TPM, "host TPM: short read of its certificate");
            return NULL;
        }
        g_byte_array_append(content, part->buffer, part->size);
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&content));
}

/* NULL without error when there is no certificate that anybody may read. */
static bool read_certificate(HfConnection *connection, uint32_t index, GBytes **ret_certificate,
                             GError **error)
{
    hf_autoesys TPM2B_NV_PUBLIC *area = NULL;
    ESYS_TR nv = ESYS_TR_NONE;
    bool done = true;

    *ret_certificate = NULL;
    if (HF_TPM_RC(Esys_TR_FromTPMPublic(connection->esys, index, ESYS_TR_NONE, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &nv)) != TSS2_RC_SUCCESS) {
        return true;
    }
    if (!HF_TPM("read the certificate's index", error,
                Esys_NV_ReadPublic(connection->esys, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &area, NULL))) {
        done = false;
    } else if ((area->nvPublic.attributes & TPMA_NV_AUTHREAD) &&
               (area->nvPublic.attributes & TPMA_NV_WRITTEN)) {
        *ret_certificate = read_index(connection, nv, area->nvPublic.dataSize, error);
        done = *ret_certificate != NULL;
    }
    Esys_TR_Close(connection->esys, &nv);
    return done;
}

bool hf_endorsement_read(HfConnection *connection, HfPublic *ret_public, GBytes **ret_certificate,
                         GError **error)
{
    g_autoptr(GBytes) certificate = NULL;
    HfTemplate which = HF_TEMPLATE_EK_RSA2048;
    HfPublic pub;

    if (!read_by_template(connection, which, &pub, NULL)) {
        which = HF_TEMPLATE_EK_P256;
        if (!read_by_template(connection, which, &pub, error)) {
            return false;
        }
    }
    if (!read_certificate(connection, hf_template_info(which)->certificate_index, &certificate,
                          error)) {
        return false;
    }
    *ret_public = pub;
    *ret_certificate = g_steal_pointer(&certificate);
    return true;
}
