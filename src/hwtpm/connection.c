/*
 * connection.c - opening and closing the host TPM.
 *
 * Holds the ESYS context and the list of handles to flush. It never sends TPM2_Startup or
 * TPM2_Clear: starting the host TPM is the host firmware's business.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "hwtpm/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

#include "base/error.h"
#include "base/file.h"
#include "hwtpm/esys.h"
#include "hwtpm/hwsession.h"

void hf_esys_free(void *p)
{
    Esys_Free(p);
}

void hf_esys_cleanup(void *pointer_to_pointer)
{
    void **p = pointer_to_pointer;

    Esys_Free(*p);
    *p = NULL;
}

/* A device says itself why it cannot be opened; tpm2-tss does not pass that on. */
static void set_unreachable(const char *tcti, TSS2_RC rc, GError **error)
{
    const char *device = g_str_has_prefix(tcti, "device:") ? tcti + strlen("device:") : "";
    hf_autofd int fd = *device ? open(device, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

    if (*device && fd < 0) {
        hf_error_set(error, HF_ERROR_IO, "host TPM not reachable over TCTI \"%s\": %s", tcti,
                     g_strerror(errno));
    } else {
        hf_error_set(error, HF_ERROR_IO, "host TPM not reachable over TCTI \"%s\" (0x%x)", tcti,
                     rc);
    }
}

HfConnection *hf_connection_open(const char *tcti, GError **error)
{
    g_autoptr(HfConnection) connection = g_new0(HfConnection, 1);
    TSS2_RC rc;

    /* tpm2-tss writes lines of its own to stderr, also where nothing is wrong; ours say it in words.
     * Whoever wants to see them sets the variable. */
    g_setenv("TSS2_LOG", "all+NONE", FALSE);
    connection->tcti_name = g_strdup(tcti ? tcti : HF_TCTI_DEFAULT);
    connection->srk = ESYS_TR_NONE;
    connection->session = ESYS_TR_NONE;
    connection->ek = HF_TEMPLATE_COUNT;
    connection->owned = g_array_new(FALSE, FALSE, sizeof(ESYS_TR));
    rc = Tss2_TctiLdr_Initialize(connection->tcti_name, &connection->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        connection->tcti = NULL;
        set_unreachable(connection->tcti_name, rc, error);
        return NULL;
    }
    connection->watch = hf_watch_new(connection->tcti);
    rc = Esys_Initialize(&connection->esys, hf_watch_tcti(connection->watch), NULL);
    if (rc != TSS2_RC_SUCCESS) {
        connection->esys = NULL;
        set_unreachable(connection->tcti_name, rc, error);
        return NULL;
    }
    return g_steal_pointer(&connection);
}

void hf_esys_own(HfConnection *connection, ESYS_TR handle)
{
    g_array_append_val(connection->owned, handle);
}

/* FlushContext past ESYS, which does nothing more for us once an answer's HMAC was wrong. Without
 * this a TPM that has no resource manager before it would run out of slots. */
static void flush_raw(HfConnection *connection, TPM2_HANDLE handle)
{
    g_autoptr(GByteArray) command = g_byte_array_new();
    uint8_t answer[64];
    size_t size = sizeof(answer);

    hf_put_u16(command, TPM2_ST_NO_SESSIONS);
    hf_put_u32(command, 14);
    hf_put_u32(command, TPM2_CC_FlushContext);
    hf_put_u32(command, handle);
    if (Tss2_Tcti_Transmit(connection->tcti, command->len, command->data) == TSS2_RC_SUCCESS) {
        (void)Tss2_Tcti_Receive(connection->tcti, &size, answer, TSS2_TCTI_TIMEOUT_BLOCK);
    }
}

void hf_esys_flush(HfConnection *connection, ESYS_TR handle)
{
    TPM2_HANDLE tpm_handle = 0;
    TSS2_RC rc;

    if (handle == ESYS_TR_NONE) {
        return;
    }
    for (unsigned i = 0; i < connection->owned->len; i++) {
        if (g_array_index(connection->owned, ESYS_TR, i) == handle) {
            g_array_remove_index(connection->owned, i);
            break;
        }
    }
    rc = HF_TPM_RC(Esys_FlushContext(connection->esys, handle));
    if (rc == TSS2_RC_SUCCESS) {
        return;
    }
    if (rc == TSS2_ESYS_RC_BAD_SEQUENCE &&
        Esys_TR_GetTpmHandle(connection->esys, handle, &tpm_handle) == TSS2_RC_SUCCESS) {
        flush_raw(connection, tpm_handle);
    }
    /* Otherwise gone already (a TPM reset in between): only our own record is left to drop. */
    Esys_TR_Close(connection->esys, &handle);
}

void hf_connection_free(HfConnection *connection)
{
    if (!connection) {
        return;
    }
    if (connection->esys) {
        while (connection->owned->len > 0) {
            hf_esys_flush(connection,
                          g_array_index(connection->owned, ESYS_TR, connection->owned->len - 1));
        }
        Esys_Finalize(&connection->esys);
    }
    hf_watch_free(connection->watch);
    if (connection->tcti) {
        Tss2_TctiLdr_Finalize(&connection->tcti);
    }
    g_array_unref(connection->owned);
    g_free(connection->tcti_name);
    g_free(connection);
}

void hf_connection_watch(HfConnection *connection, HfConnectionNote note, void *data)
{
    hf_watch_tell(connection->watch, note, data);
}

bool hf_connection_set_auth(HfConnection *connection, HfHierarchy hierarchy, const HfSecret *secret,
                            GError **error)
{
    ESYS_TR handle = hierarchy == HF_HIERARCHY_OWNER ? ESYS_TR_RH_OWNER : ESYS_TR_RH_ENDORSEMENT;
    TPM2B_AUTH auth = { 0 };
    bool done;

    if (secret->size > sizeof(auth.buffer)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "password of a hierarchy: at most %zu bytes expected, found %zu",
                            sizeof(auth.buffer), secret->size);
    }
    auth.size = (UINT16)secret->size;
    memcpy(auth.buffer, secret->data, secret->size);
    done = hf_esys_check(Esys_TR_SetAuth(connection->esys, handle, &auth),
                         "password of a hierarchy", error);
    explicit_bzero(&auth, sizeof(auth));
    return done;
}

