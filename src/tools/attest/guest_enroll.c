/*
 * guest_enroll.c - `holdfast-attest enroll`: request and activation of an AK certificate.
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
#include "tools/common/parcel.h"

static GBytes *public_bytes(const HfPublic *pub)
{
    GByteArray *w = g_byte_array_new();

    hf_public_write(pub, w);
    return g_byte_array_free_to_bytes(w);
}

static bool make_request(const HfOptions *options, const char *out, GError **error)
{
    g_autoptr(HfGuest) guest = hf_guest_open(options, true, error);
    g_autoptr(HfAkRequest) request = hf_ak_request_new();
    g_autofree char *label = guest ? hf_guest_label(guest, HF_GUEST_REQUEST) : NULL;
    g_autoptr(GBytes) file = NULL;

    if (!guest) {
        return false;
    }
    request->parts[HF_AK_REQUEST_AK] = public_bytes(hf_host_key_public(guest->ak));
    request->parts[HF_AK_REQUEST_EK] = public_bytes(&guest->ek);
    if (guest->ek_certificate) {
        request->parts[HF_AK_REQUEST_EK_CERTIFICATE] = g_bytes_ref(guest->ek_certificate);
        request->parts[HF_AK_REQUEST_ABOVE] = hf_endorsement_above(guest->connection);
    }
    file = hf_ak_request_write(request);
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
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) file =
        hf_file_read_at(guest->fd, HF_GUEST_REQUEST, HF_PARCEL_FILE_MAX, label, &local);

    if (hf_error_is(local, HF_ERROR_NOT_FOUND)) {
        hf_error_set(
            error, HF_ERROR_STATE,
            "%s: no request waits for an answer: it was answered already, or none was made",
            guest->path);
        return NULL;
    }
    if (!file) {
        g_propagate_error(error, g_steal_pointer(&local));
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

/* The certificate first: if all ends here, the same answer can be installed again. */
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
    if (unlinkat(guest->fd, HF_GUEST_REQUEST, 0) != 0 || fsync(guest->fd) != 0) {
        return hf_error_errno(error, errno, "%s/%s", guest->path, HF_GUEST_REQUEST);
    }
    printf("%s: certificate of the attestation key installed\n", label);
    return true;
}

static bool activate(const HfOptions *options, const char *path, GError **error)
{
    g_autoptr(GBytes) file = hf_file_read(path, HF_PARCEL_FILE_MAX, error);
    g_autoptr(HfAkAnswer) answer = file ? hf_ak_answer_read(file, path, error) : NULL;
    g_autoptr(HfGuest) guest = answer ? hf_guest_open(options, false, error) : NULL;
    g_autoptr(HfAkRequest) request = guest ? waiting(guest, error) : NULL;
    g_autoptr(HfSecret) secret = NULL;
    g_autoptr(GBytes) certificates = NULL;
    g_autoptr(GPtrArray) chain = NULL;

    if (!request || !check_answer(answer, request, guest->ak, error)) {
        return false;
    }
    secret = hf_endorsement_activate(guest->connection, guest->ak, answer->credential, answer->seed,
                                     error);
    certificates = secret ? hf_ak_answer_open(answer, secret, error) : NULL;
    chain = certificates ? hf_certificate_parse_bundle(certificates, "AK answer", error) : NULL;
    return chain && check_certificates(options, chain, guest->ak, error) &&
           install(guest, chain, error);
}

bool hf_guest_enroll(const HfOptions *options, GError **error)
{
    const char *request = hf_options_string(options, "request");
    const char *answer = hf_options_string(options, "activate");

    if (!request == !answer) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "enroll: one of --request and --activate expected");
    }
    return request ? make_request(options, request, error) : activate(options, answer, error);
}
