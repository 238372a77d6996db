/*
 * certificate_match.c - the keys made again, held against their certificates.
 *
 * The platform certificate is for one of the endorsement keys: it matches as long as one of those
 * that have a certificate is its key. All kinds of an IAK, or IDevID, have one index: the key that is
 * made again is of the kind that the certificate is for.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certificate_match.h"

#include "base/error.h"
#include "base/log.h"
#include "tpm2/constants.h"

typedef struct {
    const HfTransport *tpm;
    GArray *indices;  /* guint32, all there are */
    GPtrArray *spkis; /* GBytes of the keys that were looked at */
    GArray *wrong;    /* guint32 */
    unsigned seen;
} Examination;

static void examination_clear(Examination *e)
{
    g_clear_pointer(&e->indices, g_array_unref);
    g_clear_pointer(&e->spkis, g_ptr_array_unref);
    g_clear_pointer(&e->wrong, g_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Examination, examination_clear)

bool hf_has_index(const GArray *indices, uint32_t index)
{
    for (unsigned i = 0; index && i < indices->len; i++) {
        if (g_array_index(indices, guint32, i) == index) {
            return true;
        }
    }
    return false;
}

static bool has_index(const Examination *e, uint32_t index)
{
    return hf_has_index(e->indices, index);
}

static bool read_template(const HfTransport *tpm, const GArray *indices, const HfEkRow *row,
                          HfPublic *ret_template, GError **error)
{
    uint32_t index = hf_template_info(row->template)->template_index;
    g_autoptr(GBytes) bytes = NULL;
    hf_template_public(row->template, ret_template);
    if (!hf_has_index(indices, index)) {
        return true;
    }
    bytes = hf_tpm_nv_read(tpm, index, NULL, index, error);
    return bytes && hf_public_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                    ret_template, error);
}

bool hf_ek_again(const HfTransport *tpm, const GArray *indices, const HfEkRow *row,
                 HfPublic *ret_key, GError **error)
{
    HfPublic template;
    uint32_t handle;
    return read_template(tpm, indices, row, &template, error) &&
           hf_tpm_create_primary(tpm, hf_template_info(row->template)->hierarchy, NULL, &template,
                                 &handle, ret_key, error) &&
           hf_tpm_flush_context(tpm, handle, error);
}

static GBytes *key_now(const Examination *e, const HfEkRow *row, GError **error)
{
    g_autoptr(HfPublicKey) key = NULL;
    HfPublic made;
    if (!hf_ek_again(e->tpm, e->indices, row, &made, error) ||
        !(key = hf_public_key_of(&made, error))) {
        return NULL;
    }
    return hf_public_key_spki(key);
}

/* One that cannot be read as a certificate matches nothing. */
static bool judge(Examination *e, uint32_t index, const char *title, unsigned first, GError **error)
{
    g_autoptr(GBytes) content = hf_tpm_nv_read(e->tpm, index, NULL, index, error);
    HfOutline *(*parse)(GBytes *, const char *, GError **) =
        index == HF_NV_PLATFORM ? hf_outline_new_platform : hf_outline_new;
    g_autoptr(HfOutline) outline = content ? parse(content, title, NULL) : NULL;
    bool matches = false;
    if (!content) {
        return false;
    }
    if (outline && !outline->spki) {
        hf_log(1, "NV index 0x%08x: certificate of the %s: an attribute certificate, for no key",
               index, title);
        return true;
    }
    for (unsigned i = first; outline && i < e->spkis->len; i++) {
        matches = matches || hf_certifies(outline, g_ptr_array_index(e->spkis, i));
    }
    e->seen++;
    if (!matches) {
        g_array_append_val(e->wrong, index);
    }
    hf_log(1, "NV index 0x%08x: certificate of the %s: %s", index, title,
           matches ? "matches" : "does not match, it is for another key");
    return true;
}

const HfTemplateInfo *hf_identity_info(HfCertKind kind)
{
    return hf_template_info(kind == HF_CERT_IAK ? HF_TEMPLATE_IAK_RSA2048
                                                : HF_TEMPLATE_IDEVID_RSA2048);
}

