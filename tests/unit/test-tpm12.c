/*
 * test-tpm12.c - the TPM 1.2 commands against the real engine, and against what becomes of its
 * answers when somebody shortens or changes them; the outline of a certificate likewise.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib.h>
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "crypto/hash.h"
#include "pki/outline.h"
#include "tools/setup/engine_child.h"
#include "tpm12/command12.h"

#define INDEX 0x1000f000u
#define OWNER_ATTRIBUTES (HF_TPM12_NV_OWNERREAD | HF_TPM12_NV_OWNERWRITE)

/* A transport that spoils one answer on its way. */
typedef struct {
    HfTransport tpm;
    unsigned countdown; /* answers that pass before */
    bool cut;           /* the last byte away, else: changed */
    size_t from_end;    /* which byte is changed, counted from the end */
} Spoiler;

static bool spoil(void *user, const uint8_t *command, size_t size, GByteArray *response,
                  GError **error)
{
    Spoiler *spoiler = user;
    if (!spoiler->tpm.transmit(spoiler->tpm.user, command, size, response, error)) {
        return false;
    }
    if (spoiler->countdown-- != 0) {
        return true;
    }
    if (spoiler->cut) {
        g_byte_array_set_size(response, response->len - 1);
    } else {
        response->data[response->len - spoiler->from_end] ^= 1;
    }
    return true;
}

static HfEngineChild *start(HfTransport *ret_tpm)
{
    g_autoptr(GError) error = NULL;
    HfEngineChild *engine = hf_engine_child_start(HF_TPM_1_2, &error);
    g_assert_no_error(error);
    *ret_tpm = hf_engine_child_transport(engine);
    g_assert_true(hf_engine_child_power_on(engine, NULL, &error) &&
                  hf_tpm12_startup(ret_tpm, &error) && hf_tpm12_assert_presence(ret_tpm, &error) &&
                  hf_tpm12_enable(ret_tpm, &error) && hf_tpm12_activate(ret_tpm, &error) &&
                  hf_engine_child_power_on(engine, NULL, &error) &&
                  hf_tpm12_startup(ret_tpm, &error) && hf_tpm12_assert_presence(ret_tpm, &error));
    g_assert_no_error(error);
    return engine;
}

static HfSecret *auth(const char *password)
{
    HfSecret *secret = hf_secret_new(HF_TPM12_AUTH_SIZE);
    hf_hash_once(HF_HASH_SHA1, password, strlen(password), secret->data);
    return secret;
}

static void ownership(void)
{
    g_autoptr(GError) error = NULL;
    HfTransport tpm;
    g_autoptr(HfEngineChild) engine = start(&tpm);
    g_autoptr(HfSecret) owner = auth("ooo");
    g_autoptr(HfSecret) srk = auth("sss");
    g_autoptr(HfPublicKey) ek = hf_tpm12_create_ek(&tpm, &error);
    g_assert_no_error(error);
    g_autoptr(HfPublicKey) read = hf_tpm12_read_ek(&tpm, &error);
    g_assert_no_error(error);
    g_assert_true(hf_public_key_equal(ek, read));
    g_assert_null(hf_tpm12_create_ek(&tpm, &error)); /* there is one */
    g_assert_true(hf_error_is(error, HF_ERROR_TPM));
    g_clear_error(&error);

    g_assert_true(hf_tpm12_take_ownership(&tpm, ek, owner, srk, &error));
    g_assert_false(hf_tpm12_take_ownership(&tpm, ek, owner, srk, &error));
    g_assert_nonnull(strstr(error->message, "there is an owner already"));
    g_clear_error(&error);
    g_assert_null(hf_tpm12_read_ek(&tpm, &error));
    g_clear_error(&error);
    g_autoptr(HfPublicKey) owned = hf_tpm12_owner_read_ek(&tpm, owner, &error);
    g_assert_no_error(error);
    g_assert_true(hf_public_key_equal(ek, owned));
    g_assert_null(hf_tpm12_owner_read_ek(&tpm, srk, &error));
    g_assert_nonnull(strstr(error->message, "authentication failed"));
}

static void nv_memory(void)
{
    g_autoptr(GError) error = NULL;
    HfTransport tpm;
    uint8_t content[1500]; /* two pieces */
    uint32_t attributes, size;
    g_autoptr(HfEngineChild) engine = start(&tpm);
    g_autoptr(HfPublicKey) ek = hf_tpm12_create_ek(&tpm, &error);
    memset(content, 0x5a, sizeof(content));
    g_assert_true(hf_tpm12_nv_define(&tpm, INDEX, OWNER_ATTRIBUTES, sizeof(content), &error));
    g_assert_true(hf_tpm12_nv_write(&tpm, INDEX, content, sizeof(content), &error));
    g_assert_true(hf_tpm12_nv_public(&tpm, INDEX, &attributes, &size, &error));
    g_assert_cmphex(attributes, ==, OWNER_ATTRIBUTES);
    g_assert_cmpuint(size, ==, sizeof(content));
    g_autoptr(GBytes) read = hf_tpm12_nv_read(&tpm, INDEX, size, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(read, NULL), g_bytes_get_size(read), content, size);
    g_assert_null(hf_tpm12_nv_read(&tpm, INDEX, size + 1u, NULL, &error)); /* past its end */
    g_clear_error(&error);
    g_assert_false(hf_tpm12_nv_public(&tpm, INDEX + 1, &attributes, &size, &error));
    g_clear_error(&error);
    g_assert_false(hf_tpm12_nv_define(&tpm, INDEX + 2, OWNER_ATTRIBUTES, 1u << 20, &error));
    g_assert_nonnull(strstr(error->message, "TPM_NV_DefineSpace: "));
    g_clear_error(&error);
    g_assert_true(hf_tpm12_nv_lock(&tpm, &error));
    g_assert_null(hf_tpm12_nv_read(&tpm, INDEX, size, NULL, &error)); /* nobody may any more */
    g_assert_true(hf_error_is(error, HF_ERROR_TPM));
}

