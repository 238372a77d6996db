/*
 * gen_corpus.c - makes the seeds of the corpora: valid examples of every format, and shapes that
 * are known to be bad. gen-corpus DIR writes DIR/TARGET/NAME; `make gen-corpus` builds it.
 *
 * Everything is made with the product's own functions, keys included, whose private halves are
 * forgotten: nothing in a corpus is secret. Made anew, seeds with keys in them differ. What the
 * fuzzer found (found-*) and delegation requests of a TPM are no seeds of this program.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "control/codec.h"
#include "pki/crl.h"
#include "pki/request.h"
#include "state/envelope.h"
#include "state/format.h"
#include "state/migration_blob.h"
#include "state/store.h"
#include "tests/unit/live_tpm.h"
#include "tests/unit/pki-world.h"
#include "tpm2/attest.h"
#include "tpm2/constants.h"
#include "tpm2/credential.h"
#include "tpm2/nvindex.h"
#include "tpm2/template.h"

static const uint8_t blob[] = "what libtpms would keep";

static void put(const char *dir, const char *target, const char *name, const void *data,
                size_t size)
{
    g_autofree char *folder = g_build_filename(dir, target, NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
}

static void put_text(const char *dir, const char *target, const char *name, const char *text)
{
    put(dir, target, name, text, strlen(text));
}

static void put_array(const char *dir, const char *target, const char *name, GByteArray *array)
{
    put(dir, target, name, array->data, array->len);
    g_byte_array_unref(array);
}

/* Takes the bytes; writes them whole and without their last byte. */
static void put_bytes(const char *dir, const char *target, const char *name, GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    g_autofree char *cut = g_strconcat(name, "-cut", NULL);
    put(dir, target, name, data, size);
    put(dir, target, cut, data, size - 1);
    g_bytes_unref(bytes);
}

static void engine_part(GByteArray *out, uint8_t kind, GByteArray *bytes)
{
    hf_put_u8(out, kind);
    hf_put_tpm2b(out, bytes->data, bytes->len);
    g_byte_array_unref(bytes);
}

static GByteArray *request(uint32_t number, uint64_t value, const void *tail, size_t size)
{
    HfControlMessage message = { .row = hf_control_row(number) };
    GByteArray *out = g_byte_array_new();
    for (int i = 0; i < HF_CONTROL_SLOTS_MAX && message.row->request[i].width > 0; i++) {
        if (message.row->request[i].field < HF_FIELD_COUNT) {
            message.value[message.row->request[i].field] = value;
        }
    }
    if (message.row->request_tail) {
        message.value[HF_FIELD_LENGTH] = size;
    }
    hf_control_request_put(out, &message);
    hf_put_bytes(out, tail, size);
    return out;
}

static GByteArray *command(uint32_t code, const void *body, size_t size)
{
    GByteArray *out = g_byte_array_new();
    hf_put_u16(out, TPM2_ST_NO_SESSIONS);
    hf_put_u32(out, (uint32_t)(10 + size));
    hf_put_u32(out, code);
    hf_put_bytes(out, body, size);
    return out;
}

