/*
 * test-pki-nested.c - chains of hosts that are guests: followed to what they stand on, and every way
 * in which they do not hold together.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"
#include "pki/spki.h"

/* A virtual TPM and the authority that certified it. */
typedef struct {
    HfSigner *vma_key;
    HfCertificate *vma;
    HfSigner *ek_key;
    HfCertificate *ek;
} Level;

static void level_clear(Level *level)
{
    hf_signer_free(level->vma_key);
    hf_signer_free(level->ek_key);
    hf_certificate_unref(level->vma);
    hf_certificate_unref(level->ek);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Level, level_clear)

/* An EK certificate for this key, by the authority in the TPM with the key `host`. */
static HfCertificate *certify(World *w, HfSigner *ek, GBytes *host, HfSigner *vma_key,
                              const HfCertificate *vma)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) digest = hf_spki_digest(host);
    HfHolding holding = w->holding;
    HfEndorsement in = w->ek;

    holding.host_ek = digest;
    holding.tcb_policy = w->host_digest;
    in.holding = &holding;
    in.spki = ek->spki;
    HfCertificate *certificate = hf_endorsement_ek(&in, vma_key, vma, &error);
    g_assert_no_error(error);
    return certificate;
}

static HfCertificate *delegate(World *w, HfSigner *key, const HfMandate *mandate, unsigned days)
{
    g_autoptr(GError) error = NULL;
    const HfDelegation in = { .spki = key->spki,
                              .rooted = HF_ROOTED_NESTED,
                              .mandate = mandate,
                              .not_before = WORLD_BIRTH,
                              .days = days };
    HfCertificate *vma = hf_delegation_new(&in, w->root_key, w->root, &error);
    g_assert_no_error(error);
    return vma;
}

/* A guest of the host with this endorsement key, whose authority was delegated to with `nested`
 * levels (0: without a mandate). */
static Level nest(World *w, GBytes *host, unsigned nested, bool on_software)
{
    g_autoptr(GBytes) digest = hf_spki_digest(host);
    const HfMandate mandate = { .environment = (char *)(uintptr_t) "inner",
                                .migration_policy = (char *)(uintptr_t)HF_HOLDING_NOT_MIGRATABLE,
                                .host_ek = digest,
                                .nested = nested,
                                .on_software = on_software };
    Level level = { .vma_key = world_key(w, HF_KEYFILE_P256),
                    .ek_key = world_key(w, HF_KEYFILE_P256) };

    level.vma_key->rooted = HF_ROOTED_NESTED;
    level.vma = delegate(w, level.vma_key, nested ? &mandate : NULL, 1000);
    level.ek = certify(w, level.ek_key, host, level.vma_key, level.vma);
    return level;
}

static HfCertificate *outermost(World *w)
{
    g_autoptr(GError) error = NULL;
    HfCertificate *ek = hf_endorsement_ek(&w->ek, w->vma_key, w->vma, &error);
    g_assert_no_error(error);
    return ek;
}

static void refused(World *w, GPtrArray *chain, int code, const char *text)
{
    g_autoptr(GError) error = NULL;
    HfChainProof proof = { 0 };
    g_assert_false(hf_chain_verify(chain, w->roots, &w->rules, &proof, &error));
    g_assert_null(proof.leaf); /* written only on success */
    world_refused(&error, code, text);
}

static HfChainProof proved(World *w, GPtrArray *chain)
{
    g_autoptr(GError) error = NULL;
    HfChainProof proof = { 0 };
    hf_chain_verify(chain, w->roots, &w->rules, &proof, &error);
    g_assert_no_error(error);
    return proof;
}

