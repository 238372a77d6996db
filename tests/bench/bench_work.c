/*
 * bench_work.c - the commands that are measured, made with src/tpm2.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "bench_work.h"

#include <string.h>

#include "tpm2/constants.h"
#include "tpm2/template.h"

#define CC_CREATE 0x00000153u
#define CC_QUOTE 0x00000158u
#define CC_RSA_DECRYPT 0x00000159u
#define CC_RSA_ENCRYPT 0x00000174u
#define NV_INDEX 0x01000010u
#define NV_SIZE 64u

const char *const bench_rsa_names[BENCH_RSA_COMMANDS] = { "rsa2048_sign", "rsa2048_decrypt",
                                                          "rsa2048_quote" };

static void check(bool done, const GError *error)
{
    if (!done) {
        bench_fail("%s", error ? error->message : "failed without a word");
    }
}

/* Runs a command and returns its bytes; *ret_response takes the answer when given. */
static GByteArray *record(BenchSubject *subject, HfTpmCommand *command,
                          HfTpmResponse **ret_response)
{
    g_autoptr(GError) error = NULL;
    HfTpmResponse *response = hf_tpm_command_run(command, &subject->transport, false, NULL, &error);
    GByteArray *bytes = g_byte_array_new();

    check(response != NULL, error);
    g_byte_array_append(bytes, subject->last->data, subject->last->len);
    if (ret_response) {
        *ret_response = response;
    } else {
        hf_tpm_response_free(response);
    }
    return bytes;
}

static GByteArray *get_random(BenchSubject *subject)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_GetRandom);

    hf_put_u16(hf_tpm_command_parameters(command), 32);
    return record(subject, command, NULL);
}

static void select_one(GByteArray *w)
{
    const HfPcrSelection one = { .count = 1, .banks = { { TPM2_ALG_SHA256, 3, 1u << 16 } } };

    hf_pcr_selection_write(&one, w);
}

static GByteArray *pcr_read(BenchSubject *subject)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PCR_Read);

    select_one(hf_tpm_command_parameters(command));
    return record(subject, command, NULL);
}

static GByteArray *pcr_extend(BenchSubject *subject)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_PCR_Extend);
    GByteArray *w = hf_tpm_command_parameters(command);
    static const uint8_t digest[32] = { 1, 2, 3 };

    hf_tpm_command_handle(command, 16);
    hf_tpm_command_auth(command, NULL);
    hf_put_u32(w, 1);
    hf_put_u16(w, TPM2_ALG_SHA256);
    hf_put_bytes(w, digest, sizeof(digest));
    return record(subject, command, NULL);
}

static void define_index(BenchSubject *subject)
{
    const HfNvPublic public = { .index = NV_INDEX,
                                .name_alg = TPM2_ALG_SHA256,
                                .attributes =
                                    TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA,
                                .size = NV_SIZE };
    g_autoptr(GError) error = NULL;

    check(hf_tpm_nv_define(&subject->transport, TPM2_RH_OWNER, NULL, &public, NULL, &error), error);
}

void bench_nv_writes(BenchSubject *subject, GByteArray *ret_writes[2])
{
    g_autoptr(GError) error = NULL;
    uint8_t data[NV_SIZE];

    define_index(subject);
    for (size_t i = 0; i < 2; i++) {
        memset(data, (int)(0x5a + i), sizeof(data));
        check(hf_tpm_nv_write(&subject->transport, TPM2_RH_OWNER, NULL, NV_INDEX, data,
                              sizeof(data), &error),
              error);
        ret_writes[i] = g_byte_array_new();
        g_byte_array_append(ret_writes[i], subject->last->data, subject->last->len);
    }
}

static GByteArray *nv_read(BenchSubject *subject)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_NV_Read);
    GByteArray *writes[2];

    bench_nv_writes(subject, writes);
    g_byte_array_unref(writes[0]);
    g_byte_array_unref(writes[1]);
    hf_tpm_command_handle(command, TPM2_RH_OWNER);
    hf_tpm_command_handle(command, NV_INDEX);
    hf_tpm_command_auth(command, NULL);
    hf_put_u16(hf_tpm_command_parameters(command), NV_SIZE);
    hf_put_u16(hf_tpm_command_parameters(command), 0);
    return record(subject, command, NULL);
}

const BenchWork bench_small[] = { { "getrandom_32", get_random, 300 },
                                  { "pcr_read", pcr_read, 300 },
                                  { "pcr_extend", pcr_extend, 300 },
                                  { "nv_read_64", nv_read, 300 },
                                  { NULL, NULL, 0 } };

/* A primary key of empty auth; `decrypt`: it signs and decrypts, under no scheme of its own. */
static uint32_t primary(BenchSubject *subject, HfTemplate which, bool decrypt, unsigned number)
{
    g_autoptr(GError) error = NULL;
    uint32_t handle = 0;
    HfPublic public;

    hf_template_public(which, &public);
    public.attributes &= ~(TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
    public.attributes |= TPMA_OBJECT_SIGN_ENCRYPT | (decrypt ? TPMA_OBJECT_DECRYPT : 0);
    public.symmetric = (HfTpmSymmetric){ TPM2_ALG_NULL, 0, 0 };
    public.scheme = (HfTpmScheme){ TPM2_ALG_NULL, 0, 0 };
    public.unique[0] = (uint8_t)number;
    check(hf_tpm_create_primary(&subject->transport, TPM2_RH_OWNER, NULL, &public, &handle, NULL,
                                &error),
          error);
    return handle;
}

static GByteArray *sign(BenchSubject *subject, uint32_t key, uint16_t scheme)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(TPM2_CC_Sign);
    GByteArray *w = hf_tpm_command_parameters(command);
    static const uint8_t digest[32] = { 9, 8, 7 };

    hf_tpm_command_handle(command, key);
    hf_tpm_command_auth(command, NULL);
    hf_put_tpm2b(w, digest, sizeof(digest));
    hf_put_u16(w, scheme);
    hf_put_u16(w, TPM2_ALG_SHA256);
    hf_put_u16(w, 0x8024); /* an empty ticket */
    hf_put_u32(w, TPM2_RH_NULL);
    hf_put_u16(w, 0);
    return record(subject, command, NULL);
}