static void channels(const char *dir)
{
    size_t count = 0;
    const HfControlRow *rows = hf_control_rows(&count);
    static const uint8_t startup[] = { 0, 0 }, random[] = { 0, 16 },
                         facts[] = { 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0, 9 };
    GByteArray *all = g_byte_array_new();
    for (size_t i = 0; i < count; i++) {
        GByteArray *one = request(rows[i].number, 1, "tail", rows[i].request_tail ? 4 : 0);
        GByteArray *engine = g_byte_array_new();
        hf_put_bytes(all, one->data, one->len);
        engine_part(engine, 0, request(HF_CONTROL_INIT, 0, NULL, 0));
        engine_part(engine, 2, command(TPM2_CC_Startup, startup, 2));
        engine_part(engine, rows[i].descriptor ? 1 : 0, g_byte_array_ref(one));
        engine_part(engine, 2, command(TPM2_CC_GetRandom, random, 2));
        put_array(dir, "engine", rows[i].name, engine);
        put_array(dir, "control", rows[i].name, one);
    }
    put_array(dir, "control", "all", all);
    put(dir, "control", "unknown", "\0\0\0\x63more", 8);
    put_array(dir, "frame", "one", command(TPM2_CC_GetRandom, random, 2));
    GByteArray *two = command(TPM2_CC_Startup, startup, 2);
    g_autoptr(GByteArray) next = command(TPM2_CC_GetCapability, facts, sizeof(facts));
    hf_put_bytes(two, next->data, next->len);
    put_array(dir, "frame", "two", two);
    GByteArray *headed = g_byte_array_new();
    hf_put_u32(headed, 8);
    hf_put_u8(headed, 3);
    hf_put_u32(headed, next->len);
    hf_put_bytes(headed, next->data, next->len);
    put_array(dir, "frame", "headed", headed);
    put(dir, "frame", "size-short", "\x80\x01\0\0\0\x09\0\0\1\x44", 10);
    put(dir, "frame", "size-long", "\x80\x01\xff\xff\xff\xff\0\0\1\x44", 10);
}

static void state(const char *dir)
{
    g_autoptr(HfSecret) key = hf_secret_new(32);
    g_autoptr(HfSecret) half = hf_secret_new(16);
    for (uint8_t i = 0; i < 32; i++) {
        key->data[i] = i;
        half->data[i % 16] = i % 16;
    }
    g_autoptr(HfEnvelope) plain = hf_envelope_plain_new();
    g_autoptr(HfEnvelope) aes = hf_envelope_aes_new(key);
    g_autoptr(HfEnvelope) aes_half = hf_envelope_aes_new(half);
    put_bytes(dir, "state", "plain", plain->class->wrap(plain, blob, sizeof(blob), "x", NULL));
    put_bytes(dir, "state", "aes-256", aes->class->wrap(aes, blob, sizeof(blob), "x", NULL));
    put_bytes(dir, "state", "aes-128",
              aes_half->class->wrap(aes_half, blob, sizeof(blob), "x", NULL));
    put(dir, "state", "version-1",
        "\1\1\0\x0a\0\0\0\0\0\x0e"
        "blob",
        14);
    put(dir, "state", "totlen", "\2\1\0\x0a\0\0\xff\xff\xff\xff\0\1\0\0\0\1x", 17);
    put(dir, "state", "record-past-end", "\2\1\0\x0a\0\0\0\0\0\x11\0\1\xff\xff\xff\xffx", 17);
    put(dir, "state", "twice", "\2\1\0\x0a\0\0\0\0\0\x18\0\1\0\0\0\1x\0\1\0\0\0\1y", 24);
    put_text(dir, "state", "key-hex",
             "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("keys-%u", i);
        HfStateKeys keys = { .state = (i & 1) ? key : NULL, .migration = (i & 2) ? half : NULL };
        put_bytes(dir, "migration", name,
                  hf_migration_blob_wrap(&keys, false, blob, sizeof(blob), NULL));
    }
    put(dir, "migration", "header-alone", "\2\1\0\x0a\0\4\0\0\0\x0a", 10);
}

/* The file of a store of this kind after `saves` saves of each blob. Caller frees. */
static char *stored(const char *dir, const char *scheme, unsigned saves, gsize *ret_size)
{
    g_autofree char *path = g_build_filename(dir, "store", NULL);
    g_autofree char *uri = g_strconcat(scheme, path, NULL);
    HfStoreConfig config = { .tpm2 = true };
    HfStore *store = hf_store_open_uri(uri, &config, NULL);
    char *text = NULL;
    g_assert_true(store->class->lock(store, 0, NULL));
    for (unsigned i = 0; i < saves; i++) {
        for (int kind = 0; kind < HF_STATE_COUNT; kind++) {
            g_assert_true(store->class->save(store, kind, blob, sizeof(blob), NULL));
        }
    }
    hf_store_free(store);
    g_assert_true(g_file_get_contents(path, &text, ret_size, NULL));
    (void)g_remove(path);
    return text;
}

