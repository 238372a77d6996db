/*
 * test-ca-verify.c - delegation requests that a dishonest host could make, each signed properly.
 *
 * The host's TPM is played in software, so that every field can be forged before it is signed: what
 * is left to refuse the request is the one check that looks at the field. (That honest requests of
 * a TPM pass is shown in tests/cli/authority.sh.)
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "pki/der.h"
#include "pki/keyfile.h"
#include "pki/request.h"
#include "tools/ca/ca_verify.h"
#include "tpm2/approval.h"
#include "tpm2/attest.h"
#include "tpm2/constants.h"
#include "tpm2/hostkey.h"
#include "tpm2/template.h"

#define MAGIC TPM2_GENERATED_VALUE
#define SELECTION "sha256:0,7"

/* What is wrong with a request. */
typedef enum {
    NOTHING,
    KEY_USER_WITH_AUTH,
    KEY_NOT_FIXED,
    KEY_IMPORTED,
    KEY_RESTRICTED,
    KEY_SCHEME,
    KEY_NO_POLICY,
    KEY_OTHER_APPROVER,
    KEY_OTHER_REFERENCE,
    REQUEST_OTHER_KEY,
    AK_UNRESTRICTED,
    AK_DICTIONARY,
    AK_DECRYPT,
    CREATION_MAGIC,
    CREATION_IS_QUOTE,
    CREATION_NONCE,
    CREATION_OTHER_SIGNER,
    CREATION_OWNER_HIERARCHY,
    CREATION_OTHER_KEY,
    CREATION_HASH,
    CREATION_OUTSIDE,
    QUOTE_MAGIC,
    QUOTE_IS_CREATION,
    QUOTE_NONCE_ONLY,
    QUOTE_OTHER_NONCE,
    QUOTE_OTHER_KEY,
    QUOTE_OTHER_REQUEST,
    QUOTE_OTHER_SIGNER,
    QUOTE_OWNER_HIERARCHY,
    QUOTE_FEWER_PCRS,
    QUOTE_OTHER_BANK,
    QUOTE_VALUES,
    PCRS_NOT_APPROVED,
    EK_SIGNS,
    CHALLENGED_OTHER_AK,
    CHALLENGED_OTHER_EK,
    NOT_CHALLENGED,
    ANSWER_MISSING,
    ANSWER_OTHER_SECRET,
    ANSWER_OTHER_REQUEST,
    PROOF_OTHER_KEY,
    PROOF_PLATFORM,
} Twist;

