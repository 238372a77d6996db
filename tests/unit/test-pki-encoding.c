/*
 * test-pki-encoding.c - DER, PEM, names, our own extension, requests, key files: written, read, and
 * refused when they are not what they should be.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"
#include "base/file.h"
#include "pki/name.h"
#include "pki/oid.h"
#include "pki/pem.h"
#include "pki/request.h"
#include "pki/spki.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static GBytes *bytes_of(const char *hex)
{
    g_autoptr(GError) error = NULL;
    GBytes *bytes = hf_hex_parse(hex, "test", &error);
    g_assert_no_error(error);
    return bytes;
}

/* What the writer wrote, in hex; frees it. */
static void assert_hex(GByteArray *w, const char *expected)
{
    g_autofree char *hex = hf_hex(w->data, w->len);
    g_assert_cmpstr(hex, ==, expected);
    g_byte_array_unref(w);
}

static void test_write(void)
{
    const struct {
        uint64_t value;
        const char *hex;
    } numbers[] = { { 0, "020100" },
                    { 127, "02017f" },
                    { 128, "02020080" },
                    { 256, "02020100" },
                    { G_MAXUINT64, "020900ffffffffffffffff" } };
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        GByteArray *w = g_byte_array_new();
        hf_der_put_uint(w, numbers[i].value);
        assert_hex(w, numbers[i].hex);
    }
    GByteArray *w = g_byte_array_new();
    hf_der_put_oid(w, "2.23.133.8.1");
    hf_der_put_oid(w, "1.2.840.113549.1.1.11");
    hf_der_put_oid(w, "2.999.3");
    assert_hex(w, "0605678105080106092a864886f70d01010b0603883703");

    w = g_byte_array_new();
    hf_der_put_time(w, HF_DER_TIME_NEVER);
    assert_hex(w, "180f39393939313233313233353935395a");
    w = g_byte_array_new();
    hf_der_put_time(w, G_GINT64_CONSTANT(2524607999)); /* the last second of UTCTime */
    assert_hex(w, "170d3439313233313233353935395a");
    w = g_byte_array_new();
    hf_der_put_time(w, G_GINT64_CONSTANT(2524608000));
    assert_hex(w, "180f32303530303130313030303030305a");

    /* Lengths of one, two and three octets. */
    const size_t sizes[] = { 127, 128, 255, 256, 65535, 65536 };
    const char *heads[] = { "047f", "048180", "0481ff", "04820100", "0482ffff", "0483010000" };
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree uint8_t *data = g_malloc0(sizes[i]);
        w = g_byte_array_new();
        hf_der_put(w, HF_DER_OCTETS, data, sizes[i]);
        HfReader r = hf_reader(w->data, w->len);
        HfReader content = hf_der_get(&r, HF_DER_OCTETS);
        g_assert_cmpuint(hf_reader_left(&content), ==, sizes[i]);
        g_assert_true(hf_reader_done(&r));
        g_byte_array_set_size(w, (guint)strlen(heads[i]) / 2);
        assert_hex(w, heads[i]);
    }
}

/* One getter over hostile bytes: everything but exactly the right form fails the reader. */
static void test_read(void)
{
    enum { OID, UINT, BOOL, TEXT, TIME, ANY };
    const struct {
        int what;
        const char *hex;
        bool good;
    } rows[] = {
        { OID, "06056781050801", true },
        { OID, "0600", false },
        { OID, "060180", false },             /* unfinished */
        { OID, "06028001", false },           /* padded arc */
        { OID, "0602ffff", false },           /* unfinished */
        { OID, "06078fffffffffff7f", false }, /* arc over 32 bits */
        { OID, "040100", false },
        { UINT, "020100", true },
        { UINT, "02020080", true },
        { UINT, "02087fffffffffffffff", true },
        { UINT, "0200", false },
        { UINT, "020180", false },   /* negative */
        { UINT, "0202007f", false }, /* padded */
        { UINT, "0209008000000000000000", false },
        { BOOL, "0101ff", true },
        { BOOL, "010100", true },
        { BOOL, "010101", false },
        { BOOL, "0100", false },
        { TEXT, "0c0161", true },
        { TEXT, "0c00", true },
        { TEXT, "130161", true },
        { TEXT, "0c0100", false }, /* NUL */
        { TEXT, "0c01ff", false }, /* no UTF-8 */
        { TEXT, "1e020061", false },
        { TIME, "170d3236303130313030303030305a", true },
        { TIME, "180f39393939313233313233353935395a", true },
        { TIME, "170d3236313330313030303030305a", false }, /* month 13 */
        { TIME, "170d3236303232393030303030305a", false }, /* 29 February 2026 */
        { TIME, "170d3236303130313234303030305a", false }, /* hour 24 */
        { TIME, "170d32363031303130303030303000", false },
        { TIME, "170b323630313031303030305a", false },
        { TIME, "170d2d36303130313030303030305a", false },
        { ANY, "0400", true },
        { ANY, "04", false },
        { ANY, "", false },
        { ANY, "0401", false },
        { ANY, "048000", false },   /* indefinite */
        { ANY, "048100", false },   /* not the shortest length */
        { ANY, "04820001", false }, /* not the shortest length */
        { ANY, "0482007f", false }, /* not the shortest length */
        { ANY, "0484000000ff", false },
        { ANY, "04ff", false },
        { ANY, "1f0100", false }, /* high tag number */
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GBytes) der = bytes_of(rows[i].hex);
        HfReader r = hf_reader_for(der);
        g_autofree char *text = NULL;
        switch (rows[i].what) {
        case OID: text = hf_der_oid(&r); break;
        case UINT: hf_der_uint(&r); break;
        case BOOL: hf_der_bool(&r); break;
        case TEXT: text = hf_der_text(&r); break;
        case TIME: hf_der_time(&r); break;
        default: hf_der_whole(&r, 0); break;
        }
        if (r.failed == rows[i].good) {
            g_error("row %zu (%s): expected %s", i, rows[i].hex, rows[i].good ? "good" : "bad");
        }
    }
}