static void linear(const char *dir)
{
    gsize size = 0;
    g_autofree char *text = stored(dir, "file://", 1, &size);
    put(dir, "linear", "three", text, size);
    put(dir, "linear", "cut-data", text, size / 2);
    put(dir, "linear", "cut-header", text, 100);
    put(dir, "linear", "empty", "", 0);
    memset(text, 0, 8);
    put(dir, "linear", "erased", text, 192);
    memcpy(text, "nilmptws", 8);
    memset(text + 12, 0xff, 24);
    put(dir, "linear", "wild", text, size);
}

/* As small as they can be: what is cut off are zeros. */
static void slots(const char *dir)
{
    const gsize first = 4096 + 512, second = 4096 + 32768 + 512;
    gsize size = 0;
    g_autofree char *text = stored(dir, "slots://", 2, &size);
    g_assert_cmpuint(size, >=, second);
    put(dir, "slots", "three", text, second);
    put(dir, "slots", "first-slot", text, first);
    put(dir, "slots", "cut-header", text, 100);
    put(dir, "slots", "cut-slot", text, 4096 + 130);
    put(dir, "slots", "empty", "", 0);
    text[255] = 1; /* see fuzz-slots.c */
    put(dir, "slots", "sealed-again", text, second);
    text[4096 + 34] = 0x7e; /* the first blob is as long as the slot */
    put(dir, "slots", "long", text, second);
    memset(text + 4096 + 24, 0xff, 8); /* no number comes after it */
    text[4096 + 34] = 0;
    put(dir, "slots", "last-number", text, second);
}

static void texts(const char *dir)
{
    put_text(dir, "options", "socket",
             "socket\n--tpm2\n--ctrl\ntype=unixio,path=/x,mode=0600\n--tpmstate\ndir=/y\n--flags\n"
             "startup-clear,not-need-init");
    put_text(dir, "options", "keys",
             "--key\nfile=/x,mode=aes-256-cbc,format=hex,remove=true\npwdfile=/p,kdf=pbkdf2\nfd=3");
    put_text(dir, "options", "profile", "--profile\nname=x\nprofile={\"a\":1,\"b\":[2,3]},x\n={");
    put_text(dir, "options", "log", "--log\nlevel=99999999999999999999,file=-,truncate\n,,=,a=b=c");
    put_text(
        dir, "config", "setup",
        "# comment\nauthority = /x\ntcti=device:/dev/tpm0 # more\nactive_pcr_banks = sha256\n");
    put_text(dir, "config", "swtpm",
             "create_certs_tool= ${HOME}/x\nsigningkey_password = a b\nenv:A=B\n");
    put_text(dir, "config", "bad", "novalue\n=\nkey = ${\nkey = ${}\n\xff\xfe\n--a  b\n");
    put_text(dir, "manifest", "file",
             "{\"format\":\"holdfast-authority\",\"version\":1,\"minimum-reader\":1,\"signer\":"
             "\"file\",\"key-algorithm\":\"file\",\"migration-policy\":\"none\",\"platform-"
             "manufacturer\":\"a\",\"platform-model\":\"b\",\"platform-version\":\"c\"}");
    put_text(dir, "manifest", "host",
             "{\"format\":\"holdfast-authority\",\"version\":1,\"minimum-reader\":1,\"signer\":"
             "\"host-tpm\",\"key-algorithm\":\"ecc-p256\",\"migration-policy\":\"none\",\"platform-"
             "manufacturer\":\"a\",\"platform-model\":\"b\",\"platform-version\":\"c\",\"tcti\":"
             "\"x\",\"host-tpm\":\"y\",\"host-ek\":\"00\",\"srk-name\":\"000b\",\"srk-handle\":"
             "2164260865,\"approver-name\":\"000b\",\"counter-index\":1,\"pcrs\":\"sha256:0\"}");
    put_text(dir, "manifest", "approval",
             "{\"format\":\"holdfast-approval\",\"version\":1,\"minimum-reader\":1,\"time\":\"t\","
             "\"pcrs\":\"sha256:0\",\"values\":[\"sha256:0:"
             "0000000000000000000000000000000000000000000000000000000000000000\"],\"generation\":1,"
             "\"policy\":\"0000000000000000000000000000000000000000000000000000000000000000\","
             "\"signature\":\"3006020101020101\"}");
    put_text(dir, "manifest", "deep", "{\"format\":[[[[[[[[[[[[{}]]]]]]]]]]]]}");
    put_text(dir, "pcr", "selection", "sha256:0,2,4,7+sha1:all");
    put_text(dir, "pcr", "lines",
             "# values\nsha256:0:0000000000000000000000000000000000000000000000000000000000000000\n"
             "sha256:7:1111111111111111111111111111111111111111111111111111111111111111\n");
    put(dir, "pcr", "wire", "\0\0\0\1\0\x0b\3\x81\0\0", 10);
    put(dir, "pcr", "wire-wild", "\xff\xff\xff\xff\0\x0b\xff", 7);
}

