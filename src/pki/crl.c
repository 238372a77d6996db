/*
 * crl.c - revocation lists, read.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/crl.h"

#include "base/error.h"
#include "base/file.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/pem.h"
#include "pki/sealed.h"

#include <string.h>

#define EXTENSIONS_MAX 64
#define PEM_TYPE "X509 CRL"
#define NUMBER_SHORT 8

static const struct {
    HfCrlReason reason;
    const char *text;
} reasons[] = {
    { HF_CRL_UNSPECIFIED, "unspecified" },
    { HF_CRL_KEY_COMPROMISE, "keyCompromise" },
    { HF_CRL_CA_COMPROMISE, "cACompromise" },
    { HF_CRL_AFFILIATION_CHANGED, "affiliationChanged" },
    { HF_CRL_SUPERSEDED, "superseded" },
    { HF_CRL_CESSATION, "cessationOfOperation" },
    { HF_CRL_HOLD, "certificateHold" },
    { HF_CRL_REMOVE, "removeFromCRL" },
    { HF_CRL_PRIVILEGE_WITHDRAWN, "privilegeWithdrawn" },
    { HF_CRL_AA_COMPROMISE, "aACompromise" },
};

const char *hf_crl_reason_text(HfCrlReason reason)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (reasons[i].reason == reason) {
            return reasons[i].text;
        }
    }
    return "unknown";
}

bool hf_crl_reason_parse(const char *text, HfCrlReason *ret_reason)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (strcmp(reasons[i].text, text) == 0) {
            *ret_reason = reasons[i].reason;
            return true;
        }
    }
    return false;
}

HfCrl *hf_crl_ref(HfCrl *crl)
{
    return g_atomic_rc_box_acquire(crl);
}

static void clear(gpointer data)
{
    HfCrl *crl = data;
    GBytes **bytes[] = { &crl->der,    &crl->tbs,          &crl->signature,
                         &crl->issuer, &crl->authority_id, &crl->number };
    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++) {
        g_clear_pointer(bytes[i], g_bytes_unref);
    }
    g_clear_pointer(&crl->entries, g_array_unref);
    g_clear_pointer(&crl->unknown_critical, g_free);
}

void hf_crl_unref(HfCrl *crl)
{
    if (crl) {
        g_atomic_rc_box_release_full(crl, clear);
    }
}

/* Shortest form without a sign: the longer number is the greater one. */
static int compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    if (a_size > 0 && a[0] == 0) {
        a++;
        a_size--;
    }
    if (b_size > 0 && b[0] == 0) {
        b++;
        b_size--;
    }
    if (a_size != b_size) {
        return a_size < b_size ? -1 : 1;
    }
    return a_size > 0 ? memcmp(a, b, a_size) : 0;
}

static int compare_entries(gconstpointer a, gconstpointer b)
{
    const HfCrlEntry *x = a;
    const HfCrlEntry *y = b;
    return compare(x->serial, x->size, y->serial, y->size);
}

bool hf_crl_sort(GArray *entries)
{
    g_array_sort(entries, compare_entries);
    for (unsigned i = 1; i < entries->len; i++) {
        if (compare_entries(&g_array_index(entries, HfCrlEntry, i - 1),
                            &g_array_index(entries, HfCrlEntry, i)) == 0) {
            return false;
        }
    }
    return true;
}

const HfCrlEntry *hf_crl_find(const HfCrl *crl, GBytes *serial)
{
    HfCrlEntry wanted = { 0 };
    size_t n = 0;
    const uint8_t *data = g_bytes_get_data(serial, &n);
    if (n > sizeof wanted.serial || crl->entries->len == 0) {
        return NULL;
    }
    memcpy(wanted.serial, data, n);
    wanted.size = (uint8_t)n;
    return bsearch(&wanted, crl->entries->data, crl->entries->len, sizeof wanted, compare_entries);
}

int hf_crl_number_compare(GBytes *a, GBytes *b)
{
    return compare(g_bytes_get_data(a, NULL), g_bytes_get_size(a), g_bytes_get_data(b, NULL),
                   g_bytes_get_size(b));
}

