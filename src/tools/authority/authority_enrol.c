/*
 * authority_enrol.c - `holdfast-authority enrol`: request, respond and install-certificate as one
 * command against a CA that serves.
 *
 * Each letter goes over a connection of its own: a TPM may take its time in between. Until the
 * certificate that came back is found good nothing counts: whatever goes wrong, the authority is as
 * it was, its key too. A new key waits beside the old one until its certificate is installed. What is there already and good is left alone, so the command can be repeated.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "tools/authority/authority_commands.h"
#include "tools/authority/authority_evidence.h"
#include "tools/authority/authority_files.h"
#include "tools/authority/authority_install.h"
#include "tools/common/blob_file.h"
#include "tools/common/ca_connection.h"
#include "tools/common/enrolment_kinds.h"
#include "tools/common/parcel.h"

typedef struct {
    const HfOptions *options;
    HfAuthorityDir *authority;
    HfCertificate
        *root; /* the only one believed; NULL: whoever the server is believed to be says */
    HfCaConnection *ca;
    bool progress;
} Enrolment;

static void step(const Enrolment *enrolment, const char *text)
{
    if (enrolment->progress) {
        fprintf(stderr, "holdfast-authority: %s\n", text);
    }
}

/* --root, or the root of the chain that is installed: a renewal does not change fleets. */
static bool load_root(Enrolment *enrolment, GError **error)
{
    const char *path = hf_options_string(enrolment->options, "root");
    const HfAuthorityDir *authority = enrolment->authority;
    g_autoptr(GPtrArray) bundle = NULL;

    if (!path) {
        if (authority->above && authority->above->len > 0) {
            enrolment->root =
                hf_certificate_ref(g_ptr_array_index(authority->above, authority->above->len - 1));
        }
        return true;
    }
    bundle = hf_certificate_load_bundle(path, error);
    if (!bundle) {
        return false;
    }
    if (bundle->len != 1) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: one certificate expected, found %u", path,
                            bundle->len);
    }
    enrolment->root = hf_certificate_ref(g_ptr_array_index(bundle, 0));
    return true;
}

static HfChallenge *get_challenge(Enrolment *enrolment, GError **error)
{
    g_autoptr(HfIntroduction) introduction = NULL;
    g_autoptr(GBytes) letter = NULL;
    g_autoptr(GBytes) answer = NULL;

    step(enrolment, "1 of 4: the host TPM tells its keys (a TPM is slow: up to a minute)");
    introduction = hf_authority_introduce(enrolment->authority, error);
    if (!introduction) {
        return NULL;
    }
    step(enrolment, "2 of 4: introducing this host to the CA");
    letter = hf_introduction_write(introduction);
    answer = hf_ca_connection_ask(enrolment->ca, HF_ASK_INTRODUCTION, letter, error);
    return answer ? hf_challenge_read(answer, "the server's answer", error) : NULL;
}

static GPtrArray *get_certificates(Enrolment *enrolment, const HfChallenge *challenge,
                                   GError **error)
{
    g_autoptr(GBytes) log = NULL;
    g_autoptr(HfEvidence) evidence = NULL;
    g_autoptr(GBytes) letter = NULL;
    g_autoptr(GBytes) answer = NULL;

    step(enrolment, "3 of 4: the host TPM answers the challenge, makes the signing key and "
                    "quotes its PCRs (up to minutes)");
    if (!hf_authority_event_log(enrolment->options, enrolment->authority, &log, error)) {
        return NULL;
    }
    evidence = hf_authority_evidence(enrolment->authority, challenge, log, HF_BLOB_NEXT, error);
    if (!evidence) {
        return NULL;
    }
    step(enrolment, "4 of 4: asking the CA for the certificate");
    letter = hf_evidence_write(evidence);
    answer = hf_ca_connection_ask(enrolment->ca, HF_ASK_DELEGATION, letter, error);
    return answer ? hf_certificate_parse_bundle(answer, "the server's answer", error) : NULL;
}

static bool enrol(Enrolment *enrolment, GError **error)
{
    g_autoptr(HfChallenge) challenge = get_challenge(enrolment, error);
    g_autoptr(GPtrArray) all = challenge ? get_certificates(enrolment, challenge, error) : NULL;

    return all && hf_authority_install(enrolment->authority, all, enrolment->root,
                                       hf_options_list(enrolment->options, "crl"), error);
}

/* A new key without certificate counts for nothing. With one it does, wherever all ended. */
static void forget_next(const HfAuthorityDir *authority)
{
    if (faccessat(authority->key_fd, HF_AUTHORITY_CERTIFICATE, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
        errno == ENOENT) {
        (void)unlinkat(authority->key_fd, HF_BLOB_NEXT, 0);
    }
}

static bool is_enrolled(HfAuthorityDir *authority, GError **error)
{
    const HfCertificate *own = hf_authority_certificate(authority, NULL);
    g_autoptr(GBytes) spki = own ? hf_authority_own_spki(authority, error) : NULL;

    return spki && g_bytes_equal(spki, own->spki);
}

static bool run(Enrolment *enrolment, GError **error)
{
    HfAuthorityDir *authority = enrolment->authority;

    if (!hf_authority_settle(authority, error)) { /* an installation that was interrupted */
        return false;
    }
    if (!hf_options_flag(enrolment->options, "renew") && is_enrolled(authority, NULL)) {
        printf("%s: enrolled already; --renew asks for a new certificate\n", authority->key_path);
        return true;
    }
    enrolment->ca = hf_ca_connection_new(enrolment->options, error);
    if (!enrolment->ca || !load_root(enrolment, error)) {
        return false;
    }
    if (!enrol(enrolment, error)) {
        forget_next(authority);
        return false;
    }
    printf("%s: enrolled, certificate installed\n", authority->key_path);
    return true;
}

bool hf_authority_command_enrol(const HfOptions *options, GError **error)
{
    Enrolment enrolment = { .options = options,
                            .progress =
                                hf_options_flag(options, "progress") || isatty(STDERR_FILENO) };
    hf_autofd int lock = hf_dir_open(hf_options_string(options, "dir"), error);
    bool good;

    if (lock < 0) {
        return false;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? hf_error_set(error, HF_ERROR_BUSY, "%s: it is being enrolled just now",
                                  hf_options_string(options, "dir"))
                   : hf_error_errno(error, errno, "%s", hf_options_string(options, "dir"));
    }
    enrolment.authority = hf_authority_open_connected(options, error);
    good = enrolment.authority && run(&enrolment, error);
    g_clear_pointer(&enrolment.root, hf_certificate_unref);
    hf_ca_connection_free(enrolment.ca);
    hf_authority_free(enrolment.authority);
    return good;
}
