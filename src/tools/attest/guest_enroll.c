/*
 * guest_enroll.c - `holdfast-attest enroll`: request and activation of an AK certificate, by files or
 * with a CA that serves.
 *
 * An answer is taken for the last request alone, once: the request waits in the directory until its
 * answer was installed. What does not verify is not installed, and the request goes on waiting.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/ak_chain.h"
#include "tools/attest/guest.h"
#include "tools/common/ak_enrolment.h"
#include "tools/common/ca_connection.h"
#include "tools/common/enrolment_kinds.h"
#include "tools/common/parcel.h"

static GBytes *public_bytes(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return g_byte_array_free_to_bytes(w);
}

/* The parcel. */
static GBytes *write_request(const HfGuest *guest)
{
    g_autoptr(HfAkRequest) request = hf_ak_request_new();

    request->parts[HF_AK_REQUEST_AK] = public_bytes(hf_host_key_public(guest->ak));
    request->parts[HF_AK_REQUEST_EK] = public_bytes(&guest->ek);
    if (guest->ek_certificate) {
        request->parts[HF_AK_REQUEST_EK_CERTIFICATE] = g_bytes_ref(guest->ek_certificate);
        request->parts[HF_AK_REQUEST_ABOVE] = hf_endorsement_above(guest->connection);
    }
    return hf_ak_request_write(request);
}

static bool make_request(const HfOptions *options, const char *out, GError **error)
{
    g_autoptr(HfGuest) guest = hf_guest_open(options, true, error);
    g_autofree char *label = guest ? hf_guest_label(guest, HF_GUEST_REQUEST) : NULL;
    g_autoptr(GBytes) file = NULL;

    if (!guest || !hf_guest_save(guest, error)) {
        return false;
    }
    file = write_request(guest);
    if (!hf_file_replace_at(guest->fd, HF_GUEST_REQUEST, g_bytes_get_data(file, NULL),
                            g_bytes_get_size(file), 0600, label, error) ||
        !hf_file_replace(out, g_bytes_get_data(file, NULL), g_bytes_get_size(file), 0644, error)) {
        return false;
    }
    printf("%s: request for the certificate of an attestation key%s\n", out,
           guest->ek_certificate ? "" : "; the TPM has no EK certificate");
    return true;
}

/* The request that waits; HF_ERROR_STATE when none does. */
static HfAkRequest *waiting(const HfGuest *guest, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, HF_GUEST_REQUEST);
    g_autoptr(GBytes) file = NULL;

    if (!hf_file_read_if_at(guest->fd, HF_GUEST_REQUEST, HF_PARCEL_FILE_MAX, label, &file, error)) {
        return NULL;
    }
    if (!file) {
        hf_error_set(
            error, HF_ERROR_STATE,
            "%s: no request waits for an answer: it was answered already, or none was made",
            guest->path);
        return NULL;
    }
    return hf_ak_request_read(file, label, error);
}

static bool check_answer(const HfAkAnswer *answer, const HfAkRequest *request, const HfHostKey *ak,
                         GError **error)
{
    HfTpmName name = hf_public_name(hf_host_key_public(ak));

    if (!g_bytes_equal(answer->request, request->digest)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "answer: it is not the one to the request that waits");
    }
    if (g_bytes_get_size(answer->ak_name) != name.size ||
        memcmp(g_bytes_get_data(answer->ak_name, NULL), name.data, name.size) != 0) {
        return hf_error_set(error, HF_ERROR_AUTH, "answer: it is for another attestation key");
    }
    return true;
}

/* With --ca-root up to one of those, else up to the last certificate that came. */
static bool check_certificates(const HfOptions *options, GPtrArray *chain, const HfHostKey *ak,
                               GError **error)
{
    const char *path = hf_options_string(options, "ca-root");
    g_autoptr(GPtrArray) roots = path ? hf_certificate_load_bundle(path, error) : NULL;
    g_autoptr(HfPublicKey) key = hf_public_key_of(hf_host_key_public(ak), error);
    g_autoptr(GBytes) spki = key ? hf_public_key_spki(key) : NULL;
    const HfCertificate *leaf = chain->pdata[0];

    if (!spki || (path && !roots)) {
        return false;
    }
    if (!g_bytes_equal(leaf->spki, spki)) {
        return hf_error_set(error, HF_ERROR_AUTH,
                            "AK certificate: it is for another key than this attestation key");
    }
    if (!roots) {
        roots = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
        g_ptr_array_add(roots, hf_certificate_ref(chain->pdata[chain->len - 1]));
    }
    return hf_ak_chain_verify(chain, roots, g_get_real_time() / G_USEC_PER_SEC, NULL, error);
}

