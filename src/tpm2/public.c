/*
 * public.c - reading and writing TPMT_PUBLIC, and what follows from it: Name, key, fitness.
 *
 * The reader goes field by field in the order of the wire and stops at the first that is not as
 * Part 2 allows; the writer puts back exactly what a reader or a template filled in.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/public.h"

#include <string.h>

#include "base/error.h"
#include "tpm2/constants.h"

/* Bits no version of the specification gives a meaning to. */
#define OBJECT_RESERVED 0xfff0f009u

typedef struct {
    uint32_t bit;
    const char *name;
} AttributeRow;

static const AttributeRow attribute_rows[] = {
    { TPMA_OBJECT_FIXEDTPM, "fixedTPM" },
    { TPMA_OBJECT_STCLEAR, "stClear" },
    { TPMA_OBJECT_FIXEDPARENT, "fixedParent" },
    { TPMA_OBJECT_SENSITIVEDATAORIGIN, "sensitiveDataOrigin" },
    { TPMA_OBJECT_USERWITHAUTH, "userWithAuth" },
    { TPMA_OBJECT_ADMINWITHPOLICY, "adminWithPolicy" },
    { TPMA_OBJECT_NODA, "noDA" },
    { TPMA_OBJECT_ENCRYPTEDDUPLICATION, "encryptedDuplication" },
    { TPMA_OBJECT_RESTRICTED, "restricted" },
    { TPMA_OBJECT_DECRYPT, "decrypt" },
    { TPMA_OBJECT_SIGN_ENCRYPT, "sign" },
};

/* Which schemes a kind of object can have, and what follows the algorithm. */
typedef struct {
    uint16_t type;
    uint16_t scheme;
    bool hash;
    bool extra; /* ECDAA count, XOR KDF */
} SchemeRow;

static const SchemeRow scheme_rows[] = {
    { TPM2_ALG_RSA, TPM2_ALG_NULL, false, false },
    { TPM2_ALG_RSA, TPM2_ALG_RSASSA, true, false },
    { TPM2_ALG_RSA, TPM2_ALG_RSAPSS, true, false },
    { TPM2_ALG_RSA, TPM2_ALG_RSAES, false, false },
    { TPM2_ALG_RSA, TPM2_ALG_OAEP, true, false },
    { TPM2_ALG_ECC, TPM2_ALG_NULL, false, false },
    { TPM2_ALG_ECC, TPM2_ALG_ECDSA, true, false },
    { TPM2_ALG_ECC, TPM2_ALG_ECDH, true, false },
    { TPM2_ALG_ECC, TPM2_ALG_ECDAA, true, true },
    { TPM2_ALG_ECC, TPM2_ALG_ECSCHNORR, true, false },
    { TPM2_ALG_ECC, TPM2_ALG_SM2, true, false },
    { TPM2_ALG_KEYEDHASH, TPM2_ALG_NULL, false, false },
    { TPM2_ALG_KEYEDHASH, TPM2_ALG_HMAC, true, false },
    { TPM2_ALG_KEYEDHASH, TPM2_ALG_XOR, true, true },
};

static const SchemeRow *scheme_row(uint16_t type, uint16_t scheme)
{
    for (size_t i = 0; i < G_N_ELEMENTS(scheme_rows); i++) {
        if (scheme_rows[i].type == type && scheme_rows[i].scheme == scheme) {
            return &scheme_rows[i];
        }
    }
    return NULL;
}

static bool field_error(GError **error, const char *field, const char *expected, uint32_t found)
{
    return hf_error_set(error, HF_ERROR_INVALID, "public area: %s: expected %s, found 0x%x", field,
                        expected, found);
}

/* A TPM2B of at most `max` bytes into a fixed array. */
static bool read_bytes(HfReader *r, const char *field, size_t max, uint8_t *ret_data,
                       uint16_t *ret_size, GError **error)
{
    uint16_t size = hf_reader_u16(r);
    const uint8_t *data;

    if (!r->failed && size > max) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "public area: %s: expected at most %zu bytes, found %u", field, max,
                            size);
    }
    data = hf_reader_bytes(r, size);
    if (!data) {
        return hf_error_set(error, HF_ERROR_INVALID, "public area: ends within %s", field);
    }
    memcpy(ret_data, data, size);
    *ret_size = size;
    return true;
}

static bool read_symmetric(HfReader *r, HfTpmSymmetric *symmetric, GError **error)
{
    symmetric->alg = hf_reader_u16(r);
    if (symmetric->alg == TPM2_ALG_NULL) {
        return true;
    }
    if (symmetric->alg != TPM2_ALG_AES) {
        return field_error(error, "symmetric algorithm", "AES or NULL", symmetric->alg);
    }
    symmetric->bits = hf_reader_u16(r);
    symmetric->mode = hf_reader_u16(r);
    if (symmetric->bits != 128 && symmetric->bits != 192 && symmetric->bits != 256) {
        return field_error(error, "AES key bits", "128, 192 or 256", symmetric->bits);
    }
    if (symmetric->mode != TPM2_ALG_CFB && symmetric->mode != TPM2_ALG_NULL) {
        return field_error(error, "AES mode", "CFB or NULL", symmetric->mode);
    }
    return true;
}

