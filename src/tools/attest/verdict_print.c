/*
 * verdict_print.c - a verdict for people (a tree) and for programs (JSON).
 *
 * The tree is printed only for a verdict that is good; text out of certificates goes through
 * printable(), because who made the certificate chose it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "tools/attest/verdict.h"

/* What a host's level takes of the tree's width. */
#define PAD 6

/* NULL becomes "-"; what could steer a terminal becomes '?'. Caller frees. */
static char *printable(const char *text)
{
    char *copy = g_strdup(text ? text : "-");

    for (char *p = copy; *p; p++) {
        if (!g_ascii_isprint(*p)) {
            *p = '?';
        }
    }
    return copy;
}

static char *key_text(GBytes *spki)
{
    g_autoptr(HfPublicKey) key =
        hf_public_key_from_spki(g_bytes_get_data(spki, NULL), g_bytes_get_size(spki), NULL);

    return key ? hf_public_key_describe(key) : g_strdup("unknown key");
}

static char *until_text(const HfCertificate *certificate)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(certificate->not_after);

    /* The profile's "no expiry" is the last second of the year 9999. */
    if (!time || g_date_time_get_year(time) >= 9999) {
        return g_strdup("no expiry");
    }
    return g_date_time_format(time, "valid to %Y-%m-%d");
}

/* pad: columns to the right of the left edge. */
static void print_authority(const HfCertificate *certificate, int pad, const char *lead,
                            const char *what)
{
    g_autofree char *subject = hf_certificate_subject_text(certificate);
    g_autofree char *name = printable(subject);
    g_autofree char *key = key_text(certificate->spki);
    g_autofree char *until = until_text(certificate);

    printf("%*s%s%s: %s (%s, %s)\n", pad, "", lead, what, name, key, until);
}

/* By which list the authority is not revoked, or that nobody has looked. */
static void print_revocation(const HfCrl *crl, int pad)
{
    g_autofree char *number = crl ? hf_crl_number_text(crl->number) : NULL;
    g_autofree char *from = crl ? hf_crl_time_text(crl->this_update) : NULL;
    g_autofree char *to = crl ? hf_crl_time_text(crl->next_update) : NULL;

    if (crl) {
        printf("%*s   │  not revoked: list %s of %s, the next is due at %s\n", pad, "", number,
               from, to);
    } else {
        printf("%*s   │  revocation was not looked at (no --crl)\n", pad, "");
    }
}

static const char *rooted_sentence(HfRooted rooted)
{
    switch (rooted) {
    case HF_ROOTED_HARDWARE: return "its key is in the host's hardware TPM";
    case HF_ROOTED_SOFTWARE: return "its key is in software, no hardware vouches for it";
    case HF_ROOTED_NESTED: return "its key is in another virtual TPM";
    default: return "unknown";
    }
}

static void print_digest(int pad, const char *what, GBytes *digest)
{
    if (digest) {
        g_autofree char *hex = hf_hex(g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));

        printf("%*s      │  %s: %s\n", pad, "", what, hex);
    }
}

static void print_ek(const HfCertificate *ek, int pad, const char *what)
{
    const HfHolding *holding = ek->holding;
    g_autofree char *key = key_text(ek->spki);
    g_autofree char *model = printable(ek->tpm_model);
    g_autofree char *manufacturer = printable(ek->tpm_manufacturer);
    g_autofree char *version = printable(ek->tpm_version);

    printf("%*s   └─ %s: %s\n", pad, "", what, key);
    printf("%*s      │  model: %s, manufacturer %s, version %s\n", pad, "", model, manufacturer,
           version);
    if (holding) {
        g_autofree char *policy = printable(holding->migration_policy);

        print_digest(pad, "host TPM's endorsement key", holding->host_ek);
        if (holding->model_name) {
            g_autofree char *name = printable(holding->model_name);

            printf("%*s      │  device model: %s\n", pad, "", name);
        }
        print_digest(pad, "emulator's measurement", holding->device_model);
        print_digest(pad, "policy of the key that certified it", holding->tcb_policy);
        printf("%*s      │  migration policy: %s%s\n", pad, "", policy,
               holding->reproducible ? ", endorsement key reproducible on its host" : "");
    }
}

/* The outermost host first: what the next stands on is above it. Returns the columns it has used. */
static int print_hosts(const HfVerdict *v)
{
    int pad = 0;

    for (unsigned i = v->proof.nested; i > 0; i--) {
        const HfChainHost *host = &v->proof.hosts[i - 1];
        g_autofree char *what =
            g_strdup_printf("endorsement key of the virtual TPM of the host, level %u", i);

        print_authority(host->vma, pad, "└─ ", "virtual manufacturer authority of its host");
        printf("%*s   │  %s: %s\n", pad, "", hf_rooted_text(host->rooted),
               rooted_sentence(host->rooted));
        print_revocation(host->crl, pad);
        print_ek(host->leaf, pad, what);
        pad += PAD;
    }
    return pad;
}

static void print_values(const HfVerdict *v, int pad)
{
    for (uint32_t i = 0; v->values && i < v->selection.count; i++) {
        const HfPcrBank *bank = &v->selection.banks[i];

        for (unsigned pcr = 0; pcr < HF_PCR_COUNT; pcr++) {
            if (bank->mask >> pcr & 1) {
                g_autofree char *hex =
                    hf_hex(hf_pcr_values_get(v->values, bank->hash, pcr), hf_hash_size(bank->hash));

                printf("%*s               %s:%u %s\n", pad, "", hf_hash_name(bank->hash), pcr, hex);
            }
        }
    }
}

