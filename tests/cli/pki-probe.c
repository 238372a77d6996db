/*
 * pki-probe.c - lets a shell test use src/pki: writes a fleet's certificates, looks at what other
 * programs made. Not installed.
 *
 *     pki-probe write DIR KEYKIND EK.der     keys and certificates of a fleet into DIR; the EK's
 *                                            public key is DER SubjectPublicKeyInfo
 *     pki-probe identity DIR KEYKIND IAK.der the same, but of an authority for identity keys, and what it says
 *                                            of this key: IAK certificate
 *     pki-probe verify ek|platform|iak|idevid LEAF VMA ROOT SECONDS
 *     pki-probe signer KEY                   the kind of signature a key file makes
 *     pki-probe request FILE                 the subject of a certification request
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "pki/chain.h"
#include "pki/delegation.h"
#include "pki/endorsement.h"
#include "pki/keyfile.h"
#include "pki/request.h"
#include "pki/spki.h"

#include <stdio.h>
#include <string.h>

static char *in_dir(const char *dir, const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static HfSigner *new_signer(const char *dir, const char *name, HfKeyfileKind kind, GError **error)
{
    g_autofree char *path = in_dir(dir, name);
    return hf_keyfile_generate(path, kind, error) ? hf_signer_file_new(path, error) : NULL;
}

static bool save(const char *dir, const char *name, const HfCertificate *certificate,
                 GError **error)
{
    g_autofree char *path = in_dir(dir, name);
    g_autofree char *pem = hf_certificate_pem(certificate);
    return hf_file_replace(path, pem, strlen(pem), 0644, error);
}

/* Below the vMA: EK and platform certificate, and a request of the vMA's; or an IAK certificate. */
static bool write_leaves(const char *dir, GBytes *ek, HfSigner *key, const HfCertificate *vma,
                         gint64 now, GError **error)
{
    static const uint8_t digest[32] = { 0x5a };
    g_autoptr(GBytes) measured = g_bytes_new_static(digest, sizeof digest);
    HfHolding holding = { .host_ek = measured,
                          .tcb_policy = measured,
                          .device_model = measured,
                          .migration_policy = HF_HOLDING_NOT_MIGRATABLE };
    HfEndorsement in = { .spki = ek,
                         .tpm_manufacturer = "id:00001014",
                         .tpm_model = "holdfast virtual TPM",
                         .tpm_version = "id:20191023",
                         .spec_family = "2.0",
                         .spec_revision = 164,
                         .platform_manufacturer = "Example",
                         .platform_model = "QEMU",
                         .platform_version = "7.2",
                         .vmid = "guest, with + odd = name",
                         .holding = &holding,
                         .ca_issuers_url = "http://ca.example/vma.der",
                         .ak_endorsement = measured,
                         .tpm_serial = "IBM:01:02",
                         .not_before = now,
                         .not_after = -1 };
    key->rooted = HF_ROOTED_HARDWARE; /* what the test claims; the key is a file */
    if (hf_delegation_has_identity_keys(vma)) {
        g_autoptr(HfCertificate) iak = hf_endorsement_iak(&in, key, vma, error);
        return iak && save(dir, "iak.pem", iak, error);
    }
    g_autoptr(HfCertificate) endorsement = hf_endorsement_ek(&in, key, vma, error);
    if (!endorsement || !save(dir, "ek.pem", endorsement, error)) {
        return false;
    }
    g_autoptr(HfCertificate) platform = hf_endorsement_platform(&in, key, vma, error);
    if (!platform || !save(dir, "platform.pem", platform, error)) {
        return false;
    }
    g_autofree char *path = in_dir(dir, "request.pem");
    g_autoptr(GBytes) request = hf_request_new("Fleet", "host, 7", key, error);
    g_autofree char *pem = request ? hf_request_pem(request) : NULL;
    return pem && hf_file_replace(path, pem, strlen(pem), 0644, error);
}

