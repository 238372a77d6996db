/*
 * test-pki-crl.c - revocation lists: what is made is read back and found; every list that must not
 * be believed is refused by its own message, and so is what is revoked. Damaged lists: every truncation and
 * every flipped bit.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"

#include <string.h>

#define DAY WORLD_DAY

typedef struct {
    World *w;
    HfCertificate *ek;
    GPtrArray *chain;
} Fixture;

static void setup(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->w = world_new_with(HF_ROOTED_HARDWARE, HF_KEYFILE_P256);
    f->ek = hf_endorsement_ek(&f->w->ek, f->w->vma_key, f->w->vma, NULL);
    f->chain = world_chain(f->ek, f->w->vma, NULL);
}

static void teardown(Fixture *f, gconstpointer unused)
{
    (void)unused;
    hf_certificate_unref(f->ek);
    g_ptr_array_unref(f->chain);
    world_free(f->w);
}

static void add(GArray *entries, GBytes *serial, HfCrlReason reason)
{
    HfCrlEntry entry = { .reason = reason, .when = WORLD_NOW };
    entry.size = (uint8_t)g_bytes_get_size(serial);
    memcpy(entry.serial, g_bytes_get_data(serial, NULL), entry.size);
    g_array_append_val(entries, entry);
}

/* A list of the world's root at WORLD_NOW for ten days; the vMA is on it when there is a reason. */
static HfCrl *list(World *w, uint64_t number, int reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    g_autoptr(GBytes) small = g_bytes_new_static("\x05", 1);
    g_autoptr(GBytes) signed_one = g_bytes_new_static("\0\x80", 2);
    HfCrlInput in = { .number = number,
                      .this_update = WORLD_NOW,
                      .next_update = WORLD_NOW + 10 * DAY,
                      .entries = entries };
    add(entries, signed_one, HF_CRL_UNSPECIFIED);
    if (reason >= 0) {
        add(entries, w->vma->serial, (HfCrlReason)reason);
    }
    add(entries, small, HF_CRL_SUPERSEDED);
    HfCrl *crl = hf_crl_issue(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    return crl;
}

static void accepted(Fixture *f, HfCrlSet *set)
{
    g_autoptr(GError) error = NULL;
    HfChainProof proof = { 0 };
    f->w->rules.crls = set;
    g_assert_true(hf_chain_verify(f->chain, f->w->roots, &f->w->rules, &proof, &error));
    g_assert_no_error(error);
    g_assert_nonnull(proof.crl);
}

static void refused(Fixture *f, HfCrlSet *set, int code, const char *text)
{
    g_autoptr(GError) error = NULL;
    f->w->rules.crls = set;
    g_assert_false(hf_chain_verify(f->chain, f->w->roots, &f->w->rules, NULL, &error));
    world_refused(&error, code, text);
}

/* What the set says of the vMA certificate; an error comes with everything but "good". */
static HfCrlAnswer answer(Fixture *f, HfCrlSet *set, gint64 at)
{
    g_autoptr(GError) error = NULL;
    const HfCrl *crl = NULL;
    HfCrlAnswer found =
        hf_crl_set_ask(set, f->w->vma, "certificate", f->w->root, "issuer's", at, &crl, &error);
    bool good = found == HF_CRL_ANSWER_GOOD;
    g_assert_true(good == (error == NULL));
    g_assert_true(good == (crl != NULL));
    g_assert_true(good == hf_crl_set_check(set, f->w->vma, "certificate", f->w->root, "issuer's",
                                           at, NULL, NULL));
    return found;
}

static HfCrlSet *set_of(HfCrl *crl)
{
    HfCrlSet *set = hf_crl_set_new();
    hf_crl_set_add(set, crl);
    return set;
}

static void test_made(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCrl) crl = list(f->w, 300, HF_CRL_KEY_COMPROMISE);
    g_autofree char *number = hf_crl_number_text(crl->number);
    g_assert_cmpstr(number, ==, "300");
    g_assert_cmpint(crl->this_update, ==, WORLD_NOW);
    g_assert_cmpint(crl->next_update, ==, WORLD_NOW + 10 * DAY);
    g_assert_true(g_bytes_equal(crl->issuer, f->w->root->subject));
    g_assert_true(g_bytes_equal(crl->authority_id, f->w->root->key_id));
    g_assert_null(crl->unknown_critical);
    g_assert_cmpuint(crl->entries->len, ==, 3);
    g_assert_cmpuint(g_array_index(crl->entries, HfCrlEntry, 0).serial[0], ==, 5);
    g_assert_cmpuint(g_array_index(crl->entries, HfCrlEntry, 1).size, ==, 2);
    const HfCrlEntry *found = hf_crl_find(crl, f->w->vma->serial);
    g_assert_nonnull(found);
    g_assert_cmpint(found->reason, ==, HF_CRL_KEY_COMPROMISE);
    g_assert_cmpint(found->when, ==, WORLD_NOW);
    g_assert_null(hf_crl_find(crl, f->ek->serial));
    g_autofree char *pem = hf_crl_pem(crl);
    g_autoptr(GBytes) text = g_bytes_new(pem, strlen(pem));
    g_autoptr(GPtrArray) again = hf_crl_parse_bundle(text, "again", &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(((HfCrl *)again->pdata[0])->der, crl->der));
}