static bool read_scheme(HfReader *r, uint16_t type, HfTpmScheme *scheme, GError **error)
{
    const SchemeRow *row;

    scheme->alg = hf_reader_u16(r);
    row = scheme_row(type, scheme->alg);
    if (!row) {
        return field_error(error, "scheme", "one for this kind of key", scheme->alg);
    }
    if (row->hash) {
        scheme->hash = hf_reader_u16(r);
        if (hf_hash_size(scheme->hash) == 0) {
            return field_error(error, "scheme hash", "SHA-1 or SHA-2", scheme->hash);
        }
    }
    if (row->extra) {
        scheme->extra = hf_reader_u16(r);
    }
    return true;
}

static bool read_rsa(HfReader *r, HfPublic *pub, GError **error)
{
    if (!read_symmetric(r, &pub->symmetric, error) ||
        !read_scheme(r, TPM2_ALG_RSA, &pub->scheme, error)) {
        return false;
    }
    pub->rsa_bits = hf_reader_u16(r);
    pub->rsa_exponent = hf_reader_u32(r);
    if (pub->rsa_bits != 1024 && pub->rsa_bits != 2048 && pub->rsa_bits != 3072 &&
        pub->rsa_bits != 4096) {
        return field_error(error, "RSA key bits", "1024, 2048, 3072 or 4096", pub->rsa_bits);
    }
    if (!read_bytes(r, "RSA modulus", HF_RSA_MAX_BYTES, pub->unique, &pub->unique_size, error)) {
        return false;
    }
    if (pub->unique_size != 0 && pub->unique_size != pub->rsa_bits / 8) {
        return field_error(error, "RSA modulus size", "that of the key bits", pub->unique_size);
    }
    return true;
}

static bool read_kdf(HfReader *r, HfTpmScheme *kdf, GError **error)
{
    kdf->alg = hf_reader_u16(r);
    if (kdf->alg == TPM2_ALG_NULL) {
        return true;
    }
    if (kdf->alg != TPM2_ALG_KDF1_SP800_56A && kdf->alg != TPM2_ALG_KDF2 &&
        kdf->alg != TPM2_ALG_KDF1_SP800_108) {
        return field_error(error, "KDF", "a key derivation scheme or NULL", kdf->alg);
    }
    kdf->hash = hf_reader_u16(r);
    if (hf_hash_size(kdf->hash) == 0) {
        return field_error(error, "KDF hash", "SHA-1 or SHA-2", kdf->hash);
    }
    return true;
}

static bool read_ecc(HfReader *r, HfPublic *pub, GError **error)
{
    size_t size;

    if (!read_symmetric(r, &pub->symmetric, error) ||
        !read_scheme(r, TPM2_ALG_ECC, &pub->scheme, error)) {
        return false;
    }
    pub->curve = hf_reader_u16(r);
    size = hf_curve_size(pub->curve);
    if (size == 0) {
        return field_error(error, "curve", "NIST P-256, P-384 or P-521", pub->curve);
    }
    return read_kdf(r, &pub->kdf, error) &&
           read_bytes(r, "point x", size, pub->unique, &pub->unique_size, error) &&
           read_bytes(r, "point y", size, pub->y, &pub->y_size, error);
}

static bool read_keyedhash(HfReader *r, HfPublic *pub, GError **error)
{
    return read_scheme(r, TPM2_ALG_KEYEDHASH, &pub->scheme, error) &&
           read_bytes(r, "unique", hf_hash_size(pub->name_alg), pub->unique, &pub->unique_size,
                      error);
}

static bool read_parameters(HfReader *r, HfPublic *pub, GError **error)
{
    switch (pub->type) {
    case TPM2_ALG_RSA: return read_rsa(r, pub, error);
    case TPM2_ALG_ECC: return read_ecc(r, pub, error);
    default: return read_keyedhash(r, pub, error);
    }
}

