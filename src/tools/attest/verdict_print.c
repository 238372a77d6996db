/*
 * verdict_print.c - a verdict for people: a tree, in words.
 *
 * Printed only when everything is proved; a boot that is not as the reference says is proved, too.
 * Text out of certificates goes through printable(), because who made the certificate chose it.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdio.h>

#include "tools/attest/verdict.h"

/* A branch of the tree / what is said of it, in the column of its children. */
#define ITEM(depth, ...) \
    (indent((depth) > 0 ? (depth)-1 : 0, (depth) > 0 ? "└─ " : ""), say(__VA_ARGS__))
#define FACT(depth, ...) (indent((depth), "│  "), say(__VA_ARGS__))

static void indent(unsigned depth, const char *mark)
{
    printf("%*s%s", (int)(3 * depth), "", mark);
}

static void G_GNUC_PRINTF(1, 2) say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

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

char *hf_verdict_key_text(GBytes *spki)
{
    g_autoptr(HfPublicKey) key =
        hf_public_key_from_spki(g_bytes_get_data(spki, NULL), g_bytes_get_size(spki), NULL);

    return key ? hf_public_key_describe(key) : g_strdup("unknown key");
}

char *hf_verdict_pcrs_text(const HfVerdict *v, bool led_to)
{
    GString *text = g_string_new(NULL);

    for (uint32_t b = 0; b < v->selection.count; b++) {
        const HfPcrBank *bank = &v->selection.banks[b];

        for (unsigned pcr = 0; pcr < HF_PCR_COUNT; pcr++) {
            if ((bank->mask >> pcr & 1) &&
                hf_event_log_leads(v->facts.replayed, v->values, bank->hash, pcr) == led_to) {
                g_string_append_printf(text, "%s%s:%u", text->len > 0 ? ", " : "",
                                       hf_hash_name(bank->hash), pcr);
            }
        }
    }
    return g_string_free(text, FALSE);
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

static void print_authority(unsigned depth, const HfCertificate *certificate, const char *what)
{
    g_autofree char *subject = hf_certificate_subject_text(certificate);
    g_autofree char *name = printable(subject);
    g_autofree char *key = hf_verdict_key_text(certificate->spki);
    g_autofree char *until = until_text(certificate);

    ITEM(depth, "%s: %s (%s, %s)", what, name, key, until);
}

/* By which list it is not revoked, or that nobody has looked. */
static void print_revocation(unsigned depth, const HfCrl *crl)
{
    g_autofree char *number = crl ? hf_crl_number_text(crl->number) : NULL;
    g_autofree char *from = crl ? hf_crl_time_text(crl->this_update) : NULL;
    g_autofree char *to = crl ? hf_crl_time_text(crl->next_update) : NULL;

    if (crl) {
        FACT(depth, "not revoked: list %s of %s, the next is due at %s", number, from, to);
    } else {
        FACT(depth, "revocation was not looked at (no --crl)");
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

static void print_digest(unsigned depth, const char *what, GBytes *digest)
{
    if (digest) {
        g_autofree char *hex = hf_hex(g_bytes_get_data(digest, NULL), g_bytes_get_size(digest));

        FACT(depth, "%s: %s", what, hex);
    }
}

/* What a certificate says of the TPM: its model, and to what it holds. */
static void print_tpm(unsigned depth, const HfCertificate *certificate)
{
    const HfHolding *holding = certificate->holding;
    g_autofree char *model = printable(certificate->tpm_model);
    g_autofree char *manufacturer = printable(certificate->tpm_manufacturer);
    g_autofree char *version = printable(certificate->tpm_version);
    g_autofree char *serial = printable(certificate->tpm_serial);

    if (certificate->tpm_serial) {
        FACT(depth, "serial number of the TPM: %s", serial);
        print_digest(depth, "its endorsement key", certificate->bond);
    } else {
        FACT(depth, "model: %s, manufacturer %s, version %s", model, manufacturer, version);
    }
    if (holding) {
        g_autofree char *policy = printable(holding->migration_policy);

        print_digest(depth, "host TPM's endorsement key", holding->host_ek);
        if (holding->model_name) {
            g_autofree char *name = printable(holding->model_name);

            FACT(depth, "device model: %s", name);
        }
        print_digest(depth, "emulator's measurement", holding->device_model);
        print_digest(depth, "policy of the key that certified it", holding->tcb_policy);
        FACT(depth, "migration policy: %s%s", policy,
             holding->reproducible ? ", endorsement key reproducible on its host" : "");
    }
}

/* An authority and a TPM of it, at `depth` and below. */
static void print_level(unsigned depth, const HfChainHost *level, const char *whose,
                        const char *what)
{
    const HfMandate *mandate = level->vma->mandate;
    g_autofree char *key = hf_verdict_key_text(level->leaf->spki);

    print_authority(depth, level->vma, whose);
    FACT(depth, "%s: %s", hf_rooted_text(level->rooted), rooted_sentence(level->rooted));
    if (mandate) {
        g_autofree char *environment = printable(mandate->environment);

        FACT(depth, "approved environment of the host: %s", environment);
    }
    print_revocation(depth, level->crl);
    ITEM(depth + 1, "%s: %s", what, key);
    print_tpm(depth + 1, level->leaf);
}

/* The root of the outermost authority; others, where another fleet delegated to one within. */
static void print_roots(const HfChainProof *proof)
{
    const HfCertificate *outer = proof->nested ? proof->hosts[proof->nested - 1].root : proof->root;
    const HfCertificate *last = outer;

    for (unsigned i = 0; i < proof->nested; i++) {
        const HfCertificate *root = i == 0 ? proof->root : proof->hosts[i - 1].root;

        if (root != outer && root != last) {
            print_authority(0, root, "root of trust of a nested authority");
            last = root;
        }
    }
    print_authority(0, outer, "root of trust");
}

/* From the fleet's root over the hosts, the outermost first, to a virtual TPM; the depth of what is
 * below it. */
static unsigned print_virtual(const HfVerdict *v)
{
    const HfChainProof *proof = &v->proof;
    const HfChainHost guest = { .rooted = proof->rooted,
                                .leaf = proof->leaf,
                                .vma = proof->vma,
                                .root = proof->root,
                                .crl = proof->crl };
    unsigned depth = 1;

    print_roots(proof);
    for (unsigned i = proof->nested; i > 0; i--, depth += 2) {
        g_autofree char *what =
            g_strdup_printf("endorsement key of the virtual TPM of the host, level %u", i);

        print_level(depth, &proof->hosts[i - 1], "virtual manufacturer authority of its host",
                    what);
    }
    print_level(depth, &guest, "virtual manufacturer authority",
                v->manufactured ? "initial attestation key (IAK) of the virtual TPM"
                                : "endorsement key of the virtual TPM");
    return depth + 2;
}

static unsigned print_hardware(const HfVerdict *v)
{
    g_autofree char *root = printable(v->vendor_root);
    g_autofree char *key = hf_verdict_key_text(v->ek_spki);
    HfDigest digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(v->ek_spki, NULL),
                                   g_bytes_get_size(v->ek_spki));
    g_autofree char *hex = hf_hex(digest.data, digest.size);

    ITEM(0, "root of trust: %s, a vendor of TPMs", root);
    ITEM(1, "endorsement key of the hardware TPM: %s", key);
    FACT(1, "SHA-256 of it: %s", hex);
    return 2;
}

/* What the privacy CA says of the key, and how it hangs together with what was proved above. */
static void print_certified(const HfVerdict *v, unsigned depth, bool alone)
{
    const HfAkProof *ak = &v->ak_proof;
    g_autofree char *ca = hf_certificate_subject_text(ak->root);
    g_autofree char *name = printable(ca);
    g_autofree char *until = hf_crl_time_text(ak->leaf->not_after);

    if (v->manufactured) {
        FACT(depth, "certified by the authority that made it and the TPM");
        FACT(depth, "the quote says that it is a primary key of the endorsement hierarchy");
        return;
    }
    FACT(depth, "certified by the privacy CA \"%s\", valid to %s", name, until);
    print_revocation(depth, v->ak_crl);
    if (alone) {
        FACT(depth, "by its word, in a %s%s", ak->is_virtual ? "virtual TPM, " : "hardware TPM",
             ak->is_virtual ? hf_rooted_text(ak->rooted) : "");
        if (ak->is_virtual) {
            print_tpm(depth, ak->leaf);
        }
        FACT(depth, "the endorsement key's certificate was not looked at (no --root, no "
                    "--ek-roots)");
    }
    if (v->has_ek) {
        FACT(depth, "its certificate names this endorsement key");
    }
}

static void print_values(const HfVerdict *v, unsigned depth)
{
    for (uint32_t i = 0; v->values && i < v->selection.count; i++) {
        const HfPcrBank *bank = &v->selection.banks[i];

        for (unsigned pcr = 0; pcr < HF_PCR_COUNT; pcr++) {
            if (bank->mask >> pcr & 1) {
                g_autofree char *hex =
                    hf_hex(hf_pcr_values_get(v->values, bank->hash, pcr), hf_hash_size(bank->hash));

                indent(depth, "");
                say("%s:%u %s", hf_hash_name(bank->hash), pcr, hex);
            }
        }
    }
}

static void print_log(const HfVerdict *v, unsigned depth)
{
    if (v->facts.replayed) {
        g_autofree char *led = hf_verdict_pcrs_text(v, true);
        g_autofree char *other = hf_verdict_pcrs_text(v, false);

        indent(depth, "");
        say("event log of %u events leads to %s", v->facts.log_events, *led ? led : "none of them");
        if (*other) {
            indent(depth, "");
            say("and not to %s: what it says of those is not proved", other);
        }
    } else if (v->values) {
        indent(depth, "");
        say("no event log: nothing is known but the values");
    }
}

static void print_quote(const HfVerdict *v, unsigned depth)
{
    g_autofree char *selection = hf_pcr_selection_text(&v->attest.selection);
    g_autofree char *nonce = hf_hex(v->attest.extra, v->attest.extra_size);

    ITEM(depth, "quote of %s", selection);
    indent(depth + 1, "");
    say("nonce %s", nonce);
    indent(depth + 1, "");
    say("reset count %u, restart count %u, firmware 0x%016" G_GINT64_MODIFIER "x%s",
        v->attest.reset_count, v->attest.restart_count, (guint64)v->attest.firmware,
        v->attest.safe ? "" : ", clock not safe");
    print_values(v, depth + 1);
    if (!v->values) {
        indent(depth + 1, "");
        say("PCR values were not given, so nothing is known about them");
    }
    print_log(v, depth + 1);
    if (v->boot) {
        g_autofree char *boot = printable(v->boot);

        indent(depth + 1, "");
        say("as the reference values say: %s", boot);
    } else if (v->values && !v->reference) {
        indent(depth + 1, "");
        say("no reference values: nothing says whether this is as it should be");
    }
}

static void print_headline(const HfVerdict *v, bool alone)
{
    const char *what = alone             ? "a TPM that the privacy CA vouches for"
                       : v->manufactured ? "the TPM for which this chain certifies it"
                                         : "the TPM whose endorsement key this chain certifies";

    if (v->differences) {
        g_autofree char *nearest = printable(v->nearest);

        say("proved, but not as it should be; other than in \"%s\":", nearest);
        for (unsigned i = 0; i < v->differences->len; i++) {
            say("    %s", (const char *)v->differences->pdata[i]);
        }
        say("proved is: the quote is by a key inside %s\n", what);
        return;
    }
    say("verified: the quote is by a key inside %s\n", what);
}

void hf_verdict_print_tree(const HfVerdict *v)
{
    g_autofree char *name = hf_hex(v->ak_name.data, v->ak_name.size);
    bool virtual = v->ek_virtual || v->manufactured;
    bool alone = !virtual && !v->vendor_root;
    unsigned depth = 1;

    print_headline(v, alone);
    if (alone) {
        print_authority(0, v->ak_proof.root, "root of trust: privacy CA");
    } else {
        depth = virtual ? print_virtual(v) : print_hardware(v);
    }
    ITEM(depth, "attestation key: %s", name);
    if (v->certified) {
        print_certified(v, depth, alone);
    }
    if (v->below_ek) {
        FACT(depth, "the quote says that it is a child of this endorsement key");
    }
    print_quote(v, depth + 1);
}
