/*
 * mandate.c - what a vMA may issue for, written, read and held against what it did issue.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/mandate.h"

#include <string.h>

#include "base/error.h"
#include "pki/der.h"
#include "pki/name.h"

/* The second has a name of the device model; the third is nested and may have one. */
enum { VERSION = 1, VERSION_NAMED = 2, VERSION_NESTED = 3 };
enum { HOST_EK, EMULATORS, GENERATION, MODEL_NAME, NESTED };

void hf_mandate_free(HfMandate *mandate)
{
    if (!mandate) {
        return;
    }
    g_free(mandate->environment);
    g_free(mandate->migration_policy);
    g_free(mandate->model_name);
    g_clear_pointer(&mandate->host_ek, g_bytes_unref);
    g_clear_pointer(&mandate->emulators, g_ptr_array_unref);
    g_free(mandate);
}

static bool is_digest(GBytes *bytes)
{
    size_t n = g_bytes_get_size(bytes);

    return n == 32 || n == 48 || n == 64;
}

static bool check_emulators(const GPtrArray *emulators, GError **error)
{
    if (emulators->len == 0 || emulators->len > HF_MANDATE_EMULATORS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "emulators: 1 to %d expected, found %u",
                            HF_MANDATE_EMULATORS_MAX, emulators->len);
    }
    for (unsigned i = 0; i < emulators->len; i++) {
        if (!is_digest(g_ptr_array_index(emulators, i))) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "the measurement of an emulator must have 32, 48 or 64 bytes");
        }
    }
    return true;
}

static bool check(const HfMandate *mandate, GError **error)
{
    if (!hf_name_check_text(mandate->environment, "name of the environment", error) ||
        !hf_name_check_text(mandate->migration_policy, "name of the migration policy", error) ||
        (mandate->model_name &&
         !hf_name_check_text(mandate->model_name, "name of the device model", error))) {
        return false;
    }
    if (mandate->generation > G_MAXINT64) {
        return hf_error_set(error, HF_ERROR_INVALID, "the generation must be below 2^63");
    }
    if (mandate->nested > HF_NESTED_MAX || (mandate->nested == 0 && mandate->on_software)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "levels of nesting: at most %d expected, found %u", HF_NESTED_MAX,
                            mandate->nested);
    }
    if (mandate->host_ek && !is_digest(mandate->host_ek)) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "the digest of the host TPM's EK must have 32, 48 or 64 bytes");
    }
    return !mandate->emulators || check_emulators(mandate->emulators, error);
}