/* An empty list, and one with an entry of each kind, DER and PEM. */
static void crls(const char *dir, const char *kind, const World *world)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    HfCrlInput in = { .number = 1,
                      .this_update = WORLD_NOW,
                      .next_update = WORLD_NOW + WORLD_DAY,
                      .entries = entries };
    g_autofree char *full = g_strdup_printf("full-%s", kind);
    g_autofree char *text = g_strdup_printf("pem-%s", kind);
    g_autoptr(HfCrl) none = hf_crl_issue(&in, world->root_key, world->root, NULL);
    put_bytes(dir, "crl", kind, g_bytes_ref(none->der));
    for (uint8_t i = 0; i < 7; i++) {
        HfCrlEntry entry = { .size = 1, .when = WORLD_NOW, .reason = (HfCrlReason)i };
        entry.serial[0] = (uint8_t)(i + 1);
        g_array_append_val(entries, entry);
    }
    in.number = 200;
    g_autoptr(HfCrl) some = hf_crl_issue(&in, world->root_key, world->root, NULL);
    g_autofree char *pem = hf_crl_pem(some);
    put_bytes(dir, "crl", full, g_bytes_ref(some->der));
    put_text(dir, "crl", text, pem);
}

/* Two reports of the bundle: with the chain that verifies, and the leaf alone. */
static void certificates(const char *dir)
{
    for (int rooted = HF_ROOTED_HARDWARE; rooted <= HF_ROOTED_SOFTWARE; rooted++) {
        g_autoptr(World) world = world_new(rooted);
        g_autoptr(HfCertificate) ek =
            hf_endorsement_ek(&world->ek, world->vma_key, world->vma, NULL);
        g_autoptr(HfCertificate) platform =
            hf_endorsement_platform(&world->ek, world->vma_key, world->vma, NULL);
        const char *kind = rooted == HF_ROOTED_HARDWARE ? "hardware" : "software";
        HfCertificate *leaves[] = { ek, platform };
        for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++) {
            g_autofree char *name = g_strdup_printf("chain-%s-%zu", kind, i);
            GByteArray *chain = g_byte_array_new();
            hf_put_gbytes(chain, leaves[i]->der);
            hf_put_gbytes(chain, world->vma->der);
            hf_put_gbytes(chain, world->root->der);
            put_array(dir, "certificate", name, chain);
        }
        put_bytes(dir, "certificate", kind, g_bytes_ref(ek->der));
        crls(dir, kind, world);
        put_bytes(dir, "request", kind, hf_request_new("Fleet", "vMA", world->vma_key, NULL));
        put_bytes(dir, "der", kind, g_bytes_ref(world->vma_key->spki));
        put_bytes(dir, "der", rooted ? "name-1" : "name-0", g_bytes_ref(ek->issuer));
        g_autofree char *pem = hf_certificate_pem(ek);
        put_text(dir, "certificate", rooted ? "pem-1" : "pem-0", pem);
        put_text(dir, "der", rooted ? "pem-1" : "pem-0", pem);
        GByteArray *holding = g_byte_array_new();
        g_assert_true(hf_holding_write(&world->holding, holding, NULL));
        put_array(dir, "der", rooted ? "holding-1" : "holding-0", holding);
    }
    put(dir, "der", "length-long", "\x30\x84\xff\xff\xff\xff", 6);
    put(dir, "der", "length-indefinite", "\x30\x80\0\0", 4);
    put(dir, "der", "oid", "\6\x0a\x81\x80\x80\x80\x80\x80\x80\x80\x80\1", 12);
    put(dir, "der", "time",
        "\x17\x0d"
        "260229000000Z",
        15);
}

