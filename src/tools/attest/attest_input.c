/*
 * attest_input.c - reading public areas, and the value that ties a challenge to two keys.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/attest_input.h"

#include "base/error.h"
#include "base/file.h"
#include "crypto/hmac.h"
#include "pki/spki.h"
#include "tpm2/template.h"

#define PUBLIC_MAX 2048u
#define NONCE_MAX (HF_HASH_MAX + 2u)

bool hf_attest_input_public(const char *path, HfPublic *ret_public, GError **error)
{
    g_autoptr(GBytes) bytes = hf_file_read(path, PUBLIC_MAX, error);

    if (!bytes) {
        return false;
    }
    if (!hf_public_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), ret_public,
                         error)) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    return true;
}

bool hf_attest_input_ek(GBytes *spki, const char *path, HfPublic *ret_public, GError **error)
{
    g_autoptr(HfPublicKey) certified = hf_spki_key(spki, "EK certificate", error);
    g_autoptr(HfPublicKey) given = NULL;
    HfPublic pub;

    if (!certified) {
        return false;
    }
    if (!path) {
        return hf_template_for_key(certified, ret_public, error);
    }
    if (!hf_attest_input_public(path, &pub, error)) {
        return false;
    }
    given = hf_public_key_of(&pub, error);
    if (!given) {
        g_prefix_error(error, "%s: ", path);
        return false;
    }
    if (!hf_public_key_equal(certified, given)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "%s: expected the key in the EK certificate, found another", path);
    }
    *ret_public = pub;
    return true;
}

bool hf_attest_input_nonce(const HfOptions *options, GBytes **ret_nonce, GError **error)
{
    const char *hex = hf_options_string(options, "nonce");
    const char *path = hf_options_string(options, "nonce-file");
    g_autoptr(GBytes) nonce = NULL;
    g_autoptr(GError) why = NULL;

    if (!hex == !path) {
        return hf_error_set(error, HF_ERROR_USAGE, "one of --nonce and --nonce-file expected");
    }
    nonce = hex ? hf_hex_parse(hex, "--nonce", &why) : hf_file_read(path, NONCE_MAX, error);
    if (why) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s", why->message);
    }
    if (!nonce) {
        return false;
    }
    if (g_bytes_get_size(nonce) == 0 || g_bytes_get_size(nonce) > NONCE_MAX) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: expected 1 to %u bytes, found %zu",
                            hex ? "--nonce" : path, NONCE_MAX, g_bytes_get_size(nonce));
    }
    *ret_nonce = g_steal_pointer(&nonce);
    return true;
}

void hf_attest_challenge_value(const HfSecret *secret, const HfCertificate *ek, const HfTpmName *ak,
                               uint8_t ret_value[HF_CHALLENGE_SIZE])
{
    g_autoptr(HfHmac) hmac = hf_hmac_new(HF_HASH_SHA256, secret->data, secret->size);
    static const char label[] = "holdfast challenge"; /* with its zero */

    hf_hmac_update(hmac, label, sizeof label);
    hf_hmac_update(hmac, g_bytes_get_data(ek->spki, NULL), g_bytes_get_size(ek->spki));
    hf_hmac_update(hmac, ak->data, ak->size);
    hf_hmac_finish(hmac, ret_value);
}
