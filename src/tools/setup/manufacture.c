/*
 * manufacture.c - the commands that make a TPM, in their order, and the check of the result.
 *
 * Hierarchy auths are empty: nobody else is on this TPM yet, and firmware sets the platform's at
 * each boot. Keys are created under the endorsement hierarchy, made persistent with owner auth and
 * flushed; NV indices belong to the platform, as a manufacturer's do.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/manufacture_job.h"

#include <string.h>

#include "base/error.h"
#include "pki/spki.h"
#include "tools/setup/narration.h"
#include "tpm2/constants.h"

/* PLATFORMCREATE, NO_DA, readable by anyone, written by the platform once it is defined: 0x42072001
 */
#define NV_ATTRIBUTES                                                                \
    (TPMA_NV_PLATFORMCREATE | TPMA_NV_NO_DA | TPMA_NV_AUTHREAD | TPMA_NV_OWNERREAD | \
     TPMA_NV_PPREAD | TPMA_NV_WRITEDEFINE | TPMA_NV_PPWRITE)

/* A certificate that was issued before its turn. */
typedef struct {
    const HfMadeKey *key;
    HfOutline *certificate;
    GBytes *spki;
} Issued;

static void issued_free(void *data)
{
    Issued *issued = data;
    hf_outline_free(issued->certificate);
    g_clear_pointer(&issued->spki, g_bytes_unref);
    g_free(issued);
}

/* Keys that the engine is told to make before they are wanted: it has room for three. */
#define AHEAD 2u

void hf_job_clear(HfJob *job)
{
    g_free(job->tpm_serial);
    g_clear_pointer(&job->ek, g_bytes_unref);
    g_clear_pointer(&job->issued, g_ptr_array_unref);
}

static void made_index_free(void *data)
{
    HfMadeIndex *index = data;
    g_free(index->title);
    g_bytes_unref(index->content);
    g_clear_pointer(&index->spki, g_bytes_unref);
    g_free(index);
}

void hf_manufacture_free(HfManufacture *made)
{
    if (!made) {
        return;
    }
    g_ptr_array_unref(made->indices);
    g_ptr_array_unref(made->keys);
    g_clear_pointer(&made->ek12, hf_public_key_free);
    g_free(made->profile);
    hf_secret_free(made->permanent);
    g_free(made);
}

HfManufacture *hf_manufacture_empty(void)
{
    HfManufacture *made = g_new0(HfManufacture, 1);
    made->keys = g_ptr_array_new_with_free_func(g_free);
    made->indices = g_ptr_array_new_with_free_func(made_index_free);
    return made;
}

/* --- what the TPM is ------------------------------------------------------------------------- */

bool hf_job_identity(HfJob *job, GError **error)
{
    static const uint32_t properties[] = { TPM2_PT_FAMILY_INDICATOR, TPM2_PT_LEVEL,
                                           TPM2_PT_REVISION, TPM2_PT_MANUFACTURER,
                                           TPM2_PT_FIRMWARE_VERSION_1 };
    uint32_t values[G_N_ELEMENTS(properties)];
    HfTpmIdentity identity = { 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        (void)hf_tpm_get_property(&job->ahead, properties[i], &values[i], NULL);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (!hf_tpm_get_property(job->tpm, properties[i], &values[i], error)) {
            return false;
        }
    }
    hf_store_u32((uint8_t *)identity.family, values[0]); /* four characters, zero-padded */
    identity.level = values[1];
    identity.revision = values[2];
    g_snprintf(identity.manufacturer, sizeof(identity.manufacturer), "id:%08X", values[3]);
    g_snprintf(identity.version, sizeof(identity.version), "id:%08X", values[4]);
    job->made->identity = identity;
    return true;
}

/* --- NV -------------------------------------------------------------------------------------- */

HfMadeIndex *hf_manufacture_add_index(HfManufacture *made, uint32_t index, uint32_t attributes,
                                      GBytes *content, char *title)
{
    HfMadeIndex *entry = g_new0(HfMadeIndex, 1);
    entry->title = title;
    entry->index = index;
    entry->attributes = attributes;
    entry->content = g_bytes_ref(content);
    g_ptr_array_add(made->indices, entry);
    return entry;
}