static const struct {
    const char *name;
    Twist twist;
    const char *message; /* how the refusal begins */
} cases[] = {
    { "key/user-with-auth", KEY_USER_WITH_AUTH, "signing key: attributes: " },
    { "key/not-fixed", KEY_NOT_FIXED, "signing key: attributes: " },
    { "key/imported", KEY_IMPORTED, "signing key: attributes: " },
    { "key/restricted", KEY_RESTRICTED, "signing key: attributes: " },
    { "key/scheme", KEY_SCHEME, "signing key: scheme: " },
    { "key/no-policy", KEY_NO_POLICY, "signing key: authPolicy: " },
    { "key/other-approver", KEY_OTHER_APPROVER, "signing key: authPolicy: " },
    { "key/other-reference", KEY_OTHER_REFERENCE, "signing key: authPolicy: " },
    { "request/other-key", REQUEST_OTHER_KEY, "certification request: its key is not" },
    { "ak/unrestricted", AK_UNRESTRICTED, "attestation key: " },
    { "ak/dictionary-attacks", AK_DICTIONARY, "attestation key: attributes or scheme" },
    { "ak/decrypt", AK_DECRYPT, "attestation key: " },
    { "creation/magic", CREATION_MAGIC, "creation of the signing key: magic" },
    { "creation/is-a-quote", CREATION_IS_QUOTE, "creation of the signing key: type" },
    { "creation/nonce", CREATION_NONCE, "creation of the signing key: nonce" },
    { "creation/other-signer", CREATION_OTHER_SIGNER, "creation of the signing key: signature" },
    { "creation/owner-hierarchy", CREATION_OWNER_HIERARCHY, "creation of the signing key: signer" },
    { "creation/other-key", CREATION_OTHER_KEY, "creation of the signing key: " },
    { "creation/hash", CREATION_HASH, "creation of the signing key: " },
    { "creation/outside", CREATION_OUTSIDE, "creation of the signing key: " },
    { "quote/magic", QUOTE_MAGIC, "environment \"here\": quote: magic" },
    { "quote/is-a-creation", QUOTE_IS_CREATION, "environment \"here\": quote: type" },
    { "quote/nonce-only", QUOTE_NONCE_ONLY, "environment \"here\": quote: nonce" },
    { "quote/other-nonce", QUOTE_OTHER_NONCE, "environment \"here\": quote: nonce" },
    { "quote/other-key", QUOTE_OTHER_KEY, "environment \"here\": quote: nonce" },
    { "quote/other-request", QUOTE_OTHER_REQUEST, "environment \"here\": quote: nonce" },
    { "quote/other-signer", QUOTE_OTHER_SIGNER, "environment \"here\": quote: signature" },
    { "quote/owner-hierarchy", QUOTE_OWNER_HIERARCHY, "environment \"here\": quote: signer" },
    { "quote/fewer-pcrs", QUOTE_FEWER_PCRS, "environment \"here\": quote: " },
    { "quote/other-bank", QUOTE_OTHER_BANK, "environment \"here\": quote: " },
    { "quote/values", QUOTE_VALUES, "environment \"here\": quote: " },
    { "pcrs/not-approved", PCRS_NOT_APPROVED,
      "PCR values: the host is in no approved environment: "
      "sha256:7" },
    { "ek/signs", EK_SIGNS, "endorsement key: " },
    { "challenge/other-ak", CHALLENGED_OTHER_AK, "attestation key: another one than was" },
    { "challenge/other-ek", CHALLENGED_OTHER_EK, "endorsement key: another one than was" },
    { "challenge/none", NOT_CHALLENGED, "endorsement key: nothing proves" },
    { "answer/missing", ANSWER_MISSING, "answer: missing" },
    { "answer/other-secret", ANSWER_OTHER_SECRET, "answer: wrong" },
    { "answer/other-request", ANSWER_OTHER_REQUEST, "answer: wrong" },
    { "proof/other-key", PROOF_OTHER_KEY, "proof: " },
    { "proof/platform", PROOF_PLATFORM, "proof: " },
};

typedef struct {
    char *dir;
    HfSigner *key, *ak, *other;
    HfPublic approver, foreign;
    HfPcrSelection selection;
    GPtrArray *environments;
    GPtrArray *known;
    HfCaNonce nonce; /* what an honest host was challenged with */
} World;

typedef struct {
    const World *world;
    Twist twist;
    HfPublic key, ak;
    GBytes *nonce;
    GBytes *request;
} Host;

static HfSigner *new_signer(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    GError *error = NULL;
    HfSigner *signer;

    g_assert_true(hf_keyfile_generate(path, HF_KEYFILE_P256, &error));
    g_assert_no_error(error);
    signer = hf_signer_file_new(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_unlink(path), ==, 0);
    return signer;
}

static HfPublicKey *key_of(const HfSigner *signer)
{
    return hf_public_key_from_spki(g_bytes_get_data(signer->spki, NULL),
                                   g_bytes_get_size(signer->spki), NULL);
}

static void approver_of(const HfSigner *signer, HfPublic *ret_public)
{
    g_autoptr(HfPublicKey) key = key_of(signer);

    g_assert_true(hf_approver_public(key, ret_public, NULL));
}

/* The point of the signer's key in the unique field. */
static void set_unique(HfPublic *pub, const HfSigner *signer)
{
    g_autoptr(HfPublicKey) key = key_of(signer);
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;

    hf_public_key_point(key, &x, &y);
    pub->unique_size = pub->y_size = 32;
    memcpy(pub->unique, g_bytes_get_data(x, NULL), 32);
    memcpy(pub->y, g_bytes_get_data(y, NULL), 32);
}