static void test_times(void)
{
    const gint64 times[] = {
        -631152000, 0, WORLD_BIRTH, 2524607999, 2524608000, HF_DER_TIME_NEVER
    };
    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        g_autoptr(GByteArray) w = g_byte_array_new();
        hf_der_put_time(w, times[i]);
        HfReader r = hf_reader(w->data, w->len);
        g_assert_cmpint(hf_der_time(&r), ==, times[i]);
        g_assert_true(hf_reader_done(&r));
    }
}

static void test_names(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) empty = hf_name_empty();
    g_autofree char *nothing = hf_name_text(empty);
    g_assert_cmpstr(nothing, ==, "");
    g_autoptr(GBytes) name = hf_name_new("A, B", "Gästebuch \"x\"", &error);
    g_assert_no_error(error);
    g_autofree char *text = hf_name_text(name);
    g_assert_cmpstr(text, ==, "CN=Gästebuch \\\"x\\\",O=A\\, B");
    /* Terminal escapes in a foreign certificate's name must not reach the terminal. */
    g_autoptr(GBytes) hostile = bytes_of("300f310d300b06035504030c041b5b326a");
    g_autofree char *safe = hf_name_text(hostile);
    g_assert_null(strchr(safe, '\x1b'));
    g_autoptr(GBytes) broken = bytes_of("3003310100");
    g_autofree char *unknown = hf_name_text(broken);
    g_assert_cmpstr(unknown, ==, "?");

    g_autofree char *fits = g_strnfill(64, 'a');
    g_autofree char *same = hf_name_fit(fits);
    g_assert_cmpstr(same, ==, fits);
    g_autofree char *more = g_strconcat(fits, "é", NULL);
    g_autofree char *cut = hf_name_fit(more);
    g_assert_cmpint(g_utf8_strlen(cut, -1), ==, 64);
    g_assert_cmpint(cut[47], ==, '~');
}