static bool install(const HfGuest *guest, GPtrArray *chain, GError **error)
{
    g_autofree char *label = hf_guest_label(guest, HF_GUEST_CERTIFICATE);
    g_autoptr(GString) pem = g_string_new(NULL);

    for (unsigned i = 0; i < chain->len; i++) {
        g_autofree char *one = hf_certificate_pem(chain->pdata[i]);

        g_string_append(pem, one);
    }
    if (!hf_file_replace_at(guest->fd, HF_GUEST_CERTIFICATE, pem->str, pem->len, 0600, label,
                            error)) {
        return false;
    }
    printf("%s: certificate of the attestation key installed\n", label);
    return true;
}

/* The certificates in the answer to `request`, verified; NULL when it is not for us. */
static GPtrArray *open_answer(const HfOptions *options, const HfGuest *guest,
                              const HfAkRequest *request, const HfAkAnswer *answer, GError **error)
{
    g_autoptr(HfSecret) secret = NULL;
    g_autoptr(GBytes) certificates = NULL;
    g_autoptr(GPtrArray) chain = NULL;

    if (!check_answer(answer, request, guest->ak, error)) {
        return NULL;
    }
    secret = hf_endorsement_activate(guest->connection, guest->ak, answer->credential, answer->seed,
                                     error);
    certificates = secret ? hf_ak_answer_open(answer, secret, error) : NULL;
    chain = certificates ? hf_certificate_parse_bundle(certificates, "AK answer", error) : NULL;
    return chain && check_certificates(options, chain, guest->ak, error) ? g_steal_pointer(&chain)
                                                                         : NULL;
}

/* The certificate first: if all ends between the two, the same answer can be installed again. */
static bool activate(const HfOptions *options, const char *path, GError **error)
{
    g_autoptr(GBytes) file = hf_file_read(path, HF_PARCEL_FILE_MAX, error);
    g_autoptr(HfAkAnswer) answer = file ? hf_ak_answer_read(file, path, error) : NULL;
    g_autoptr(HfGuest) guest = answer ? hf_guest_open(options, false, error) : NULL;
    g_autoptr(HfAkRequest) request = guest ? waiting(guest, error) : NULL;
    g_autoptr(GPtrArray) chain =
        request ? open_answer(options, guest, request, answer, error) : NULL;

    if (!chain || !install(guest, chain, error)) {
        return false;
    }
    if (unlinkat(guest->fd, HF_GUEST_REQUEST, 0) != 0 || fsync(guest->fd) != 0) {
        return hf_error_errno(error, errno, "%s/%s", guest->path, HF_GUEST_REQUEST);
    }
    return true;
}

/* Request and activation in one, against a CA that serves. Nothing is written before the certificate
 * is there and good: whatever goes wrong, the directory is as it was, its key too. */
static bool ask_server(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaConnection) ca = hf_ca_connection_new(options, error);
    g_autoptr(HfGuest) guest = ca ? hf_guest_open(options, true, error) : NULL;
    g_autoptr(GBytes) letter = guest ? write_request(guest) : NULL;
    g_autoptr(HfAkRequest) request =
        letter ? hf_ak_request_read(letter, "the request", error) : NULL;
    g_autoptr(GBytes) told = request ? hf_ca_connection_ask(ca, HF_ASK_AK, letter, error) : NULL;
    g_autoptr(HfAkAnswer) answer =
        told ? hf_ak_answer_read(told, "the server's answer", error) : NULL;
    g_autoptr(GPtrArray) chain =
        answer ? open_answer(options, guest, request, answer, error) : NULL;

    return chain && hf_guest_save(guest, error) && install(guest, chain, error);
}

bool hf_guest_enroll(const HfOptions *options, GError **error)
{
    const char *request = hf_options_string(options, "request");
    const char *answer = hf_options_string(options, "activate");
    bool server = hf_options_has(options, "server");

    if ((request != NULL) + (answer != NULL) + server != 1) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "enroll: one of --request, --activate and --server expected");
    }
    if (server) {
        return ask_server(options, error);
    }
    return request ? make_request(options, request, error) : activate(options, answer, error);
}
