/*
 * test-engine-rsa.c - RSA keys of the engine with their primes: the same numbers as without.
 *
 * The reference is one exponentiation of full length, computed here; keys of which the engine must
 * keep its hands off stay as they are; what it keeps is gone when the TPM is off.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "config.h"

#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <string.h>

#include "engine/engine_private.h"
#include "live_tpm.h"

#ifdef HF_RSA_SHIM

#define KEYS 24u

static const uint64_t exponents[] = { 65537, 3, 17 };

/* A key of OpenSSL's, primes and all, with d as libtpms has it: the inverse of e modulo
 * (p - 1)(q - 1). OpenSSL's own is the inverse modulo their least common multiple. */
static RSA *new_key(unsigned bits, unsigned number)
{
    RSA *key = RSA_new();
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *e = BN_new(), *p1 = BN_new(), *q1 = BN_new(), *d = BN_new();
    const BIGNUM *p, *q;

    g_assert_true(BN_set_word(e, exponents[number % G_N_ELEMENTS(exponents)]));
    g_assert_cmpint(RSA_generate_key_ex(key, (int)bits, e, NULL), ==, 1);
    RSA_get0_factors(key, &p, &q);
    g_assert_true(BN_sub(p1, p, BN_value_one()) && BN_sub(q1, q, BN_value_one()) &&
                  BN_mul(p1, p1, q1, ctx) && BN_mod_inverse(d, e, p1, ctx));
    g_assert_cmpint(RSA_set0_key(key, NULL, NULL, d), ==, 1);
    BN_free(e);
    BN_free(p1);
    BN_free(q1);
    BN_CTX_free(ctx);
    return key;
}

/* The key as libtpms makes it: n and e first, d alone then. */
static RSA *as_libtpms(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
    RSA *key = RSA_new();

    g_assert_cmpint(RSA_set0_key(key, BN_dup(n), BN_dup(e), NULL), ==, 1);
    g_assert_cmpint(RSA_set0_key(key, NULL, NULL, BN_dup(d)), ==, 1);
    return key;
}

static bool has_primes(const RSA *key)
{
    const BIGNUM *p = NULL, *q = NULL, *dmp1 = NULL, *dmq1 = NULL, *iqmp = NULL;

    RSA_get0_factors(key, &p, &q);
    RSA_get0_crt_params(key, &dmp1, &dmq1, &iqmp);
    g_assert_true((p != NULL) == (iqmp != NULL));
    if (p) {
        g_assert_cmpint(BN_cmp(p, q), >, 0);
    }
    return p != NULL;
}

/* Raw operations on chosen numbers, compared with the power itself. */
static void check_results(RSA *key)
{
    const BIGNUM *n = NULL, *d = NULL;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *m = BN_new(), *wanted = BN_new();
    uint8_t in[512], out[512], plain[512];
    int size = RSA_size(key);

    RSA_get0_key(key, &n, NULL, &d);
    for (unsigned shift = 0; shift < 4; shift++) {
        /* 0, a small number, one of half the length, one near n */
        g_assert_true(BN_rshift(m, n, shift == 0 ? BN_num_bits(n) : (int)(1u << (12 - 3 * shift))));
        g_assert_cmpint(BN_bn2binpad(m, in, size), ==, size);
        g_assert_true(BN_mod_exp_mont_consttime(wanted, m, d, n, ctx, NULL));
        g_assert_cmpint(BN_bn2binpad(wanted, plain, size), ==, size);
        g_assert_cmpint(RSA_private_encrypt(size, in, out, key, RSA_NO_PADDING), ==, size);
        g_assert_cmpmem(out, (size_t)size, plain, (size_t)size);
        g_assert_cmpint(RSA_private_decrypt(size, in, out, key, RSA_NO_PADDING), ==, size);
        g_assert_cmpmem(out, (size_t)size, plain, (size_t)size);
    }
    BN_free(m);
    BN_free(wanted);
    BN_CTX_free(ctx);
}