static HfMadeIndex *add_index(HfJob *job, uint32_t index, GBytes *content, char *title,
                              GError **error)
{
    HfMadeIndex *entry = hf_manufacture_add_index(
        job->made, index,
        NV_ATTRIBUTES | TPMA_NV_WRITTEN | (job->plan->lock_nvram ? TPMA_NV_WRITELOCKED : 0u),
        content, title);
    size_t size;
    const void *data = g_bytes_get_data(content, &size);
    HfNvPublic public = { .index = index,
                          .name_alg = HF_HASH_SHA256,
                          .attributes = NV_ATTRIBUTES,
                          .size = (uint16_t)MIN(size, UINT16_MAX) };
    (void)hf_tpm_nv_define(&job->ahead, TPM2_RH_PLATFORM, NULL, &public, NULL, NULL);
    (void)hf_tpm_nv_write(&job->ahead, TPM2_RH_PLATFORM, NULL, index, data, size, NULL);
    if (!hf_tpm_nv_define(job->tpm, TPM2_RH_PLATFORM, NULL, &public, NULL, error) ||
        !hf_tpm_nv_write(job->tpm, TPM2_RH_PLATFORM, NULL, index, data, size, error) ||
        (job->plan->lock_nvram &&
         !hf_tpm_nv_write_lock(job->tpm, TPM2_RH_PLATFORM, NULL, index, error))) {
        g_prefix_error(error, "%s, NV index 0x%08x: ", entry->title, index);
        return NULL;
    }
    return entry;
}

/* The chain, cut into pieces where it is longer than an index may be. */
bool hf_job_chain(HfJob *job, GError **error)
{
    uint32_t largest;
    g_autoptr(GBytes) chain = job->certifier->class->chain(job->certifier, error);
    if (!chain || !hf_tpm_get_property(job->tpm, TPM2_PT_NV_INDEX_MAX, &largest, error)) {
        return false;
    }
    size_t size = g_bytes_get_size(chain);
    uint32_t index = HF_NV_CHAIN;
    if (size == 0) {
        return true;
    }
    for (size_t offset = 0; offset < size; offset += largest, index++) {
        g_autoptr(GBytes) piece =
            g_bytes_new_from_bytes(chain, offset, MIN(largest, size - offset));
        if (index > HF_NV_CHAIN_LAST) {
            return hf_error_set(error, HF_ERROR_NO_SPACE,
                                "certificate chain of %zu bytes does not fit below NV index 0x%08x",
                                size, HF_NV_CHAIN_LAST);
        }
        if (!add_index(job, index, piece, g_strdup("certificate chain"), error)) {
            return false;
        }
    }
    hf_say_chain(HF_NV_CHAIN);
    return true;
}

/* --- keys ------------------------------------------------------------------------------------ */

static bool create_key(HfJob *job, HfTemplate which, const HfPublic *template, HfMadeKey *key,
                       uint32_t *ret_transient, GError **error)
{
    const HfTemplateInfo *info = hf_template_info(which);
    key->handle = info->handle;
    if (!hf_tpm_create_primary(job->tpm, info->hierarchy, NULL, template, ret_transient,
                               &key->public, error)) {
        g_prefix_error(error, "%s key: ", key->title);
        return false;
    }
    return true;
}

static bool keep_key(HfJob *job, const HfMadeKey *key, uint32_t transient, GError **error)
{
    if (!hf_tpm_evict_control(job->tpm, TPM2_RH_OWNER, NULL, transient, key->handle, error) ||
        !hf_tpm_flush_context(job->tpm, transient, error)) {
        g_prefix_error(error, "%s key: ", key->title);
        return false;
    }
    return true;
}

/* MANUFACTURER:KEY IDENTIFIER OF THE ISSUER:SERIAL NUMBER OF THE EK CERTIFICATE, as device identity
 * certificates name the TPM. */
static char *serial_of(const HfTpmIdentity *tpm, const HfOutline *ek)
{
    g_autoptr(GBytes) letters = hf_hex_parse(tpm->manufacturer + strlen("id:"), "", NULL);
    size_t size = 0;
    const char *data = letters ? g_bytes_get_data(letters, &size) : NULL;
    g_autofree char *name = g_strndup(data, size); /* ends at a zero */
    for (char *p = name; p && *p; p++) {
        *p = g_ascii_isgraph(*p) ? *p : '_';
    }
    size_t id_size = 0;
    const void *id = ek->authority_id ? g_bytes_get_data(ek->authority_id, &id_size) : NULL;
    size_t serial_size;
    const void *serial = g_bytes_get_data(ek->serial, &serial_size);
    g_autofree char *id_hex = id ? hf_hex(id, id_size) : g_strdup("");
    g_autofree char *serial_hex = hf_hex(serial, serial_size);
    return g_strdup_printf("%s:%s:%s", name ? name : "", id_hex, serial_hex);
}

