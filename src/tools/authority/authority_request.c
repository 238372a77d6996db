/*
 * authority_request.c - `holdfast-authority request` and `respond`: the host's two letters to the
 * fleet's CA.
 *
 * `request` alone introduces the host; the CA's challenge comes back and `respond` answers it with
 * the delegation request. With a nonce `request` makes the delegation request at once, which leaves
 * open whether the attestation key is in the TPM of the endorsement key.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/file.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_evidence.h"
#include "tools/common/blob_file.h"
#include "tools/authority/authority_files.h"
#include "tools/common/parcel.h"

static bool write_out(const HfOptions *options, GBytes *file, GError **error)
{
    return hf_file_replace(hf_options_string(options, "out"), g_bytes_get_data(file, NULL),
                           g_bytes_get_size(file), 0644, error);
}

static bool introduce(const HfOptions *options, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = hf_authority_open_connected(options, error);
    g_autoptr(HfIntroduction) introduction =
        authority ? hf_authority_introduce(authority, error) : NULL;
    g_autoptr(GBytes) file = introduction ? hf_introduction_write(introduction) : NULL;

    return file && write_out(options, file, error);
}

static bool respond(const HfOptions *options, const HfChallenge *challenge, GError **error)
{
    g_autoptr(HfAuthorityDir) authority = hf_authority_open_connected(options, error);
    g_autoptr(GBytes) log = NULL;
    g_autoptr(HfEvidence) evidence = NULL;
    g_autoptr(GBytes) file = NULL;

    if (!authority || !hf_authority_event_log(options, authority, &log, error)) {
        return false;
    }
    evidence = hf_authority_evidence(authority, challenge, log, HF_BLOB_FILE, error);
    file = evidence ? hf_evidence_write(evidence) : NULL;
    return file && write_out(options, file, error);
}

bool hf_authority_command_request(const HfOptions *options, GError **error)
{
    const char *hex = hf_options_string(options, "nonce");
    HfChallenge challenge = { 0 };
    bool done;

    if (!hex) {
        return introduce(options, error);
    }
    challenge.nonce = hf_hex_parse(hex, "--nonce", error);
    if (!challenge.nonce) {
        return false;
    }
    if (g_bytes_get_size(challenge.nonce) == HF_NONCE_SIZE) {
        done = respond(options, &challenge, error);
    } else {
        done = hf_error_set(error, HF_ERROR_INVALID, "--nonce: %u bytes expected, found %zu",
                            HF_NONCE_SIZE, g_bytes_get_size(challenge.nonce));
    }
    g_bytes_unref(challenge.nonce);
    return done;
}

bool hf_authority_command_respond(const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "challenge");
    g_autoptr(GBytes) file = hf_file_read(path, HF_PARCEL_FILE_MAX, error);
    g_autoptr(HfChallenge) challenge = file ? hf_challenge_read(file, path, error) : NULL;

    return challenge && respond(options, challenge, error);
}
