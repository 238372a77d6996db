/*
 * verdict_json.c - a verdict for programs: one JSON object.
 *
 * What was proved is there only when everything was, and "verified" is true only when the machine is
 * also as the reference says.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "tools/attest/verdict.h"

static void add_string(JsonBuilder *b, const char *name, const char *value)
{
    json_builder_set_member_name(b, name);
    if (value) {
        g_autofree char *valid = g_utf8_make_valid(value, -1);

        json_builder_add_string_value(b, valid);
    } else {
        json_builder_add_null_value(b);
    }
}

static void add_hex(JsonBuilder *b, const char *name, const void *data, size_t n)
{
    g_autofree char *hex = hf_hex(data, n);

    add_string(b, name, hex);
}

static void add_digest(JsonBuilder *b, const char *name, GBytes *digest)
{
    if (digest) {
        add_hex(b, name, g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));
    } else {
        add_string(b, name, NULL);
    }
}

static void add_certificate(JsonBuilder *b, const char *name, const HfCertificate *certificate)
{
    g_autofree char *subject = hf_certificate_subject_text(certificate);
    g_autofree char *fingerprint = hf_certificate_fingerprint(certificate);
    g_autofree char *key = hf_verdict_key_text(certificate->spki);

    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
    add_string(b, "subject", subject);
    add_string(b, "sha256", fingerprint);
    add_string(b, "key", key);
    json_builder_end_object(b);
}

static void add_revocation(JsonBuilder *b, const char *name, const HfCrl *crl)
{
    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "checked");
    json_builder_add_boolean_value(b, crl != NULL);
    if (crl) {
        g_autofree char *number = hf_crl_number_text(crl->number);
        g_autofree char *from = hf_crl_time_text(crl->this_update);
        g_autofree char *to = hf_crl_time_text(crl->next_update);

        add_string(b, "list-number", number);
        add_string(b, "this-update", from);
        add_string(b, "next-update", to);
    }
    json_builder_end_object(b);
}

static void add_flag(JsonBuilder *b, const char *name, bool value)
{
    json_builder_set_member_name(b, name);
    json_builder_add_boolean_value(b, value);
}

/* What a certificate says of the TPM. */
static void add_tpm(JsonBuilder *b, const HfCertificate *certificate)
{
    const HfHolding *holding = certificate->holding;

    json_builder_set_member_name(b, "tpm");
    json_builder_begin_object(b);
    add_string(b, "manufacturer", certificate->tpm_manufacturer);
    add_string(b, "model", certificate->tpm_model);
    add_string(b, "version", certificate->tpm_version);
    if (certificate->tpm_serial) {
        add_string(b, "serial-number", certificate->tpm_serial);
    }
    if (holding) {
        add_digest(b, "host-ek", holding->host_ek);
        add_digest(b, "device-model", holding->device_model);
        add_string(b, "device-model-name", holding->model_name);
        add_digest(b, "tcb-policy", holding->tcb_policy);
        add_string(b, "migration-policy", holding->migration_policy);
        add_flag(b, "reproducible", holding->reproducible);
    }
    json_builder_end_object(b);
}

/* The virtual TPMs that it stands on, the nearest first; none when it is not nested. */
static void add_hosts(JsonBuilder *b, const HfChainProof *proof)
{
    json_builder_set_member_name(b, "hosts");
    json_builder_begin_array(b);
    for (unsigned i = 0; i < proof->nested; i++) {
        const HfChainHost *host = &proof->hosts[i];

        json_builder_begin_object(b);
        add_string(b, "rooted", hf_rooted_text(host->rooted));
        add_certificate(b, "root", host->root);
        add_certificate(b, "authority", host->vma);
        add_revocation(b, "revocation", host->crl);
        add_certificate(b, "endorsement-key", host->leaf);
        add_tpm(b, host->leaf);
        json_builder_end_object(b);
    }
    json_builder_end_array(b);
}

static void add_quote(JsonBuilder *b, const HfVerdict *v)
{
    g_autofree char *selection = hf_pcr_selection_text(&v->attest.selection);

    json_builder_set_member_name(b, "quote");
    json_builder_begin_object(b);
    add_string(b, "selection", selection);
    add_hex(b, "nonce", v->attest.extra, v->attest.extra_size);
    add_hex(b, "pcr-digest", v->attest.pcr_digest, v->attest.pcr_digest_size);
    json_builder_set_member_name(b, "reset-count");
    json_builder_add_int_value(b, v->attest.reset_count);
    json_builder_set_member_name(b, "restart-count");
    json_builder_add_int_value(b, v->attest.restart_count);
    add_flag(b, "pcr-values-compared", v->values != NULL);
    json_builder_end_object(b);
}

static void add_values(JsonBuilder *b, const HfVerdict *v)
{
    json_builder_set_member_name(b, "pcrs");
    json_builder_begin_object(b);
    for (uint32_t i = 0; i < v->selection.count; i++) {
        const HfPcrBank *bank = &v->selection.banks[i];

        for (unsigned pcr = 0; pcr < HF_PCR_COUNT; pcr++) {
            g_autofree char *name = g_strdup_printf("%s:%u", hf_hash_name(bank->hash), pcr);

            if (bank->mask >> pcr & 1) {
                add_hex(b, name, hf_pcr_values_get(v->values, bank->hash, pcr),
                        hf_hash_size(bank->hash));
            }
        }
    }
    json_builder_end_object(b);
}

