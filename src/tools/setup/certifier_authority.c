/*
 * certifier_authority.c - the authority of this host: fills in the certificate fields and has them
 * signed.
 *
 * Puts together what the authority knows (host TPM, policy, platform), what the TPM says about
 * itself and the measurement of the emulator. The signing key may live in the host TPM; it is used
 * in this process only, never in the engine's.
 * The subject of the EK certificate stays empty and its model says that the TPM is a virtual one
 * and on which host TPM it rests; the VM's name goes into the certificates of the
 * platform and of identity keys only.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certifier.h"

#include <string.h>

#include "base/error.h"
#include "pki/delegation.h"
#include "pki/endorsement.h"
#include "tools/common/authority_dir.h"
#include "tools/setup/measurement.h"
#include "tools/setup/signing_desk.h"

#define MODEL "holdfast vTPM"
#define NAME_MAX_CHARACTERS 64

typedef struct {
    HfCertifier base;
    HfAuthorityDir *authority;
    HfSigner *signer;                 /* borrowed from the authority, or `desk` */
    HfSigner *desk;                   /* in a batch; or NULL */
    const HfCertificate *certificate; /* borrowed from the authority */
    HfHolding holding; /* its strings and digests are borrowed, but for device_model */
    char *model;
    char *vmid;
    unsigned use;
    char *description;
} Authority;

static void authority_free(HfCertifier *base)
{
    Authority *certifier = (Authority *)base;
    g_clear_pointer(&certifier->holding.device_model, g_bytes_unref);
    g_clear_pointer(&certifier->authority, hf_authority_free);
    hf_signer_free(certifier->desk);
    g_free(certifier->model);
    g_free(certifier->vmid);
    g_free(certifier->description);
    g_free(certifier);
}

/* "holdfast vTPM on NAME OF THE HOST TPM", cut to what a certificate takes. */
static char *model_name(const char *host_tpm)
{
    if (!host_tpm) {
        return g_strdup(MODEL);
    }
    g_autofree char *full = g_strdup_printf(MODEL " on %s", host_tpm);
    return g_utf8_substring(full, 0, MIN(g_utf8_strlen(full, -1), NAME_MAX_CHARACTERS));
}

static void take_facts(Authority *certifier, const HfSetupPlan *plan, const HfKeyWish *wish)
{
    const HfAuthorityFacts *facts = hf_authority_facts(certifier->authority);
    certifier->holding.host_ek = facts->host_ek_digest;
    certifier->holding.tcb_policy =
        certifier->desk ? hf_desk_signer_tcb(certifier->desk) : facts->tcb_digest;
    certifier->holding.migration_policy = facts->migration_policy;
    certifier->holding.model_name = wish->device_model;
    certifier->holding.reproducible = plan->reproducible_from != NULL;
    certifier->model = model_name(facts->host_tpm);
    certifier->description = g_strdup_printf(
        "%s (%s%s%s), key %s, migration policy %s", plan->authority, hf_rooted_text(facts->rooted),
        facts->host_tpm ? ", " : "", facts->host_tpm ? facts->host_tpm : "", facts->key,
        facts->migration_policy);
}

/* --- certificates ---------------------------------------------------------------------------- */

/* By HfCertKind. */
static HfCertificate *(*const issuers[])(const HfEndorsement *in, HfSigner *signer,
                                         const HfCertificate *issuer, GError **error) = {
    [HF_CERT_EK] = hf_endorsement_ek,
    [HF_CERT_PLATFORM] = hf_endorsement_platform,
    [HF_CERT_IAK] = hf_endorsement_iak,
    [HF_CERT_IDEVID] = hf_endorsement_idevid,
};

static GBytes *authority_issue(HfCertifier *base, const HfCertRequest *request, GError **error)
{
    Authority *certifier = (Authority *)base;
    g_autoptr(GBytes) spki = hf_public_key_spki(request->key);
    const HfAuthorityFacts *facts = hf_authority_facts(certifier->authority);
    const HfTpmIdentity *tpm = request->tpm;
    const HfEndorsement in = {
        .spki = spki,
        .use = certifier->use,
        .tpm_manufacturer = tpm->manufacturer,
        .tpm_model = certifier->model,
        .tpm_version = tpm->version,
        .spec_family = tpm->family,
        .spec_level = tpm->level,
        .spec_revision = tpm->revision,
        .platform_manufacturer = facts->platform_manufacturer,
        .platform_model = facts->platform_model,
        .platform_version = facts->platform_version,
        .vmid = certifier->vmid,
        .ak_endorsement = request->ek,
        .tpm_serial = request->tpm_serial,
        .holding = &certifier->holding,
        .ca_issuers_url = facts->aia_url,
        .not_before = g_get_real_time() / G_USEC_PER_SEC,
        .not_after = -1,
    };
    g_autoptr(HfCertificate) certificate =
        issuers[request->kind](&in, certifier->signer, certifier->certificate, error);
    return certificate ? g_bytes_ref(certificate->der) : NULL;
}