static HfPcrValues *values_of(uint8_t first)
{
    HfPcrValues *values = hf_pcr_values_new();
    uint8_t digest[32] = { first };

    g_assert_true(hf_pcr_values_add(values, HF_HASH_SHA256, 0, digest, 32, NULL));
    digest[1] = 7;
    digest[0] = 3;
    g_assert_true(hf_pcr_values_add(values, HF_HASH_SHA256, 7, digest, 32, NULL));
    return values;
}

static HfCaEnvironment *environment_of(const World *world, const char *name, uint8_t first)
{
    HfCaEnvironment *environment = hf_ca_environment_new(name);

    environment->selection = world->selection;
    environment->values = values_of(first);
    return environment;
}

/* What the CA remembers of its challenge to the honest host. */
static void challenge(World *world)
{
    HfDigest digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(world->other->spki, NULL),
                                   g_bytes_get_size(world->other->spki));
    HfPublic ak;
    HfTpmName name;

    hf_host_ak_template(&ak);
    set_unique(&ak, world->ak);
    name = hf_public_name(&ak);
    world->nonce.secret = hf_secret_new(32);
    memset(world->nonce.secret->data, 8, 32);
    world->nonce.ak_name = g_bytes_new(name.data, name.size);
    world->nonce.ek_digest = g_bytes_new(digest.data, digest.size);
}

static World *world_new(void)
{
    World *world = g_new0(World, 1);
    g_autoptr(HfSigner) approver = NULL;
    g_autoptr(HfSigner) foreign = NULL;

    world->dir = g_dir_make_tmp("hf-ca-verify-XXXXXX", NULL);
    world->key = new_signer(world->dir, "key");
    world->ak = new_signer(world->dir, "ak");
    world->other = new_signer(world->dir, "other");
    approver = new_signer(world->dir, "approver");
    foreign = new_signer(world->dir, "foreign");
    approver_of(approver, &world->approver);
    approver_of(foreign, &world->foreign);
    g_assert_true(hf_pcr_selection_parse(SELECTION, &world->selection, NULL));
    world->environments = g_ptr_array_new_with_free_func((GDestroyNotify)hf_ca_environment_free);
    g_ptr_array_add(world->environments, environment_of(world, "elsewhere", 9));
    g_ptr_array_add(world->environments, environment_of(world, "here", 1));
    world->known = g_ptr_array_new_with_free_func(g_free);
    challenge(world);
    return world;
}

static void world_free(World *world)
{
    g_assert_cmpint(g_rmdir(world->dir), ==, 0);
    hf_signer_free(world->key);
    hf_signer_free(world->ak);
    hf_signer_free(world->other);
    g_ptr_array_unref(world->environments);
    g_ptr_array_unref(world->known);
    hf_secret_free(world->nonce.secret);
    g_bytes_unref(world->nonce.ak_name);
    g_bytes_unref(world->nonce.ek_digest);
    g_free(world->dir);
    g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static GBytes *finished(GByteArray *w)
{
    return g_byte_array_free_to_bytes(w);
}

static GBytes *public_bytes(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return finished(w);
}

/* TPMT_SIGNATURE over the bytes, from the DER that a file signer gives. */
static GBytes *sign(HfSigner *signer, GBytes *data)
{
    HfDigest digest =
        hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(data, NULL), g_bytes_get_size(data));
    g_autoptr(GBytes) der = signer->class->sign(signer, digest.data, digest.size, NULL);
    HfReader r = hf_reader_for(der);
    HfReader sequence = hf_der_get(&r, HF_DER_SEQUENCE);
    GByteArray *w = g_byte_array_new();

    hf_put_u16(w, TPM2_ALG_ECDSA);
    hf_put_u16(w, TPM2_ALG_SHA256);
    for (int i = 0; i < 2; i++) {
        HfReader number = hf_der_get(&sequence, HF_DER_INTEGER);
        size_t size = hf_reader_left(&number);
        const uint8_t *content = hf_reader_bytes(&number, size);
        size_t skip = size > 32 ? size - 32 : 0;

        g_assert_nonnull(content);
        hf_put_tpm2b(w, content + skip, size - skip);
    }
    return finished(w);
}

