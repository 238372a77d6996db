/*
 * certifier.c - which kind of certifier, and what holds for any.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/setup/certifier.h"

#include "base/error.h"

HfCertifier *hf_certifier_open(const HfSetupPlan *plan, const HfEngineFacts *facts, GError **error)
{
    return plan->authority ? hf_certifier_authority_open(plan, error)
                           : hf_certifier_tool_open(plan, facts, error);
}

void hf_certifier_free(HfCertifier *certifier)
{
    if (certifier) {
        certifier->class->free(certifier);
    }
}

const char *hf_cert_kind_title(HfCertKind kind)
{
    static const char *const titles[] = { "EK", "platform", "IAK", "IDevID" };
    return titles[kind];
}

bool hf_certifies(const HfOutline *certificate, GBytes *spki)
{
    size_t size;
    const void *data = g_bytes_get_data(certificate->spki, &size);
    if (g_bytes_equal(certificate->spki, spki)) {
        return true; /* as ours are written; to read it once more takes a multiplication of a point */
    }
    g_autoptr(HfPublicKey) key = hf_public_key_from_spki(data, size, NULL);
    g_autoptr(GBytes) found = key ? hf_public_key_spki(key) : NULL;
    return found && g_bytes_equal(found, spki);
}

HfOutline *hf_certifier_issue(HfCertifier *certifier, const HfCertRequest *request, GError **error)
{
    const char *title = hf_cert_kind_title(request->kind);
    g_autoptr(GBytes) der = certifier->class->issue(certifier, request, error);
    HfOutline *(*parse)(GBytes *, const char *, GError **) =
        request->kind == HF_CERT_PLATFORM ? hf_outline_new_platform : hf_outline_new;
    g_autoptr(HfOutline) outline = der ? parse(der, certifier->description, error) : NULL;
    g_autoptr(GBytes) spki = hf_public_key_spki(request->key);
    if (outline && outline->spki && !hf_certifies(outline, spki)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s certified another key than the TPM's",
                     certifier->description);
        g_clear_pointer(&outline, hf_outline_free);
    }
    if (!outline) {
        g_prefix_error(error, "%s certificate: ", title);
        return NULL;
    }
    return g_steal_pointer(&outline);
}