static void add_log(JsonBuilder *b, const HfVerdict *v)
{
    g_autofree char *led = hf_verdict_pcrs_text(v, true);
    g_autofree char *other = hf_verdict_pcrs_text(v, false);

    json_builder_set_member_name(b, "event-log");
    json_builder_begin_object(b);
    json_builder_set_member_name(b, "events");
    json_builder_add_int_value(b, v->facts.log_events);
    add_string(b, "leads-to", led);
    add_string(b, "not-to", other);
    json_builder_end_object(b);
}

static void add_reference(JsonBuilder *b, const HfVerdict *v)
{
    json_builder_set_member_name(b, "reference");
    json_builder_begin_object(b);
    add_flag(b, "fits", v->boot != NULL);
    add_string(b, "name", v->boot ? v->boot : v->nearest);
    json_builder_set_member_name(b, "differences");
    json_builder_begin_array(b);
    for (unsigned i = 0; v->differences && i < v->differences->len; i++) {
        g_autofree char *valid = g_utf8_make_valid(v->differences->pdata[i], -1);

        json_builder_add_string_value(b, valid);
    }
    json_builder_end_array(b);
    json_builder_end_object(b);
}

/* The privacy CA's word, or the manufacturer's. */
static void add_certified(JsonBuilder *b, const HfVerdict *v)
{
    const HfAkProof *ak = &v->ak_proof;
    g_autofree char *until = hf_crl_time_text(ak->leaf->not_after);

    json_builder_set_member_name(b, "attestation-key-certificate");
    json_builder_begin_object(b);
    add_certificate(b, "certificate", ak->leaf);
    add_certificate(b, v->manufactured ? "manufacturer" : "privacy-ca",
                    v->manufactured ? ak->issuer : ak->root);
    add_string(b, "valid-to", until);
    add_flag(b, "virtual", ak->is_virtual);
    add_string(b, "rooted", ak->is_virtual ? hf_rooted_text(ak->rooted) : NULL);
    add_digest(b, "endorsement-key", ak->leaf->bond);
    add_revocation(b, "revocation", v->manufactured ? v->proof.crl : v->ak_crl);
    json_builder_end_object(b);
}

static void add_endorsement(JsonBuilder *b, const HfVerdict *v)
{
    if (v->ek_virtual || v->manufactured) {
        const HfMandate *mandate = v->proof.vma->mandate;

        add_string(b, "rooted", hf_rooted_text(v->proof.rooted));
        add_string(b, "rooted-in-the-end", hf_rooted_text(v->proof.base));
        add_certificate(b, "root", v->proof.root);
        add_certificate(b, "authority", v->proof.vma);
        add_string(b, "environment", mandate ? mandate->environment : NULL);
        add_revocation(b, "revocation", v->proof.crl);
        if (v->ek_virtual) {
            add_certificate(b, "endorsement-key", v->proof.leaf);
        }
        add_tpm(b, v->proof.leaf);
        add_hosts(b, &v->proof);
    } else if (v->vendor_root) {
        add_string(b, "rooted", "hardware TPM");
        add_string(b, "vendor", v->vendor_root);
    } else {
        add_string(b, "rooted",
                   v->ak_proof.is_virtual ? hf_rooted_text(v->ak_proof.rooted) : "hardware TPM");
        add_tpm(b, v->ak_proof.leaf);
    }
    add_flag(b, "endorsement-key-verified", v->ek_virtual || v->vendor_root);
}

/* What was proved; only when everything was. */
static void add_facts(JsonBuilder *b, const HfVerdict *v)
{
    add_endorsement(b, v);
    if (v->certified) {
        add_certified(b, v);
    }
    add_hex(b, "attestation-key-name", v->ak_name.data, v->ak_name.size);
    add_flag(b, "below-endorsement-key", v->below_ek);
    add_quote(b, v);
    if (v->values) {
        add_values(b, v);
    }
    if (v->facts.replayed) {
        add_log(b, v);
    }
    if (v->reference) {
        add_reference(b, v);
    }
}

void hf_verdict_print_json(const HfVerdict *v, HfVerdictOutcome outcome, const GError *error)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(b);
    add_flag(b, "verified", outcome == HF_VERDICT_GOOD);
    add_flag(b, "proved", outcome != HF_VERDICT_REFUSED);
    json_builder_set_member_name(b, "passed");
    json_builder_begin_array(b);
    for (unsigned i = 0; v && i < v->passed_count; i++) {
        json_builder_add_string_value(b, v->passed[i]);
    }
    json_builder_end_array(b);
    if (error) {
        add_string(b, "failed", v && v->failed ? v->failed : "input");
        add_string(b, "error", error->message);
    }
    if (v && outcome != HF_VERDICT_REFUSED) {
        add_facts(b, v);
    }
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
}