static void put_bytes(GByteArray *w, uint8_t tag, GBytes *bytes)
{
    hf_der_put(w, tag, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static unsigned version_of(const HfMandate *mandate)
{
    if (mandate->nested > 0) {
        return VERSION_NESTED;
    }
    return mandate->model_name ? VERSION_NAMED : VERSION;
}

static void put_nested(const HfMandate *mandate, GByteArray *w)
{
    size_t tag = hf_der_begin(w, HF_DER_CONTEXT_OF(NESTED));
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);

    hf_der_put_uint(w, mandate->nested);
    hf_der_put_bool(w, mandate->on_software);
    hf_der_end(w, sequence);
    hf_der_end(w, tag);
}

bool hf_mandate_write(const HfMandate *mandate, GByteArray *w, GError **error)
{
    size_t sequence;

    if (!check(mandate, error)) {
        return false;
    }
    sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_uint(w, version_of(mandate));
    hf_der_put_text(w, HF_DER_UTF8, mandate->environment);
    hf_der_put_text(w, HF_DER_UTF8, mandate->migration_policy);
    if (mandate->host_ek) {
        put_bytes(w, HF_DER_CONTEXT(HOST_EK), mandate->host_ek);
    }
    if (mandate->emulators) {
        size_t list = hf_der_begin(w, HF_DER_CONTEXT_OF(EMULATORS));

        for (unsigned i = 0; i < mandate->emulators->len; i++) {
            put_bytes(w, HF_DER_OCTETS, g_ptr_array_index(mandate->emulators, i));
        }
        hf_der_end(w, list);
    }
    if (mandate->generation > 0) {
        size_t number = hf_der_begin(w, HF_DER_CONTEXT_OF(GENERATION));

        hf_der_put_uint(w, mandate->generation);
        hf_der_end(w, number);
    }
    if (mandate->model_name) {
        hf_der_put_tagged_text(w, MODEL_NAME, mandate->model_name);
    }
    if (mandate->nested > 0) {
        put_nested(mandate, w);
    }
    hf_der_end(w, sequence);
    return true;
}

static void read_emulators(HfReader *r, HfMandate *mandate)
{
    HfReader list;

    if (hf_der_peek(r) != HF_DER_CONTEXT_OF(EMULATORS)) {
        return;
    }
    list = hf_der_get(r, HF_DER_CONTEXT_OF(EMULATORS));
    mandate->emulators = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    while (!list.failed && hf_reader_left(&list) > 0) {
        g_ptr_array_add(mandate->emulators, hf_der_bytes(hf_der_get(&list, HF_DER_OCTETS)));
    }
    r->failed = r->failed || list.failed;
}

static void read_generation(HfReader *r, HfMandate *mandate)
{
    HfReader number;

    if (hf_der_peek(r) != HF_DER_CONTEXT_OF(GENERATION)) {
        return;
    }
    number = hf_der_get(r, HF_DER_CONTEXT_OF(GENERATION));
    mandate->generation = hf_der_uint(&number);
    r->failed = r->failed || mandate->generation == 0 || !hf_reader_done(&number);
}

static void read_nested(HfReader *r, HfMandate *mandate)
{
    HfReader tag = hf_der_get(r, HF_DER_CONTEXT_OF(NESTED));
    HfReader sequence = hf_der_get(&tag, HF_DER_SEQUENCE);
    uint64_t levels = hf_der_uint(&sequence);

    mandate->on_software = hf_der_bool(&sequence);
    mandate->nested = levels > HF_NESTED_MAX ? 0 : (unsigned)levels;
    r->failed =
        r->failed || mandate->nested == 0 || !hf_reader_done(&tag) || !hf_reader_done(&sequence);
}

HfMandate *hf_mandate_read(HfReader value)
{
    g_autoptr(HfMandate) mandate = g_new0(HfMandate, 1);
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    uint64_t version = hf_der_uint(&r);

    if (hf_der_peek(&r) == HF_DER_UTF8) {
        mandate->environment = hf_der_text(&r);
    }
    if (hf_der_peek(&r) == HF_DER_UTF8) {
        mandate->migration_policy = hf_der_text(&r);
    }
    if (hf_der_peek(&r) == HF_DER_CONTEXT(HOST_EK)) {
        mandate->host_ek = hf_der_bytes(hf_der_get(&r, HF_DER_CONTEXT(HOST_EK)));
    }
    read_emulators(&r, mandate);
    read_generation(&r, mandate);
    if (version == VERSION_NAMED ||
        (version == VERSION_NESTED && hf_der_peek(&r) == HF_DER_CONTEXT_OF(MODEL_NAME))) {
        mandate->model_name = hf_der_tagged_text(&r, MODEL_NAME);
    }
    if (version == VERSION_NESTED) {
        read_nested(&r, mandate);
    }
    if (!hf_reader_done(&value) || !hf_reader_done(&r) || version < VERSION ||
        version > VERSION_NESTED || !mandate->environment || !mandate->migration_policy ||
        !check(mandate, NULL)) {
        return NULL;
    }
    return g_steal_pointer(&mandate);
}

static bool listed(const GPtrArray *emulators, GBytes *found)
{
    for (unsigned i = 0; i < emulators->len; i++) {
        if (g_bytes_equal(g_ptr_array_index(emulators, i), found)) {
            return true;
        }
    }
    return false;
}

bool hf_mandate_allows(const HfMandate *mandate, const HfHolding *holding, GError **error)
{
    if (strcmp(mandate->migration_policy, holding->migration_policy) != 0) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "migration policy \"%s\", but the vMA was delegated to for \"%s\"",
                            holding->migration_policy, mandate->migration_policy);
    }
    if (mandate->model_name && g_strcmp0(mandate->model_name, holding->model_name) != 0) {
        return hf_error_set(
            error, HF_ERROR_POLICY, "device model \"%s\", but the vMA was delegated to for \"%s\"",
            holding->model_name ? holding->model_name : "(not said)", mandate->model_name);
    }
    if (mandate->host_ek && holding->host_ek &&
        !g_bytes_equal(mandate->host_ek, holding->host_ek)) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "another host TPM than the one whose vMA was delegated to");
    }
    if (mandate->emulators &&
        (!holding->device_model || !listed(mandate->emulators, holding->device_model))) {
        return hf_error_set(error, HF_ERROR_POLICY,
                            "%s, and the vMA was delegated to for approved emulators alone",
                            holding->device_model ? "an emulator that is not approved"
                                                  : "no measurement of the emulator");
    }
    return true;
}