static GBytes *host_chain(Authority *certifier, GError **error)
{
    return certifier->desk ? hf_desk_signer_host_chain(certifier->desk, error)
                           : hf_authority_host_chain(certifier->authority, error);
}

static GBytes *authority_chain(HfCertifier *base, GError **error)
{
    Authority *certifier = (Authority *)base;
    GPtrArray *chain = hf_authority_chain(certifier->authority, error);
    bool nested = hf_authority_facts(certifier->authority)->rooted == HF_ROOTED_NESTED;
    g_autoptr(GBytes) host = chain && nested ? host_chain(certifier, error) : NULL;
    if (!chain || (nested && !host)) {
        return NULL;
    }
    GByteArray *all = g_byte_array_new();
    for (unsigned i = 0; i < chain->len; i++) {
        GBytes *der = g_ptr_array_index(chain, i);
        g_autoptr(HfCertificate) one = hf_certificate_new(der, "authority's chain", error);
        if (!one) {
            g_byte_array_unref(all);
            return NULL;
        }
        if (i == 0 || !g_bytes_equal(one->subject, one->issuer)) {
            hf_put_gbytes(all, der);
        }
    }
    if (host) {
        hf_put_gbytes(all, host);
    }
    return g_byte_array_free_to_bytes(all);
}

/* Said before a TPM is made: an authority that was delegated to for endorsement keys alone. */
static bool check_right(const Authority *certifier, const HfSetupPlan *plan, GError **error)
{
    if (hf_delegation_has_identity_keys(certifier->certificate)) {
        return true;
    }
    for (unsigned i = 0; plan->ek_certificates && i < plan->key_count; i++) {
        if (plan->keys[i]->kind != HF_CERT_EK) {
            return hf_error_set(error, HF_ERROR_POLICY,
                                "%s: its certificate does not allow it to certify an %s "
                                "(holdfast-ca delegate --identity-keys); --no-iak leaves such keys "
                                "out",
                                plan->authority, hf_cert_kind_title(plan->keys[i]->kind));
        }
    }
    return true;
}

/* In a batch the key is in a process of its own. */
static HfSigner *find_signer(Authority *certifier, const HfSetupPlan *plan, const HfKeyWish *wish,
                             GError **error)
{
    if (plan->desk < 0) {
        return hf_authority_signer(certifier->authority, error);
    }
    const HfDeskKey key = { plan->desk, plan->authority, plan->tcti, *wish };
    return certifier->desk = hf_desk_signer_new(&key, error);
}

/* --- the authority --------------------------------------------------------------------------- */

static const HfCertifierClass authority_class = { authority_issue, authority_chain,
                                                  authority_free };

HfCertifier *hf_certifier_authority_open(const HfSetupPlan *plan, GError **error)
{
    Authority *certifier = g_new0(Authority, 1);
    g_autoptr(HfCertifier) base = &certifier->base;
    certifier->base.class = &authority_class;
    const HfKeyWish wish = {
        .migration_policy = plan->migration_policy,
        .device_model = plan->tpm12 ? HF_MODEL_TPM12 : HF_MODEL_TPM20,
    };
    certifier->authority = hf_authority_open(plan->authority, plan->tcti, &wish, error);
    if (!certifier->authority) {
        return NULL;
    }
    if (!(certifier->certificate = hf_authority_certificate(certifier->authority, error)) ||
        !check_right(certifier, plan, error) ||
        !(certifier->holding.device_model = hf_measurement_take(error)) ||
        !(certifier->signer = find_signer(certifier, plan, &wish, error))) {
        return NULL;
    }
    take_facts(certifier, plan, &wish);
    certifier->vmid = g_strdup(plan->vmid);
    certifier->use = (plan->allow_signing ? HF_ENDORSEMENT_SIGN : 0u) |
                     (plan->decryption ? HF_ENDORSEMENT_DECRYPT : 0u);
    base->description = certifier->description;
    return g_steal_pointer(&base);
}