static void test_pem(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autofree char *one = hf_certificate_pem(w->root);
    g_autofree char *two = hf_certificate_pem(w->vma);
    g_autofree char *text = g_strconcat("a comment\n", one, "\nanother\n", two, NULL);
    g_autoptr(GBytes) both = g_bytes_new(text, strlen(text));
    g_autoptr(GPtrArray) bundle = hf_certificate_parse_bundle(both, "bundle", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(bundle->len, ==, 2);
    HfCertificate *second = bundle->pdata[1];
    g_assert_true(g_bytes_equal(second->der, w->vma->der));

    /* Cut anywhere inside the second block: an error, never one certificate fewer. */
    size_t start = (size_t)(strstr(text, two) - text) + strlen("-----BEGIN CERTIFICATE-----");
    for (size_t i = start; i + 1 < strlen(text); i += 7) {
        g_autoptr(GBytes) cut = g_bytes_new(text, i);
        g_assert_null(hf_certificate_parse_bundle(cut, "bundle", &error));
        world_refused(&error, HF_ERROR_INVALID, "block 2 of CERTIFICATE in PEM is damaged");
    }
    g_autoptr(GPtrArray) few = hf_pem_read(both, "CERTIFICATE", 1, "bundle", &error);
    g_assert_null(few);
    world_refused(&error, HF_ERROR_INVALID, "has more than 1 blocks");
    g_autoptr(GBytes) none = g_bytes_new_static("hello", 5);
    g_assert_null(hf_certificate_parse_bundle(none, "bundle", &error));
    world_refused(&error, HF_ERROR_INVALID, "bundle: expected DER or");
}

static void test_load(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autofree char *path = g_build_filename(w->dir, "certificates", NULL);
    g_autoptr(GByteArray) der = g_byte_array_new();
    hf_put_gbytes(der, w->vma->der);
    g_assert_true(hf_file_replace(path, der->data, der->len, 0644, &error));
    g_autoptr(HfCertificate) one = hf_certificate_load(path, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(one->der, w->vma->der));
    hf_put_gbytes(der, w->root->der);
    g_assert_true(hf_file_replace(path, der->data, der->len, 0644, &error));
    g_autoptr(GPtrArray) bundle = hf_certificate_load_bundle(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(bundle->len, ==, 2);
    g_assert_null(hf_certificate_load(path, &error));
    world_refused(&error, HF_ERROR_INVALID, "expected one certificate, found 2");
    hf_put_u8(der, 0);
    g_assert_true(hf_file_replace(path, der->data, der->len, 0644, &error));
    g_assert_null(hf_certificate_load_bundle(path, &error));
    world_refused(&error, HF_ERROR_INVALID, "not a complete DER certificate after the first 2");
    guint written = der->len;
    g_byte_array_set_size(der, HF_CERTIFICATE_FILE_MAX + 1);
    memset(der->data + written, 0, der->len - written);
    g_assert_true(hf_file_replace(path, der->data, der->len, 0644, &error));
    g_assert_null(hf_certificate_load(path, &error));
    g_assert_error(error, HF_ERROR, HF_ERROR_INVALID);
    g_clear_error(&error);
    g_unlink(path);
    g_assert_null(hf_certificate_load(path, &error));
    world_refused(&error, HF_ERROR_NOT_FOUND, path);
}

static void test_holding(void)
{
    static const char good[] =
        "302e020101"
        "8020a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"
        "0c046e6f6e650101ff";
    const char *bad[] = {
        "300c0201020c046e6f6e650101ff",       /* version 2 */
        "300f0201018001010c046e6f6e650101ff", /* size of a digest */
        "30090201010c046e6f6e65",             /* no flag */
        "300a0201010c020a0a0101ff",           /* control characters */
        "30080201010c000101ff",               /* no name of the policy */
        "300d0201010c046e6f6e650101ff00",     /* something after the flag */
        "300c0201010c046e6f6e650101ff00",     /* something after it all */
        "3081090201010c01610101ff",           /* not the shortest length */
    };
    g_autoptr(GBytes) der = bytes_of(good);
    g_autoptr(HfHolding) holding = hf_holding_read(hf_reader_for(der));
    g_assert_nonnull(holding);
    g_assert_nonnull(holding->host_ek);
    g_assert_null(holding->device_model);
    g_assert_cmpstr(holding->migration_policy, ==, "none");
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_assert_true(hf_holding_write(holding, again, NULL));
    g_autofree char *hex = hf_hex(again->data, again->len);
    g_assert_cmpstr(hex, ==, good);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GBytes) wrong = bytes_of(bad[i]);
        g_assert_null(hf_holding_read(hf_reader_for(wrong)));
    }
}