static void put_name(GByteArray *w, const HfTpmName *name)
{
    hf_put_tpm2b(w, name->data, name->size);
}

/* The head of a TPMS_ATTEST. */
static GByteArray *attest_begin(const Host *host, uint32_t magic, uint16_t type, bool owner,
                                const void *extra, size_t extra_size)
{
    GByteArray *w = g_byte_array_new();
    HfTpmName hierarchy = hf_tpm_name_of_handle(owner ? TPM2_RH_OWNER : TPM2_RH_ENDORSEMENT);
    HfTpmName name = hf_public_name(&host->ak);
    HfTpmName qualified = hf_tpm_name_qualify(&hierarchy, &name);

    hf_put_u32(w, magic);
    hf_put_u16(w, type);
    put_name(w, &qualified);
    hf_put_tpm2b(w, extra, extra_size);
    hf_put_u64(w, 12345); /* clock */
    hf_put_u32(w, 1);
    hf_put_u32(w, 0);
    hf_put_u8(w, 1);
    hf_put_u64(w, 1); /* firmware */
    return w;
}

static GBytes *make_creation(const Host *host)
{
    HfTpmName parent = hf_public_name(&host->ak);
    GByteArray *w = g_byte_array_new();
    HfDigest empty = hf_digest_of(HF_HASH_SHA256, "", 0);

    hf_put_u32(w, 0); /* no PCRs */
    hf_put_tpm2b(w, empty.data, empty.size);
    hf_put_u8(w, 1); /* locality */
    hf_put_u16(w, TPM2_ALG_SHA256);
    put_name(w, &parent);
    put_name(w, &parent);
    if (host->twist == CREATION_OUTSIDE) {
        hf_put_tpm2b(w, "another time", 12);
    } else {
        hf_put_tpm2b(w, g_bytes_get_data(host->nonce, NULL), g_bytes_get_size(host->nonce));
    }
    return finished(w);
}

static void add_creation(const Host *host, HfEvidence *evidence)
{
    GBytes *creation = make_creation(host);
    HfDigest hash =
        hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(creation, NULL), g_bytes_get_size(creation));
    HfTpmName name = hf_public_name(host->twist == CREATION_OTHER_KEY ? &host->ak : &host->key);
    GByteArray *w = attest_begin(
        host, host->twist == CREATION_MAGIC ? MAGIC + 1 : MAGIC,
        host->twist == CREATION_IS_QUOTE ? TPM2_ST_ATTEST_QUOTE : TPM2_ST_ATTEST_CREATION,
        host->twist == CREATION_OWNER_HIERARCHY, g_bytes_get_data(host->nonce, NULL),
        g_bytes_get_size(host->nonce) - (host->twist == CREATION_NONCE ? 1 : 0));

    if (host->twist == CREATION_IS_QUOTE) {
        hf_pcr_selection_write(&host->world->selection, w);
    } else {
        put_name(w, &name);
    }
    hash.data[0] ^= host->twist == CREATION_HASH;
    hf_put_tpm2b(w, hash.data, hash.size);
    evidence->parts[HF_EVIDENCE_CREATION] = creation;
    evidence->parts[HF_EVIDENCE_CREATION_ATTEST] = finished(w);
    evidence->parts[HF_EVIDENCE_CREATION_SIGNATURE] =
        sign(host->twist == CREATION_OTHER_SIGNER ? host->world->other : host->world->ak,
             evidence->parts[HF_EVIDENCE_CREATION_ATTEST]);
}

/* What goes into the quote's extraData. */
static HfDigest quote_extra(const Host *host)
{
    g_autoptr(GBytes) other = g_bytes_new("other", 5);
    HfTpmName name = hf_public_name(host->twist == QUOTE_OTHER_KEY ? &host->ak : &host->key);

    if (host->twist == QUOTE_NONCE_ONLY) {
        return hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(host->nonce, NULL),
                            g_bytes_get_size(host->nonce));
    }
    return hf_evidence_digest(host->twist == QUOTE_OTHER_NONCE ? other : host->nonce, &name,
                              host->twist == QUOTE_OTHER_REQUEST ? other : host->request);
}