static void attestation(const char *dir)
{
    g_autoptr(LiveTpm) live = live_tpm_new();
    HfPublic pub;
    HfPcrSelection selection;
    g_autoptr(GBytes) nonce = g_bytes_new("nonce", 5);
    g_autoptr(GBytes) attest = NULL;
    g_autoptr(GBytes) signature = NULL;
    uint32_t handle = 0;
    g_assert_true(hf_tpm_startup(&live->transport, 0, NULL));
    live_tpm_ak_template(TPM2_ALG_ECDSA, &pub);
    g_assert_true(hf_tpm_create_primary(&live->transport, TPM2_RH_ENDORSEMENT, NULL, &pub, &handle,
                                        &pub, NULL));
    g_assert_true(hf_pcr_selection_parse("sha256:0,7", &selection, NULL));
    live_tpm_quote(live, handle, nonce, &selection, &attest, &signature);
    GByteArray *both = g_byte_array_new();
    hf_put_tpm2b(both, g_bytes_get_data(attest, NULL), g_bytes_get_size(attest));
    hf_put_tpm2b(both, g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
    put_array(dir, "attest", "quote-signed", both);
    put_bytes(dir, "attest", "quote", g_bytes_ref(attest));
    put_bytes(dir, "attest", "signature", g_bytes_ref(signature));
    GByteArray *ak = g_byte_array_new();
    hf_public_write_2b(&pub, ak);
    put_array(dir, "public", "ak", ak);
}

static void structures(const char *dir)
{
    HfTpmName name = hf_tpm_name_of_handle(0x40000001);
    HfPublic ek;
    for (int which = 0; which < HF_TEMPLATE_COUNT; which++) {
        GByteArray *out = g_byte_array_new();
        hf_template_public(which, &ek);
        hf_public_write(&ek, out);
        put_array(dir, "public", hf_template_info(which)->name, out);
    }
    HfNvPublic nv = { .index = 0x01c00002, .name_alg = TPM2_ALG_SHA256, .size = 600 };
    GByteArray *out = g_byte_array_new();
    hf_nv_public_write(&nv, out);
    put_array(dir, "public", "nv", out);
    g_autoptr(World) world = world_new(HF_ROOTED_HARDWARE);
    gsize size = 0;
    const uint8_t *spki = g_bytes_get_data(world->ek_key->spki, &size);
    g_autoptr(HfPublicKey) key = hf_public_key_from_spki(spki, size, NULL);
    g_autoptr(GBytes) x = NULL, y = NULL;
    hf_public_key_point(key, &x, &y);
    hf_template_public(HF_TEMPLATE_EK_P384, &ek);
    ek.unique_size = ek.y_size = 48;
    memcpy(ek.unique, g_bytes_get_data(x, NULL), 48);
    memcpy(ek.y, g_bytes_get_data(y, NULL), 48);
    out = g_byte_array_new();
    hf_public_write_2b(&ek, out);
    put_array(dir, "public", "ek-with-key", out);
    g_autoptr(HfCredential) credential = hf_credential_make(&ek, &name, "secret", 6, NULL);
    put_bytes(dir, "credential", "file", hf_credential_to_file(credential));
    put_text(dir, "credential", "hex", "00ffAB");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        g_printerr("usage: gen-corpus DIR\n");
        return 2;
    }
    channels(argv[1]);
    state(argv[1]);
    linear(argv[1]);
    slots(argv[1]);
    texts(argv[1]);
    certificates(argv[1]);
    structures(argv[1]);
    attestation(argv[1]);
    return 0;
}