/* One to three levels, and what is accepted of them. */
static void test_levels(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfCertificate) outer = outermost(w);
    g_auto(Level) one = nest(w, w->ek_key->spki, 1, false);
    g_auto(Level) two = nest(w, one.ek_key->spki, 2, false);
    g_auto(Level) three = nest(w, two.ek_key->spki, 3, false);
    g_autoptr(GPtrArray) first = world_chain(one.ek, one.vma, outer, w->vma, NULL);
    g_autoptr(GPtrArray) third = world_chain(three.ek, three.vma, two.ek, two.vma, w->root, one.ek,
                                             one.vma, outer, w->vma, w->root, NULL);
    refused(w, first, HF_ERROR_POLICY, "the TPM is nested, its host's TPM is a virtual one, and");
    w->rules.hardware_only = true;
    refused(w, first, HF_ERROR_POLICY, "only hardware-rooted ones are accepted");
    w->rules.nested = 1;
    HfChainProof proof = proved(w, first);
    g_assert_cmpint(proof.rooted, ==, HF_ROOTED_NESTED);
    g_assert_cmpint(proof.base, ==, HF_ROOTED_HARDWARE);
    g_assert_cmpuint(proof.nested, ==, 1);
    g_assert_true(proof.leaf == one.ek && proof.vma == one.vma && proof.root == w->root);
    g_assert_true(proof.hosts[0].leaf == outer && proof.hosts[0].vma == w->vma);
    g_assert_cmpint(proof.hosts[0].rooted, ==, HF_ROOTED_HARDWARE);
    refused(w, third, HF_ERROR_POLICY,
            "host TPM, level 1: the TPM is nested more than 1 level deep");
    w->rules.nested = 2;
    refused(w, third, HF_ERROR_POLICY, "host TPM, level 2: the TPM is nested more than 2 levels");
    w->rules.nested = 3;
    proof = proved(w, third);
    g_assert_cmpuint(proof.nested, ==, 3);
    g_assert_true(proof.hosts[0].leaf == two.ek && proof.hosts[2].leaf == outer);
    /* The limit of all limits. */
    g_auto(Level) four = nest(w, three.ek_key->spki, 0, false);
    g_autoptr(GPtrArray) fourth = world_chain(four.ek, four.vma, three.ek, three.vma, two.ek,
                                              two.vma, one.ek, one.vma, outer, w->vma, NULL);
    w->rules.nested = 9;
    refused(w, fourth, HF_ERROR_POLICY, "host TPM, level 3: the TPM is nested more than 3 levels");
    /* What is asked of the leaf's policies is not asked of its hosts'. */
    w->rules.required_policy = hf_rooted_policy(HF_ROOTED_NESTED);
    proved(w, first);
}

static void test_software(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autoptr(HfCertificate) outer = outermost(w);
    g_auto(Level) one = nest(w, w->ek_key->spki, 1, true);
    g_auto(Level) liar = nest(w, w->ek_key->spki, 1, false);
    g_autoptr(GPtrArray) chain = world_chain(one.ek, one.vma, outer, w->vma, NULL);
    g_autoptr(GPtrArray) as_hardware = world_chain(liar.ek, liar.vma, outer, w->vma, NULL);
    w->rules.nested = 1;
    HfChainProof proof = proved(w, chain);
    g_assert_cmpint(proof.rooted, ==, HF_ROOTED_NESTED);
    g_assert_cmpint(proof.base, ==, HF_ROOTED_SOFTWARE);
    refused(
        w, as_hardware, HF_ERROR_POLICY,
        "level 0: the vMA certificate was delegated to as 1 levels nested, found 1 on software");
    w->rules.hardware_only = true;
    refused(w, chain, HF_ERROR_POLICY, "host TPM, level 1: the TPM is software-rooted, but only");
}

static void test_broken(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(World) elsewhere = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfCertificate) outer = outermost(w);
    g_autoptr(HfCertificate) foreign = outermost(elsewhere);
    g_auto(Level) one = nest(w, w->ek_key->spki, 1, false);
    g_auto(Level) deeper = nest(w, w->ek_key->spki, 2, false);
    g_auto(Level) bare = nest(w, w->ek_key->spki, 0, false);
    g_auto(Level) outside = nest(w, elsewhere->ek_key->spki, 1, false);
    g_autoptr(GPtrArray) none = world_chain(one.ek, one.vma, NULL);
    g_autoptr(GPtrArray) half = world_chain(one.ek, one.vma, outer, NULL);
    g_autoptr(GPtrArray) other = world_chain(one.ek, one.vma, foreign, elsewhere->vma, NULL);
    g_autoptr(GPtrArray) unknown =
        world_chain(outside.ek, outside.vma, foreign, elsewhere->vma, NULL);
    g_autoptr(GPtrArray) more = world_chain(outer, w->vma, outer, w->vma, NULL);
    g_autoptr(GPtrArray) wrong = world_chain(deeper.ek, deeper.vma, outer, w->vma, NULL);
    g_autoptr(GPtrArray) unsaid = world_chain(bare.ek, bare.vma, outer, w->vma, NULL);
    w->rules.nested = 3;
    refused(w, none, HF_ERROR_NOT_FOUND, "host TPM, level 1: the TPM is a virtual one, and its EK");
    refused(w, half, HF_ERROR_INVALID, "host TPM, level 1: exactly one CA stands between");
    refused(w, other, HF_ERROR_AUTH,
            "host TPM, level 1: its EK certificate is that of another TPM");
    refused(w, unknown, HF_ERROR_AUTH, "host TPM, level 1: the issuer");
    refused(w, more, HF_ERROR_INVALID, "2 certificates follow the chain of a TPM that is hardware");
    refused(w, wrong, HF_ERROR_POLICY, "delegated to as 2 levels nested, found 1");
    proved(w, unsaid); /* a delegation without a mandate says nothing of levels */
    w->rules.at = WORLD_BIRTH + 366 * WORLD_DAY;
    refused(w, unsaid, HF_ERROR_POLICY, "host TPM, level 1: the vMA certificate has expired");
}