static void test_same_results(void)
{
    LiveTpm *live = live_tpm_new();

    for (unsigned i = 0; i < KEYS; i++) {
        RSA *made = new_key(i % 8 == 0 ? 2048 : 1024, i);
        const BIGNUM *n, *e, *d;
        RSA_get0_key(made, &n, &e, &d);
        for (int again = 0; again < 2; again++) { /* computed, then kept */
            RSA *key = as_libtpms(n, e, d);
            g_assert_true(has_primes(key));
            check_results(key);
            RSA_free(key);
        }
        RSA_free(made);
    }
    live_tpm_free(live);
}

/* n - 2 and n do not belong to the same primes, d + 2 is no exponent, another e another key. */
static void test_left_alone(void)
{
    LiveTpm *live = live_tpm_new();
    RSA *made = new_key(1024, 0);
    const BIGNUM *n, *e, *d;
    BIGNUM *wrong;
    RSA *key;

    RSA_get0_key(made, &n, &e, &d);
    wrong = BN_dup(d);
    g_assert_true(BN_add_word(wrong, 2));
    key = as_libtpms(n, e, wrong);
    g_assert_false(has_primes(key));
    RSA_free(key);
    g_assert_true(BN_copy(wrong, n) && BN_sub_word(wrong, 2));
    key = as_libtpms(wrong, e, d);
    g_assert_false(has_primes(key));
    RSA_free(key);
    key = as_libtpms(n, e, d);
    g_assert_true(has_primes(key));
    RSA_free(key);
    g_assert_true(BN_set_word(wrong, 17));
    key = as_libtpms(n, wrong, d); /* n is known, with another e */
    g_assert_false(has_primes(key));
    RSA_free(key);
    /* All three at once is how others make a key. */
    key = RSA_new();
    g_assert_cmpint(RSA_set0_key(key, BN_dup(n), BN_dup(e), BN_dup(d)), ==, 1);
    g_assert_false(has_primes(key));
    RSA_free(key);
    live_tpm_free(live);
    key = as_libtpms(n, e, d); /* no engine */
    g_assert_false(has_primes(key));
    RSA_free(key);
    BN_free(wrong);
    RSA_free(made);
}

static bool all_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

static bool holds(const HfSecret *secret, const BIGNUM *number)
{
    uint8_t bytes[256];
    int size = BN_bn2bin(number, bytes);

    return memmem(secret->data, secret->size, bytes, (size_t)size) != NULL;
}

static void test_forgotten(void)
{
    LiveTpm *live = live_tpm_new();
    HfSecret *secret = hf_engine_rsa_cache();
    RSA *made = new_key(1024, 0);
    const BIGNUM *n, *e, *d, *p;
    RSA *key;

    RSA_get0_key(made, &n, &e, &d);
    RSA_get0_factors(made, &p, NULL);
    g_assert_true(all_zero(secret->data, secret->size));
    key = as_libtpms(n, e, d);
    g_assert_true(holds(secret, p));
    hf_engine_power_off(live->engine);
    g_assert_false(holds(secret, p));
    /* What is left says that both ways agreed, and nothing of a key. */
    g_assert_true(all_zero(secret->data + 16, secret->size - 16));
    RSA_free(key);
    RSA_free(made);
    live_tpm_free(live);
    g_assert_null(hf_engine_rsa_cache());
}

#else

static void test_switched_off(void)
{
    LiveTpm *live = live_tpm_new();

    g_assert_null(hf_engine_rsa_cache());
    live_tpm_free(live);
}

#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#ifdef HF_RSA_SHIM
    g_test_add_func("/engine-rsa/same-results", test_same_results);
    g_test_add_func("/engine-rsa/left-alone", test_left_alone);
    g_test_add_func("/engine-rsa/forgotten", test_forgotten);
#else
    g_test_add_func("/engine-rsa/switched-off", test_switched_off);
#endif
    return g_test_run();
}
