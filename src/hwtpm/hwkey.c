/*
 * hwkey.c - SRK, host AK and policy-bound signing keys.
 *
 * The SRK and the AK are primaries: the same template gives the same key for as long as the
 * hierarchy's seed lives, so that nothing has to be kept in the TPM. The AK is in the endorsement
 * hierarchy: only there a quote's clock and firmware fields are not obfuscated.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/hwkey.h"

#include <string.h>

#include "hwtpm/esys_bytes.h"
#include "hwtpm/hwsession.h"
#include "tpm2/hostkey.h"
#include "tpm2/template.h"

struct HfHostKey {
    HfConnection *connection;
    ESYS_TR handle;
    HfPublic public_area;
};

void hf_key_blob_free(HfKeyBlob *blob)
{
    if (!blob) {
        return;
    }
    g_clear_pointer(&blob->public_area, g_bytes_unref);
    g_clear_pointer(&blob->private_area, g_bytes_unref);
    g_clear_pointer(&blob->creation_data, g_bytes_unref);
    g_clear_pointer(&blob->creation_hash, g_bytes_unref);
    g_clear_pointer(&blob->creation_ticket, g_bytes_unref);
    g_free(blob);
}

void hf_host_key_free(HfHostKey *key)
{
    if (!key) {
        return;
    }
    hf_esys_flush(key->connection, key->handle);
    g_free(key);
}

const HfPublic *hf_host_key_public(const HfHostKey *key)
{
    return &key->public_area;
}

ESYS_TR hf_host_key_handle(const HfHostKey *key)
{
    return key->handle;
}

/* The template in all but the unique field, which differs from key to key anyway. */
static bool is_of_template(const TPM2B_PUBLIC *area, HfTemplate which)
{
    g_autoptr(GByteArray) wanted = g_byte_array_new();
    g_autoptr(GByteArray) found = g_byte_array_new();
    HfPublic template;
    HfPublic parsed;

    if (!hf_esys_public_read(area, &parsed, NULL)) {
        return false;
    }
    hf_template_public(which, &template);
    template.unique_size = parsed.unique_size;
    template.y_size = parsed.y_size;
    memcpy(template.unique, parsed.unique, parsed.unique_size);
    memcpy(template.y, parsed.y, parsed.y_size);
    hf_public_write(&template, wanted);
    hf_public_write(&parsed, found);
    return wanted->len == found->len && memcmp(wanted->data, found->data, found->len) == 0;
}

bool hf_esys_persistent(HfConnection *connection, uint32_t handle, HfTemplate which,
                        ESYS_TR *ret_handle)
{
    hf_autoesys TPM2B_PUBLIC *area = NULL;
    ESYS_TR key = ESYS_TR_NONE;

    if (HF_TPM_RC(Esys_TR_FromTPMPublic(connection->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &key)) != TSS2_RC_SUCCESS) {
        return false;
    }
    if (HF_TPM_RC(Esys_ReadPublic(connection->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &area, NULL, NULL)) != TSS2_RC_SUCCESS ||
        !is_of_template(area, which)) {
        Esys_TR_Close(connection->esys, &key);
        return false;
    }
    *ret_handle = key;
    return true;
}

bool hf_esys_primary(HfConnection *connection, ESYS_TR hierarchy, const HfPublic *template,
                     const char *what, ESYS_TR *ret_handle, GError **error)
{
    /* The SRK itself is made before there is a session; its Name is compared afterwards. */
    ESYS_TR session = connection->session == ESYS_TR_NONE ? ESYS_TR_PASSWORD : connection->session;
    const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION pcrs = { 0 };
    TPM2B_PUBLIC area = { 0 };
    ESYS_TR handle = ESYS_TR_NONE;

    if (!hf_esys_template(template, &area, error) ||
        !HF_TPM(what, error,
                Esys_CreatePrimary(connection->esys, hierarchy, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &sensitive, &area, &outside, &pcrs, &handle, NULL, NULL, NULL,
                                   NULL))) {
        return false;
    }
    hf_esys_own(connection, handle);
    *ret_handle = handle;
    return true;
}

static bool name_is(HfConnection *connection, GBytes *pinned, GBytes **ret_name, GError **error)
{
    g_autoptr(GBytes) name = hf_esys_name_bytes(connection->esys, connection->srk, error);

    if (!name) {
        return false;
    }
    if (pinned && !g_bytes_equal(name, pinned)) {
        g_autofree char *found = hf_hex(g_bytes_get_data(name, NULL), g_bytes_get_size(name));
        g_autofree char *wanted = hf_hex(g_bytes_get_data(pinned, NULL), g_bytes_get_size(pinned));

        return hf_error_set(error, HF_ERROR_STATE,
                            "TPM replaced or cleared: storage root key %s expected, found %s",
                            wanted, found);
    }
    if (ret_name) {
        *ret_name = g_steal_pointer(&name);
    }
    return true;
}

