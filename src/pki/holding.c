/*
 * holding.c - our certificate extension, written and read. The ASN.1 is in oid.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/holding.h"

#include "base/error.h"
#include "pki/der.h"
#include "pki/name.h"

/* The second has a name of the device model. */
enum { VERSION = 1, VERSION_NAMED = 2 };
enum { MODEL_NAME = 3 };

static bool is_digest_size(size_t n)
{
    return n == 32 || n == 48 || n == 64;
}

bool hf_holding_write(const HfHolding *holding, GByteArray *w, GError **error)
{
    const struct {
        const char *name;
        GBytes *digest;
    } digests[] = {
        { "digest of the host TPM's EK", holding->host_ek },
        { "measurement of the device model", holding->device_model },
        { "digest of the TCB policy", holding->tcb_policy },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(digests); i++) {
        size_t n = digests[i].digest ? g_bytes_get_size(digests[i].digest) : 32;
        if (!is_digest_size(n)) {
            return hf_error_set(error, HF_ERROR_INVALID,
                                "the %s must have 32, 48 or 64 bytes, found %zu", digests[i].name,
                                n);
        }
    }
    if (!hf_name_check_text(holding->migration_policy, "name of the migration policy", error) ||
        (holding->model_name &&
         !hf_name_check_text(holding->model_name, "name of the device model", error))) {
        return false;
    }
    size_t sequence = hf_der_begin(w, HF_DER_SEQUENCE);
    hf_der_put_uint(w, holding->model_name ? VERSION_NAMED : VERSION);
    for (size_t i = 0; i < G_N_ELEMENTS(digests); i++) {
        if (digests[i].digest) {
            size_t n = 0;
            const void *data = g_bytes_get_data(digests[i].digest, &n);
            hf_der_put(w, (uint8_t)HF_DER_CONTEXT(i), data, n);
        }
    }
    hf_der_put_text(w, HF_DER_UTF8, holding->migration_policy);
    hf_der_put_bool(w, holding->reproducible);
    if (holding->model_name) {
        hf_der_put_tagged_text(w, MODEL_NAME, holding->model_name);
    }
    hf_der_end(w, sequence);
    return true;
}

/* An optional digest with tag [n]; a wrong size fails the reader. */
static GBytes *read_digest(HfReader *r, unsigned n)
{
    if (hf_der_peek(r) != HF_DER_CONTEXT(n)) {
        return NULL;
    }
    HfReader content = hf_der_get(r, (uint8_t)HF_DER_CONTEXT(n));
    if (content.failed || !is_digest_size(hf_reader_left(&content))) {
        r->failed = true;
        return NULL;
    }
    return hf_der_bytes(content);
}

HfHolding *hf_holding_read(HfReader value)
{
    g_autoptr(HfHolding) holding = g_new0(HfHolding, 1);
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    uint64_t version = hf_der_uint(&r);
    holding->host_ek = read_digest(&r, 0);
    holding->device_model = read_digest(&r, 1);
    holding->tcb_policy = read_digest(&r, 2);
    if (hf_der_peek(&r) != HF_DER_UTF8) {
        return NULL;
    }
    holding->migration_policy = hf_der_text(&r);
    holding->reproducible = hf_der_bool(&r);
    if (version == VERSION_NAMED) {
        holding->model_name = hf_der_tagged_text(&r, MODEL_NAME);
    }
    if (!hf_reader_done(&value) || !hf_reader_done(&r) ||
        (version != VERSION && version != VERSION_NAMED) ||
        !hf_name_check_text(holding->migration_policy, "", NULL) ||
        (version == VERSION_NAMED && !hf_name_check_text(holding->model_name, "", NULL))) {
        return NULL;
    }
    return g_steal_pointer(&holding);
}

void hf_holding_free(HfHolding *holding)
{
    if (!holding) {
        return;
    }
    g_clear_pointer(&holding->host_ek, g_bytes_unref);
    g_clear_pointer(&holding->device_model, g_bytes_unref);
    g_clear_pointer(&holding->tcb_policy, g_bytes_unref);
    /* hf_holding_read made the texts; the fields are const for those who write literals into it. */
    g_free((char *)(uintptr_t)holding->migration_policy);
    g_free((char *)(uintptr_t)holding->model_name);
    g_free(holding);
}