char *hf_crl_number_text(GBytes *number)
{
    size_t n = 0;
    const uint8_t *data = g_bytes_get_data(number, &n);
    guint64 value = 0;
    if (n > 0 && data[0] == 0) {
        data++;
        n--;
    }
    if (n > NUMBER_SHORT) {
        g_autofree char *hex = hf_hex(data, n);
        return g_strconcat("0x", hex, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | data[i];
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

/* Notes an extension that is not known; those that make a list a part of one always. */
static void note_unknown(HfCrl *crl, const char *oid, bool critical)
{
    bool partial = strcmp(oid, HF_OID_CRL_DELTA) == 0 || strcmp(oid, HF_OID_CRL_SCOPE) == 0 ||
                   strcmp(oid, HF_OID_CRL_ENTRY_ISSUER) == 0;
    if ((critical || partial) && !crl->unknown_critical) {
        crl->unknown_critical = g_strdup(oid);
    }
}

static bool read_reason(HfCrlEntry *entry, HfReader value)
{
    HfReader content = hf_der_get(&value, HF_DER_ENUMERATED);
    uint8_t reason = hf_reader_u8(&content);
    entry->reason = (HfCrlReason)reason;
    return hf_reader_done(&content) && hf_reader_done(&value) &&
           strcmp(hf_crl_reason_text(entry->reason), "unknown") != 0;
}

static bool read_authority(HfCrl *crl, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    HfReader id = hf_der_get(&r, HF_DER_CONTEXT(0));
    if (id.failed || hf_reader_left(&id) == 0 || !hf_reader_done(&value)) {
        return false;
    }
    crl->authority_id = hf_der_bytes(id);
    while (!r.failed && hf_reader_left(&r) > 0) {
        (void)hf_der_whole(&r, 0); /* issuer and serial of the issuer: not needed */
    }
    return hf_reader_done(&r);
}

static bool read_number(HfCrl *crl, HfReader value)
{
    HfReader number = hf_der_number(&value, HF_DER_SERIAL_MAX);
    if (!hf_reader_done(&value)) {
        return false;
    }
    crl->number = hf_der_bytes(number);
    return true;
}

/* entry NULL: the extensions of the list itself. */
static bool read_extension(HfCrl *crl, HfCrlEntry *entry, const char *oid, bool critical,
                           HfReader value)
{
    if (entry && strcmp(oid, HF_OID_CRL_REASON) == 0) {
        return read_reason(entry, value);
    }
    if (!entry && strcmp(oid, HF_OID_AUTHORITY_KEY_ID) == 0) {
        return read_authority(crl, value);
    }
    if (!entry && strcmp(oid, HF_OID_CRL_NUMBER) == 0) {
        return read_number(crl, value);
    }
    note_unknown(crl, oid, critical);
    return true;
}

/* SEQUENCE OF Extension. Returns what is wrong, or NULL. */
static const char *read_extensions(HfCrl *crl, HfCrlEntry *entry, HfReader r)
{
    g_autoptr(GPtrArray) oids = g_ptr_array_new_with_free_func(g_free);
    while (!r.failed && hf_reader_left(&r) > 0) {
        char *oid = NULL;
        bool critical = false;
        HfReader value;
        if (!hf_der_extension(&r, &oid, &critical, &value)) {
            return "an extension is malformed";
        }
        for (unsigned i = 0; i < oids->len; i++) {
            if (strcmp(oids->pdata[i], oid) == 0) {
                g_free(oid);
                return "an extension is there twice";
            }
        }
        if (oids->len == EXTENSIONS_MAX) {
            g_free(oid);
            return "there are too many extensions";
        }
        g_ptr_array_add(oids, oid);
        if (!read_extension(crl, entry, oid, critical, value)) {
            return "the content of an extension is malformed";
        }
    }
    return hf_reader_done(&r) ? NULL : "the extensions are malformed";
}

static const char *read_entry(HfCrl *crl, HfReader *entries)
{
    HfReader r = hf_der_get(entries, HF_DER_SEQUENCE);
    HfReader serial = hf_der_number(&r, HF_DER_SERIAL_MAX);
    HfCrlEntry entry = { .when = hf_der_time(&r) };
    const char *wrong = NULL;
    if (r.failed) {
        return "an entry is malformed";
    }
    memcpy(entry.serial, serial.data, serial.size);
    entry.size = (uint8_t)serial.size;
    if (hf_reader_left(&r) > 0) {
        wrong = read_extensions(crl, &entry, hf_der_get(&r, HF_DER_SEQUENCE));
    }
    if (wrong || !hf_reader_done(&r)) {
        return wrong ? wrong : "an entry is malformed";
    }
    g_array_append_val(crl->entries, entry);
    return NULL;
}

static const char *read_entries(HfCrl *crl, HfReader *tbs)
{
    HfReader entries = { 0 };
    const char *wrong = NULL;
    if (hf_der_peek(tbs) == HF_DER_SEQUENCE) {
        entries = hf_der_get(tbs, HF_DER_SEQUENCE);
        if (hf_reader_left(&entries) == 0) {
            return "its entries are malformed";
        }
    }
    while (!wrong && hf_reader_left(&entries) > 0) {
        wrong = read_entry(crl, &entries);
    }
    return wrong || hf_crl_sort(crl->entries) ? wrong : "a serial number is on it twice";
}

static bool is_time(const HfReader *r)
{
    uint8_t tag = hf_der_peek(r);
    return tag == HF_DER_UTC_TIME || tag == HF_DER_TIME;
}

static const char *read_times(HfCrl *crl, HfReader *tbs)
{
    crl->this_update = hf_der_time(tbs);
    if (!tbs->failed && !is_time(tbs)) {
        return "it does not say when the next one comes";
    }
    crl->next_update = hf_der_time(tbs);
    return tbs->failed                            ? "its times are malformed"
           : crl->next_update <= crl->this_update ? "the next one would come before it"
                                                  : NULL;
}

static const char *read_own_extensions(HfCrl *crl, HfReader *tbs)
{
    HfReader tagged = hf_der_get(tbs, HF_DER_CONTEXT_OF(0));
    HfReader r = hf_der_get(&tagged, HF_DER_SEQUENCE);
    if (r.failed || !hf_reader_done(&tagged) || !hf_reader_done(tbs)) {
        return "it has no number and no key identifier, or something after them";
    }
    const char *wrong = read_extensions(crl, NULL, r);
    if (wrong) {
        return wrong;
    }
    return !crl->number         ? "it has no number"
           : !crl->authority_id ? "it has no key identifier of its issuer"
                                : NULL;
}

static const char *read_tbs(HfCrl *crl, const HfSealed *sealed)
{
    HfReader whole = sealed->part;
    HfReader tbs = hf_der_get(&whole, HF_DER_SEQUENCE);
    if (hf_der_peek(&tbs) != HF_DER_INTEGER || hf_der_uint(&tbs) != 1) {
        return "it is not of version 2";
    }
    if (!hf_sealed_same_algorithm(sealed, &tbs)) {
        return "the signature algorithms inside and outside of the signed part differ";
    }
    crl->algorithm_known = hf_sealed_algorithm(sealed->algorithm, &crl->algorithm);
    crl->issuer = hf_name_read(&tbs);
    if (!crl->issuer) {
        return "the issuer's name is malformed";
    }
    const char *wrong = read_times(crl, &tbs);
    wrong = wrong ? wrong : read_entries(crl, &tbs);
    return wrong ? wrong : read_own_extensions(crl, &tbs);
}

HfCrl *hf_crl_new(GBytes *der, const char *label, GError **error)
{
    g_autoptr(HfCrl) crl = g_atomic_rc_box_new0(HfCrl);
    HfSealed sealed;
    crl->der = g_bytes_ref(der);
    crl->entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    const char *wrong = hf_sealed_open(der, &sealed);
    if (!wrong) {
        crl->tbs = hf_der_bytes(sealed.part);
        crl->signature = hf_der_bytes(sealed.signature);
        wrong = read_tbs(crl, &sealed);
    }
    if (wrong) {
        hf_error_set(error, HF_ERROR_INVALID, "%s is not a valid revocation list: %s", label,
                     wrong);
        return NULL;
    }
    return g_steal_pointer(&crl);
}

GPtrArray *hf_crl_parse_bundle(GBytes *data, const char *label, GError **error)
{
    g_autoptr(GPtrArray) parts =
        hf_pem_bundle(data, PEM_TYPE, "revocation list", HF_CRL_BUNDLE_MAX, label, error);
    g_autoptr(GPtrArray) crls = g_ptr_array_new_with_free_func((GDestroyNotify)hf_crl_unref);
    for (unsigned i = 0; parts && i < parts->len; i++) {
        HfCrl *crl = hf_crl_new(parts->pdata[i], label, error);
        if (!crl) {
            return NULL;
        }
        g_ptr_array_add(crls, crl);
    }
    return parts ? g_steal_pointer(&crls) : NULL;
}

GPtrArray *hf_crl_load_bundle(const char *path, GError **error)
{
    g_autoptr(GBytes) data = hf_file_read_input(path, HF_CRL_FILE_MAX, error);
    return data ? hf_crl_parse_bundle(data, path, error) : NULL;
}

char *hf_crl_pem(const HfCrl *crl)
{
    return hf_pem_write(crl->der, PEM_TYPE);
}