static void add_quote(const Host *host, HfEvidence *evidence)
{
    g_autoptr(HfPcrValues) values = values_of(host->twist == QUOTE_VALUES ? 2 : 1);
    HfPcrSelection selection = host->world->selection;
    HfDigest extra = quote_extra(host);
    HfDigest digest;
    GByteArray *w = attest_begin(host, host->twist == QUOTE_MAGIC ? MAGIC + 1 : MAGIC,
                                 host->twist == QUOTE_IS_CREATION ? TPM2_ST_ATTEST_CREATION
                                                                  : TPM2_ST_ATTEST_QUOTE,
                                 host->twist == QUOTE_OWNER_HIERARCHY, extra.data, extra.size);

    if (host->twist == QUOTE_FEWER_PCRS) {
        selection.banks[0].mask = 1;
    }
    g_assert_true(hf_pcr_values_digest(values, &selection, HF_HASH_SHA256, &digest, NULL));
    if (host->twist == QUOTE_OTHER_BANK) {
        selection.banks[0].hash = HF_HASH_SHA1;
    }
    if (host->twist == QUOTE_IS_CREATION) {
        HfTpmName name = hf_public_name(&host->key);

        put_name(w, &name);
    } else {
        hf_pcr_selection_write(&selection, w);
    }
    hf_put_tpm2b(w, digest.data, digest.size);
    evidence->parts[HF_EVIDENCE_QUOTE] = finished(w);
    evidence->parts[HF_EVIDENCE_QUOTE_SIGNATURE] =
        sign(host->twist == QUOTE_OTHER_SIGNER ? host->world->other : host->world->ak,
             evidence->parts[HF_EVIDENCE_QUOTE]);
}

static void make_keys(Host *host)
{
    const World *world = host->world;
    HfDigest policy = hf_approval_auth_policy(
        host->twist == KEY_OTHER_APPROVER ? &world->foreign : &world->approver,
        host->twist == KEY_OTHER_REFERENCE ? HF_APPROVAL_BUMP : HF_APPROVAL_SIGN);
    uint32_t *attributes = &host->key.attributes;

    hf_vma_template(HF_VMA_ECC_P256, &policy, &host->key);
    set_unique(&host->key, world->key);
    *attributes |= host->twist == KEY_USER_WITH_AUTH ? TPMA_OBJECT_USERWITHAUTH : 0;
    *attributes |= host->twist == KEY_RESTRICTED ? TPMA_OBJECT_RESTRICTED : 0;
    *attributes &= ~(host->twist == KEY_NOT_FIXED ? TPMA_OBJECT_FIXEDTPM : 0);
    *attributes &= ~(host->twist == KEY_IMPORTED ? TPMA_OBJECT_SENSITIVEDATAORIGIN : 0);
    if (host->twist == KEY_SCHEME) {
        host->key.scheme = (HfTpmScheme){ .alg = TPM2_ALG_NULL };
    }
    if (host->twist == KEY_NO_POLICY) {
        host->key.policy_size = 0;
    }
    hf_host_ak_template(&host->ak);
    set_unique(&host->ak, world->ak);
    attributes = &host->ak.attributes;
    *attributes &= ~(host->twist == AK_UNRESTRICTED ? TPMA_OBJECT_RESTRICTED : 0);
    *attributes &= ~(host->twist == AK_DICTIONARY ? TPMA_OBJECT_NODA : 0);
    *attributes |= host->twist == AK_DECRYPT ? TPMA_OBJECT_DECRYPT : 0;
}

static GBytes *make_ek(const Host *host)
{
    HfPublic ek;

    hf_template_public(HF_TEMPLATE_EK_P256, &ek);
    set_unique(&ek, host->world->other);
    ek.attributes |= host->twist == EK_SIGNS ? TPMA_OBJECT_SIGN_ENCRYPT : 0;
    return public_bytes(&ek);
}