static bool write_fleet(char **argv, bool identity, GError **error)
{
    const char *dir = argv[0];
    HfKeyfileKind kind = HF_KEYFILE_P256;
    g_autoptr(GBytes) ek = hf_file_read(argv[2], HF_CERTIFICATE_MAX, error);
    if (!ek || !hf_keyfile_kind_parse(argv[1], &kind, error)) {
        return false;
    }
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(HfSigner) root_key = new_signer(dir, "root.key", kind, error);
    g_autoptr(HfSigner) vma_key = root_key ? new_signer(dir, "vma.key", kind, error) : NULL;
    if (!vma_key) {
        return false;
    }
    HfRootInput root_input = { .organization = "Fleet",
                               .common_name = "Fleet root",
                               .not_before = now };
    g_autoptr(HfCertificate) root = hf_delegation_root(&root_input, root_key, error);
    if (!root || !save(dir, "root.pem", root, error)) {
        return false;
    }
    HfDelegation input = { .spki = vma_key->spki,
                           .rooted = HF_ROOTED_HARDWARE,
                           .organization = "Fleet",
                           .name_constraints = true,
                           .crl_url = "http://ca.example/fleet.crl",
                           .identity_keys = identity,
                           .not_before = now,
                           .days = 365 };
    g_autoptr(HfCertificate) vma = hf_delegation_new(&input, root_key, root, error);
    return vma && save(dir, "vma.pem", vma, error) &&
           write_leaves(dir, ek, vma_key, vma, now, error);
}

static bool run_write(char **argv, GError **error)
{
    return write_fleet(argv, false, error);
}

static bool run_identity(char **argv, GError **error)
{
    return write_fleet(argv, true, error);
}

static bool run_verify(char **argv, GError **error)
{
    g_autoptr(GPtrArray) chain =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    for (size_t i = 1; i <= 2; i++) {
        HfCertificate *certificate = hf_certificate_load(argv[i], error);
        if (!certificate) {
            return false;
        }
        g_ptr_array_add(chain, certificate);
    }
    g_autoptr(GPtrArray) roots = hf_certificate_load_bundle(argv[3], error);
    static const char *const kinds[] = { [HF_LEAF_EK] = "ek",
                                         [HF_LEAF_PLATFORM] = "platform",
                                         [HF_LEAF_IAK] = "iak",
                                         [HF_LEAF_IDEVID] = "idevid" };
    unsigned kind = 0;
    while (kind < HF_LEAF_IDEVID && strcmp(argv[0], kinds[kind]) != 0) {
        kind++;
    }
    HfChainRules rules = { .kind = (HfLeafKind)kind, .at = g_ascii_strtoll(argv[4], NULL, 10) };
    HfChainProof proof = { 0 };
    if (!roots || !hf_chain_verify(chain, roots, &rules, &proof, error)) {
        return false;
    }
    printf("%s\n", hf_rooted_text(proof.rooted));
    return true;
}

static bool run_signer(char **argv, GError **error)
{
    static const uint8_t data[] = "data";
    g_autoptr(HfSigner) signer = hf_signer_file_new(argv[0], error);
    if (!signer) {
        return false;
    }
    HfDigest digest = hf_digest_of(hf_sign_algorithm_hash(signer->algorithm), data, sizeof data);
    g_autoptr(GBytes) all = g_bytes_new_static(data, sizeof data);
    g_autoptr(GBytes) signature = signer->class->sign(signer, digest.data, digest.size, error);
    if (!signature ||
        !hf_spki_verify(signer->spki, signer->algorithm, all, signature, argv[0], error)) {
        return false;
    }
    printf("%s\n", hf_sign_algorithm_oid(signer->algorithm));
    return true;
}

static bool run_request(char **argv, GError **error)
{
    g_autoptr(GBytes) data = hf_file_read(argv[0], HF_CERTIFICATE_FILE_MAX, error);
    g_autoptr(HfRequest) request = data ? hf_request_parse(data, argv[0], error) : NULL;
    if (!request) {
        return false;
    }
    g_autofree char *subject = hf_request_subject_text(request);
    printf("%s\n", subject);
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int arguments;
        bool (*run)(char **argv, GError **error);
    } commands[] = { { "write", 3, run_write },
                     { "identity", 3, run_identity },
                     { "verify", 5, run_verify },
                     { "signer", 1, run_signer },
                     { "request", 1, run_request } };
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (argc == commands[i].arguments + 2 && strcmp(argv[1], commands[i].name) == 0) {
            g_autoptr(GError) error = NULL;
            if (commands[i].run(argv + 2, &error)) {
                return 0;
            }
            fprintf(stderr, "pki-probe: %s\n", error->message);
            return 1;
        }
    }
    fprintf(stderr, "usage: see the head of pki-probe.c\n");
    return 2;
}