bool hf_identity_certified(const HfTransport *tpm, HfCertKind kind, const HfEkRow **ret_row,
                           GError **error)
{
    uint32_t index = hf_identity_info(kind)->certificate_index;
    g_autoptr(GBytes) content = hf_tpm_nv_read(tpm, index, NULL, index, error);
    g_autoptr(HfOutline) outline = content ? hf_outline_new(content, "certificate", NULL) : NULL;
    g_autoptr(HfPublicKey) key = NULL;
    *ret_row = NULL;
    if (outline) {
        key = hf_public_key_from_spki(g_bytes_get_data(outline->spki, NULL),
                                      g_bytes_get_size(outline->spki), NULL);
    }
    if (key) {
        *ret_row = hf_identity_row_like(kind, key);
    }
    return content != NULL;
}

static bool examine_identity(Examination *e, HfCertKind kind, GError **error)
{
    uint32_t index = hf_identity_info(kind)->certificate_index;
    const HfEkRow *row = NULL;
    if (!has_index(e, index)) {
        return true;
    }
    if (!hf_identity_certified(e->tpm, kind, &row, error)) {
        return false;
    }
    unsigned first = e->spkis->len; /* with nothing from there on, nothing matches */
    GBytes *spki = row ? key_now(e, row, error) : NULL;
    if (row && !spki) {
        g_prefix_error(error, "%s: ", hf_cert_kind_title(kind));
        return false;
    }
    if (spki) {
        g_ptr_array_add(e->spkis, spki);
    }
    bool judged = judge(e, index, hf_cert_kind_title(kind), first, error);
    g_ptr_array_set_size(e->spkis, (int)first); /* the platform's is an endorsement key's */
    return judged;
}

static bool examine(Examination *e, GError **error)
{
    for (const HfEkRow *row = hf_ek_table; row->algorithm; row++) {
        uint32_t index = hf_template_info(row->template)->certificate_index;
        g_autofree char *title = g_strdup_printf("%s EK", row->title);
        GBytes *spki;
        if (!has_index(e, index)) {
            continue;
        }
        spki = key_now(e, row, error);
        if (!spki) {
            g_prefix_error(error, "%s: ", title);
            return false;
        }
        g_ptr_array_add(e->spkis, spki);
        if (!judge(e, index, title, e->spkis->len - 1, error)) {
            return false;
        }
    }
    if (e->seen == 0) {
        return hf_error_set(error, HF_ERROR_NOT_FOUND,
                            "this TPM has no certificates of endorsement keys");
    }
    if (!examine_identity(e, HF_CERT_IAK, error) || !examine_identity(e, HF_CERT_IDEVID, error)) {
        return false;
    }
    return !has_index(e, HF_NV_PLATFORM) || judge(e, HF_NV_PLATFORM, "platform", 0, error);
}

static bool withdraw_all(const Examination *e, GError **error)
{
    for (unsigned i = 0; i < e->wrong->len; i++) {
        uint32_t index = g_array_index(e->wrong, guint32, i);
        if (!hf_tpm_nv_undefine(e->tpm, TPM2_RH_PLATFORM, NULL, index, error)) {
            return false;
        }
        hf_log(1, "NV index 0x%08x: withdrawn", index);
    }
    return hf_tpm_shutdown(e->tpm, TPM2_SU_CLEAR, error);
}

bool hf_certificates_examine(HfEngineChild *engine, const HfSecret *permanent, bool withdraw,
                             HfSecret **ret_permanent, GError **error)
{
    const HfTransport tpm = hf_engine_child_transport(engine);
    g_auto(Examination) e = {
        .tpm = &tpm,
        .spkis = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref),
        .wrong = g_array_new(FALSE, FALSE, sizeof(guint32)),
    };
    if (!hf_engine_child_power_on(engine, permanent, error) ||
        !hf_tpm_startup(&tpm, TPM2_SU_CLEAR, error) ||
        !(e.indices = hf_tpm_get_handles(&tpm, 0x01000000u, error)) || !examine(&e, error)) {
        return false;
    }
    if (!withdraw) {
        return e.wrong->len == 0 ||
               hf_error_set(error, HF_ERROR_INVALID,
                            "%u of %u certificates are not for this TPM's keys: "
                            "--withdraw-certificates removes them",
                            e.wrong->len, e.seen);
    }
    if (e.wrong->len == 0) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "all %u certificates match their keys: there is nothing to withdraw",
                            e.seen);
    }
    return withdraw_all(&e, error) &&
           (*ret_permanent = hf_engine_child_finish(engine, error)) != NULL;
}