static void srk_drop(HfConnection *connection)
{
    if (connection->srk_owned) {
        hf_esys_flush(connection, connection->srk);
    } else if (connection->srk != ESYS_TR_NONE) {
        Esys_TR_Close(connection->esys, &connection->srk);
    }
    connection->srk = ESYS_TR_NONE;
    connection->srk_owned = false;
}

bool hf_storage_open(HfConnection *connection, uint32_t handle, GBytes *pinned_name,
                     GBytes **ret_name, GError **error)
{
    g_autoptr(GBytes) name = NULL;

    g_assert(connection->srk == ESYS_TR_NONE);
    /* A persistent SRK of another Name does not matter when the template still makes ours. */
    if (hf_esys_persistent(connection, handle, HF_TEMPLATE_SRK_P256, &connection->srk) &&
        !name_is(connection, pinned_name, &name, NULL)) {
        srk_drop(connection);
    }
    if (connection->srk == ESYS_TR_NONE) {
        HfPublic template;

        hf_template_public(HF_TEMPLATE_SRK_P256, &template);
        if (!hf_esys_primary(connection, ESYS_TR_RH_OWNER, &template, "create the storage root key",
                             &connection->srk, error)) {
            return false;
        }
        connection->srk_owned = true;
        if (!name_is(connection, pinned_name, &name, error)) {
            srk_drop(connection);
            return false;
        }
    }
    if (!hf_session_open(connection, error)) {
        return false;
    }
    if (ret_name) {
        *ret_name = g_steal_pointer(&name);
    }
    return true;
}

static bool fill_auth(const HfSecret *auth, TPM2B_AUTH *ret_auth, GError **error)
{
    if (auth && auth->size > HF_KEY_AUTH_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "authorisation value of a key: at most %u bytes expected, found %zu",
                            HF_KEY_AUTH_MAX, auth->size);
    }
    if (auth) {
        ret_auth->size = (UINT16)auth->size;
        memcpy(ret_auth->buffer, auth->data, auth->size);
    }
    return true;
}

bool hf_esys_authorize(HfConnection *connection, ESYS_TR handle, const HfSecret *auth,
                       GError **error)
{
    TPM2B_AUTH value = { 0 };
    bool done = fill_auth(auth, &value, error) &&
                hf_esys_check(Esys_TR_SetAuth(connection->esys, handle, &value),
                              "set an authorisation value", error);

    explicit_bzero(&value, sizeof(value));
    return done;
}

HfKeyBlob *hf_esys_create(HfConnection *connection, const HfParent *parent,
                          const HfPublic *template, const HfNewKey *new_key, const char *what,
                          GError **error)
{
    g_autofree char *doing = g_strdup_printf("create the %s", what);
    TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPML_PCR_SELECTION pcrs = { 0 };
    TPM2B_PUBLIC area = { 0 };
    TPM2B_DATA outside = { 0 };
    hf_autoesys TPM2B_PRIVATE *private_area = NULL;
    hf_autoesys TPM2B_PUBLIC *public_area = NULL;
    hf_autoesys TPM2B_CREATION_DATA *data = NULL;
    hf_autoesys TPM2B_DIGEST *hash = NULL;
    hf_autoesys TPMT_TK_CREATION *ticket = NULL;
    HfKeyBlob *blob;
    bool done;

    if (!hf_esys_template(template, &area, error) ||
        (new_key->outside_info &&
         !HF_ESYS_FILL(new_key->outside_info, "outside information of the new key", &outside,
                       error)) ||
        !fill_auth(new_key->auth, &sensitive.sensitive.userAuth, error)) {
        return NULL;
    }
    done = HF_TPM(doing, error,
                  Esys_Create(connection->esys, parent->handle, parent->session, parent->extra,
                              ESYS_TR_NONE, &sensitive, &area, &outside, &pcrs, &private_area,
                              &public_area, &data, &hash, &ticket));
    explicit_bzero(&sensitive, sizeof(sensitive));
    if (!done) {
        return NULL;
    }
    blob = g_new0(HfKeyBlob, 1);
    blob->public_area = hf_esys_public_bytes(public_area);
    blob->private_area = g_bytes_new(private_area->buffer, private_area->size);
    blob->creation_data = hf_esys_creation_bytes(data);
    blob->creation_hash = g_bytes_new(hash->buffer, hash->size);
    blob->creation_ticket = hf_esys_ticket_bytes(ticket);
    return blob;
}