static GBytes *pcr_text(const Host *host)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append(text, "sha256:0:01");
    for (int i = 0; i < 31; i++) {
        g_string_append(text, "00");
    }
    g_string_append(text, host->twist == PCRS_NOT_APPROVED ? "\nsha256:7:0407" : "\nsha256:7:0307");
    for (int i = 0; i < 30; i++) {
        g_string_append(text, "00");
    }
    return g_bytes_new(text->str, text->len);
}

static void add_answer(const Host *host, HfEvidence *evidence)
{
    g_autoptr(HfSecret) secret = hf_secret_new(32);

    memset(secret->data, host->twist == ANSWER_OTHER_SECRET ? 9 : 8, 32);
    g_clear_pointer(&evidence->parts[HF_EVIDENCE_ANSWER], g_bytes_unref);
    if (host->twist != ANSWER_MISSING && host->twist != NOT_CHALLENGED) {
        evidence->parts[HF_EVIDENCE_ANSWER] = hf_evidence_answer(evidence, secret);
    }
    if (host->twist == ANSWER_OTHER_REQUEST) {
        g_bytes_unref(evidence->parts[HF_EVIDENCE_PLATFORM]);
        evidence->parts[HF_EVIDENCE_PLATFORM] = g_bytes_new("x|y|Z", 5);
    }
}

static void add_proof(const Host *host, HfEvidence *evidence)
{
    HfSigner *signer = host->twist == PROOF_OTHER_KEY ? host->world->other : host->world->key;
    HfDigest digest = hf_evidence_proof(evidence, HF_HASH_SHA256);

    evidence->parts[HF_EVIDENCE_PROOF] =
        signer->class->sign(signer, digest.data, digest.size, NULL);
    if (host->twist == PROOF_PLATFORM) {
        g_bytes_unref(evidence->parts[HF_EVIDENCE_PLATFORM]);
        evidence->parts[HF_EVIDENCE_PLATFORM] = g_bytes_new("x|y|Z", 5);
        add_answer(host, evidence);
    }
}

static HfEvidence *make_evidence(const World *world, Twist twist)
{
    Host host = { .world = world, .twist = twist };
    HfEvidence *evidence = hf_evidence_new(HF_ROOTED_HARDWARE);
    GBytes **parts = evidence->parts;
    HfSigner *csr = twist == REQUEST_OTHER_KEY ? world->other : world->key;

    make_keys(&host);
    host.nonce = parts[HF_EVIDENCE_NONCE] = g_bytes_new("0123456789abcdef0123456789ABCDEF", 32);
    host.request = parts[HF_EVIDENCE_REQUEST] = hf_request_new(NULL, "vMA", csr, NULL);
    g_assert_nonnull(host.request);
    parts[HF_EVIDENCE_MIGRATION] = g_bytes_new("none", 4);
    parts[HF_EVIDENCE_PLATFORM] = g_bytes_new("x|y|z", 5);
    parts[HF_EVIDENCE_KEY] = public_bytes(&host.key);
    parts[HF_EVIDENCE_AK] = public_bytes(&host.ak);
    parts[HF_EVIDENCE_EK] = make_ek(&host);
    parts[HF_EVIDENCE_PCRS] = pcr_text(&host);
    parts[HF_EVIDENCE_HOST_TPM] = g_bytes_new("soft", 4);
    add_creation(&host, evidence);
    add_quote(&host, evidence);
    add_answer(&host, evidence);
    add_proof(&host, evidence);
    return evidence;
}

static HfCaExpected expected_of(const World *world)
{
    return (HfCaExpected){
        .approver = &world->approver,
        .environments = world->environments,
        .known_keys = world->known,
        .nonce = &world->nonce,
    };
}