/* Two hosts that are each other's guest, though one of them once was in hardware. */
static void test_circle(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(GError) error = NULL;
    g_autoptr(HfCertificate) outer = outermost(w);
    g_auto(Level) one = nest(w, w->ek_key->spki, 0, false);
    g_auto(Level) two = nest(w, one.ek_key->spki, 0, false);
    g_autoptr(HfCertificate) back = certify(w, w->ek_key, one.ek_key->spki, two.vma_key, two.vma);
    g_autoptr(GPtrArray) ended = world_chain(back, two.vma, one.ek, one.vma, outer, w->vma, NULL);
    g_autoptr(GPtrArray) round = world_chain(back, two.vma, one.ek, one.vma, back, two.vma, NULL);
    w->rules.nested = 3;
    refused(w, ended, HF_ERROR_POLICY, "host TPM, level 2: the chain goes in a circle");
    refused(w, round, HF_ERROR_POLICY, "host TPM, level 2: the chain goes in a circle");
    /* An authority does not certify the TPM that it is in. */
    g_autoptr(GBytes) digest = hf_spki_digest(w->ek_key->spki);
    HfHolding holding = w->holding;
    HfEndorsement in = w->ek;
    holding.host_ek = digest;
    in.holding = &holding;
    g_assert_null(hf_endorsement_ek(&in, one.vma_key, one.vma, &error));
    world_refused(&error, HF_ERROR_POLICY, "the TPM's key is the host TPM's own");
}

static void test_mandate(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_auto(Level) one = nest(w, w->ek_key->spki, 2, true);
    HfMandate mandate = { .environment = (char *)(uintptr_t) "inner",
                          .migration_policy = (char *)(uintptr_t) "none" };
    HfDelegation in = { .spki = one.vma_key->spki,
                        .rooted = HF_ROOTED_NESTED,
                        .mandate = &mandate,
                        .not_before = WORLD_BIRTH,
                        .days = 1 };
    const struct {
        HfRooted rooted;
        unsigned nested;
        bool on_software;
        const char *text;
    } rows[] = {
        { HF_ROOTED_NESTED, 0, false, "a nested delegation, and no other, has levels" },
        { HF_ROOTED_HARDWARE, 1, false, "a nested delegation, and no other, has levels" },
        { HF_ROOTED_NESTED, 4, false, "levels of nesting: at most 3 expected, found 4" },
        { HF_ROOTED_HARDWARE, 0, true, "levels of nesting: at most 3 expected, found 0" },
    };
    g_assert_cmpuint(one.vma->mandate->nested, ==, 2);
    g_assert_true(one.vma->mandate->on_software);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        in.rooted = rows[i].rooted;
        mandate.nested = rows[i].nested;
        mandate.on_software = rows[i].on_software;
        g_assert_null(hf_delegation_new(&in, w->root_key, w->root, &error));
        world_refused(&error, HF_ERROR_INVALID, rows[i].text);
    }
}

/* In whatever order they come; own ones first; nothing that does not belong. */
static void test_arrange(void)
{
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    g_autoptr(HfCertificate) outer = outermost(w);
    g_auto(Level) one = nest(w, w->ek_key->spki, 1, false);
    g_autoptr(HfCertificate) renewed =
        delegate(w, one.vma_key, one.vma->mandate, 2000); /* same key and name */
    g_autoptr(GPtrArray) given = world_chain(w->root, w->vma, outer, one.vma, NULL);
    g_autoptr(GPtrArray) own = world_chain(renewed, NULL);
    g_autoptr(GPtrArray) foreign = world_chain(w->root, NULL);
    g_autoptr(GPtrArray) chain = hf_chain_arrange(one.ek, NULL, given);
    w->rules.nested = 1;
    g_assert_true(proved(w, chain).vma == one.vma);
    g_ptr_array_unref(chain);
    chain = hf_chain_arrange(one.ek, own, given);
    g_assert_true(proved(w, chain).vma == renewed);
    g_ptr_array_unref(chain);
    chain = hf_chain_arrange(one.ek, own, NULL);
    g_assert_cmpuint(chain->len, ==, 2);
    refused(w, chain, HF_ERROR_NOT_FOUND, "are missing");
    g_ptr_array_unref(chain);
    chain = hf_chain_arrange(one.ek, NULL, foreign);
    refused(w, chain, HF_ERROR_POLICY, "there is no vMA certificate");
    g_ptr_array_unref(chain);
    chain = hf_chain_arrange(one.ek, NULL, NULL);
    g_assert_cmpuint(chain->len, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pki/nested/levels", test_levels);
    g_test_add_func("/pki/nested/software", test_software);
    g_test_add_func("/pki/nested/broken", test_broken);
    g_test_add_func("/pki/nested/circle", test_circle);
    g_test_add_func("/pki/nested/mandate", test_mandate);
    g_test_add_func("/pki/nested/arrange", test_arrange);
    return g_test_run();
}
