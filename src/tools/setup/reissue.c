/*
 * reissue.c - look at everything first, then open the authority, then change.
 *
 * A certificate that does not fit its key is not replaced silently: that a key has changed is
 * something an operator has to know (TPM2_ChangeEPS). What a certificate says of reproducible keys is
 * not lost and not made up.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/reissue.h"

#include "base/error.h"
#include "base/log.h"
#include "pki/certificate.h"
#include "tools/setup/certificate_match.h"
#include "tools/setup/manufacture_job.h"
#include "tools/setup/reproducible.h"
#include "tpm2/constants.h"

typedef struct {
    const HfTransport *tpm;
    GArray *indices;    /* guint32, all there are */
    GArray *persistent; /* guint32 */
    GPtrArray *absent;  /* of made->keys, those that are not persistent */
    HfSetupPlan plan;   /* a copy, with what the TPM has; what it points to is borrowed */
    bool chosen[HF_PLAN_KEYS_MAX]; /* those of plan.keys whose certificates are replaced */
    bool reproducible;             /* an old certificate says so */
} Reissue;

static void reissue_clear(Reissue *r)
{
    g_clear_pointer(&r->indices, g_array_unref);
    g_clear_pointer(&r->persistent, g_array_unref);
    g_clear_pointer(&r->absent, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reissue, reissue_clear)

/* An index of ours may be removed; whether the new one is locked follows from the old one. */
static bool look_at_index(Reissue *r, uint32_t index, GError **error)
{
    HfNvPublic pub;
    if (!hf_tpm_nv_read_public(r->tpm, index, &pub, error)) {
        return false;
    }
    if (!(pub.attributes & TPMA_NV_PLATFORMCREATE)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "NV index 0x%08x: it is the guest's own, not a manufacturer's", index);
    }
    r->plan.lock_nvram = r->plan.lock_nvram || (pub.attributes & TPMA_NV_WRITELOCKED);
    return true;
}

/* The old certificate is for this key; what it says that must not get lost. */
static bool look_at_certificate(Reissue *r, HfCertKind kind, uint32_t index, const HfPublic *area,
                                GError **error)
{
    g_autoptr(GBytes) content = hf_tpm_nv_read(r->tpm, index, NULL, index, error);
    g_autoptr(HfOutline) outline = content ? hf_outline_new(content, "certificate", NULL) : NULL;
    g_autoptr(HfCertificate) ours =
        outline ? hf_certificate_new(outline->der, "certificate", NULL) : NULL;
    g_autoptr(HfPublicKey) key = content ? hf_public_key_of(area, error) : NULL;
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;
    if (!spki) {
        return false;
    }
    if (!outline || !hf_certifies(outline, spki)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "NV index 0x%08x: the certificate is not for the %s key that "
                            "this TPM has now: somebody has changed it (TPM2_ChangeEPS); "
                            "--withdraw-certificates removes what does not match, and makes room",
                            index, kind == HF_CERT_EK ? "endorsement" : hf_cert_kind_title(kind));
    }
    r->reproducible = r->reproducible || (ours && ours->holding && ours->holding->reproducible);
    return true;
}

/* Something else at the handle is the owner's affair, and not certified. */
static bool is_at_handle(const Reissue *r, uint32_t handle, const HfPublic *key, bool *ret_is,
                         GError **error)
{
    HfTpmName wanted = hf_public_name(key);
    HfTpmName name;
    HfPublic found;
    if (!hf_tpm_read_public(r->tpm, handle, &found, error)) {
        return false;
    }
    name = hf_public_name(&found);
    *ret_is = hf_tpm_name_equal(&wanted, &name);
    return true;
}

static bool look_at_key(Reissue *r, const HfEkRow *row, HfManufacture *made, GError **error)
{
    const HfTemplateInfo *info = hf_template_info(row->template);
    uint32_t index = info->certificate_index;
    bool certified = hf_has_index(r->indices, index);
    bool persistent = hf_has_index(r->persistent, info->handle);
    HfMadeKey *key;
    HfPublic area;
    if (!certified && !persistent) {
        return true;
    }
    if (!hf_ek_again(r->tpm, r->indices, row, &area, error) ||
        (certified && (!look_at_index(r, index, error) ||
                       !look_at_certificate(r, row->kind, index, &area, error)))) {
        return false;
    }
    if (persistent && !is_at_handle(r, info->handle, &area, &persistent, error)) {
        return false;
    }
    if (!certified && !persistent) {
        return true;
    }
    key = g_new0(HfMadeKey, 1);
    *key = (HfMadeKey){ .title = row->title, .handle = info->handle, .public = area };
    g_ptr_array_add(made->keys, key);
    if (!persistent) {
        g_ptr_array_add(r->absent, key);
    }
    if (row->kind == HF_CERT_EK) {
        bool signs = area.attributes & TPMA_OBJECT_SIGN_ENCRYPT;
        bool decrypts = area.attributes & TPMA_OBJECT_DECRYPT;
        r->plan.allow_signing = r->plan.allow_signing || signs;
        r->plan.decryption = r->plan.decryption && decrypts;
    }
    r->chosen[r->plan.key_count] = true;
    r->plan.keys[r->plan.key_count++] = row;
    return true;
}

