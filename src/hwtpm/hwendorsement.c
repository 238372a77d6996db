/*
 * hwendorsement.c - the host TPM's endorsement key and its certificate.
 *
 * The key is taken from the standard template, not from what some certificate says: after
 * TPM2_ChangeEPS the certificate in NV belongs to a key that is gone.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwendorsement.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwsession.h"
#include "pki/der.h"
#include "tpm2/template.h"

/* An EK certificate with everything a vendor puts into it stays well below. */
#define CERTIFICATE_MAX 8192U
/* Every TPM takes reads of this size. */
#define READ_STEP 512U
/* Where certificates above the EK's may lie (TCG EK Credential Profile). */
#define ABOVE_FIRST 0x01c00100U
#define ABOVE_LAST 0x01c001ffU
#define ABOVE_MAX 16384U

typedef struct {
    HfConnection *connection;
    ESYS_TR handle;
    bool persistent;
    bool by_policy; /* its template allows the USER role by policy A alone, not by password */
} HfLoadedEk;

static bool load_ek(HfConnection *connection, HfTemplate which, HfLoadedEk *ret_ek, GError **error)
{
    HfLoadedEk ek = { .connection = connection, .handle = ESYS_TR_NONE };
    HfPublic template;

    hf_template_public(which, &template);
    ek.by_policy = !(template.attributes & TPMA_OBJECT_USERWITHAUTH);
    ek.persistent =
        hf_esys_persistent(connection, hf_template_info(which)->handle, which, &ek.handle);
    if (!ek.persistent && !hf_esys_primary(connection, ESYS_TR_RH_ENDORSEMENT, &template,
                                           "create the endorsement key", &ek.handle, error)) {
        return false;
    }
    *ret_ek = ek;
    return true;
}