/* The root of the outermost authority; others, where another fleet delegated to one within. */
static void print_roots(const HfChainProof *proof)
{
    const HfCertificate *outer = proof->nested ? proof->hosts[proof->nested - 1].root : proof->root;
    const HfCertificate *last = outer;

    for (unsigned i = 0; i < proof->nested; i++) {
        const HfCertificate *root = i == 0 ? proof->root : proof->hosts[i - 1].root;

        if (root != outer && root != last) {
            print_authority(root, 0, "", "root of trust of a nested authority");
            last = root;
        }
    }
    print_authority(outer, 0, "", "root of trust");
}

void hf_verdict_print_tree(const HfVerdict *v)
{
    g_autofree char *name = hf_hex(v->ak_name.data, v->ak_name.size);
    g_autofree char *selection = hf_pcr_selection_text(&v->attest.selection);
    g_autofree char *nonce = hf_hex(v->attest.extra, v->attest.extra_size);
    int pad;

    printf("verified: the quote is by a key inside the TPM whose endorsement key this chain "
           "certifies\n\n");
    print_roots(&v->proof);
    pad = print_hosts(v);
    print_authority(v->proof.vma, pad, "└─ ", "virtual manufacturer authority");
    printf("%*s   │  %s: %s\n", pad, "", hf_rooted_text(v->proof.rooted),
           rooted_sentence(v->proof.rooted));
    print_revocation(v->proof.crl, pad);
    print_ek(v->proof.leaf, pad, "endorsement key of the virtual TPM");
    printf("%*s      └─ attestation key: %s\n", pad, "", name);
    printf("%*s         └─ quote of %s\n", pad, "", selection);
    printf("%*s               nonce %s\n", pad, "", nonce);
    printf("%*s               reset count %u, restart count %u, firmware 0x%016" G_GINT64_MODIFIER
           "x%s\n",
           pad, "", v->attest.reset_count, v->attest.restart_count, (guint64)v->attest.firmware,
           v->attest.safe ? "" : ", clock not safe");
    print_values(v, pad);
    if (!v->values) {
        printf("%*s               PCR values were not given, so nothing is known about them\n", pad,
               "");
    }
}

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
    g_autofree char *key = key_text(certificate->spki);

    json_builder_set_member_name(b, name);
    json_builder_begin_object(b);
    add_string(b, "subject", subject);
    add_string(b, "sha256", fingerprint);
    add_string(b, "key", key);
    json_builder_end_object(b);
}

static void add_revocation(JsonBuilder *b, const HfCrl *crl)
{
    json_builder_set_member_name(b, "revocation");
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

static void add_tpm(JsonBuilder *b, const HfCertificate *leaf)
{
    const HfHolding *holding = leaf->holding;

    json_builder_set_member_name(b, "tpm");
    json_builder_begin_object(b);
    add_string(b, "manufacturer", leaf->tpm_manufacturer);
    add_string(b, "model", leaf->tpm_model);
    add_string(b, "version", leaf->tpm_version);
    if (holding) {
        add_digest(b, "host-ek", holding->host_ek);
        add_digest(b, "device-model", holding->device_model);
        add_string(b, "device-model-name", holding->model_name);
        add_digest(b, "tcb-policy", holding->tcb_policy);
        add_string(b, "migration-policy", holding->migration_policy);
        json_builder_set_member_name(b, "reproducible");
        json_builder_add_boolean_value(b, holding->reproducible);
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
        add_revocation(b, host->crl);
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
    json_builder_set_member_name(b, "pcr-values-compared");
    json_builder_add_boolean_value(b, v->values != NULL);
    json_builder_end_object(b);
}

/* What was proved; only when everything was. */
static void add_facts(JsonBuilder *b, const HfVerdict *v)
{
    add_string(b, "rooted", hf_rooted_text(v->proof.rooted));
    add_string(b, "rooted-in-the-end", hf_rooted_text(v->proof.base));
    add_certificate(b, "root", v->proof.root);
    add_certificate(b, "authority", v->proof.vma);
    add_revocation(b, v->proof.crl);
    add_certificate(b, "endorsement-key", v->proof.leaf);
    add_tpm(b, v->proof.leaf);
    add_hosts(b, &v->proof);
    add_hex(b, "attestation-key-name", v->ak_name.data, v->ak_name.size);
    add_quote(b, v);
}

void hf_verdict_print_json(const HfVerdict *v, const GError *error)
{
    g_autoptr(JsonBuilder) b = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_begin_object(b);
    json_builder_set_member_name(b, "verified");
    json_builder_add_boolean_value(b, error == NULL);
    json_builder_set_member_name(b, "passed");
    json_builder_begin_array(b);
    for (unsigned i = 0; i < v->passed; i++) {
        const char *name = hf_verdict_check_name(v, i);

        if (name) {
            json_builder_add_string_value(b, name);
        }
    }
    json_builder_end_array(b);
    if (error) {
        add_string(b, "failed", v->failed);
        add_string(b, "error", error->message);
    } else {
        add_facts(b, v);
    }
    json_builder_end_object(b);
    root = json_builder_get_root(b);
    json_generator_set_root(generator, root);
    text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
}