/* All kinds of an IAK, or IDevID, have one handle and one index: which it is, its certificate or the key
 * itself says. A key that is none of ours is the owner's affair. */
static bool look_at_identity(Reissue *r, HfCertKind kind, HfManufacture *made, GError **error)
{
    const HfTemplateInfo *info = hf_identity_info(kind);
    const HfEkRow *row = NULL;
    g_autoptr(HfPublicKey) key = NULL;
    HfPublic area;
    if (hf_has_index(r->indices, info->certificate_index)) {
        return hf_identity_certified(r->tpm, kind, &row, error) &&
               (row ? look_at_key(r, row, made, error)
                    : hf_error_set(error, HF_ERROR_STATE,
                                   "NV index 0x%08x: expected the certificate of an %s, found "
                                   "something else; --withdraw-certificates removes it",
                                   info->certificate_index, hf_cert_kind_title(kind)));
    }
    if (!hf_has_index(r->persistent, info->handle)) {
        return true;
    }
    if (!hf_tpm_read_public(r->tpm, info->handle, &area, error)) {
        return false;
    }
    key = hf_public_key_of(&area, NULL);
    row = key ? hf_identity_row_like(kind, key) : NULL;
    return !row || look_at_key(r, row, made, error);
}

/* Where the chain, the platform certificate and what is there of them go. */
static bool look_at_chain(Reissue *r, GError **error)
{
    for (uint32_t index = HF_NV_CHAIN; index <= HF_NV_CHAIN_LAST; index++) {
        if (hf_has_index(r->indices, index) && !look_at_index(r, index, error)) {
            return false;
        }
    }
    return true;
}

static bool look_at_rest(Reissue *r, GError **error)
{
    if (r->plan.install) {
        return look_at_chain(r, error); /* the platform's stays, and what is said is the issuer's */
    }
    r->plan.platform_certificate =
        r->plan.platform_certificate || hf_has_index(r->indices, HF_NV_PLATFORM);
    if (hf_has_index(r->indices, HF_NV_PLATFORM) && !look_at_index(r, HF_NV_PLATFORM, error)) {
        return false;
    }
    if (!look_at_chain(r, error)) {
        return false;
    }
    if (r->reproducible && !r->plan.reproducible_from) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "the certificates say that the endorsement keys are reproducible: "
                            "--reproducible-from expected, to show that they are");
    }
    return true;
}

static bool look(Reissue *r, HfManufacture *made, GError **error)
{
    r->plan.key_count = 0;
    r->plan.allow_signing = false;
    r->plan.decryption = true;
    if (!(r->indices = hf_tpm_get_handles(r->tpm, 0x01000000u, error)) ||
        !(r->persistent = hf_tpm_get_handles(r->tpm, 0x81000000u, error)) ||
        !hf_tpm_get_pcrs(r->tpm, &made->banks, error)) {
        return false;
    }
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        if (!look_at_key(r, row, made, error)) {
            return false;
        }
    }
    if (r->plan.key_count == 0) {
        return hf_error_set(error, HF_ERROR_NOT_FOUND,
                            "this TPM has neither certificates of endorsement keys nor such keys "
                            "(persistent)");
    }
    return (r->plan.no_identities || (look_at_identity(r, HF_CERT_IAK, made, error) &&
                                      look_at_identity(r, HF_CERT_IDEVID, made, error))) &&
           look_at_rest(r, error);
}

static bool undefine(const Reissue *r, uint32_t index, GError **error)
{
    return !hf_has_index(r->indices, index) ||
           hf_tpm_nv_undefine(r->tpm, TPM2_RH_PLATFORM, NULL, index, error);
}

static bool replace_all(Reissue *r, HfJob *job, GError **error)
{
    for (unsigned i = 0; i < r->plan.key_count; i++) {
        const HfEkRow *row = r->plan.keys[i];
        if (!r->chosen[i]) {
            continue;
        }
        if (!undefine(r, hf_template_info(row->template)->certificate_index, error) ||
            !hf_job_certificate(job, row, g_ptr_array_index(job->made->keys, i), error)) {
            return false;
        }
    }
    if (!r->plan.install &&
        (!undefine(r, HF_NV_PLATFORM, error) ||
         (r->plan.platform_certificate && !hf_job_platform_certificate(job, error)))) {
        return false;
    }
    for (uint32_t index = HF_NV_CHAIN; index <= HF_NV_CHAIN_LAST; index++) {
        if (!undefine(r, index, error)) {
            return false;
        }
    }
    return hf_job_chain(job, error);
}