static void test_request(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(World) w = world_new(HF_ROOTED_HARDWARE);
    HfSigner *signers[] = { w->vma_key, w->root_key, world_key(w, HF_KEYFILE_RSA3072) };
    for (size_t i = 0; i < G_N_ELEMENTS(signers); i++) {
        g_autoptr(GBytes) der = hf_request_new("Fleet", "host 7", signers[i], &error);
        g_assert_no_error(error);
        g_autofree char *pem = hf_request_pem(der);
        g_autoptr(GBytes) text = g_bytes_new(pem, strlen(pem));
        g_autoptr(HfRequest) request = hf_request_parse(text, "request", &error);
        g_assert_no_error(error);
        g_autofree char *subject = hf_request_subject_text(request);
        g_assert_cmpstr(subject, ==, "CN=host 7,O=Fleet");
        g_assert_true(g_bytes_equal(request->spki, signers[i]->spki));
        g_assert_true(g_bytes_equal(request->der, der));
    }
    hf_signer_free(signers[2]);

    /* Another key in it: no proof of possession. */
    g_autoptr(GBytes) der = hf_request_new(NULL, "host", w->vma_key, &error);
    size_t n = 0;
    g_autofree uint8_t *bytes = g_memdup2(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
    n = g_bytes_get_size(der);
    g_autoptr(HfSigner) other = world_key(w, HF_KEYFILE_P256);
    size_t key_size = g_bytes_get_size(other->spki);
    uint8_t *place = memmem(bytes, n, g_bytes_get_data(w->vma_key->spki, NULL), key_size);
    g_assert_nonnull(place);
    memcpy(place, g_bytes_get_data(other->spki, NULL), key_size);
    g_autoptr(GBytes) swapped = g_bytes_new(bytes, n);
    g_assert_null(hf_request_parse(swapped, "request", &error));
    world_refused(&error, HF_ERROR_AUTH, "request: the signature does not verify");
    g_assert_null(hf_request_parse(w->vma->der, "request", &error));
    world_refused(&error, HF_ERROR_INVALID, "not a valid certification request");
    g_assert_null(hf_request_new(NULL, "", w->vma_key, &error));
    world_refused(&error, HF_ERROR_INVALID, "common name");
}

static void test_keyfile(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(World) w = world_new(HF_ROOTED_SOFTWARE);
    g_autofree char *path = g_build_filename(w->dir, "key.pem", NULL);
    g_autofree char *link = g_build_filename(w->dir, "link.pem", NULL);
    HfKeyfileKind kind = HF_KEYFILE_RSA3072;
    g_assert_true(hf_keyfile_kind_parse("p384", &kind, &error));
    g_assert_cmpint(kind, ==, HF_KEYFILE_P384);
    g_assert_false(hf_keyfile_kind_parse("dsa", &kind, &error));
    world_refused(&error, HF_ERROR_USAGE, "unknown kind of key \"dsa\"");

    g_assert_true(hf_keyfile_generate(path, kind, &error));
    struct stat st;
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 07777, ==, 0600);
    g_autoptr(HfSigner) signer = hf_signer_file_new(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(signer->algorithm, ==, HF_SIGN_ECDSA_SHA384);
    g_assert_cmpint(signer->rooted, ==, HF_ROOTED_SOFTWARE);
    uint8_t digest[48] = { 1 };
    g_assert_null(signer->class->sign(signer, digest, 32, &error));
    world_refused(&error, HF_ERROR_FAILED, "32 bytes, the key's algorithm takes 48");

    /* Never overwritten. */
    g_assert_false(hf_keyfile_generate(path, kind, &error));
    world_refused(&error, HF_ERROR_EXISTS, path);
    g_autoptr(HfSigner) unchanged = hf_signer_file_new(path, &error);
    g_assert_true(g_bytes_equal(unchanged->spki, signer->spki));

    const struct {
        mode_t mode;
        bool good;
    } modes[] = { { 0400, true },  { 0640, true },  { 0644, false },
                  { 0660, false }, { 0604, false }, { 0602, false } };
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_assert_cmpint(chmod(path, modes[i].mode), ==, 0);
        g_autoptr(HfSigner) again = hf_signer_file_new(path, &error);
        g_assert_true((again != NULL) == modes[i].good);
        if (!modes[i].good) {
            world_refused(&error, HF_ERROR_ACCESS, "must not be open to others");
        }
    }
    g_assert_cmpint(chmod(path, 0600), ==, 0);
    g_assert_cmpint(symlink("key.pem", link), ==, 0);
    g_assert_null(hf_signer_file_new(link, &error));
    world_refused(&error, HF_ERROR_INVALID, "symbolic link");
    g_assert_null(hf_signer_file_new(w->dir, &error));
    world_refused(&error, HF_ERROR_INVALID, "not a regular file");
    g_assert_true(hf_file_replace(path, "nothing", 7, 0600, &error));
    g_assert_null(hf_signer_file_new(path, &error));
    world_refused(&error, HF_ERROR_INVALID, "expected a private key in PEM");
    g_unlink(path);
    g_assert_null(hf_signer_file_new(path, &error));
    world_refused(&error, HF_ERROR_NOT_FOUND, path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pki/encoding/write", test_write);
    g_test_add_func("/pki/encoding/read", test_read);
    g_test_add_func("/pki/encoding/times", test_times);
    g_test_add_func("/pki/encoding/names", test_names);
    g_test_add_func("/pki/encoding/pem", test_pem);
    g_test_add_func("/pki/encoding/load", test_load);
    g_test_add_func("/pki/encoding/holding", test_holding);
    g_test_add_func("/pki/encoding/request", test_request);
    g_test_add_func("/pki/encoding/keyfile", test_keyfile);
    return g_test_run();
}
