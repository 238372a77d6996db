/*
 * reproducible.c - the seed of reproducible endorsement keys, and its two trials.
 *
 * The configuration counts byte for byte: what a canonical form of it is, only its author can say.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/reproducible.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/kdf.h"
#include "tools/common/authority_dir.h"
#include "tools/setup/signing_desk.h"
#include "tpm2/constants.h"

#define CONFIGURATION_MAX ((size_t)16 * 1024 * 1024)
#define LABEL "vtpm-epseed-v1"
#define TEMPLATES "tcg-ek"

/* Endorsement seed = SHA-512 of `seed`, then SHA-256 of TPMT_PUBLIC. */
static const struct {
    HfTemplate which;
    const char *seed;
    const char *digest;
} known_answers[] = {
    { HF_TEMPLATE_EK_RSA2048, "vtpm-kat-70",
      "5b79986b1cfcceb72c9c04fa0dbf2b5136565ba2ae00efa34056414e21fc2d67" },
    { HF_TEMPLATE_EK_RSA3072, "vtpm-kat-63",
      "08117d560c950204a7f392055e5206a0d513a64aac76086d5e2f4fe97d64ddef" },
    { HF_TEMPLATE_EK_P256, "vtpm-kat-70",
      "4c087c0fcaac51e9292d2d5de3f9d6256a3760c26637f30732188999d24a000f" },
    { HF_TEMPLATE_EK_P384, "vtpm-kat-70",
      "dde41c6ba29fd6ff7395e195e5332b7d05b29aa82c4e75349a7d8b21b145f327" },
    { HF_TEMPLATE_EK_P521, "vtpm-kat-70",
      "8b73af92a956bf58b26be06719d011e78c2940530e11253e1908b38a308e876c" },
};

static HfSecret *expand(const HfSecret *derived)
{
    static const char info[] = LABEL "\x01" TEMPLATES;
    HfSecret *seed = hf_secret_new(HF_ENDORSEMENT_SEED_SIZE);

    G_STATIC_ASSERT(HF_SEED_COMPAT_LEVEL == 1);
    hf_kdf_hkdf(HF_HASH_SHA512, derived->data, derived->size, NULL, 0, info, sizeof info - 1,
                seed->data, seed->size);
    return seed;
}

HfSecret *hf_reproducible_seed(const HfSetupPlan *plan, GError **error)
{
    g_autoptr(GBytes) file = hf_file_read(plan->reproducible_from, CONFIGURATION_MAX, error);
    g_autoptr(HfAuthorityDir) authority = NULL;
    g_autoptr(HfSecret) derived = NULL;
    HfDigest digest;

    if (!file) {
        return NULL;
    }
    if (g_bytes_get_size(file) == 0) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: empty: the configuration of the virtual machine expected",
                     plan->reproducible_from);
        return NULL;
    }
    digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    if (plan->desk >= 0) {
        const HfDeskKey key = { plan->desk, plan->authority, plan->tcti, { 0 } };

        derived = hf_desk_derive(&key, digest.data, digest.size, error);
    } else if ((authority = hf_authority_open(plan->authority, plan->tcti, NULL, error))) {
        derived = hf_authority_derive(authority, digest.data, digest.size, error);
    }
    return derived ? expand(derived) : NULL;
}

/* A new TPM with this seed, started. */
static bool begin(HfEngineChild *engine, const HfSecret *seed, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);

    return hf_engine_child_power_on(engine, NULL, error) &&
           hf_engine_child_set_seed(engine, seed, error) &&
           hf_tpm_startup(&tpm, TPM2_SU_CLEAR, error);
}

static bool make(HfEngineChild *engine, uint32_t hierarchy, const HfPublic *template,
                 HfPublic *ret_public, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    uint32_t handle;

    return hf_tpm_create_primary(&tpm, hierarchy, NULL, template, &handle, ret_public, error) &&
           hf_tpm_flush_context(&tpm, handle, error);
}

static bool rehearse(HfEngineChild *engine, HfTemplate which, const char *text, const char *digest,
                     GError **error)
{
    g_autoptr(HfSecret) seed = hf_secret_new(HF_ENDORSEMENT_SEED_SIZE);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *found = NULL;
    HfPublic template;
    HfPublic made;
    HfDigest hash;

    hf_hash_once(HF_HASH_SHA512, text, strlen(text), seed->data);
    hf_template_public(which, &template);
    if (!begin(engine, seed, error) ||
        !make(engine, TPM2_RH_ENDORSEMENT, &template, &made, error) ||
        !hf_engine_child_forget(engine, error)) {
        return false;
    }
    hf_public_write(&made, bytes);
    hash = hf_digest_of(HF_HASH_SHA256, bytes->data, bytes->len);
    found = hf_hex(hash.data, hash.size);
    return strcmp(found, digest) == 0 ||
           hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "this libtpms makes another %s from a known seed than expected: "
                        "endorsement keys are not reproducible with it",
                        hf_template_info(which)->name);
}

static bool rehearse_kind(HfEngineChild *engine, HfTemplate which, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_answers); i++) {
        if (known_answers[i].which == which) {
            return rehearse(engine, which, known_answers[i].seed, known_answers[i].digest, error);
        }
    }
    return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                        "%s: there is no known answer for such keys: they cannot be made "
                        "reproducible",
                        hf_template_info(which)->name);
}

bool hf_reproducible_rehearse(const HfSetupPlan *plan, HfEngineChild *engine, GError **error)
{
    bool any = false;

    for (unsigned i = 0; i < plan->key_count; i++) {
        if (plan->keys[i]->kind == HF_CERT_EK) {
            any = true;
            if (!rehearse_kind(engine, plan->keys[i]->template, error)) {
                return false;
            }
        }
    }
    /* Without keys in the plan the guest makes them, the usual pair most likely. */
    return any || (rehearse_kind(engine, HF_TEMPLATE_EK_RSA2048, error) &&
                   rehearse_kind(engine, HF_TEMPLATE_EK_P384, error));
}

static bool check_key(const HfSetupPlan *plan, const HfEkRow *row, const HfManufacture *made,
                      HfEngineChild *engine, GError **error)
{
    const HfTemplateInfo *info = hf_template_info(row->template);
    HfPublic template;
    HfPublic again;
    HfTpmName name;

    hf_manufacture_template(plan, row, &template);
    if (!make(engine, info->hierarchy, &template, &again, error)) {
        return false;
    }
    name = hf_public_name(&again);
    for (unsigned i = 0; i < made->keys->len; i++) {
        const HfMadeKey *key = g_ptr_array_index(made->keys, i);
        HfTpmName first = hf_public_name(&key->public);

        if (key->handle == info->handle && first.size == name.size &&
            memcmp(first.data, name.data, name.size) == 0) {
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_TPM,
                        "%s: made again from the same seed it is another key: not reproducible",
                        row->title);
}

bool hf_reproducible_check(const HfSetupPlan *plan, const HfSecret *seed, const HfManufacture *made,
                           HfEngineChild *engine, GError **error)
{
    if (!begin(engine, seed, error)) {
        return false;
    }
    for (unsigned i = 0; i < plan->key_count; i++) {
        if (!check_key(plan, plan->keys[i], made, engine, error)) {
            return false;
        }
    }
    return hf_engine_child_forget(engine, error);
}