static GBytes *present_chain(const Reissue *r, GError **error)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    for (uint32_t index = HF_NV_CHAIN; index <= HF_NV_CHAIN_LAST; index++) {
        g_autoptr(GBytes) piece = NULL;
        if (!hf_has_index(r->indices, index)) {
            continue;
        }
        if (!(piece = hf_tpm_nv_read(r->tpm, index, NULL, index, error))) {
            return NULL;
        }
        hf_put_gbytes(all, piece);
    }
    return g_byte_array_free_to_bytes(g_steal_pointer(&all));
}

/* The keys that the file is for; the others keep what they have. */
static bool choose(Reissue *r, const HfManufacture *made, HfCertifier *file, GError **error)
{
    unsigned chosen = 0;
    for (unsigned i = 0; i < r->plan.key_count; i++) {
        const HfMadeKey *made_key = g_ptr_array_index(made->keys, i);
        g_autoptr(HfPublicKey) key = hf_public_key_of(&made_key->public, error);
        g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;
        if (!spki) {
            return false;
        }
        r->chosen[i] = hf_certifier_file_has(file, r->plan.keys[i]->kind, spki);
        chosen += r->chosen[i] ? 1 : 0;
    }
    return chosen == hf_certifier_file_count(file) ||
           hf_error_set(
               error, HF_ERROR_INVALID,
               "%s: of its %u certificates of keys %u are for keys of this TPM, expected all",
               r->plan.install, hf_certifier_file_count(file), chosen);
}

static HfCertifier *open_file(Reissue *r, const HfManufacture *made, GError **error)
{
    g_autoptr(HfCertifier) file = hf_certifier_file_open(r->plan.install, error);
    g_autoptr(GBytes) chain = NULL;
    return file && choose(r, made, file, error) && (chain = present_chain(r, error)) &&
                   hf_certifier_file_keep(file, chain, error)
               ? g_steal_pointer(&file)
               : NULL;
}

static HfCertifier *open_certifier(const Reissue *r, const HfEngineFacts *facts, GError **error)
{
    HfCertifier *certifier = hf_certifier_open(&r->plan, facts, error);
    if (!certifier) {
        g_prefix_error(error, r->plan.authority ? "authority: " : "certificates: ");
    } else if (r->plan.authority) {
        hf_log(1, "Certificates are issued by the authority %s.", certifier->description);
    }
    return certifier;
}

static bool start(HfEngineChild *engine, const HfSecret *permanent, const HfTransport *tpm,
                  GError **error)
{
    return hf_engine_child_power_on(engine, permanent, error) &&
           hf_tpm_startup(tpm, TPM2_SU_CLEAR, error);
}

/* What the certificates will say of the keys is so. */
static bool check_seed(const Reissue *r, const HfEngines *engines, const HfManufacture *made,
                       const HfSecret *seed, GError **error)
{
    if (!seed || hf_reproducible_check(&r->plan, seed, made, engines->checker, error)) {
        return true;
    }
    g_prefix_error(error,
                   "the endorsement keys of this TPM do not follow from %s with this authority's "
                   "derivation key: ",
                   r->plan.reproducible_from);
    return false;
}

HfManufacture *hf_reissue(const HfSetupPlan *plan, const HfEngines *engines,
                          const HfEngineFacts *facts, const HfSecret *permanent,
                          const HfSecret *seed, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engines->maker);
    g_autoptr(HfManufacture) made = hf_manufacture_empty();
    g_autoptr(HfCertifier) certifier = NULL;
    g_auto(Reissue) r = { .tpm = &tpm, .plan = *plan, .absent = g_ptr_array_new() };
    g_auto(HfJob) job = { .plan = &r.plan, .tpm = &tpm, .made = made };
    job.ahead = hf_engine_child_ahead(engines->maker);
    if (!start(engines->maker, permanent, &tpm, error) || !hf_job_identity(&job, error) ||
        !look(&r, made, error) || !check_seed(&r, engines, made, seed, error) ||
        !(certifier =
              plan->install ? open_file(&r, made, error) : open_certifier(&r, facts, error))) {
        return NULL;
    }
    job.certifier = certifier;
    if (!replace_all(&r, &job, error) || !hf_job_finish(&job, engines->maker, error)) {
        return NULL;
    }
    for (unsigned i = 0; i < r.absent->len; i++) {
        g_ptr_array_remove(made->keys, r.absent->pdata[i]);
    }
    return g_steal_pointer(&made);
}