static void assert_accepted(const World *world, const HfEvidence *evidence, bool renewal)
{
    HfCaExpected expected = expected_of(world);
    HfCaVerdict verdict = { 0 };
    GError *error = NULL;

    g_assert_true(hf_ca_verify(evidence, &expected, &verdict, &error));
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(verdict.spki, world->key->spki));
    g_assert_cmpint(verdict.rooted, ==, HF_ROOTED_HARDWARE);
    g_assert_cmpint(verdict.renewal, ==, renewal);
    g_assert_true(verdict.ek_challenged);
    g_assert_cmpstr(verdict.environment->name, ==, "here");
    g_assert_nonnull(verdict.ek_digest);
    hf_ca_verdict_clear(&verdict);
}

static void assert_refused(const World *world, const HfEvidence *evidence,
                           const HfCaExpected *expected, const char *message)
{
    HfCaVerdict verdict = { 0 };
    g_autoptr(GError) error = NULL;

    (void)world;
    g_assert_false(hf_ca_verify(evidence, expected, &verdict, &error));
    g_assert_nonnull(error);
    if (!g_str_has_prefix(error->message, message)) {
        g_test_fail_printf("expected \"%s\", found \"%s\"", message, error->message);
    }
    g_assert_null(verdict.spki);
    g_assert_null(verdict.key_name);
}

static void test_honest(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, NOTHING);
    g_autoptr(GBytes) file = hf_evidence_write(evidence);
    g_autoptr(HfEvidence) again = hf_evidence_read(file, "request", NULL);

    assert_accepted(world, evidence, false);
    g_assert_nonnull(again);
    assert_accepted(world, again, false);
}

static void test_refused(gconstpointer data)
{
    unsigned row = GPOINTER_TO_UINT(data);
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, cases[row].twist);
    HfCaExpected expected = expected_of(world);

    if (cases[row].twist == NOT_CHALLENGED) {
        expected.nonce = NULL;
    } else if (cases[row].twist == CHALLENGED_OTHER_AK) {
        g_bytes_unref(world->nonce.ak_name);
        world->nonce.ak_name = g_bytes_new("another", 7);
    } else if (cases[row].twist == CHALLENGED_OTHER_EK) {
        g_bytes_unref(world->nonce.ek_digest);
        world->nonce.ek_digest = g_bytes_new("another", 7);
    }
    assert_refused(world, evidence, &expected, cases[row].message);
}

/* A key made for an earlier nonce is good when it was delegated to before, and only then. */
static void test_renewal(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, CREATION_OUTSIDE);
    HfPublic key;
    HfTpmName name;

    g_assert_true(hf_public_parse(g_bytes_get_data(evidence->parts[HF_EVIDENCE_KEY], NULL),
                                  g_bytes_get_size(evidence->parts[HF_EVIDENCE_KEY]), &key, NULL));
    name = hf_public_name(&key);
    g_ptr_array_add(world->known, hf_hex(name.data, name.size));
    assert_accepted(world, evidence, true);
}

/* The operator may do without the challenge, and the verdict says so. */
static void test_unproved(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, NOT_CHALLENGED);
    HfCaExpected expected = expected_of(world);
    HfCaNonce nonce = { 0 };
    HfCaVerdict verdict = { 0 };

    expected.nonce = &nonce;
    expected.allow_unproved_ek = true;
    g_assert_true(hf_ca_verify(evidence, &expected, &verdict, NULL));
    g_assert_false(verdict.ek_challenged);
    hf_ca_verdict_clear(&verdict);
    /* Who was challenged must answer all the same. */
    expected.nonce = &world->nonce;
    assert_refused(world, evidence, &expected, "answer: missing");
}

/* What the operator left out. */
static void test_operator(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, NOTHING);
    HfCaExpected expected = expected_of(world);

    expected.approver = NULL;
    assert_refused(world, evidence, &expected, "--approver-public expected");
    expected = expected_of(world);
    g_ptr_array_set_size(world->environments, 1);
    assert_refused(world, evidence, &expected, "PCR values: the host is in no approved");
    g_ptr_array_set_size(world->environments, 0);
    assert_refused(world, evidence, &expected, "PCR values: the host is in no approved");
}

