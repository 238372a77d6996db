/*
 * issuer.c - checks before signing: what would not verify later is not issued now.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/issuer.h"

#include "base/error.h"

#define YEAR_1950 G_GINT64_CONSTANT(-631152000)

bool hf_issuer_check(const HfCertificate *issuer, const char *purpose, gint64 at, GError **error)
{
    g_autofree char *name = hf_certificate_subject_text(issuer);
    if (!issuer->is_ca || !(issuer->key_usage & HF_USAGE_CERTIFICATES)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the issuer \"%s\" is not a CA that may sign certificates", name);
    }
    if (*name == '\0' || !issuer->key_id) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the issuer's certificate has no subject or no key identifier");
    }
    if (issuer->purposes && !hf_certificate_has_purpose(issuer, purpose)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "the issuer \"%s\" may not issue certificates for the usage %s", name,
                            purpose);
    }
    if (at < issuer->not_before || at > issuer->not_after) {
        return hf_error_set(error, HF_ERROR_POLICY, "the certificate of the issuer \"%s\" %s", name,
                            at < issuer->not_before ? "is not valid yet" : "has expired");
    }
    return true;
}

bool hf_issuer_check_validity(gint64 not_before, gint64 not_after, GError **error)
{
    if (not_before < YEAR_1950 || not_after > HF_DER_TIME_NEVER || not_before >= not_after) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the validity must lie between 1950 and 9999 and end after its "
                            "beginning, found %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                            " seconds since 1970",
                            not_before, not_after);
    }
    return true;
}
