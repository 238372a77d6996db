/*
 * challenge.c - makes the verifier's secret, and the credential with the value derived from it.
 *
 * Verifies no certificate (that is `verify`, which has the chain); but an AK that is no attestation
 * key, or an EK that is no endorsement key, gets no challenge. Nothing is written on a refusal.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/challenge.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/random.h"
#include "tools/attest/attest_input.h"
#include "tpm2/credential.h"

static GBytes *make_credential(const HfSecret *secret, const HfCertificate *certificate,
                               const HfPublic *ek, const HfPublic *ak, GError **error)
{
    HfTpmName name = hf_public_name(ak);
    g_autoptr(HfCredential) credential = NULL;
    uint8_t value[HF_CHALLENGE_SIZE];

    hf_attest_challenge_value(secret, certificate, &name, value);
    credential = hf_credential_make(ek, &name, value, sizeof value, error);
    explicit_bzero(value, sizeof value);
    return credential ? hf_credential_to_file(credential) : NULL;
}

bool hf_attest_challenge(const HfOptions *options, GError **error)
{
    const char *ak_path = hf_options_string(options, "ak-public");
    g_autoptr(HfSecret) secret = hf_secret_new(HF_CHALLENGE_SIZE);
    g_autoptr(HfCertificate) certificate =
        hf_certificate_load(hf_options_string(options, "ek-certificate"), error);
    g_autoptr(GBytes) file = NULL;
    HfPublic ek;
    HfPublic ak;

    if (!certificate ||
        !hf_attest_input_ek(certificate->spki, hf_options_string(options, "ek-public"), &ek,
                            error) ||
        !hf_attest_input_public(ak_path, &ak, error)) {
        return false;
    }
    if (!hf_public_check_ak(&ak, error)) {
        g_prefix_error(error, "%s: ", ak_path);
        return false;
    }
    hf_random_bytes(secret->data, secret->size);
    file = make_credential(secret, certificate, &ek, &ak, error);
    return file &&
           hf_file_replace(hf_options_string(options, "secret-out"), secret->data, secret->size,
                           0600, error) &&
           hf_file_replace(hf_options_string(options, "out"), g_bytes_get_data(file, NULL),
                           g_bytes_get_size(file), 0644, error);
}
