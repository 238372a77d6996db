/*
 * crl_set.c - is a certificate revoked, and may the list that says so be believed?
 *
 * In this order: whose list, its signature, what it is, its date, its number, its entries. So
 * nothing a list says is believed before its signature was checked.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/crl_set.h"

#include "base/error.h"
#include "pki/name.h"
#include "pki/spki.h"

struct HfCrlSet {
    GPtrArray *crls;   /* HfCrl */
    GHashTable *known; /* GBytes key identifier -> GBytes number */
};

HfCrlSet *hf_crl_set_new(void)
{
    HfCrlSet *set = g_new0(HfCrlSet, 1);
    set->crls = g_ptr_array_new_with_free_func((GDestroyNotify)hf_crl_unref);
    set->known = g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref,
                                       (GDestroyNotify)g_bytes_unref);
    return set;
}

void hf_crl_set_free(HfCrlSet *set)
{
    if (set) {
        g_ptr_array_unref(set->crls);
        g_hash_table_unref(set->known);
        g_free(set);
    }
}

void hf_crl_set_add(HfCrlSet *set, HfCrl *crl)
{
    g_ptr_array_add(set->crls, hf_crl_ref(crl));
}

bool hf_crl_set_load(HfCrlSet *set, const char *path, GError **error)
{
    g_autoptr(GPtrArray) some = hf_crl_load_bundle(path, error);
    for (unsigned i = 0; some && i < some->len; i++) {
        hf_crl_set_add(set, some->pdata[i]);
    }
    return some != NULL;
}

void hf_crl_set_know(HfCrlSet *set, GBytes *key_id, GBytes *number)
{
    GBytes *before = g_hash_table_lookup(set->known, key_id);
    if (!before || hf_crl_number_compare(before, number) < 0) {
        g_hash_table_insert(set->known, g_bytes_ref(key_id), g_bytes_ref(number));
    }
}

void hf_crl_set_known(const HfCrlSet *set, void (*each)(GBytes *key_id, GBytes *number, void *user),
                      void *user)
{
    GHashTableIter iter;
    gpointer key_id, number;
    g_hash_table_iter_init(&iter, set->known);
    while (g_hash_table_iter_next(&iter, &key_id, &number)) {
        each(key_id, number, user);
    }
}

char *hf_crl_time_text(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("?");
}

/* Is it the issuer's, to the signature? */
static bool check_genuine(const HfCrl *crl, const HfCertificate *issuer, const char *issuer_name,
                          const char *issuer_text, GError **error)
{
    g_autofree char *label = g_strdup_printf("revocation list of \"%s\"", issuer_text);
    if (!issuer->key_id || !g_bytes_equal(crl->authority_id, issuer->key_id)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s: it is by another key of that name than the %s's", label,
                            issuer_name);
    }
    if (!crl->algorithm_known) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: signed with an algorithm that is not accepted (RSA or ECDSA with "
                            "SHA-256 or SHA-384 is)",
                            label);
    }
    if (!hf_spki_verify(issuer->spki, crl->algorithm, crl->tbs, crl->signature, label, error)) {
        return false;
    }
    if (!(issuer->key_usage & HF_USAGE_CRL)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "%s: the key usage of the %s does not allow to sign one", label,
                            issuer_name);
    }
    if (crl->unknown_critical) {
        return hf_error_set(error, HF_ERROR_UNSUPPORTED,
                            "%s: a complete list is expected, found one with the extension %s",
                            label, crl->unknown_critical);
    }
    return true;
}