static void unload_ek(HfLoadedEk *ek)
{
    if (ek->persistent) {
        Esys_TR_Close(ek->connection->esys, &ek->handle);
    } else {
        hf_esys_flush(ek->connection, ek->handle);
    }
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

/* An index may be larger than the certificate in it. */
static GBytes *without_padding(GBytes *content)
{
    HfReader r = hf_reader_for(content);
    HfReader whole = hf_der_whole(&r, HF_DER_SEQUENCE);

    return whole.failed ? g_bytes_ref(content) : hf_der_bytes(whole);
}

void hf_endorsement_use(HfConnection *connection, HfTemplate which)
{
    g_assert(hf_template_info(which)->certificate_index != 0);
    connection->ek = which;
}

/* The template of the endorsement key to use, and its certificate if there is one. */
static bool choose(HfConnection *connection, HfTemplate *ret_which, GBytes **ret_certificate,
                   GError **error)
{
    static const HfTemplate templates[] = { HF_TEMPLATE_EK_RSA2048, HF_TEMPLATE_EK_P256,
                                            HF_TEMPLATE_EK_P384, HF_TEMPLATE_EK_RSA3072 };
    bool chosen = connection->ek != HF_TEMPLATE_COUNT;

    for (unsigned i = 0; i < (chosen ? 1 : G_N_ELEMENTS(templates)); i++) {
        HfTemplate which = chosen ? connection->ek : templates[i];
        g_autoptr(GBytes) content = NULL;

        if (!read_certificate(connection, hf_template_info(which)->certificate_index, &content,
                              error)) {
            return false;
        }
        if (content) {
            *ret_which = which;
            *ret_certificate = without_padding(content);
            return true;
        }
    }
    *ret_which = chosen ? connection->ek : HF_TEMPLATE_EK_RSA2048;
    *ret_certificate = NULL;
    return true;
}

/* The chosen key, loaded. ret_certificate may be NULL. */
static bool choose_loaded(HfConnection *connection, HfLoadedEk *ret_ek, GBytes **ret_certificate,
                          GError **error)
{
    g_autoptr(GBytes) certificate = NULL;
    g_autoptr(GError) local = NULL;
    HfTemplate which = HF_TEMPLATE_EK_RSA2048;
    bool fixed;

    if (!choose(connection, &which, &certificate, error)) {
        return false;
    }
    fixed = certificate || connection->ek != HF_TEMPLATE_COUNT;
    if (!load_ek(connection, which, ret_ek, &local)) {
        /* The other key only where the TPM cannot have this one, not where something went wrong. */
        if (fixed || !hf_error_is(local, HF_ERROR_UNSUPPORTED)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        if (!load_ek(connection, HF_TEMPLATE_EK_P256, ret_ek, error)) {
            return false;
        }
    }
    if (ret_certificate) {
        *ret_certificate = g_steal_pointer(&certificate);
    }
    return true;
}

bool hf_endorsement_read(HfConnection *connection, HfPublic *ret_public, GBytes **ret_certificate,
                         GError **error)
{
    hf_autoesys TPM2B_PUBLIC *area = NULL;
    g_autoptr(GBytes) certificate = NULL;
    HfLoadedEk ek;
    HfPublic pub;
    bool done;

    if (!choose_loaded(connection, &ek, &certificate, error)) {
        return false;
    }
    done = HF_TPM("read the endorsement key", error,
                  Esys_ReadPublic(connection->esys, ek.handle, connection->session, ESYS_TR_NONE,
                                  ESYS_TR_NONE, &area, NULL, NULL)) &&
           hf_esys_public_read(area, &pub, error);
    unload_ek(&ek);
    if (!done) {
        return false;
    }
    *ret_public = pub;
    *ret_certificate = g_steal_pointer(&certificate);
    return true;
}

GBytes *hf_endorsement_digest(const HfPublic *ek, GError **error)
{
    g_autoptr(HfPublicKey) key = hf_public_key_of(ek, error);
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;
    HfDigest digest;

    if (!spki) {
        return NULL;
    }
    digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
    return g_bytes_new(digest.data, digest.size);
}

GBytes *hf_endorsement_above(HfConnection *connection)
{
    g_autoptr(GByteArray) all = g_byte_array_new();

    for (uint32_t index = ABOVE_FIRST; index <= ABOVE_LAST; index++) {
        g_autoptr(GBytes) part = NULL;

        if (!read_certificate(connection, index, &part, NULL) || !part ||
            all->len + g_bytes_get_size(part) > ABOVE_MAX) {
            break;
        }
        g_byte_array_append(all, g_bytes_get_data(part, NULL), (guint)g_bytes_get_size(part));
    }
    if (all->len == 0) {
        return NULL;
    }
    /* A certificate may go over several indices, so padding shows only now. */
    g_autoptr(GBytes) content = g_byte_array_free_to_bytes(g_steal_pointer(&all));
    HfReader r = hf_reader_for(content);
    size_t good = 0;

    while (hf_reader_left(&r) > 0 && !hf_der_whole(&r, HF_DER_SEQUENCE).failed) {
        good = r.offset;
    }
    return good > 0 ? g_bytes_new_from_bytes(content, 0, good) : NULL;
}

/* Policy A: the endorsement hierarchy's password, in a session whose answers are authenticated. */
static bool policy_session(HfConnection *connection, ESYS_TR *ret_session, GError **error)
{
    ESYS_TR session = ESYS_TR_NONE;

    if (!hf_session_policy(connection, &session, error)) {
        return false;
    }
    /* Parameters go encrypted in the other session; a command knows one alone for that. */
    if (!hf_esys_check(Esys_TRSess_SetAttributes(connection->esys, session, 0,
                                                 TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT |
                                                     TPMA_SESSION_CONTINUESESSION),
                       "set session attributes", error) ||
        !HF_TPM("PolicySecret", error,
                Esys_PolicySecret(connection->esys, ESYS_TR_RH_ENDORSEMENT, session,
                                  connection->session, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL,
                                  0, NULL, NULL))) {
        hf_esys_flush(connection, session);
        return false;
    }
    *ret_session = session;
    return true;
}

static bool refused(TSS2_RC rc, GError **error)
{
    switch (hf_esys_base_code(rc)) {
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_VALUE:
    case TPM2_RC_SIZE:
    case TPM2_RC_INSUFFICIENT:
    /* What libtpms says of an RSA seed that was encrypted to another key. */
    case TPM2_RC_FAILURE:
        return hf_error_set(error, HF_ERROR_AUTH,
                            "challenge: the host TPM does not open it: it was made for another "
                            "endorsement key or another attestation key, or altered (0x%x)",
                            rc);
    default: return hf_esys_check(rc, "open the challenge", error);
    }
}

/* The authorisation of the endorsement key: a policy session of its own, or the empty password. */
static bool authorize(HfConnection *connection, const HfLoadedEk *ek, ESYS_TR *ret_session,
                      GError **error)
{
    *ret_session = ESYS_TR_PASSWORD;
    return !ek->by_policy || policy_session(connection, ret_session, error);
}

/* The TPM has ended the session if the command worked. */
static void unauthorize(HfConnection *connection, ESYS_TR session)
{
    if (session != ESYS_TR_PASSWORD) {
        hf_esys_flush(connection, session);
    }
}

HfSecret *hf_endorsement_activate(HfConnection *connection, HfHostKey *ak, GBytes *id_object,
                                  GBytes *encrypted_secret, GError **error)
{
    hf_autoesys TPM2B_DIGEST *opened = NULL;
    TPM2B_ENCRYPTED_SECRET secret = { 0 };
    TPM2B_ID_OBJECT object = { 0 };
    ESYS_TR session = ESYS_TR_NONE;
    HfSecret *result = NULL;
    HfLoadedEk ek;
    TSS2_RC rc;

    if (!hf_esys_buffer_fill(id_object, "challenge", &object.size, object.credential,
                             sizeof(object.credential), error) ||
        !hf_esys_buffer_fill(encrypted_secret, "challenge", &secret.size, secret.secret,
                             sizeof(secret.secret), error) ||
        !choose_loaded(connection, &ek, NULL, error)) {
        return NULL;
    }
    if (authorize(connection, &ek, &session, error)) {
        rc = HF_TPM_RC(Esys_ActivateCredential(connection->esys, hf_host_key_handle(ak), ek.handle,
                                               connection->session, session, ESYS_TR_NONE, &object,
                                               &secret, &opened));
        if (rc == TSS2_RC_SUCCESS) {
            result = hf_secret_copy(opened->buffer, opened->size);
            explicit_bzero(opened->buffer, sizeof(opened->buffer));
        } else {
            (void)refused(rc, error);
        }
        unauthorize(connection, session);
    }
    unload_ek(&ek);
    return result;
}

HfKeyBlob *hf_endorsement_create(HfConnection *connection, const HfPublic *template, GError **error)
{
    HfParent parent = { .extra = connection->session };
    const HfNewKey new_key = { 0 };
    HfKeyBlob *blob = NULL;
    HfLoadedEk ek;

    if (!choose_loaded(connection, &ek, NULL, error)) {
        return NULL;
    }
    parent.handle = ek.handle;
    if (authorize(connection, &ek, &parent.session, error)) {
        blob = hf_esys_create(connection, &parent, template, &new_key, "attestation key", error);
        unauthorize(connection, parent.session);
    }
    unload_ek(&ek);
    return blob;
}

HfHostKey *hf_endorsement_load(HfConnection *connection, const HfKeyBlob *blob, GError **error)
{
    HfParent parent = { .extra = connection->session };
    HfHostKey *key = NULL;
    HfLoadedEk ek;

    if (!choose_loaded(connection, &ek, NULL, error)) {
        return NULL;
    }
    parent.handle = ek.handle;
    if (authorize(connection, &ek, &parent.session, error)) {
        key = hf_esys_load(connection, &parent, blob, "attestation key", error);
        unauthorize(connection, parent.session);
    }
    unload_ek(&ek);
    return key;
}