static void answers_are_not_trusted(void)
{
    HfTransport tpm;
    g_autoptr(HfEngineChild) engine = start(&tpm);
    g_autoptr(HfSecret) owner = auth("ooo");
    g_autoptr(HfPublicKey) ek = hf_tpm12_create_ek(&tpm, NULL);
    /* The key, its digest; shortened. */
    const Spoiler reads[] = { { tpm, 0, false, 1 }, { tpm, 0, false, 100 }, { tpm, 0, true, 0 } };
    for (size_t i = 0; i < G_N_ELEMENTS(reads); i++) {
        g_autoptr(GError) error = NULL;
        Spoiler spoiler = reads[i];
        const HfTransport spoilt = { spoil, &spoiler };
        g_assert_null(hf_tpm12_read_ek(&spoilt, &error));
        g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
    }
    g_assert_true(hf_tpm12_take_ownership(&tpm, ek, owner, owner, NULL));
    /* The first answer opens the session, the second is the command's: its proof, its nonce, "goes
     * on", the key itself. */
    const struct {
        Spoiler spoiler;
        HfErrorCode code;
    } proofs[] = {
        { { tpm, 1, false, 1 }, HF_ERROR_AUTH },   { { tpm, 1, false, 21 }, HF_ERROR_AUTH },
        { { tpm, 1, false, 30 }, HF_ERROR_AUTH },  { { tpm, 1, false, 60 }, HF_ERROR_AUTH },
        { { tpm, 1, true, 0 }, HF_ERROR_INVALID }, { { tpm, 0, false, 1 }, HF_ERROR_TPM },
        { { tpm, 0, true, 0 }, HF_ERROR_INVALID },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(proofs); i++) {
        g_autoptr(GError) error = NULL;
        Spoiler spoiler = proofs[i].spoiler;
        const HfTransport spoilt = { spoil, &spoiler };
        g_assert_null(hf_tpm12_owner_read_ek(&spoilt, owner, &error));
        g_assert_cmpint(error->code, ==, (int)proofs[i].code);
    }
}

/* Version 3, serial number 42, empty algorithm, issuer, validity and subject, a key of four bytes,
 * an alternative name that is malformed, the issuer's key identifier "issue", an empty signature. */
static const uint8_t certificate[] = {
    0x30, 0x3a, 0x30, 0x34, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x2a, 0x30, 0x00, 0x30,
    0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x02, 0x05, 0x00, 0xa3, 0x1e, 0x30, 0x1c, 0x30, 0x08,
    0x06, 0x03, 0x55, 0x1d, 0x11, 0x04, 0x01, 0x30, 0x30, 0x10, 0x06, 0x03, 0x55, 0x1d, 0x23,
    0x04, 0x09, 0x30, 0x07, 0x80, 0x05, 0x69, 0x73, 0x73, 0x75, 0x65, 0x30, 0x00, 0x03, 0x00,
};

static HfOutline *outline_of(const uint8_t *data, size_t size, GError **error)
{
    g_autoptr(GBytes) der = g_bytes_new(data, size);
    return hf_outline_new(der, "F", error);
}

static void outline(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfOutline) found = outline_of(certificate, sizeof(certificate), &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(found->serial, NULL), g_bytes_get_size(found->serial), "*", 1);
    g_assert_cmpmem(g_bytes_get_data(found->authority_id, NULL),
                    g_bytes_get_size(found->authority_id), "issue", 5);
    g_assert_cmpuint(g_bytes_get_size(found->spki), ==, 4);
    for (size_t n = 0; n < sizeof(certificate); n++) {
        g_autofree uint8_t *copy = g_memdup2(certificate, n); /* seen by the sanitizer */
        g_assert_null(outline_of(copy, n, &error));
        g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
        g_clear_error(&error);
    }
    uint8_t longer[sizeof(certificate) + 1] = { 0 };
    memcpy(longer, certificate, sizeof(certificate));
    g_assert_null(outline_of(longer, sizeof(longer), NULL)); /* something after it */
    longer[8] = 1;
    g_assert_null(outline_of(longer, sizeof(certificate), NULL)); /* version 2 */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/tpm12/ownership", ownership);
    g_test_add_func("/tpm12/nv", nv_memory);
    g_test_add_func("/tpm12/spoilt-answers", answers_are_not_trusted);
    g_test_add_func("/pki/outline", outline);
    return g_test_run();
}