HfKeyBlob *hf_key_create(HfConnection *connection, HfVmaAlgorithm algorithm, const HfDigest *policy,
                         GBytes *outside_info, GError **error)
{
    const HfParent parent = { connection->srk, connection->session, ESYS_TR_NONE };
    const HfNewKey new_key = { .outside_info = outside_info };
    HfPublic template;

    hf_vma_template(algorithm, policy, &template);
    return hf_esys_create(connection, &parent, &template, &new_key, "signing key", error);
}

HfKeyBlob *hf_key_create_derivation(HfConnection *connection, const HfDigest *policy,
                                    GError **error)
{
    const HfParent parent = { connection->srk, connection->session, ESYS_TR_NONE };
    const HfNewKey new_key = { 0 };
    HfPublic template;

    hf_derivation_template(policy, &template);
    return hf_esys_create(connection, &parent, &template, &new_key, "derivation key", error);
}

HfKeyBlob *hf_key_create_with_auth(HfConnection *connection, const HfSecret *auth, GError **error)
{
    const HfParent parent = { connection->srk, connection->session, ESYS_TR_NONE };
    const HfNewKey new_key = { .auth = auth };
    HfPublic template;

    hf_ca_template(auth != NULL, &template);
    return hf_esys_create(connection, &parent, &template, &new_key, "signing key", error);
}

/* Takes over `handle`. */
static HfHostKey *key_new(HfConnection *connection, ESYS_TR handle, GError **error)
{
    g_autoptr(HfHostKey) key = g_new0(HfHostKey, 1);
    hf_autoesys TPM2B_PUBLIC *area = NULL;

    key->connection = connection;
    key->handle = handle;
    if (!HF_TPM("read a public area", error,
                Esys_ReadPublic(connection->esys, handle, connection->session, ESYS_TR_NONE,
                                ESYS_TR_NONE, &area, NULL, NULL))) {
        return NULL;
    }
    return hf_esys_public_read(area, &key->public_area, error) ? g_steal_pointer(&key) : NULL;
}

HfHostKey *hf_esys_load(HfConnection *connection, const HfParent *parent, const HfKeyBlob *blob,
                        const char *what, GError **error)
{
    g_autofree char *public_text = g_strdup_printf("public area of the %s", what);
    g_autofree char *private_text = g_strdup_printf("private area of the %s", what);
    g_autofree char *doing = g_strdup_printf("load the %s", what);
    TPM2B_PUBLIC public_area = { 0 };
    TPM2B_PRIVATE private_area = { 0 };
    ESYS_TR handle = ESYS_TR_NONE;
    TSS2_RC rc;

    if (!hf_esys_public_parse(blob->public_area, public_text, &public_area, error) ||
        !HF_ESYS_FILL(blob->private_area, private_text, &private_area, error)) {
        return NULL;
    }
    rc = HF_TPM_RC(Esys_Load(connection->esys, parent->handle, parent->session, parent->extra,
                             ESYS_TR_NONE, &private_area, &public_area, &handle));
    switch (hf_esys_base_code(rc)) {
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_SIZE:
    case TPM2_RC_VALUE:
    case TPM2_RC_BINDING:
    case TPM2_RC_INSUFFICIENT:
        hf_error_set(error, HF_ERROR_STATE,
                     "the host TPM does not know the %s as its own: another TPM, a cleared "
                     "one, or altered key files (0x%x)",
                     what, rc);
        return NULL;
    default: break;
    }
    if (!hf_esys_check(rc, doing, error)) {
        return NULL;
    }
    hf_esys_own(connection, handle);
    return key_new(connection, handle, error);
}

HfHostKey *hf_key_load(HfConnection *connection, const HfKeyBlob *blob, const char *what,
                       GError **error)
{
    const HfParent parent = { connection->srk, connection->session, ESYS_TR_NONE };

    return hf_esys_load(connection, &parent, blob, what, error);
}

HfHostKey *hf_key_attestation(HfConnection *connection, GError **error)
{
    ESYS_TR handle = ESYS_TR_NONE;
    HfPublic template;

    hf_host_ak_template(&template);
    if (!hf_esys_primary(connection, ESYS_TR_RH_ENDORSEMENT, &template,
                         "create the attestation key", &handle, error)) {
        return NULL;
    }
    return key_new(connection, handle, error);
}