/* The newest of the issuer's; all of its lists must be genuine. */
static const HfCrl *newest(const HfCrlSet *set, const HfCertificate *issuer,
                           const char *issuer_name, const char *issuer_text, GError **error)
{
    const HfCrl *found = NULL;
    g_autoptr(GString) others = g_string_new(NULL);
    for (unsigned i = 0; i < set->crls->len; i++) {
        const HfCrl *crl = set->crls->pdata[i];
        if (!g_bytes_equal(crl->issuer, issuer->subject)) {
            g_autofree char *other = hf_name_text(crl->issuer);
            g_string_append_printf(others, "%s\"%s\"", others->len ? ", " : "", other);
            continue;
        }
        if (!check_genuine(crl, issuer, issuer_name, issuer_text, error)) {
            return NULL;
        }
        if (!found || hf_crl_number_compare(found->number, crl->number) < 0) {
            found = crl;
        }
    }
    if (!found) {
        hf_error_set(error, HF_ERROR_POLICY,
                     "a revocation list of \"%s\" (the %s) is required, found %s", issuer_text,
                     issuer_name, others->len ? others->str : "none");
    }
    return found;
}

static bool check_date(const HfCrl *crl, const char *issuer_text, gint64 at, GError **error)
{
    g_autofree char *number = hf_crl_number_text(crl->number);
    g_autofree char *from = hf_crl_time_text(crl->this_update);
    g_autofree char *to = hf_crl_time_text(crl->next_update);
    if (at < crl->this_update) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "revocation list %s of \"%s\" is not valid yet: it was issued at %s",
                            number, issuer_text, from);
    }
    if (at > crl->next_update) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "revocation list %s of \"%s\" is out of date: the next one was due at "
                            "%s",
                            number, issuer_text, to);
    }
    return true;
}

static bool check_number(const HfCrlSet *set, const HfCrl *crl, const char *issuer_text,
                         GError **error)
{
    GBytes *known = g_hash_table_lookup(set->known, crl->authority_id);
    if (known && hf_crl_number_compare(crl->number, known) < 0) {
        g_autofree char *number = hf_crl_number_text(crl->number);
        g_autofree char *expected = hf_crl_number_text(known);
        return hf_error_set(error, HF_ERROR_POLICY,
                            "revocation list %s of \"%s\" is an old one: number %s was seen before",
                            number, issuer_text, expected);
    }
    return true;
}

static HfCrlAnswer ask_entry(const HfCrl *crl, const HfCertificate *certificate, const char *name,
                             GError **error)
{
    const HfCrlEntry *entry = hf_crl_find(crl, certificate->serial);
    if (!entry || entry->reason == HF_CRL_REMOVE) {
        return HF_CRL_ANSWER_GOOD;
    }
    bool held = entry->reason == HF_CRL_HOLD;
    g_autofree char *when = hf_crl_time_text(entry->when);
    g_autofree char *number = hf_crl_number_text(crl->number);
    hf_error_set(error, HF_ERROR_POLICY, "the %s %s %s: %s (revocation list %s)", name,
                 held ? "is on hold since" : "was revoked at", when,
                 hf_crl_reason_text(entry->reason), number);
    return held ? HF_CRL_ANSWER_HELD : HF_CRL_ANSWER_REVOKED;
}

HfCrlAnswer hf_crl_set_ask(HfCrlSet *set, const HfCertificate *certificate, const char *name,
                           const HfCertificate *issuer, const char *issuer_name, gint64 at,
                           const HfCrl **ret_crl, GError **error)
{
    g_autofree char *issuer_text = hf_certificate_subject_text(issuer);
    const HfCrl *crl = newest(set, issuer, issuer_name, issuer_text, error);
    if (!crl || !check_date(crl, issuer_text, at, error) ||
        !check_number(set, crl, issuer_text, error)) {
        return HF_CRL_ANSWER_UNKNOWN;
    }
    hf_crl_set_know(set, crl->authority_id, crl->number);
    HfCrlAnswer answer = ask_entry(crl, certificate, name, error);
    if (answer == HF_CRL_ANSWER_GOOD && ret_crl) {
        *ret_crl = crl;
    }
    return answer;
}

bool hf_crl_set_check(HfCrlSet *set, const HfCertificate *certificate, const char *name,
                      const HfCertificate *issuer, const char *issuer_name, gint64 at,
                      const HfCrl **ret_crl, GError **error)
{
    return hf_crl_set_ask(set, certificate, name, issuer, issuer_name, at, ret_crl, error) ==
           HF_CRL_ANSWER_GOOD;
}