static HfOutline *issue(HfJob *job, HfCertKind kind, const HfMadeKey *key, GBytes **ret_spki,
                        GError **error)
{
    g_autoptr(HfPublicKey) public_key = hf_public_key_of(&key->public, error);
    if (!public_key) {
        return NULL;
    }
    const HfCertRequest request = {
        .kind = kind,
        .tpm = &job->made->identity,
        .key = public_key,
        .tpm_serial = job->tpm_serial,
        .ek = job->ek,
    };
    HfOutline *certificate = hf_certifier_issue(job->certifier, &request, error);
    if (certificate) {
        *ret_spki = hf_public_key_spki(public_key);
    }
    return certificate;
}

static HfOutline *issue_for(HfJob *job, const HfEkRow *row, const HfMadeKey *key, GBytes **ret_spki,
                            GError **error)
{
    HfOutline *certificate = issue(job, row->kind, key, ret_spki, error);
    if (!certificate) {
        g_prefix_error(error, "%s ", row->title); /* "RSA-2048 EK certificate: ..." */
    }
    return certificate;
}

/* The one that was issued before, or NULL. */
static HfOutline *find_issued(HfJob *job, const HfMadeKey *key, GBytes **ret_spki)
{
    for (unsigned i = 0; job->issued && i < job->issued->len; i++) {
        Issued *issued = g_ptr_array_index(job->issued, i);
        if (issued->key == key) {
            *ret_spki = g_steal_pointer(&issued->spki);
            return g_steal_pointer(&issued->certificate);
        }
    }
    return NULL;
}

static bool issue_ahead(HfJob *job, const HfEkRow *row, const HfMadeKey *key, GError **error)
{
    Issued *issued = g_new0(Issued, 1);
    issued->key = key;
    g_ptr_array_add(job->issued, issued);
    issued->certificate = issue_for(job, row, key, &issued->spki, error);
    return issued->certificate != NULL;
}

bool hf_job_certificate(HfJob *job, const HfEkRow *row, const HfMadeKey *key, GError **error)
{
    const HfTemplateInfo *info = hf_template_info(row->template);
    g_autoptr(GBytes) spki = NULL;
    g_autoptr(HfOutline) certificate = find_issued(job, key, &spki);
    if (!certificate && !(certificate = issue_for(job, row, key, &spki, error))) {
        return false;
    }
    HfMadeIndex *index = add_index(
        job, info->certificate_index, certificate->der,
        g_strdup_printf("certificate of the %s %s", row->title, hf_cert_kind_title(row->kind)),
        error);
    if (!index) {
        return false;
    }
    index->certifies = row;
    index->spki = g_steal_pointer(&spki);
    if (row->kind == HF_CERT_EK && !job->tpm_serial) {
        job->tpm_serial = serial_of(&job->made->identity, certificate);
        job->ek = hf_spki_digest(index->spki);
    }
    hf_say_certificate(job->plan, row, index);
    return true;
}

/* Users of a key that is not the standard one cannot guess its template: it is left beside the
 * certificate. */
static bool write_template(HfJob *job, const HfEkRow *row, const HfPublic *template, GError **error)
{
    uint32_t index = hf_template_info(row->template)->template_index;
    if (!job->plan->allow_signing || !index) {
        return true;
    }
    GByteArray *bytes = g_byte_array_new();
    hf_public_write(template, bytes);
    g_autoptr(GBytes) content = g_byte_array_free_to_bytes(bytes);
    return add_index(job, index, content, g_strdup_printf("template of the %s EK", row->title),
                     error) != NULL;
}

void hf_manufacture_template(const HfSetupPlan *plan, const HfEkRow *row, HfPublic *ret_template)
{
    hf_template_public(row->template, ret_template);
    if (plan->allow_signing && row->kind == HF_CERT_EK) {
        hf_template_allow_signing(ret_template, plan->decryption);
    }
}

