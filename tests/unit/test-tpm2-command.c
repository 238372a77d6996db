/*
 * test-tpm2-command.c - every command function against a real TPM, and malformed answers against
 * every one of them.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "live_tpm.h"
#include "tpm2/constants.h"
#include "tpm2/response.h"
#include "tpm2/template.h"

#define CERTIFICATE_INDEX 0x01c00002u
/* Attributes swtpm_setup gives its indices. */
#define CERTIFICATE_ATTRIBUTES 0x42072001u

static LiveTpm *started(void)
{
    LiveTpm *live = live_tpm_new();
    GError *error = NULL;

    g_assert_true(hf_tpm_startup(&live->transport, TPM2_SU_CLEAR, &error));
    g_assert_no_error(error);
    return live;
}

static void assert_tpm_error(GError *error, const char *text)
{
    g_assert_error(error, HF_ERROR, HF_ERROR_TPM);
    g_assert_cmpstr(error->message, ==, text);
}

static void test_life(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    const HfTransport *tpm = &live->transport;
    g_autoptr(GError) error = NULL;
    uint32_t value = 0;

    g_assert_false(hf_tpm_get_property(tpm, TPM2_PT_MANUFACTURER, &value, &error));
    assert_tpm_error(error, "TPM2_GetCapability: TPM_RC_INITIALIZE (0x100)");
    g_clear_error(&error);
    g_assert_true(hf_tpm_startup(tpm, TPM2_SU_CLEAR, &error));
    g_assert_false(hf_tpm_startup(tpm, TPM2_SU_CLEAR, &error));
    assert_tpm_error(error, "TPM2_Startup: TPM_RC_INITIALIZE (0x100)");
    g_clear_error(&error);
    g_assert_true(hf_tpm_self_test(tpm, false, &error));
    g_assert_true(hf_tpm_get_property(tpm, TPM2_PT_MANUFACTURER, &value, &error));
    g_assert_cmphex(value, ==, 0x49424d00); /* "IBM" */
    g_assert_true(hf_tpm_get_property(tpm, TPM2_PT_FAMILY_INDICATOR, &value, &error));
    g_assert_cmphex(value, ==, 0x322e3000); /* "2.0" */
    g_assert_false(hf_tpm_get_property(tpm, 0x1ff, &value, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_true(hf_tpm_shutdown(tpm, TPM2_SU_CLEAR, &error));
    g_assert_no_error(error);
}

static void test_primary(void)
{
    static const HfTemplate templates[] = { HF_TEMPLATE_EK_RSA2048, HF_TEMPLATE_EK_P256,
                                            HF_TEMPLATE_EK_P384, HF_TEMPLATE_SRK_P256 };
    g_autoptr(LiveTpm) live = started();
    const HfTransport *tpm = &live->transport;

    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++) {
        const HfTemplateInfo *info = hf_template_info(templates[i]);
        g_autoptr(HfPublicKey) key = NULL;
        g_autoptr(GArray) handles = NULL;
        GError *error = NULL;
        HfPublic template;
        HfPublic made;
        HfPublic read;
        HfTpmName made_name;
        HfTpmName read_name;
        uint32_t handle = 0;

        hf_template_public(templates[i], &template);
        g_assert_true(
            hf_tpm_create_primary(tpm, info->hierarchy, NULL, &template, &handle, &made, &error));
        g_assert_no_error(error);
        g_assert_cmphex(made.attributes, ==, template.attributes);
        key = hf_public_key_of(&made, &error);
        g_assert_no_error(error);
        g_assert_true(hf_tpm_evict_control(tpm, TPM2_RH_OWNER, NULL, handle, info->handle, &error));
        g_assert_true(hf_tpm_flush_context(tpm, handle, &error));
        g_assert_true(hf_tpm_read_public(tpm, info->handle, &read, &error));
        g_assert_no_error(error);
        made_name = hf_public_name(&made);
        read_name = hf_public_name(&read);
        g_assert_true(hf_tpm_name_equal(&made_name, &read_name));
        handles = hf_tpm_get_handles(tpm, 0x81000000, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(handles->len, ==, 1);
        g_assert_cmphex(g_array_index(handles, guint32, 0), ==, info->handle);
        g_assert_true(
            hf_tpm_evict_control(tpm, TPM2_RH_OWNER, NULL, info->handle, info->handle, &error));
        g_assert_no_error(error);
    }
}

static void test_primary_refused(void)
{
    g_autoptr(LiveTpm) live = started();
    const HfTransport *tpm = &live->transport;
    g_autoptr(HfSecret) wrong = hf_secret_copy("wrong", 5);
    g_autoptr(GError) error = NULL;
    HfPublic template;
    HfPublic pub;
    uint32_t handle = 0x1234;

    hf_template_public(HF_TEMPLATE_SRK_P256, &template);
    g_assert_false(
        hf_tpm_create_primary(tpm, TPM2_RH_OWNER, wrong, &template, &handle, NULL, &error));
    assert_tpm_error(error, "TPM2_CreatePrimary: TPM_RC_BAD_AUTH (0x9a2), session 1");
    g_clear_error(&error);
    template.attributes |= TPMA_OBJECT_SIGN_ENCRYPT;
    g_assert_false(
        hf_tpm_create_primary(tpm, TPM2_RH_OWNER, NULL, &template, &handle, NULL, &error));
    assert_tpm_error(error, "TPM2_CreatePrimary: TPM_RC_ATTRIBUTES (0x2c2), parameter 2");
    g_assert_cmphex(handle, ==, 0x1234);
    g_clear_error(&error);
    g_assert_false(hf_tpm_read_public(tpm, 0x81010001, &pub, &error));
    assert_tpm_error(error, "TPM2_ReadPublic: TPM_RC_HANDLE (0x18b), handle 1");
    g_clear_error(&error);
    g_assert_false(hf_tpm_flush_context(tpm, 0x80000000, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_TPM);
}

static void test_hierarchy_auth(void)
{
    g_autoptr(LiveTpm) live = started();
    const HfTransport *tpm = &live->transport;
    g_autoptr(HfSecret) secret = hf_secret_copy("0123456789abcdef", 16);
    g_autoptr(GError) error = NULL;

    g_assert_true(hf_tpm_hierarchy_change_auth(tpm, TPM2_RH_OWNER, NULL, secret, &error));
    g_assert_false(hf_tpm_hierarchy_change_auth(tpm, TPM2_RH_OWNER, NULL, NULL, &error));
    assert_tpm_error(error, "TPM2_HierarchyChangeAuth: TPM_RC_BAD_AUTH (0x9a2), session 1");
    g_clear_error(&error);
    g_assert_true(hf_tpm_hierarchy_change_auth(tpm, TPM2_RH_OWNER, secret, NULL, &error));
    g_assert_true(hf_tpm_hierarchy_change_auth(tpm, TPM2_RH_OWNER, NULL, NULL, &error));
    g_assert_no_error(error);
}

static void test_nv(void)
{
    g_autoptr(LiveTpm) live = started();
    const HfTransport *tpm = &live->transport;
    HfNvPublic pub = { CERTIFICATE_INDEX, TPM2_ALG_SHA256, CERTIFICATE_ATTRIBUTES, 0, { 0 }, 2048 };
    g_autofree uint8_t *data = g_malloc(2048);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) read = NULL;
    g_autoptr(GArray) handles = NULL;
    HfNvPublic found;
    HfTpmName before;
    HfTpmName after;

    for (size_t i = 0; i < 2048; i++) {
        data[i] = (uint8_t)(i * 7 + i / 256);
    }
    g_assert_true(hf_tpm_nv_define(tpm, TPM2_RH_PLATFORM, NULL, &pub, NULL, &error));
    g_assert_false(hf_tpm_nv_define(tpm, TPM2_RH_PLATFORM, NULL, &pub, NULL, &error));
    assert_tpm_error(error, "NV index 0x01c00002: TPM2_NV_DefineSpace: TPM_RC_NV_DEFINED (0x14c)");
    g_clear_error(&error);
    g_assert_true(hf_tpm_nv_read_public(tpm, pub.index, &found, &error));
    before = hf_nv_public_name(&found);
    g_assert_null(hf_tpm_nv_read(tpm, pub.index, NULL, pub.index, &error));
    assert_tpm_error(error, "NV index 0x01c00002: TPM2_NV_Read: TPM_RC_NV_UNINITIALIZED (0x14a)");
    g_clear_error(&error);
    live->sent = 0;
    g_assert_true(hf_tpm_nv_write(tpm, TPM2_RH_PLATFORM, NULL, pub.index, data, 2048, &error));
    g_assert_cmpuint(live->sent, ==, 2);
    read = hf_tpm_nv_read(tpm, pub.index, NULL, pub.index, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(read, NULL), g_bytes_get_size(read), data, 2048);
    g_assert_true(hf_tpm_nv_write_lock(tpm, TPM2_RH_PLATFORM, NULL, pub.index, &error));
    g_assert_true(hf_tpm_nv_read_public(tpm, pub.index, &found, &error));
    g_assert_cmphex(found.attributes, ==, 0x62072801);
    after = hf_nv_public_name(&found);
    g_assert_false(hf_tpm_name_equal(&before, &after));
    g_assert_false(hf_tpm_nv_write(tpm, TPM2_RH_PLATFORM, NULL, pub.index, data, 1, &error));
    assert_tpm_error(error, "NV index 0x01c00002: TPM2_NV_Write: TPM_RC_NV_LOCKED (0x148)");
    g_clear_error(&error);
    handles = hf_tpm_get_handles(tpm, 0x01000000, &error);
    g_assert_cmpuint(handles->len, ==, 1);
    g_assert_false(hf_tpm_nv_read_public(tpm, 0x01c00003, &found, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_TPM);
}

static void test_pcr(void)
{
    g_autoptr(LiveTpm) live = started();
    const HfTransport *tpm = &live->transport;
    HfDigest event = hf_digest_of(TPM2_ALG_SHA256, "event", 5);
    uint8_t buffer[64] = { 0 };
    g_autoptr(HfPcrValues) values = NULL;
    g_autoptr(GError) error = NULL;
    HfPcrSelection banks;
    HfPcrSelection all;
    HfDigest expected;

    g_assert_true(hf_tpm_get_pcrs(tpm, &banks, &error));
    g_assert_cmpuint(banks.count, ==, 4);
    for (uint32_t i = 0; i < banks.count; i++) {
        banks.banks[i].mask = banks.banks[i].hash == TPM2_ALG_SHA256 ? 0xffffff : 0;
    }
    g_assert_true(hf_tpm_pcr_allocate(tpm, NULL, &banks, &error));
    g_assert_no_error(error);
    g_assert_true(hf_tpm_pcr_extend(tpm, 7, &event, 1, &error));
    memcpy(buffer + 32, event.data, 32);
    expected = hf_digest_of(TPM2_ALG_SHA256, buffer, sizeof buffer);
    g_assert_true(hf_pcr_selection_parse("sha256:all", &all, &error));
    values = hf_tpm_pcr_read(tpm, &all, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(hf_pcr_values_get(values, TPM2_ALG_SHA256, 7), 32, expected.data, 32);
    for (unsigned pcr = 0; pcr < 24; pcr++) {
        g_assert_nonnull(hf_pcr_values_get(values, TPM2_ALG_SHA256, pcr));
    }
    /* The allocation is in force after a reset. */
    g_assert_true(hf_tpm_shutdown(tpm, TPM2_SU_CLEAR, &error));
    g_assert_cmpuint(hf_engine_power_on(live->engine, false, NULL), ==, 0);
    g_assert_true(hf_tpm_startup(tpm, TPM2_SU_CLEAR, &error));
    g_assert_true(hf_tpm_get_pcrs(tpm, &banks, &error));
    for (uint32_t i = 0; i < banks.count; i++) {
        g_assert_cmphex(banks.banks[i].mask, ==,
                        banks.banks[i].hash == TPM2_ALG_SHA256 ? 0xffffff : 0);
    }
    g_assert_true(hf_pcr_selection_parse("sha1:0", &all, &error));
    g_assert_null(hf_tpm_pcr_read(tpm, &all, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_NOT_FOUND);
}

/* A transport between: passes through, but answers RETRY some times first, or cuts the response. */
typedef struct {
    LiveTpm *live;
    unsigned retries;
    size_t keep; /* bytes of the response's body to keep; SIZE_MAX: all */
    size_t longest;
} Meddler;

static bool meddle(void *user, const uint8_t *command, size_t size, GByteArray *response,
                   GError **error)
{
    static const uint8_t retry[] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x09, 0x22 };
    Meddler *meddler = user;

    if (meddler->retries > 0) {
        meddler->retries--;
        hf_put_bytes(response, retry, sizeof retry);
        return true;
    }
    if (!meddler->live->transport.transmit(meddler->live, command, size, response, error)) {
        return false;
    }
    meddler->longest = MAX(meddler->longest, response->len);
    if (meddler->keep < response->len) {
        g_byte_array_set_size(response, (guint)meddler->keep);
        if (response->len >= 6) {
            hf_set_u32_at(response, 2, response->len);
        }
    }
    return true;
}

static void test_retry(void)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    Meddler meddler = { live, 99, SIZE_MAX, 0 };
    HfTransport tpm = { meddle, &meddler };
    g_autoptr(GError) error = NULL;

    g_assert_true(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error));
    g_assert_no_error(error);
    meddler.retries = 100;
    g_assert_false(hf_tpm_self_test(&tpm, false, &error));
    assert_tpm_error(error, "TPM2_SelfTest: TPM_RC_RETRY (0x922)");
    g_assert_cmpuint(meddler.retries, ==, 0);
}

/* The commands whose answers have contents, as one function each. */
static bool read_property(const HfTransport *tpm, GError **error)
{
    uint32_t value;

    return hf_tpm_get_property(tpm, TPM2_PT_MANUFACTURER, &value, error);
}

static bool read_pcrs(const HfTransport *tpm, GError **error)
{
    HfPcrSelection selection;

    return hf_tpm_get_pcrs(tpm, &selection, error);
}

static bool read_handles(const HfTransport *tpm, GError **error)
{
    g_autoptr(GArray) handles = hf_tpm_get_handles(tpm, 0x01000000, error);

    return handles != NULL;
}

static bool read_values(const HfTransport *tpm, GError **error)
{
    HfPcrSelection selection = { 1, { { TPM2_ALG_SHA256, 3, 0x95 } } };
    g_autoptr(HfPcrValues) values = hf_tpm_pcr_read(tpm, &selection, error);

    return values != NULL;
}

static bool read_srk(const HfTransport *tpm, GError **error)
{
    HfPublic pub;

    return hf_tpm_read_public(tpm, 0x81000001, &pub, error);
}

static bool read_index(const HfTransport *tpm, GError **error)
{
    HfNvPublic pub;

    return hf_tpm_nv_read_public(tpm, CERTIFICATE_INDEX, &pub, error);
}

static bool read_data(const HfTransport *tpm, GError **error)
{
    g_autoptr(GBytes) data = hf_tpm_nv_read(tpm, CERTIFICATE_INDEX, NULL, CERTIFICATE_INDEX, error);

    return data != NULL;
}

static bool make_primary(const HfTransport *tpm, GError **error)
{
    HfPublic template;
    uint32_t handle;

    hf_template_public(HF_TEMPLATE_SRK_P256, &template);
    /* NULL for the public area does not mean it is not read. */
    return hf_tpm_create_primary(tpm, TPM2_RH_OWNER, NULL, &template, &handle, NULL, error) &&
           hf_tpm_flush_context(tpm, handle, error);
}

static void flush_all(LiveTpm *live)
{
    g_autoptr(GArray) handles = hf_tpm_get_handles(&live->transport, 0x80000000, NULL);

    for (guint i = 0; i < handles->len; i++) {
        hf_tpm_flush_context(&live->transport, g_array_index(handles, guint32, i), NULL);
    }
}

/* Cuts answers at every length, with the size field made to fit: always an error, never a crash.
 * The last bytes of some answers (tickets, session area) are not looked at: `unread` many. */
static void test_truncated(void)
{
    static const struct {
        bool (*call)(const HfTransport *tpm, GError **error);
        size_t unread;
    } rows[] = {
        { read_property, 0 }, { read_pcrs, 0 },  { read_handles, 0 }, { read_values, 0 },
        { read_srk, 36 },     { read_index, 0 }, { read_data, 1 },
    };
    g_autoptr(LiveTpm) live = started();
    HfNvPublic nv = { CERTIFICATE_INDEX, TPM2_ALG_SHA256, CERTIFICATE_ATTRIBUTES, 0, { 0 }, 40 };
    uint8_t data[40] = { 1 };
    HfPublic template;
    uint32_t handle = 0;

    hf_template_public(HF_TEMPLATE_SRK_P256, &template);
    g_assert_true(hf_tpm_create_primary(&live->transport, TPM2_RH_OWNER, NULL, &template, &handle,
                                        NULL, NULL));
    g_assert_true(
        hf_tpm_evict_control(&live->transport, TPM2_RH_OWNER, NULL, handle, 0x81000001, NULL));
    g_assert_true(hf_tpm_nv_define(&live->transport, TPM2_RH_PLATFORM, NULL, &nv, NULL, NULL));
    g_assert_true(hf_tpm_nv_write(&live->transport, TPM2_RH_PLATFORM, NULL, nv.index, data,
                                  sizeof data, NULL));
    flush_all(live);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Meddler meddler = { live, 0, SIZE_MAX, 0 };
        HfTransport tpm = { meddle, &meddler };
        GError *whole = NULL;

        g_assert_true(rows[i].call(&tpm, &whole));
        g_assert_no_error(whole);
        for (size_t n = 0; n + rows[i].unread < meddler.longest; n++) {
            g_autoptr(GError) error = NULL;

            meddler.keep = n;
            g_assert_false(rows[i].call(&tpm, &error));
            g_assert_nonnull(error);
        }
    }
    for (size_t n = 0; n < 100; n++) {
        Meddler meddler = { live, 0, n, 0 };
        HfTransport tpm = { meddle, &meddler };
        g_autoptr(GError) error = NULL;

        g_assert_false(make_primary(&tpm, &error));
        g_assert_nonnull(error);
        flush_all(live);
    }
}

static void test_response_text(void)
{
    static const struct {
        uint32_t code;
        const char *text;
    } rows[] = {
        { 0, "success" },
        { 0x101, "TPM_RC_FAILURE (0x101)" },
        { 0x922, "TPM_RC_RETRY (0x922)" },
        { 0x98e, "TPM_RC_AUTH_FAIL (0x98e), session 1" },
        { 0xa8e, "TPM_RC_AUTH_FAIL (0xa8e), session 2" },
        { 0x18b, "TPM_RC_HANDLE (0x18b), handle 1" },
        { 0x1c4, "TPM_RC_VALUE (0x1c4), parameter 1" },
        { 0xfd5, "TPM_RC_SIZE (0xfd5), parameter 15" },
        { 0x084, "TPM_RC_VALUE (0x84)" },
        { 0x1ff, "response code 0x1ff" },
        { 0x12345, "response code 0x12345" },
        { 0x80280400, "response code 0x80280400" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = hf_response_text(rows[i].code);

        g_assert_cmpstr(text, ==, rows[i].text);
    }
    g_assert_cmpstr(hf_command_name(TPM2_CC_NV_Write), ==, "TPM2_NV_Write");
    g_assert_null(hf_command_name(0x20000000));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm2/command/life", test_life);
    g_test_add_func("/tpm2/command/primary", test_primary);
    g_test_add_func("/tpm2/command/primary-refused", test_primary_refused);
    g_test_add_func("/tpm2/command/hierarchy-auth", test_hierarchy_auth);
    g_test_add_func("/tpm2/command/nv", test_nv);
    g_test_add_func("/tpm2/command/pcr", test_pcr);
    g_test_add_func("/tpm2/command/retry", test_retry);
    g_test_add_func("/tpm2/command/truncated", test_truncated);
    g_test_add_func("/tpm2/command/response-text", test_response_text);
    return g_test_run();
}