static GByteArray *quote(BenchSubject *subject, uint32_t key, uint16_t scheme)
{
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_QUOTE);
    GByteArray *w = hf_tpm_command_parameters(command);

    hf_tpm_command_handle(command, key);
    hf_tpm_command_auth(command, NULL);
    hf_put_tpm2b(w, "nonce", 5);
    hf_put_u16(w, scheme);
    hf_put_u16(w, TPM2_ALG_SHA256);
    select_one(w);
    return record(subject, command, NULL);
}

static GByteArray *create(BenchSubject *subject, HfTemplate which)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_CREATE);
    GByteArray *w = hf_tpm_command_parameters(command);
    uint32_t parent = 0;
    HfPublic public;

    hf_template_public(HF_TEMPLATE_SRK_P256, &public);
    check(hf_tpm_create_primary(&subject->transport, TPM2_RH_OWNER, NULL, &public, &parent, NULL,
                                &error),
          error);
    hf_template_public(which, &public);
    public.unique_size = public.y_size = 0;
    hf_tpm_command_handle(command, parent);
    hf_tpm_command_auth(command, NULL);
    hf_put_u16(w, 4);
    hf_put_u32(w, 0);
    hf_public_write_2b(&public, w);
    hf_put_u16(w, 0);
    hf_put_u32(w, 0);
    return record(subject, command, NULL);
}

static GByteArray *ecc_sign(BenchSubject *subject)
{
    return sign(subject, primary(subject, HF_TEMPLATE_SRK_P256, false, 0), TPM2_ALG_ECDSA);
}

static GByteArray *ecc_quote(BenchSubject *subject)
{
    return quote(subject, primary(subject, HF_TEMPLATE_SRK_P256, false, 1), TPM2_ALG_ECDSA);
}

static GByteArray *ecc_create(BenchSubject *subject)
{
    return create(subject, HF_TEMPLATE_SRK_P256);
}

const BenchWork bench_ecc[] = { { "p256_sign", ecc_sign, 30 },
                                { "p256_quote", ecc_quote, 30 },
                                { "p256_create", ecc_create, 30 },
                                { NULL, NULL, 0 } };

GByteArray *bench_rsa_create(BenchSubject *subject)
{
    return create(subject, HF_TEMPLATE_SRK_RSA2048);
}

/* Keeps the command and has no answer. */
static bool keep(void *user, const uint8_t *command, size_t size, GByteArray *response,
                 GError **error)
{
    (void)response;
    (void)error;
    *(HfSecret **)user = hf_secret_copy(command, size);
    return false;
}

HfSecret *bench_rsa_primary(void)
{
    HfSecret *command = NULL;
    const HfTransport kept = { keep, &command };
    HfPublic public;
    uint32_t handle;

    hf_template_public(HF_TEMPLATE_EK_RSA3072, &public);
    (void)hf_tpm_create_primary(&kept, TPM2_RH_ENDORSEMENT, NULL, &public, &handle, NULL, NULL);
    return command;
}

/* TPM2_RSA_Decrypt of what TPM2_RSA_Encrypt made. */
static GByteArray *decrypt(BenchSubject *subject, uint32_t key)
{
    g_autoptr(HfTpmCommand) encrypt = hf_tpm_command_new(CC_RSA_ENCRYPT);
    g_autoptr(HfTpmCommand) command = hf_tpm_command_new(CC_RSA_DECRYPT);
    g_autoptr(HfTpmResponse) response = NULL;
    GByteArray *w = hf_tpm_command_parameters(encrypt);

    hf_tpm_command_handle(encrypt, key);
    hf_put_tpm2b(w, "a secret", 8);
    hf_put_u16(w, TPM2_ALG_RSAES);
    hf_put_u16(w, 0);
    g_byte_array_unref(record(subject, encrypt, &response));
    HfReader cipher = hf_reader_tpm2b(&response->parameters, 256);
    hf_tpm_command_handle(command, key);
    hf_tpm_command_auth(command, NULL);
    w = hf_tpm_command_parameters(command);
    hf_put_tpm2b(w, cipher.data, cipher.size);
    hf_put_u16(w, TPM2_ALG_RSAES);
    hf_put_u16(w, 0);
    return record(subject, command, NULL);
}

uint32_t bench_rsa_key(BenchSubject *subject, unsigned number,
                       GByteArray *ret_commands[BENCH_RSA_COMMANDS])
{
    uint32_t key = primary(subject, HF_TEMPLATE_SRK_RSA2048, true, number);

    ret_commands[0] = sign(subject, key, TPM2_ALG_RSASSA);
    ret_commands[1] = decrypt(subject, key);
    ret_commands[2] = quote(subject, key, TPM2_ALG_RSASSA);
    return key;
}