/* The fields before the parameters. */
static bool read_head(HfReader *r, HfPublic *pub, GError **error)
{
    pub->type = hf_reader_u16(r);
    if (pub->type != TPM2_ALG_RSA && pub->type != TPM2_ALG_ECC && pub->type != TPM2_ALG_KEYEDHASH) {
        return field_error(error, "type", "RSA, ECC or KEYEDHASH", pub->type);
    }
    pub->name_alg = hf_reader_u16(r);
    if (hf_hash_size(pub->name_alg) == 0) {
        return field_error(error, "nameAlg", "SHA-1 or SHA-2", pub->name_alg);
    }
    pub->attributes = hf_reader_u32(r);
    if (pub->attributes & OBJECT_RESERVED) {
        return field_error(error, "attributes", "reserved bits clear", pub->attributes);
    }
    if (!read_bytes(r, "authPolicy", HF_HASH_MAX, pub->policy, &pub->policy_size, error)) {
        return false;
    }
    if (pub->policy_size != 0 && pub->policy_size != hf_hash_size(pub->name_alg)) {
        return field_error(error, "authPolicy size", "0 or that of nameAlg", pub->policy_size);
    }
    return true;
}

bool hf_public_read(HfReader *r, HfPublic *ret_public, GError **error)
{
    HfPublic pub = { 0 };

    if (!read_head(r, &pub, error) || !read_parameters(r, &pub, error)) {
        return false;
    }
    if (r->failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "public area: ends too early");
    }
    *ret_public = pub;
    return true;
}

bool hf_public_parse(const void *data, size_t n, HfPublic *ret_public, GError **error)
{
    HfReader r = hf_reader(data, n);
    HfPublic pub;

    if (n >= 2 && hf_fetch_u16(data) == n - 2) {
        hf_reader_u16(&r);
    }
    if (!hf_public_read(&r, &pub, error)) {
        return false;
    }
    if (!hf_reader_done(&r)) {
        return hf_error_set(error, HF_ERROR_INVALID, "public area: %zu bytes follow its end",
                            hf_reader_left(&r));
    }
    *ret_public = pub;
    return true;
}

static void write_symmetric(const HfTpmSymmetric *symmetric, GByteArray *w)
{
    hf_put_u16(w, symmetric->alg);
    if (symmetric->alg != TPM2_ALG_NULL) {
        hf_put_u16(w, symmetric->bits);
        hf_put_u16(w, symmetric->mode);
    }
}

static void write_scheme(uint16_t type, const HfTpmScheme *scheme, GByteArray *w)
{
    const SchemeRow *row = scheme_row(type, scheme->alg);

    g_assert(row);
    hf_put_u16(w, scheme->alg);
    if (row->hash) {
        hf_put_u16(w, scheme->hash);
    }
    if (row->extra) {
        hf_put_u16(w, scheme->extra);
    }
}

void hf_public_write(const HfPublic *pub, GByteArray *w)
{
    hf_put_u16(w, pub->type);
    hf_put_u16(w, pub->name_alg);
    hf_put_u32(w, pub->attributes);
    hf_put_tpm2b(w, pub->policy, pub->policy_size);
    if (pub->type != TPM2_ALG_KEYEDHASH) {
        write_symmetric(&pub->symmetric, w);
    }
    write_scheme(pub->type, &pub->scheme, w);
    if (pub->type == TPM2_ALG_RSA) {
        hf_put_u16(w, pub->rsa_bits);
        hf_put_u32(w, pub->rsa_exponent);
    }
    if (pub->type == TPM2_ALG_ECC) {
        hf_put_u16(w, pub->curve);
        hf_put_u16(w, pub->kdf.alg);
        if (pub->kdf.alg != TPM2_ALG_NULL) {
            hf_put_u16(w, pub->kdf.hash);
        }
    }
    hf_put_tpm2b(w, pub->unique, pub->unique_size);
    if (pub->type == TPM2_ALG_ECC) {
        hf_put_tpm2b(w, pub->y, pub->y_size);
    }
}

void hf_public_write_2b(const HfPublic *pub, GByteArray *w)
{
    size_t at = w->len;

    hf_put_u16(w, 0);
    hf_public_write(pub, w);
    hf_set_u16_at(w, at, (uint16_t)(w->len - at - 2));
}

HfTpmName hf_public_name(const HfPublic *pub)
{
    g_autoptr(GByteArray) w = g_byte_array_new();
    HfTpmName name = { .size = (uint16_t)(2 + hf_hash_size(pub->name_alg)) };

    hf_public_write(pub, w);
    hf_store_u16(name.data, pub->name_alg);
    hf_hash_once(pub->name_alg, w->data, w->len, name.data + 2);
    return name;
}

HfTpmName hf_tpm_name_of_handle(uint32_t handle)
{
    HfTpmName name = { .size = 4 };

    hf_store_u32(name.data, handle);
    return name;
}