static void test_not_made(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    HfCrlInput in = {
        .number = 1, .this_update = WORLD_NOW, .next_update = WORLD_NOW + DAY, .entries = entries
    };
    g_assert_null(hf_crl_issue(&in, f->w->vma_key, f->w->vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "does not allow to sign revocation lists");
    g_assert_null(hf_crl_issue(&in, f->w->vma_key, f->w->root, &error));
    world_refused(&error, HF_ERROR_STATE, "not the one in the issuer's certificate");
    in.next_update = WORLD_NOW;
    g_assert_null(hf_crl_issue(&in, f->w->root_key, f->w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "must come after this one");
    in.next_update = WORLD_NOW + DAY;
    add(entries, f->w->vma->serial, HF_CRL_UNSPECIFIED);
    add(entries, f->w->vma->serial, HF_CRL_SUPERSEDED);
    g_assert_null(hf_crl_issue(&in, f->w->root_key, f->w->root, &error));
    world_refused(&error, HF_ERROR_INVALID, "revoked twice");
}

static void test_revoked(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(HfCrl) good = list(f->w, 1, -1);
    g_autoptr(HfCrl) bad = list(f->w, 2, HF_CRL_KEY_COMPROMISE);
    g_autoptr(HfCrl) hold = list(f->w, 3, HF_CRL_HOLD);
    g_autoptr(HfCrlSet) none = hf_crl_set_new();
    g_autoptr(HfCrlSet) one = set_of(good);
    g_autoptr(HfCrlSet) two = set_of(bad);
    g_autoptr(HfCrlSet) three = set_of(hold);
    refused(f, none, HF_ERROR_POLICY,
            "a revocation list of \"CN=Fleet root,O=Fleet\" (the root "
            "certificate) is required, found none");
    accepted(f, one);
    refused(f, two, HF_ERROR_POLICY,
            "the vMA certificate was revoked at 2026-01-31T00:00:00Z: "
            "keyCompromise (revocation list 2)");
    refused(f, three, HF_ERROR_POLICY, "the vMA certificate is on hold since 2026-01-31");
    /* Of several the newest counts, in whatever order. */
    hf_crl_set_add(two, good);
    refused(f, two, HF_ERROR_POLICY, "keyCompromise (revocation list 2)");
    hf_crl_set_add(one, bad);
    refused(f, one, HF_ERROR_POLICY, "keyCompromise (revocation list 2)");
    /* "Revoked" is the answer also when the certificate has expired in the meantime. */
    f->w->rules.crls = NULL;
    g_assert_true(hf_chain_verify(f->chain, f->w->roots, &f->w->rules, NULL, NULL));
}

/* Callers tell the answers apart without reading messages. */
static void test_answer(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(World) other = world_new_with(HF_ROOTED_HARDWARE, HF_KEYFILE_P256);
    g_autoptr(HfCrl) good = list(f->w, 1, -1);
    g_autoptr(HfCrl) bad = list(f->w, 2, HF_CRL_KEY_COMPROMISE);
    g_autoptr(HfCrl) hold = list(f->w, 3, HF_CRL_HOLD);
    g_autoptr(HfCrl) forged = list(other, 4, -1);
    g_autoptr(HfCrlSet) none = hf_crl_set_new();
    g_autoptr(HfCrlSet) set = set_of(good);
    g_autoptr(HfCrlSet) held = set_of(hold);
    g_assert_cmpint(answer(f, none, WORLD_NOW), ==, HF_CRL_ANSWER_UNKNOWN);
    g_assert_cmpint(answer(f, set, WORLD_NOW), ==, HF_CRL_ANSWER_GOOD);
    g_assert_cmpint(answer(f, held, WORLD_NOW), ==, HF_CRL_ANSWER_HELD);
    hf_crl_set_add(set, bad);
    g_assert_cmpint(answer(f, set, WORLD_NOW), ==, HF_CRL_ANSWER_REVOKED);
    /* A list that is not to be believed says nothing, whatever stands in it. */
    g_assert_cmpint(answer(f, set, WORLD_NOW - 1), ==, HF_CRL_ANSWER_UNKNOWN);
    g_assert_cmpint(answer(f, held, WORLD_NOW + 11 * DAY), ==, HF_CRL_ANSWER_UNKNOWN);
    hf_crl_set_know(set, f->w->root->key_id, hold->number);
    g_assert_cmpint(answer(f, set, WORLD_NOW), ==, HF_CRL_ANSWER_UNKNOWN);
    hf_crl_set_add(held, forged);
    g_assert_cmpint(answer(f, held, WORLD_NOW), ==, HF_CRL_ANSWER_UNKNOWN);
}

static void test_date(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(HfCrl) crl = list(f->w, 7, -1);
    g_autoptr(HfCrlSet) set = set_of(crl);
    f->w->rules.at = WORLD_NOW - 1;
    refused(f, set, HF_ERROR_POLICY,
            "revocation list 7 of \"CN=Fleet root,O=Fleet\" is not valid "
            "yet");
    f->w->rules.at = WORLD_NOW;
    accepted(f, set);
    f->w->rules.at = WORLD_NOW + 10 * DAY;
    accepted(f, set);
    f->w->rules.at++;
    refused(f, set, HF_ERROR_POLICY, "is out of date: the next one was due at 2026-02-10");
}

static void test_old_number(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(HfCrl) before = list(f->w, 255, -1);
    g_autoptr(HfCrl) now = list(f->w, 256, -1);
    g_autoptr(HfCrlSet) set = set_of(before);
    hf_crl_set_know(set, f->w->root->key_id, now->number);
    refused(f, set, HF_ERROR_POLICY,
            "revocation list 255 of \"CN=Fleet root,O=Fleet\" is an old "
            "one: number 256 was seen before");
    hf_crl_set_add(set, now);
    accepted(f, set);
    /* What a set has seen it knows; and knowing less does not make it forget. */
    g_autoptr(HfCrlSet) learnt = set_of(now);
    accepted(f, learnt);
    hf_crl_set_know(learnt, f->w->root->key_id, before->number);
    g_assert_cmpint(hf_crl_number_compare(before->number, now->number), <, 0);
}

static void test_forged(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(World) other = world_new_with(HF_ROOTED_HARDWARE, HF_KEYFILE_P256);
    g_autoptr(HfCrl) same_name = list(other, 9, -1); /* another key, the same name */
    g_autoptr(HfCrlSet) set = set_of(same_name);
    refused(f, set, HF_ERROR_AUTH,
            "it is by another key of that name than the root "
            "certificate's");
    HfRootInput in = { .common_name = "Elsewhere", .not_before = WORLD_BIRTH };
    g_autoptr(HfCertificate) elsewhere = hf_delegation_root(&in, other->root_key, NULL);
    hf_certificate_unref(other->root);
    other->root = hf_certificate_ref(elsewhere);
    g_autoptr(HfCrl) foreign = list(other, 9, -1);
    g_autoptr(HfCrlSet) second = set_of(foreign);
    refused(f, second, HF_ERROR_POLICY, "is required, found \"CN=Elsewhere\"");

    /* One bit of the genuine one: no list, or not signed. */
    g_autoptr(HfCrl) genuine = list(f->w, 9, HF_CRL_KEY_COMPROMISE);
    size_t n = g_bytes_get_size(genuine->der);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        g_autofree uint8_t *copy = g_memdup2(g_bytes_get_data(genuine->der, NULL), n);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        g_autoptr(GBytes) der = g_bytes_new(copy, n);
        g_autoptr(GError) error = NULL;
        g_autoptr(HfCrl) crl = hf_crl_new(der, "flipped", &error);
        g_assert_true((crl == NULL) == (error != NULL));
        if (crl) {
            g_autoptr(HfCrlSet) flipped = set_of(crl);
            g_clear_error(&error);
            f->w->rules.crls = flipped;
            g_assert_false(hf_chain_verify(f->chain, f->w->roots, &f->w->rules, NULL, &error));
            g_assert_null(strstr(error->message, "keyCompromise"));
        }
    }
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GBytes) cut = g_bytes_new(g_bytes_get_data(genuine->der, NULL), i);
        g_assert_null(hf_crl_new(cut, "cut", NULL));
        g_assert_null(hf_crl_parse_bundle(cut, "cut", NULL));
    }
}