/* A request that says it is software-rooted to get around all of it. */
static void test_software(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = hf_evidence_new(HF_ROOTED_SOFTWARE);
    Host host = { .world = world };
    HfCaExpected expected = expected_of(world);
    HfCaVerdict verdict = { 0 };
    g_autoptr(GError) error = NULL;

    evidence->parts[HF_EVIDENCE_NONCE] = g_bytes_new("0123456789abcdef0123456789ABCDEF", 32);
    evidence->parts[HF_EVIDENCE_REQUEST] = hf_request_new(NULL, "vMA", world->key, NULL);
    evidence->parts[HF_EVIDENCE_MIGRATION] = g_bytes_new("none", 4);
    evidence->parts[HF_EVIDENCE_PLATFORM] = g_bytes_new("x|y|z", 5);
    add_proof(&host, evidence);
    assert_refused(world, evidence, &expected, "the request is software-rooted");
    expected.allow_software = true;
    g_assert_true(hf_ca_verify(evidence, &expected, &verdict, &error));
    g_assert_cmpint(verdict.rooted, ==, HF_ROOTED_SOFTWARE);
    g_assert_null(verdict.ek_digest);
    hf_ca_verdict_clear(&verdict);
}

/* Every prefix of a request, and every byte of its head another, is refused without harm. */
static void test_file(void)
{
    g_autoptr(World) world = world_new();
    g_autoptr(HfEvidence) evidence = make_evidence(world, NOTHING);
    g_autoptr(GBytes) file = hf_evidence_write(evidence);
    size_t size = 0;
    const uint8_t *data = g_bytes_get_data(file, &size);

    for (size_t n = 0; n < size; n++) {
        g_autoptr(GBytes) part = g_bytes_new(data, n);
        g_autoptr(GError) error = NULL;

        g_assert_null(hf_evidence_read(part, "request", &error));
        g_assert_nonnull(error);
    }
    for (size_t n = 0; n < 18; n++) {
        g_autofree uint8_t *copy = g_memdup2(data, size);
        g_autoptr(GBytes) altered = NULL;
        g_autoptr(HfEvidence) again = NULL;
        g_autoptr(GError) error = NULL;

        copy[n] ^= 0x80;
        altered = g_bytes_new(copy, size);
        again = hf_evidence_read(altered, "request", &error);
        if (n == 8 || n == 9) {
            /* A newer version whose minimum reader we are. */
            g_assert_nonnull(again);
        } else {
            g_assert_null(again);
            g_assert_nonnull(error);
        }
    }
}

/* What a host says of itself is shown to people: nothing in it moves a terminal's cursor or turns
 * the direction of writing. */
static void test_text(void)
{
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        { "x|\u00e4|z", true },  { "x|\x1b[1m|z", false }, { "x|\xc2\x9b|z", false },
        { "x|\u202e|z", false }, { "x|\xff|z", false },    { "x|\n|z", false },
    };
    g_autoptr(World) world = world_new();

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(HfEvidence) evidence = make_evidence(world, NOTHING);
        g_autoptr(GError) error = NULL;

        g_bytes_unref(evidence->parts[HF_EVIDENCE_PLATFORM]);
        evidence->parts[HF_EVIDENCE_PLATFORM] = g_bytes_new(texts[i].text, strlen(texts[i].text));
        g_autoptr(GBytes) file = hf_evidence_write(evidence);
        g_autoptr(HfEvidence) again = hf_evidence_read(file, "request", &error);

        g_assert_true((again != NULL) == texts[i].good);
        g_assert_true(again || strstr(error->message, "text without control characters expected"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ca-verify/honest", test_honest);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/ca-verify/refused/", cases[i].name, NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_refused);
    }
    g_test_add_func("/ca-verify/renewal", test_renewal);
    g_test_add_func("/ca-verify/unproved", test_unproved);
    g_test_add_func("/ca-verify/operator", test_operator);
    g_test_add_func("/ca-verify/software", test_software);
    g_test_add_func("/ca-verify/file", test_file);
    g_test_add_func("/ca-verify/text", test_text);
    return g_test_run();
}
