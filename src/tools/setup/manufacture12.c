/*
 * manufacture12.c - the commands that make a TPM 1.2, and the check of the result.
 *
 * A new TPM 1.2 is disabled and deactivated: somebody has to be there (physical presence, asserted
 * by a command, since there is no switch) to turn it on, and it takes a power cycle. Its NV memory
 * asks for no authorisation until it is locked.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "tools/setup/manufacture.h"
#include "tools/setup/narration.h"
#include "tpm12/command12.h"

#define NV_EK_CERTIFICATE 0x1000f000u
#define NV_PLATFORM_CERTIFICATE 0x1000f002u
#define NV_ATTRIBUTES (HF_TPM12_NV_OWNERREAD | HF_TPM12_NV_OWNERWRITE)

/* TCG PC Client Implementation Specification 1.2, 7.4: a stored certificate and a full one in it. */
#define TAG_STORED 0x1001u
#define TAG_FULL_CERTIFICATE 0x1002u
#define HEADER_SIZE 7u

typedef struct {
    const HfSetupPlan *plan;
    HfCertifier *certifier;
    const HfTransport *tpm;
    HfManufacture *made;
} Job;

static bool copy_fact(const char *fact, char *out, size_t size, GError **error)
{
    return g_strlcpy(out, fact, size) < size ||
           hf_error_set(error, HF_ERROR_INVALID, "the engine says \"%s\" of itself", fact);
}

static bool read_identity(HfEngineChild *engine, HfTpmIdentity *ret_identity, GError **error)
{
    g_autoptr(HfEngineFacts) facts = hf_engine_facts_read(engine, error);
    if (!facts) {
        return false;
    }
    ret_identity->level = facts->level;
    ret_identity->revision = facts->revision;
    return copy_fact(facts->family, ret_identity->family, sizeof(ret_identity->family), error) &&
           copy_fact(facts->manufacturer, ret_identity->manufacturer,
                     sizeof(ret_identity->manufacturer), error) &&
           copy_fact(facts->version, ret_identity->version, sizeof(ret_identity->version), error);
}

static bool turn_on(const HfTransport *tpm, HfEngineChild *engine, GError **error)
{
    return hf_engine_child_power_on(engine, NULL, error) && hf_tpm12_startup(tpm, error) &&
           hf_tpm12_assert_presence(tpm, error) && hf_tpm12_enable(tpm, error) &&
           hf_tpm12_activate(tpm, error) && hf_engine_child_power_on(engine, NULL, error) &&
           hf_tpm12_startup(tpm, error) && hf_tpm12_assert_presence(tpm, error) &&
           hf_tpm12_continue_self_test(tpm, error);
}

static bool write_certificate(Job *job, uint32_t index, HfCertKind kind, GError **error)
{
    const HfCertRequest request = { .kind = kind,
                                    .tpm = &job->made->identity,
                                    .key = job->made->ek12 };
    g_autoptr(HfOutline) certificate = hf_certifier_issue(job->certifier, &request, error);
    if (!certificate) {
        return false;
    }
    size_t size = g_bytes_get_size(certificate->der);
    if (size > UINT16_MAX - 2) {
        return hf_error_set(error, HF_ERROR_NO_SPACE, "certificate of %zu bytes, expected less",
                            size);
    }
    GByteArray *bytes = g_byte_array_new();
    hf_put_u16(bytes, TAG_STORED);
    hf_put_u8(bytes, 0);
    hf_put_u16(bytes, (uint16_t)(size + 2));
    hf_put_u16(bytes, TAG_FULL_CERTIFICATE);
    hf_put_gbytes(bytes, certificate->der);
    g_autoptr(GBytes) content = g_byte_array_free_to_bytes(bytes);
    HfMadeIndex *entry =
        hf_manufacture_add_index(job->made, index, NV_ATTRIBUTES, content,
                                 g_strdup_printf("%s certificate", hf_cert_kind_title(kind)));
    entry->header = HEADER_SIZE;
    entry->spki = hf_public_key_spki(job->made->ek12);
    entry->certifies = kind == HF_CERT_EK ? hf_ek_row_rsa(2048) : NULL;
    if (!hf_tpm12_nv_define(job->tpm, index, NV_ATTRIBUTES, (uint32_t)(size + HEADER_SIZE),
                            error) ||
        !hf_tpm12_nv_write(job->tpm, index, g_bytes_get_data(content, NULL), size + HEADER_SIZE,
                           error)) {
        g_prefix_error(error, "%s, NV index 0x%08x: ", entry->title, index);
        return false;
    }
    hf_say_certificate(job->plan, entry->certifies, entry);
    return true;
}