/* Of the plan's key number `i`; the storage primary comes after the last. */
static HfTemplate template_of(const HfSetupPlan *plan, unsigned i, HfPublic *ret_template)
{
    if (i < plan->key_count) {
        hf_manufacture_template(plan, plan->keys[i], ret_template);
        return plan->keys[i]->template;
    }
    hf_template_public(plan->spk, ret_template);
    return plan->spk;
}

/* The keys in the order in which they are made: those on curves take two milliseconds, and their
 * certificates are signed while the primes of the others are searched for. The plan's numbers. */
static unsigned order_keys(const HfSetupPlan *plan, unsigned order[HF_PLAN_KEYS_MAX + 1])
{
    unsigned n = 0;
    for (unsigned rsa = 0; rsa < 2; rsa++) {
        for (unsigned i = 0; i < plan->key_count; i++) {
            if ((plan->keys[i]->rsa_bits > 0) == (rsa > 0)) {
                order[n++] = i;
            }
        }
    }
    if (plan->create_spk) {
        order[n++] = plan->key_count;
    }
    return n;
}

/* The engine works on it while something else is done here. */
static void begin_key(const HfJob *job, unsigned turn)
{
    unsigned order[HF_PLAN_KEYS_MAX + 1];
    if (turn < order_keys(job->plan, order)) {
        HfPublic template;
        HfTemplate which = template_of(job->plan, order[turn], &template);
        uint32_t transient;
        (void)hf_tpm_create_primary(&job->ahead, hf_template_info(which)->hierarchy, NULL,
                                    &template, &transient, NULL, NULL);
    }
}

/* What an authority signs can be signed in any order; a certificate tool is called in the plan's, and
 * what identifies a device names an EK certificate. */
static bool may_issue_ahead(const HfSetupPlan *plan, unsigned i)
{
    return i < plan->key_count && plan->ek_certificates && plan->authority &&
           plan->keys[i]->kind == HF_CERT_EK && plan->keys[i]->rsa_bits == 0;
}

/* All keys; job->made->keys has them in the plan's order. */
static bool make_keys(HfJob *job, GError **error)
{
    const HfSetupPlan *plan = job->plan;
    unsigned order[HF_PLAN_KEYS_MAX + 1];
    unsigned count = order_keys(plan, order);
    for (unsigned i = 0; i < count; i++) {
        HfMadeKey *key = g_new0(HfMadeKey, 1);
        key->title = i < plan->key_count ? plan->keys[i]->title : "storage primary";
        g_ptr_array_add(job->made->keys, key);
    }
    for (unsigned turn = 0; turn < count; turn++) {
        unsigned i = order[turn];
        HfMadeKey *key = g_ptr_array_index(job->made->keys, i);
        HfPublic template;
        HfTemplate which = template_of(plan, i, &template);
        uint32_t transient;
        /* To be kept it waits for the engine, which makes the next one meanwhile. */
        if (!create_key(job, which, &template, key, &transient, error) ||
            (may_issue_ahead(plan, i) && !issue_ahead(job, plan->keys[i], key, error)) ||
            !keep_key(job, key, transient, error)) {
            return false;
        }
        begin_key(job, turn + AHEAD);
    }
    return true;
}

/* What belongs to an endorsement or identity key. */
static bool certify_key(HfJob *job, unsigned i, GError **error)
{
    const HfEkRow *row = job->plan->keys[i];
    const HfMadeKey *key = g_ptr_array_index(job->made->keys, i);
    HfPublic template;
    (void)template_of(job->plan, i, &template);
    hf_say_key(job->plan, row, key->handle);
    return write_template(job, row, &template, error) &&
           (!job->plan->ek_certificates || hf_job_certificate(job, row, key, error));
}

bool hf_job_platform_certificate(HfJob *job, GError **error)
{
    const HfMadeKey *first = g_ptr_array_index(job->made->keys, 0);
    g_autoptr(GBytes) spki = NULL;
    g_autoptr(HfOutline) certificate = issue(job, HF_CERT_PLATFORM, first, &spki, error);
    HfMadeIndex *index = certificate ? add_index(job, HF_NV_PLATFORM, certificate->der,
                                                 g_strdup("platform certificate"), error)
                                     : NULL;
    if (!index) {
        return false;
    }
    hf_say_certificate(job->plan, NULL, index);
    return true;
}

/* --- the whole ------------------------------------------------------------------------------- */