bool hf_tpm_name_equal(const HfTpmName *a, const HfTpmName *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

HfTpmName hf_tpm_name_qualify(const HfTpmName *parent, const HfTpmName *name)
{
    uint16_t alg = hf_fetch_u16(name->data);
    HfTpmName qualified = { .size = name->size };
    g_autoptr(HfHash) hash = hf_hash_new(alg);

    g_assert(name->size == 2 + hf_hash_size(alg));
    hf_store_u16(qualified.data, alg);
    hf_hash_update(hash, parent->data, parent->size);
    hf_hash_update(hash, name->data, name->size);
    hf_hash_finish(hash, qualified.data + 2);
    return qualified;
}

bool hf_tpm_name_read(HfReader *r, const char *what, HfTpmName *ret_name, GError **error)
{
    HfReader sub = hf_reader_tpm2b(r, sizeof ret_name->data);
    HfTpmName name = { .size = (uint16_t)sub.size };
    size_t digest;

    if (r->failed || sub.failed) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: ends early or is longer than a Name",
                            what);
    }
    if (name.size > 0) {
        memcpy(name.data, sub.data, name.size);
    }
    if (name.size != 0 && name.size != 4) {
        digest = name.size >= 2 ? hf_hash_size(hf_fetch_u16(name.data)) : 0;
        if (digest == 0 || name.size != 2 + digest) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "%s: expected a Name (hash algorithm and digest), found %u bytes",
                                what, name.size);
        }
    }
    *ret_name = name;
    return true;
}

HfPublicKey *hf_public_key_of(const HfPublic *pub, GError **error)
{
    switch (pub->type) {
    case TPM2_ALG_RSA:
        return hf_public_key_from_rsa(pub->unique, pub->unique_size, pub->rsa_exponent, error);
    case TPM2_ALG_ECC:
        return hf_public_key_from_ec(pub->curve, pub->unique, pub->unique_size, pub->y, pub->y_size,
                                     error);
    default:
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "public area: expected an RSA or ECC key, found type 0x%04x", pub->type);
        return NULL;
    }
}

/* Names the first attribute that is not as it must be. */
static bool check_attributes(const HfPublic *pub, const char *kind, uint32_t set, uint32_t clear,
                             GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(attribute_rows); i++) {
        const AttributeRow *row = &attribute_rows[i];

        if ((set & row->bit) && !(pub->attributes & row->bit)) {
            return hf_error_set(error, HF_ERROR_POLICY, "%s: attribute %s must be set, is clear",
                                kind, row->name);
        }
        if ((clear & row->bit) && (pub->attributes & row->bit)) {
            return hf_error_set(error, HF_ERROR_POLICY, "%s: attribute %s must be clear, is set",
                                kind, row->name);
        }
    }
    return true;
}

/* Made in its TPM, bound to it, restricted, and for one purpose alone. */
static bool check_restricted(const HfPublic *pub, const char *kind, uint32_t purpose,
                             uint32_t other, GError **error)
{
    if (pub->type != TPM2_ALG_RSA && pub->type != TPM2_ALG_ECC) {
        return hf_error_set(error, HF_ERROR_POLICY, "%s: expected RSA or ECC, found type 0x%04x",
                            kind, pub->type);
    }
    return check_attributes(pub, kind,
                            TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED | purpose,
                            other, error);
}

bool hf_public_check_ak(const HfPublic *pub, GError **error)
{
    const char *kind = "attestation key";

    if (!check_restricted(pub, kind, TPMA_OBJECT_SIGN_ENCRYPT, TPMA_OBJECT_DECRYPT, error)) {
        return false;
    }
    if (pub->scheme.alg != TPM2_ALG_RSASSA && pub->scheme.alg != TPM2_ALG_RSAPSS &&
        pub->scheme.alg != TPM2_ALG_ECDSA) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "%s: scheme: expected RSASSA, RSAPSS or ECDSA, found 0x%04x", kind,
                            pub->scheme.alg);
    }
    if (hf_hash_size(pub->scheme.hash) < 32) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "%s: scheme hash: expected SHA-256 or stronger, found %s", kind,
                            hf_hash_name(pub->scheme.hash));
    }
    return true;
}

bool hf_public_check_ek(const HfPublic *pub, GError **error)
{
    const char *kind = "endorsement key";

    if (!check_restricted(pub, kind, TPMA_OBJECT_DECRYPT, TPMA_OBJECT_SIGN_ENCRYPT, error)) {
        return false;
    }
    if (pub->symmetric.alg != TPM2_ALG_AES || pub->symmetric.mode != TPM2_ALG_CFB ||
        pub->symmetric.bits == 192) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "%s: symmetric algorithm: expected AES-128-CFB or AES-256-CFB", kind);
    }
    return true;
}

char *hf_public_attributes_text(uint32_t attributes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t rest = attributes;

    for (size_t i = 0; i < G_N_ELEMENTS(attribute_rows); i++) {
        if (attributes & attribute_rows[i].bit) {
            g_string_append_printf(text, "%s%s", text->len ? "|" : "", attribute_rows[i].name);
            rest &= ~attribute_rows[i].bit;
        }
    }
    if (rest) {
        g_string_append_printf(text, "%s0x%x", text->len ? "|" : "", rest);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
