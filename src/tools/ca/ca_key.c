/*
 * ca_key.c - the CA's own key, by kind.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_key.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "hwtpm/hwsigner.h"
#include "pki/keyfile.h"
#include "pki/spki.h"
#include "tools/common/blob_file.h"
#include "tools/common/fields.h"
#include "tools/common/host_connection.h"

#define KEY "root.key"
#define BLOB "root.blob"
#define SIGNER "signer.json"
#define FORMAT "holdfast-ca-signer"
#define FORMAT_VERSION 1

/* What signer.json says. */
typedef struct {
    bool tpm;
    char *url;   /* of a token's key */
    char *tcti;  /* of a TPM; NULL: the default one */
    GBytes *srk; /* Name of its storage root key */
} Place;

static void place_clear(Place *place)
{
    g_clear_pointer(&place->url, g_free);
    g_clear_pointer(&place->tcti, g_free);
    g_clear_pointer(&place->srk, g_bytes_unref);
}

static bool place_save(int fd, const char *dir, const Place *place, GError **error)
{
    g_autofree char *label = g_build_filename(dir, SIGNER, NULL);
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);
    g_autofree char *text = NULL;

    hf_fields_put(builder, "kind", place->tpm ? "tpm" : "pkcs11");
    hf_fields_put(builder, "url", place->url);
    hf_fields_put(builder, "tcti", place->tcti);
    hf_fields_put_bytes(builder, "srk-name", place->srk);
    text = hf_fields_end(builder);
    return hf_file_create_at(fd, SIGNER, text, strlen(text), 0600, label, error);
}

static bool place_load(GBytes *file, const char *label, Place *ret_place, GError **error)
{
    static const char *const kinds[] = { "pkcs11", "tpm", NULL };
    g_autoptr(HfFields) fields = hf_fields_parse(file, label, FORMAT, FORMAT_VERSION, error);

    if (!fields) {
        return false;
    }
    ret_place->tpm = hf_fields_choice(fields, "kind", kinds) == 1;
    if (ret_place->tpm) {
        ret_place->tcti = hf_fields_text(fields, "tcti", false);
        ret_place->srk = hf_fields_hex(fields, "srk-name", true, 2, 2 + HF_HASH_MAX);
    } else {
        ret_place->url = hf_fields_text(fields, "url", true);
    }
    return hf_fields_finish(fields, error);
}

/* A signer whose TPM may come and go. */
typedef struct {
    HfSigner base;
    Place place;
    HfKeyBlob *blob;
    const HfSecret *pin;
    HfConnection *connection;
    HfSigner *inner; /* of the connection; NULL: none now */
} TpmKey;

static void tpm_disconnect(TpmKey *self)
{
    g_clear_pointer(&self->inner, hf_signer_free);
    g_clear_pointer(&self->connection, hf_connection_free);
}

static void tpm_free(HfSigner *signer)
{
    TpmKey *self = (TpmKey *)signer;

    tpm_disconnect(self);
    hf_key_blob_free(self->blob);
    place_clear(&self->place);
    g_clear_pointer(&self->base.spki, g_bytes_unref);
    g_free(self);
}

static bool tpm_connect(TpmKey *self, GError **error)
{
    self->connection = hf_host_connection(self->place.tcti, error);
    if (self->connection &&
        hf_storage_open(self->connection, HF_SRK_HANDLE, self->place.srk, NULL, error)) {
        self->inner = hf_signer_auth_new(self->connection, self->blob, self->pin, error);
    }
    if (!self->inner) {
        tpm_disconnect(self);
    }
    return self->inner != NULL;
}

static GBytes *tpm_sign(HfSigner *signer, const uint8_t *digest, size_t size, GError **error)
{
    TpmKey *self = (TpmKey *)signer;
    bool fresh = !self->inner;
    GError *local = NULL;
    GBytes *signature = NULL;

    if (fresh && !tpm_connect(self, error)) {
        return NULL;
    }
    signature = self->inner->class->sign(self->inner, digest, size, &local);
    if (!signature && !fresh && !hf_error_is(local, HF_ERROR_AUTH)) {
        /* The TPM may have been started anew since the last signature. */
        tpm_disconnect(self);
        g_clear_error(&local);
        if (!tpm_connect(self, error)) {
            return NULL;
        }
        signature = self->inner->class->sign(self->inner, digest, size, &local);
    }
    if (!signature) {
        tpm_disconnect(self);
        g_propagate_error(error, local);
    }
    return signature;
}

static const HfSignerClass tpm_class = {
    .name = "tpm",
    .sign = tpm_sign,
    .free = tpm_free,
};

/* Takes place and blob. */
static HfSigner *tpm_new(Place *place, HfKeyBlob *blob, const HfSecret *pin, GError **error)
{
    TpmKey *self = g_new0(TpmKey, 1);
    g_autoptr(HfSigner) signer = &self->base;
    g_autoptr(HfPublicKey) key = NULL;
    size_t size = 0;
    const void *area = g_bytes_get_data(blob->public_area, &size);
    HfPublic parsed;

    signer->class = &tpm_class;
    signer->rooted = HF_ROOTED_HARDWARE;
    self->place = *place;
    *place = (Place){ 0 };
    self->blob = blob;
    self->pin = pin;
    if (!hf_public_parse(area, size, &parsed, error) || !(key = hf_public_key_of(&parsed, error))) {
        g_prefix_error(error, "%s: ", BLOB);
        return NULL;
    }
    signer->spki = hf_public_key_spki(key);
    return hf_spki_algorithm(signer->spki, BLOB, &signer->algorithm, error)
               ? g_steal_pointer(&signer)
               : NULL;
}