/* More than fits into the 64 KiB that a certificate may have. */
static void test_many(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    HfCrlInput in = {
        .number = 1, .this_update = WORLD_NOW, .next_update = WORLD_NOW + DAY, .entries = entries
    };
    for (uint32_t i = 20000; i > 0; i--) {
        HfCrlEntry entry = { .size = 4, .when = WORLD_NOW, .reason = HF_CRL_SUPERSEDED };
        hf_store_u32(entry.serial, 0x40000000 | i);
        g_array_append_val(entries, entry);
    }
    g_autoptr(HfCrl) crl = hf_crl_issue(&in, f->w->root_key, f->w->root, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) there = g_bytes_new_static("\x40\0\x4e\x20", 4);
    g_autoptr(GBytes) absent = g_bytes_new_static("\x40\0\x4e\x21", 4);
    g_assert_nonnull(hf_crl_find(crl, there));
    g_assert_null(hf_crl_find(crl, absent));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Fixture *f, gconstpointer unused);
    } tests[] = { { "/pki/crl/made", test_made },       { "/pki/crl/not-made", test_not_made },
                  { "/pki/crl/revoked", test_revoked }, { "/pki/crl/answer", test_answer },
                  { "/pki/crl/date", test_date },       { "/pki/crl/old", test_old_number },
                  { "/pki/crl/forged", test_forged },   { "/pki/crl/many", test_many } };
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].name, Fixture, NULL, setup, tests[i].run, teardown);
    }
    return g_test_run();
}