static bool make_ek(Job *job, GError **error)
{
    job->made->ek12 = hf_tpm12_create_ek(job->tpm, error);
    if (job->made->ek12) {
        hf_say_ek12(job->plan);
    }
    return job->made->ek12 != NULL;
}

static bool take_ownership(Job *job, GError **error)
{
    if (!hf_tpm12_take_ownership(job->tpm, job->made->ek12, job->plan->owner_auth,
                                 job->plan->srk_auth, error)) {
        return false;
    }
    hf_say_owned(job->plan);
    return true;
}

static bool lock_nv(Job *job, GError **error)
{
    if (!hf_tpm12_nv_lock(job->tpm, error)) {
        return false;
    }
    hf_say_locked(job->plan);
    return true;
}

static bool make_everything(Job *job, GError **error)
{
    const HfSetupPlan *plan = job->plan;
    return (!plan->create_ek || make_ek(job, error)) &&
           (!plan->take_ownership || take_ownership(job, error)) &&
           (!plan->ek_certificates ||
            write_certificate(job, NV_EK_CERTIFICATE, HF_CERT_EK, error)) &&
           (!plan->platform_certificate ||
            write_certificate(job, NV_PLATFORM_CERTIFICATE, HF_CERT_PLATFORM, error)) &&
           (!plan->lock_nvram || lock_nv(job, error));
}

HfManufacture *hf_manufacture12_new(const HfSetupPlan *plan, HfEngineChild *engine,
                                    HfCertifier *certifier, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    g_autoptr(HfManufacture) made = hf_manufacture_empty();
    Job job = { plan, certifier, &tpm, made };
    if (!read_identity(engine, &made->identity, error) || !turn_on(&tpm, engine, error) ||
        !make_everything(&job, error) ||
        !(made->permanent = hf_engine_child_finish(engine, error))) {
        return NULL;
    }
    return g_steal_pointer(&made);
}

/* --- the check ------------------------------------------------------------------------------- */

static bool check_ek(const HfSetupPlan *plan, const HfManufacture *made, const HfTransport *tpm,
                     GError **error)
{
    g_autoptr(HfPublicKey) found = plan->take_ownership
                                       ? hf_tpm12_owner_read_ek(tpm, plan->owner_auth, error)
                                       : hf_tpm12_read_ek(tpm, error);
    return found && (hf_public_key_equal(found, made->ek12) ||
                     hf_error_set(error, HF_ERROR_INVALID,
                                  "the endorsement key is not the one that was made"));
}

/* Locked memory is read by its owner; if there is none, by nobody. */
static bool check_content(const HfSetupPlan *plan, const HfTransport *tpm, const HfMadeIndex *index,
                          GError **error)
{
    if (plan->lock_nvram && !plan->take_ownership) {
        return true;
    }
    const HfSecret *auth = plan->lock_nvram ? plan->owner_auth : NULL;
    g_autoptr(GBytes) stored =
        hf_tpm12_nv_read(tpm, index->index, g_bytes_get_size(index->content), auth, error);
    return stored && (g_bytes_equal(stored, index->content) ||
                      hf_error_set(error, HF_ERROR_INVALID, "it does not hold what was written"));
}

static bool check_index(const HfSetupPlan *plan, const HfTransport *tpm, const HfMadeIndex *index,
                        GError **error)
{
    uint32_t attributes, size;
    if (!hf_tpm12_nv_public(tpm, index->index, &attributes, &size, error)) {
        return false;
    }
    if (attributes != index->attributes || size != g_bytes_get_size(index->content)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "attributes 0x%08x and %u bytes, expected "
                            "0x%08x and %zu",
                            attributes, size, index->attributes, g_bytes_get_size(index->content));
    }
    return check_content(plan, tpm, index, error);
}

bool hf_manufacture12_check(const HfSetupPlan *plan, const HfManufacture *made,
                            HfEngineChild *engine, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    bool good = hf_engine_child_power_on(engine, made->permanent, error) &&
                hf_tpm12_startup(&tpm, error) && (!made->ek12 || check_ek(plan, made, &tpm, error));
    for (unsigned i = 0; good && i < made->indices->len; i++) {
        const HfMadeIndex *index = g_ptr_array_index(made->indices, i);
        good = check_index(plan, &tpm, index, error);
        if (!good) {
            g_prefix_error(error, "%s, NV index 0x%08x: ", index->title, index->index);
        }
    }
    if (!good) {
        g_prefix_error(error, "the finished TPM does not pass its check: ");
    }
    return good;
}