/* A property of the TPM; found by its tag, since a TPM may start at the next one it has. In the
 * salted session once there is one: who made the TPM goes into certificates. */
static bool property(HfConnection *connection, TPM2_PT tag, uint32_t *ret_value, GError **error)
{
    hf_autoesys TPMS_CAPABILITY_DATA *data = NULL;
    bool done;

    if (connection->session != ESYS_TR_NONE) {
        hf_session_audit(connection);
    }
    done = HF_TPM("read properties", error,
                  Esys_GetCapability(connection->esys, connection->session, ESYS_TR_NONE,
                                     ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, tag, 1, NULL, &data));
    if (connection->session != ESYS_TR_NONE) {
        hf_session_mend(connection);
    }
    if (!done) {
        return false;
    }
    if (data->data.tpmProperties.count != 1 ||
        data->data.tpmProperties.tpmProperty[0].property != tag) {
        return hf_error_set(error, HF_ERROR_TPM, "host TPM: property 0x%x is missing", tag);
    }
    *ret_value = data->data.tpmProperties.tpmProperty[0].value;
    return true;
}

/* Four characters of a property; what is not printable ASCII becomes nothing. */
static void append_characters(char *text, size_t size, uint32_t value)
{
    size_t used = strlen(text);

    for (int shift = 24; shift >= 0; shift -= 8) {
        char c = (char)(value >> shift);

        if (g_ascii_isprint(c) && used + 1 < size) {
            text[used++] = c;
        }
    }
    text[used] = '\0';
}

/* Blanks once, and none at the ends: each of the four strings is padded. */
static void tidy(char *text)
{
    char *to = text;

    g_strstrip(text);
    for (const char *from = text; *from; from++) {
        if (*from != ' ' || from[1] != ' ') {
            *to++ = *from;
        }
    }
    *to = '\0';
}

bool hf_connection_facts(HfConnection *connection, HfHostTpmFacts *ret_facts, GError **error)
{
    HfHostTpmFacts facts = { 0 };
    uint32_t value = 0;

    if (!property(connection, TPM2_PT_MANUFACTURER, &value, error)) {
        return false;
    }
    append_characters(facts.manufacturer, sizeof(facts.manufacturer), value);
    for (uint32_t i = 0; i < 4; i++) {
        if (!property(connection, TPM2_PT_VENDOR_STRING_1 + i, &value, error)) {
            return false;
        }
        append_characters(facts.vendor, sizeof(facts.vendor), value);
    }
    tidy(facts.vendor);
    if (!property(connection, TPM2_PT_FIRMWARE_VERSION_1, &facts.firmware[0], error) ||
        !property(connection, TPM2_PT_FIRMWARE_VERSION_2, &facts.firmware[1], error) ||
        !property(connection, TPM2_PT_REVISION, &facts.revision, error)) {
        return false;
    }
    *ret_facts = facts;
    return true;
}
