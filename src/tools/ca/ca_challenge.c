/*
 * ca_challenge.c - `holdfast-ca challenge` and `nonce`: what a host must answer before anything is
 * delegated to it.
 *
 * The credential can be opened by the TPM that has the endorsement key, and by it only if it has
 * the attestation key too. So the answer ties both together; that the endorsement key is a TPM's is
 * what vendor or operator vouch for.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "crypto/random.h"
#include "tools/ca/ca_challenge.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_verify.h"
#include "tools/common/parcel.h"
#include "tpm2/credential.h"

#define SECRET_SIZE 32

static bool credential(HfCaNonce *nonce, const HfPublic *ek, const HfPublic *ak,
                       HfChallenge *challenge, GError **error)
{
    HfTpmName name = hf_public_name(ak);
    g_autoptr(HfCredential) made = NULL;

    nonce->secret = hf_secret_new(SECRET_SIZE);
    hf_random_bytes(nonce->secret->data, SECRET_SIZE);
    made = hf_credential_make(ek, &name, nonce->secret->data, SECRET_SIZE, error);
    if (!made) {
        g_prefix_error(error, "endorsement key: ");
        return false;
    }
    nonce->ak_name = g_bytes_new(name.data, name.size);
    challenge->ak_name = g_bytes_ref(nonce->ak_name);
    challenge->credential = g_bytes_ref(made->id_object);
    challenge->seed = g_bytes_ref(made->encrypted_secret);
    return true;
}

static bool challenge_host(const HfCaVoucher *voucher, const HfIntroduction *introduction,
                           HfCaNonce *nonce, HfChallenge *challenge, GError **error)
{
    GBytes *const *parts = introduction->parts;
    g_autoptr(GBytes) spki = NULL;
    HfDigest digest;
    HfPublic ek, ak;

    if (!hf_ca_check_ak(parts[HF_INTRODUCTION_AK], &ak, error) ||
        !hf_ca_check_ek(parts[HF_INTRODUCTION_EK], &ek, &spki, error)) {
        return false;
    }
    nonce->vouched = hf_ca_voucher_ask(voucher, spki, parts[HF_INTRODUCTION_EK_CERTIFICATE],
                                       parts[HF_INTRODUCTION_ABOVE], error);
    if (!nonce->vouched) {
        return false;
    }
    digest = hf_digest_of(HF_HASH_SHA256, g_bytes_get_data(spki, NULL), g_bytes_get_size(spki));
    nonce->ek_digest = g_bytes_new(digest.data, digest.size);
    return credential(nonce, &ek, &ak, challenge, error);
}

HfChallenge *hf_ca_challenge(HfCaDir *ca, const HfCaVoucher *voucher,
                             const HfIntroduction *introduction, char **ret_vouched, GError **error)
{
    g_autoptr(HfChallenge) challenge = g_new0(HfChallenge, 1);
    g_autoptr(HfCaNonce) nonce = hf_ca_nonce_new();

    challenge->nonce = g_bytes_ref(nonce->nonce);
    if (introduction->rooted == HF_ROOTED_HARDWARE &&
        !challenge_host(voucher, introduction, nonce, challenge, error)) {
        return NULL;
    }
    if (!hf_ca_nonce_give(ca, nonce, error)) {
        return NULL;
    }
    *ret_vouched = g_steal_pointer(&nonce->vouched);
    return g_steal_pointer(&challenge);
}

bool hf_ca_command_challenge(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "request");
    const char *out = hf_options_string(options, "out");
    g_autoptr(HfCaDir) ca = hf_ca_dir_open(hf_options_string(options, "dir"), error);
    g_autoptr(HfCaVoucher) voucher = ca ? hf_ca_voucher_new(options, error) : NULL;
    g_autoptr(GBytes) file = voucher ? hf_file_read(path, HF_PARCEL_FILE_MAX, error) : NULL;
    g_autoptr(HfIntroduction) introduction = file ? hf_introduction_read(file, path, error) : NULL;
    g_autoptr(HfChallenge) challenge = NULL;
    g_autofree char *vouched = NULL;
    g_autoptr(GBytes) written = NULL;

    challenge = introduction ? hf_ca_challenge(ca, voucher, introduction, &vouched, error) : NULL;
    if (!challenge) {
        return false;
    }
    written = hf_challenge_write(challenge);
    if (!hf_file_replace(out, g_bytes_get_data(written, NULL), g_bytes_get_size(written), 0644,
                         error)) {
        return false;
    }
    printf("%s: %s%s\n", out,
           vouched ? "a challenge for the host TPM; its endorsement key: "
                   : "a nonce alone: the host is software-rooted",
           vouched ? vouched : "");
    return true;
}

bool hf_ca_command_nonce(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_dir_open(hf_options_string(options, "dir"), error);
    g_autoptr(HfCaNonce) nonce = ca ? hf_ca_nonce_new() : NULL;
    g_autofree char *hex = NULL;

    if (!nonce || !hf_ca_nonce_give(ca, nonce, error)) {
        return false;
    }
    hex = hf_hex(g_bytes_get_data(nonce->nonce, NULL), g_bytes_get_size(nonce->nonce));
    printf("%s\n", hex);
    return true;
}
