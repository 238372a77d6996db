/*
 * manifest.c - manifest.json, read strictly and written once.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/manifest.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/common/authority_keys.h"

#define FORMAT "holdfast-authority"
#define FORMAT_VERSION 2
#define FORMAT_PLAIN 1 /* without name and device model of the first key */
#define NAME_BYTES 34  /* of a SHA-256 Name */

static const char *const signers[] = { "host-tpm", "file", NULL };
static const char *const algorithms[] = { "ecc-p256", "rsa-2048", "file", NULL };

void hf_manifest_free(HfManifest *manifest)
{
    if (!manifest) {
        return;
    }
    g_free(manifest->migration_policy);
    g_free(manifest->key_name);
    g_free(manifest->device_model);
    g_free(manifest->aia_url);
    g_free(manifest->platform_manufacturer);
    g_free(manifest->platform_model);
    g_free(manifest->platform_version);
    g_free(manifest->tcti);
    g_free(manifest->host_tpm_text);
    g_clear_pointer(&manifest->host_ek, g_bytes_unref);
    g_clear_pointer(&manifest->srk_name, g_bytes_unref);
    g_clear_pointer(&manifest->approver_name, g_bytes_unref);
    g_free(manifest);
}

char *hf_manifest_text(HfFields *fields, const char *name, bool required)
{
    char *text = hf_fields_text(fields, name, required);

    if (text && (*text == '\0' || g_utf8_strlen(text, -1) > 64)) {
        hf_fields_wrong(fields, name, "1 to 64 characters expected");
    }
    return text;
}

HfVmaAlgorithm hf_manifest_algorithm(HfFields *fields, bool host_tpm)
{
    unsigned algorithm = hf_fields_choice(fields, "key-algorithm", algorithms);

    if ((algorithm == 2) == host_tpm) {
        hf_fields_wrong(fields, "key-algorithm", "does not go with the signer");
    }
    return algorithm == 1 ? HF_VMA_RSA_2048 : HF_VMA_ECC_P256;
}

const char *hf_manifest_algorithm_name(bool host_tpm, HfVmaAlgorithm algorithm)
{
    return algorithms[!host_tpm ? 2 : algorithm == HF_VMA_RSA_2048 ? 1 : 0];
}

static void parse_host_tpm(HfFields *fields, HfManifest *manifest)
{
    g_autofree char *pcrs = NULL;
    g_autoptr(GError) why = NULL;

    manifest->tcti = hf_fields_text(fields, "tcti", true);
    if (*manifest->tcti == '\0') {
        hf_fields_wrong(fields, "tcti", "a TCTI expected, found nothing");
    }
    manifest->host_tpm_text = hf_manifest_text(fields, "host-tpm", true);
    manifest->host_ek = hf_fields_hex(fields, "host-ek", true, 32, 32);
    manifest->srk_name = hf_fields_hex(fields, "srk-name", true, NAME_BYTES, NAME_BYTES);
    manifest->srk_handle = (uint32_t)hf_fields_number(fields, "srk-handle", 0x81000000, 0x81ffffff);
    manifest->approver_name = hf_fields_hex(fields, "approver-name", true, NAME_BYTES, NAME_BYTES);
    manifest->counter_index =
        (uint32_t)hf_fields_number(fields, "counter-index", 0x01000000, 0x01ffffff);
    pcrs = hf_fields_text(fields, "pcrs", true);
    if (!hf_pcr_selection_parse(pcrs, &manifest->pcrs, &why)) {
        hf_fields_wrong(fields, "pcrs", why->message);
    }
}

HfManifest *hf_manifest_parse(GBytes *json, const char *label, GError **error)
{
    g_autoptr(HfManifest) manifest = g_new0(HfManifest, 1);
    g_autoptr(HfFields) fields = hf_fields_parse(json, label, FORMAT, FORMAT_VERSION, error);

    if (!fields) {
        return NULL;
    }
    manifest->host_tpm = hf_fields_choice(fields, "signer", signers) == 0;
    manifest->algorithm = hf_manifest_algorithm(fields, manifest->host_tpm);
    manifest->migration_policy = hf_manifest_text(fields, "migration-policy", true);
    manifest->key_name = hf_fields_text(fields, "key", false);
    if (manifest->key_name && !hf_authority_key_check_name(manifest->key_name, NULL)) {
        hf_fields_wrong(fields, "key", "the name of a key expected");
    }
    manifest->device_model = hf_manifest_text(fields, "device-model", false);
    manifest->aia_url = hf_fields_text(fields, "aia-url", false);
    manifest->platform_manufacturer = hf_manifest_text(fields, "platform-manufacturer", true);
    manifest->platform_model = hf_manifest_text(fields, "platform-model", true);
    manifest->platform_version = hf_manifest_text(fields, "platform-version", true);
    if (manifest->host_tpm) {
        parse_host_tpm(fields, manifest);
    }
    return hf_fields_finish(fields, error) ? g_steal_pointer(&manifest) : NULL;
}

HfManifest *hf_manifest_load(int dir, const char *label, GError **error)
{
    g_autoptr(GBytes) json =
        hf_file_read_at(dir, HF_MANIFEST_FILE, HF_FIELDS_FILE_MAX, label, error);

    return json ? hf_manifest_parse(json, label, error) : NULL;
}

bool hf_manifest_create(const HfManifest *manifest, int dir, const char *label, GError **error)
{
    int64_t version = manifest->key_name || manifest->device_model ? FORMAT_VERSION : FORMAT_PLAIN;
    JsonBuilder *builder = hf_fields_begin(FORMAT, version, version);
    g_autoptr(HfManifest) again = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = NULL;

    hf_fields_put(builder, "signer", signers[manifest->host_tpm ? 0 : 1]);
    hf_fields_put(builder, "key-algorithm",
                  hf_manifest_algorithm_name(manifest->host_tpm, manifest->algorithm));
    hf_fields_put(builder, "migration-policy", manifest->migration_policy);
    hf_fields_put(builder, "key", manifest->key_name);
    hf_fields_put(builder, "device-model", manifest->device_model);
    hf_fields_put(builder, "aia-url", manifest->aia_url);
    hf_fields_put(builder, "platform-manufacturer", manifest->platform_manufacturer);
    hf_fields_put(builder, "platform-model", manifest->platform_model);
    hf_fields_put(builder, "platform-version", manifest->platform_version);
    if (manifest->host_tpm) {
        g_autofree char *pcrs = hf_pcr_selection_text(&manifest->pcrs);

        hf_fields_put(builder, "tcti", manifest->tcti);
        hf_fields_put(builder, "host-tpm", manifest->host_tpm_text);
        hf_fields_put_bytes(builder, "host-ek", manifest->host_ek);
        hf_fields_put_bytes(builder, "srk-name", manifest->srk_name);
        hf_fields_put_number(builder, "srk-handle", manifest->srk_handle);
        hf_fields_put_bytes(builder, "approver-name", manifest->approver_name);
        hf_fields_put_number(builder, "counter-index", manifest->counter_index);
        hf_fields_put(builder, "pcrs", pcrs);
    }
    text = hf_fields_end(builder);
    bytes = g_bytes_new(text, strlen(text));
    again = hf_manifest_parse(bytes, label, error);
    return again &&
           hf_file_create_at(dir, HF_MANIFEST_FILE, text, strlen(text), 0600, label, error);
}
