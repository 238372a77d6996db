/*
 * test-pki-hostile.c - damaged certificates: every truncation, every flipped bit, and many random
 * changes; none crashes (run it under the sanitizers) and none verifies.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"
#include "pki/request.h"

#include <string.h>

typedef struct {
    World *world;
    GBytes *ek;
    GBytes *vma;
} Fixture;

static void setup(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    f->world = world_new_with(HF_ROOTED_HARDWARE, HF_KEYFILE_P256); /* quick to verify */
    g_autoptr(HfCertificate) ek =
        hf_endorsement_ek(&f->world->ek, f->world->vma_key, f->world->vma, &error);
    g_assert_no_error(error);
    f->ek = g_bytes_ref(ek->der);
    f->vma = g_bytes_ref(f->world->vma->der);
}

static void teardown(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_bytes_unref(f->ek);
    g_bytes_unref(f->vma);
    world_free(f->world);
}

/* Parses both and verifies; an error must come with every failure. */
static bool verifies(Fixture *f, GBytes *ek_der, GBytes *vma_der)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) ek = hf_certificate_new(ek_der, "EK", &error);
    g_autoptr(HfCertificate) vma = ek ? hf_certificate_new(vma_der, "vMA", &error) : NULL;
    if (!vma) {
        g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
        return false;
    }
    g_autofree char *subject = hf_certificate_subject_text(vma);
    g_autofree char *issuer = hf_certificate_issuer_text(ek);
    g_assert_true(g_utf8_validate(subject, -1, NULL) && g_utf8_validate(issuer, -1, NULL));
    g_autoptr(GPtrArray) chain = world_chain(ek, vma, NULL);
    bool good = hf_chain_verify(chain, f->world->roots, &f->world->rules, NULL, &error);
    g_assert_true(good == (error == NULL));
    return good;
}

static void test_truncated(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_true(verifies(f, f->ek, f->vma));
    for (size_t n = 0; n < g_bytes_get_size(f->ek); n++) {
        /* A copy of its own, so that reading over the end is seen. */
        g_autoptr(GBytes) cut = g_bytes_new(g_bytes_get_data(f->ek, NULL), n);
        g_assert_false(verifies(f, cut, f->vma));
        g_assert_null(hf_certificate_parse_bundle(cut, "cut", NULL));
    }
    for (size_t n = 0; n < g_bytes_get_size(f->vma); n++) {
        g_autoptr(GBytes) cut = g_bytes_new(g_bytes_get_data(f->vma, NULL), n);
        g_assert_false(verifies(f, f->ek, cut));
    }
}

static GBytes *flipped(GBytes *der, size_t bit)
{
    size_t n = 0;
    g_autofree uint8_t *copy = g_memdup2(g_bytes_get_data(der, &n), g_bytes_get_size(der));
    copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    return g_bytes_new(copy, g_bytes_get_size(der));
}

static void test_bits(Fixture *f, gconstpointer unused)
{
    (void)unused;
    for (size_t bit = 0; bit < 8 * g_bytes_get_size(f->ek); bit++) {
        g_autoptr(GBytes) bad = flipped(f->ek, bit);
        if (verifies(f, bad, f->vma)) {
            g_error("the EK certificate verifies with bit %zu flipped", bit);
        }
    }
    for (size_t bit = 0; bit < 8 * g_bytes_get_size(f->vma); bit++) {
        g_autoptr(GBytes) bad = flipped(f->vma, bit);
        if (verifies(f, f->ek, bad)) {
            g_error("the vMA certificate verifies with bit %zu flipped", bit);
        }
    }
}

/* Changes 1 to 8 bytes, or removes or repeats a stretch; seeded, so that a failure comes again. */
static GBytes *mutated(GBytes *der, GRand *rand)
{
    size_t n = g_bytes_get_size(der);
    g_autoptr(GByteArray) w = g_byte_array_new();
    g_byte_array_append(w, g_bytes_get_data(der, NULL), (guint)n);
    guint at = (guint)g_rand_int_range(rand, 0, (gint32)n);
    guint length = (guint)g_rand_int_range(rand, 1, 9);
    length = MIN(length, (guint)n - at);
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0: g_byte_array_remove_range(w, at, length); break;
    case 1: g_byte_array_append(w, w->data + at, length); break;
    default:
        for (guint i = 0; i < length; i++) {
            w->data[g_rand_int_range(rand, 0, (gint32)n)] = (uint8_t)g_rand_int(rand);
        }
        break;
    }
    return g_bytes_new(w->data, w->len);
}

static void test_random(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GRand) rand = g_rand_new_with_seed(20260101);
    g_autoptr(GBytes) request = hf_request_new("Fleet", "host", f->world->vma_key, NULL);
    for (unsigned i = 0; i < 5000; i++) {
        g_autoptr(GBytes) bad = mutated(f->ek, rand);
        if (!g_bytes_equal(bad, f->ek) && verifies(f, bad, f->vma)) {
            g_error("the changed EK certificate of round %u verifies", i);
        }
        g_autoptr(GBytes) other = mutated(request, rand);
        g_autoptr(HfRequest) parsed = hf_request_parse(other, "request", NULL);
        g_assert_true(!parsed || g_bytes_equal(other, request));
    }
}

/* Around a good certificate: nothing may follow it. */
static void test_wrapping(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    size_t n = g_bytes_get_size(f->ek);
    g_autofree uint8_t *longer = g_malloc0(n + 1);
    memcpy(longer, g_bytes_get_data(f->ek, NULL), n);
    g_autoptr(GBytes) trailing = g_bytes_new(longer, n + 1);
    g_assert_null(hf_certificate_new(trailing, "EK", &error));
    world_refused(&error, HF_ERROR_INVALID, "there are bytes after its end");
    g_autofree uint8_t *zeros = g_malloc0(HF_CERTIFICATE_FILE_MAX + 1);
    g_autoptr(GBytes) large = g_bytes_new(zeros, HF_CERTIFICATE_FILE_MAX + 1);
    g_assert_null(hf_certificate_new(large, "EK", &error));
    world_refused(&error, HF_ERROR_INVALID, "larger than 64 KiB");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add(path, Fixture, NULL, setup, function, teardown)
    ADD("/pki/hostile/truncated", test_truncated);
    ADD("/pki/hostile/bits", test_bits);
    ADD("/pki/hostile/random", test_random);
    ADD("/pki/hostile/wrapping", test_wrapping);
    return g_test_run();
}