bool hf_ca_key_is_tpm(const char *key)
{
    return strcmp(key, "tpm") == 0 || g_str_has_prefix(key, "tpm:");
}

static HfSigner *make_in_tpm(int fd, const char *dir, const char *key, const HfSecret *pin,
                             GError **error)
{
    g_autofree char *label = g_build_filename(dir, BLOB, NULL);
    Place place = { .tpm = true, .tcti = key[3] ? g_strdup(key + strlen("tpm:")) : NULL };
    g_autoptr(HfConnection) connection = hf_host_connection(place.tcti, error);
    g_autoptr(HfKeyBlob) blob = NULL;
    HfSigner *signer = NULL;

    if (connection && hf_storage_open(connection, HF_SRK_HANDLE, NULL, &place.srk, error)) {
        blob = hf_key_create_with_auth(connection, pin, error);
    }
    /* One connection at a time. */
    g_clear_pointer(&connection, hf_connection_free);
    if (blob && hf_blob_create(blob, fd, BLOB, label, error) &&
        place_save(fd, dir, &place, error)) {
        signer = tpm_new(&place, g_steal_pointer(&blob), pin, error);
    }
    place_clear(&place);
    return signer;
}

static HfSigner *open_token(const char *url, const HfSecret *pin, GError **error)
{
    HfSigner *signer = hf_signer_pkcs11_new(url, pin, error);

    if (!signer) {
        g_prefix_error(error, "the CA's key in a PKCS#11 token: ");
    }
    return signer;
}

static HfSigner *take_from_token(int fd, const char *dir, const char *url, const HfSecret *pin,
                                 GError **error)
{
    Place place = { .url = (char *)(uintptr_t)url };
    g_autoptr(HfSigner) signer = NULL;

    if (strstr(url, "pin-value=")) {
        hf_error_set(error, HF_ERROR_USAGE,
                     "a PIN does not belong into the URL of a key, which is kept: --pin gives it");
        return NULL;
    }
    signer = open_token(url, pin, error);
    return signer && place_save(fd, dir, &place, error) ? g_steal_pointer(&signer) : NULL;
}

static HfSigner *make_file(int fd, const char *dir, const char *key, const char *algorithm,
                           GError **error)
{
    g_autofree char *label = g_build_filename(dir, KEY, NULL);
    HfKeyfileKind kind;

    if (key ? !hf_keyfile_copy_at(key, fd, KEY, label, error)
            : !hf_keyfile_kind_parse(algorithm, &kind, error) ||
                  !hf_keyfile_generate_at(fd, KEY, kind, NULL, 0600, label, error)) {
        return NULL;
    }
    return hf_signer_file_new(label, error);
}

/* What an interrupted command may have left is not ours to remove. */
static bool check_new(int fd, const char *dir, GError **error)
{
    static const char *const names[] = { KEY, SIGNER, BLOB };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (faccessat(fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            return hf_error_set(error, HF_ERROR_EXISTS,
                                "%s/%s: there is a key already, which is not overwritten", dir,
                                names[i]);
        }
    }
    return true;
}

HfSigner *hf_ca_key_make(int fd, const char *dir, const char *key, const char *algorithm,
                         const HfSecret *pin, GError **error)
{
    HfSigner *signer = NULL;

    if (!check_new(fd, dir, error)) {
        return NULL;
    }
    if (key && hf_ca_key_is_tpm(key)) {
        signer = make_in_tpm(fd, dir, key, pin, error);
    } else if (key && hf_signer_is_pkcs11(key)) {
        signer = take_from_token(fd, dir, key, pin, error);
    } else {
        signer = make_file(fd, dir, key, algorithm, error);
    }
    if (!signer) {
        hf_ca_key_remove(fd);
    }
    return signer;
}

void hf_ca_key_remove(int fd)
{
    (void)unlinkat(fd, KEY, 0);
    (void)unlinkat(fd, SIGNER, 0);
    (void)unlinkat(fd, BLOB, 0);
}

static HfSigner *open_place(int fd, const char *dir, GBytes *file, const char *label,
                            const HfSecret *pin, GError **error)
{
    g_autofree char *blob_label = g_build_filename(dir, BLOB, NULL);
    g_autoptr(HfKeyBlob) blob = NULL;
    HfSigner *signer = NULL;
    Place place = { 0 };

    if (!place_load(file, label, &place, error)) {
        place_clear(&place);
        return NULL;
    }
    if (!place.tpm) {
        signer = open_token(place.url, pin, error);
    } else if ((blob = hf_blob_load(fd, BLOB, blob_label, error))) {
        signer = tpm_new(&place, g_steal_pointer(&blob), pin, error);
    }
    place_clear(&place);
    return signer;
}

HfSigner *hf_ca_key_open(int fd, const char *dir, const HfSecret *pin, GError **error)
{
    g_autofree char *label = g_build_filename(dir, SIGNER, NULL);
    g_autofree char *key = g_build_filename(dir, KEY, NULL);
    g_autoptr(GBytes) file = NULL;

    if (!hf_file_read_if_at(fd, SIGNER, HF_FIELDS_FILE_MAX, label, &file, error)) {
        return NULL;
    }
    return file ? open_place(fd, dir, file, label, pin, error) : hf_signer_file_new(key, error);
}

bool hf_ca_key_try(HfSigner *signer, GError **error)
{
    static const char what[] = "does the key work?";
    HfDigest digest =
        hf_digest_of(hf_sign_algorithm_hash(signer->algorithm), what, sizeof(what) - 1);
    g_autoptr(GBytes) signature = signer->class->sign(signer, digest.data, digest.size, error);

    return signature != NULL;
}