static bool activate_banks(HfJob *job, bool *ret_changed, GError **error)
{
    if (!hf_bank_choice_apply(&job->plan->banks, job->tpm, &job->made->banks, ret_changed, error)) {
        return false;
    }
    g_autofree char *active = hf_bank_names(&job->made->banks, false);
    g_autofree char *all = hf_bank_names(&job->made->banks, true);
    hf_say_banks(job->plan, *ret_changed, active, all);
    return true;
}

static bool make_everything(HfJob *job, GError **error)
{
    const HfSetupPlan *plan = job->plan;
    bool changed;
    if (!make_keys(job, error)) {
        return false;
    }
    for (unsigned i = 0; i < plan->key_count; i++) {
        if (!certify_key(job, i, error)) {
            return false;
        }
        if (i == 0 && plan->platform_certificate && !hf_job_platform_certificate(job, error)) {
            return false;
        }
    }
    if (plan->create_spk) {
        const HfMadeKey *spk = g_ptr_array_index(job->made->keys, plan->key_count);
        hf_say_key(plan, NULL, spk->handle);
    }
    return (!job->certifier || hf_job_chain(job, error)) && activate_banks(job, &changed, error);
}

bool hf_job_finish(HfJob *job, HfEngineChild *engine, GError **error)
{
    return hf_tpm_shutdown(job->tpm, TPM2_SU_CLEAR, error) &&
           (job->made->permanent = hf_engine_child_finish(engine, error));
}

bool hf_manufacture_set_profile(const HfSetupPlan *plan, HfEngineChild *engine, GError **error)
{
    return !plan->profile ||
           hf_engine_child_set_profile(engine, plan->profile, plan->profile_removal, error);
}

/* On, with the profile and the seed it shall have. */
static bool begin(HfJob *job, HfEngineChild *engine, const HfSecret *seed, GError **error)
{
    if (!hf_manufacture_set_profile(job->plan, engine, error) ||
        !hf_engine_child_power_on(engine, NULL, error) ||
        (seed && !hf_engine_child_set_seed(engine, seed, error))) {
        return false;
    }
    job->made->profile = hf_engine_child_info(engine, HF_ENGINE_INFO_PROFILE, error);
    if (job->made->profile) {
        hf_say_profile(job->plan, job->made->profile);
    }
    return job->made->profile && hf_tpm_startup(job->tpm, TPM2_SU_CLEAR, error);
}

HfManufacture *hf_manufacture_begin(const HfSetupPlan *plan, HfEngineChild *engine,
                                    const HfSecret *seed, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    g_autoptr(HfManufacture) made = hf_manufacture_empty();
    g_auto(HfJob) job = { .plan = plan, .tpm = &tpm, .made = made };
    job.ahead = hf_engine_child_ahead(engine);
    if (!begin(&job, engine, seed, error) || !hf_job_identity(&job, error)) {
        return NULL;
    }
    for (unsigned turn = 0; turn < AHEAD; turn++) {
        begin_key(&job, turn);
    }
    return g_steal_pointer(&made);
}

bool hf_manufacture_complete(HfManufacture *made, const HfSetupPlan *plan, HfEngineChild *engine,
                             HfCertifier *certifier, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    g_auto(HfJob) job = { .plan = plan, .certifier = certifier, .tpm = &tpm, .made = made };
    job.ahead = hf_engine_child_ahead(engine);
    job.issued = g_ptr_array_new_with_free_func(issued_free);
    return make_everything(&job, error) && hf_job_finish(&job, engine, error);
}

HfManufacture *hf_manufacture_reconfigure(const HfSetupPlan *plan, HfEngineChild *engine,
                                          const HfSecret *permanent, bool *ret_changed,
                                          GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    g_autoptr(HfManufacture) made = hf_manufacture_empty();
    g_auto(HfJob) job = { .plan = plan, .tpm = &tpm, .made = made };
    job.ahead = hf_engine_child_ahead(engine);
    bool changed;
    if (!hf_engine_child_power_on(engine, permanent, error) ||
        !hf_tpm_startup(&tpm, TPM2_SU_CLEAR, error) || !hf_job_identity(&job, error) ||
        !activate_banks(&job, &changed, error) || !hf_job_finish(&job, engine, error)) {
        return NULL;
    }
    *ret_changed = changed;
    return g_steal_pointer(&made);
}
