/*
 * tls.c - credentials from files.
 *
 * Files are read by us, not by GnuTLS, so that a key others can read is refused and a certificate
 * without its key is an error that names both.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/tls_private.h"

#include <gnutls/x509.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/keyfile.h"

#define CERTIFICATES_MAX (1024u * 1024u)
/* What is older than TLS 1.2, and what 1.2 has without forward secrecy, is out; so are certificates
 * over keys of less than 112 bits of security (RSA-1024). */
#define PRIORITIES \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-SHA1:%SERVER_PRECEDENCE:%PROFILE_MEDIUM"

HfTls *hf_tls_ref(HfTls *tls)
{
    g_atomic_ref_count_inc(&tls->references);
    return tls;
}

void hf_tls_unref(HfTls *tls)
{
    if (tls && g_atomic_ref_count_dec(&tls->references)) {
        gnutls_certificate_free_credentials(tls->credentials);
        g_free(tls);
    }
}

static bool load_own(HfTls *tls, const HfTlsFiles *files, GError **error)
{
    g_autoptr(GBytes) pem = hf_file_read_input(files->certificate, CERTIFICATES_MAX, error);
    g_autoptr(HfSecret) key = pem ? hf_keyfile_read_linked(files->key, error) : NULL;
    gnutls_datum_t certificate, private;
    size_t size = 0;
    int rc;

    if (!key) {
        return false;
    }
    certificate.data = (unsigned char *)(uintptr_t)g_bytes_get_data(pem, &size);
    certificate.size = (unsigned)size;
    private = (gnutls_datum_t){ .data = key->data, .size = (unsigned)key->size };
    rc = gnutls_certificate_set_x509_key_mem(tls->credentials, &certificate, &private,
                                             GNUTLS_X509_FMT_PEM);
    return rc >= 0 || hf_error_set(error, HF_ERROR_INVALID,
                                   "%s and %s: a certificate and its private key expected, PEM: %s",
                                   files->certificate, files->key, gnutls_strerror(rc));
}

static bool load_believed(HfTls *tls, const char *path, GError **error)
{
    g_autoptr(GBytes) pem = hf_file_read_input(path, CERTIFICATES_MAX, error);
    gnutls_datum_t datum;
    size_t size = 0;
    int count;

    if (!pem) {
        return false;
    }
    datum.data = (unsigned char *)(uintptr_t)g_bytes_get_data(pem, &size);
    datum.size = (unsigned)size;
    count = gnutls_certificate_set_x509_trust_mem(tls->credentials, &datum, GNUTLS_X509_FMT_PEM);
    return count > 0 || hf_error_set(error, HF_ERROR_INVALID, "%s: certificates expected, PEM: %s",
                                     path, count < 0 ? gnutls_strerror(count) : "found none");
}

static HfTls *make(const HfTlsFiles *files, bool server, GError **error)
{
    g_autoptr(HfTls) tls = g_new0(HfTls, 1);
    int rc;

    g_atomic_ref_count_init(&tls->references);
    tls->server = server;
    tls->verifies = !server || files->believed != NULL;
    rc = gnutls_certificate_allocate_credentials(&tls->credentials);
    if (rc < 0) {
        hf_error_set(error, HF_ERROR_FAILED, "TLS: %s", gnutls_strerror(rc));
        return NULL;
    }
    if ((files->certificate && !load_own(tls, files, error)) ||
        (files->believed && !load_believed(tls, files->believed, error))) {
        return NULL;
    }
    if (!server && !files->believed) {
        rc = gnutls_certificate_set_x509_system_trust(tls->credentials);
        if (rc <= 0) {
            hf_error_set(error, HF_ERROR_STATE,
                         "TLS: this system trusts no CA: say which one the server has");
            return NULL;
        }
    }
    return g_steal_pointer(&tls);
}

HfTls *hf_tls_server(const HfTlsFiles *files, GError **error)
{
    g_assert(files->certificate && files->key);
    return make(files, true, error);
}

HfTls *hf_tls_client(const HfTlsFiles *files, GError **error)
{
    return make(files, false, error);
}

bool hf_tls_session(HfTls *tls, gnutls_session_t *ret_session, GError **error)
{
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS |
                     (tls->server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    gnutls_session_t session = NULL;
    int rc = gnutls_init(&session, flags);

    if (rc >= 0) {
        rc = gnutls_priority_set_direct(session, PRIORITIES, NULL);
    }
    if (rc >= 0) {
        rc = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    }
    if (rc < 0) {
        gnutls_deinit(session);
        return hf_error_set(error, HF_ERROR_FAILED, "TLS: %s", gnutls_strerror(rc));
    }
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT);
    if (tls->server && tls->verifies) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    }
    *ret_session = session;
    return true;
}
