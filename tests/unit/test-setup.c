/*
 * test-setup.c - holdfast-setup's parts that need no TPM: configuration, plan, banks, measurement,
 * replacement of a state.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/bytes.h"
#include "tools/setup/measurement.h"
#include "tools/setup/replacement.h"
#include "tools/setup/setup_options.h"

static char *scratch(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("hf-setup-XXXXXX", &error);
    g_assert_no_error(error);
    return dir;
}

static void remove_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_assert_cmpint(g_unlink(file), ==, 0);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

/* --- configuration --------------------------------------------------------------------------- */

static HfSetupConfig *parse_config(const char *text, GError **error)
{
    return hf_setup_config_parse(text, strlen(text), "F", error);
}

static void config_is_read(void)
{
    g_autoptr(GError) error = NULL;
    g_setenv("HF_TEST_DIR", "/srv/vma", TRUE);
    g_autoptr(HfSetupConfig) c = parse_config("# all of it\n"
                                              "\n"
                                              "authority = ${HF_TEST_DIR}/a${HF_TEST_DIR}  # here\n"
                                              "authority = /second\n"
                                              "\tactive_pcr_banks=sha1,sha384\n"
                                              "create_certs_tool = /usr/bin/x\n"
                                              "rsa_keysize = 3072",
                                              &error);
    g_assert_no_error(error);
    g_assert_cmpstr(c->authority, ==, "/srv/vma/a/srv/vma");
    g_assert_cmpstr(c->active_pcr_banks, ==, "sha1,sha384");
    g_assert_cmpstr(c->rsa_keysize, ==, "3072");
    g_assert_null(c->tcti);
    g_assert_cmpuint(c->ignored->len, ==, 1);
    g_autoptr(HfSetupConfig) empty = parse_config("", &error);
    g_assert_no_error(error);
    g_assert_null(empty->authority);
}

static void config_refuses(void)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "\nauthorty = /x\n", "F, line 2: unknown key \"authorty\"*authority*" },
        { "authority\n", "F, line 1: expected \"key = value\", found \"authority\"" },
        { "authority =  # none\n", "F, line 1: \"authority\" has no value" },
        { "tcti = ${HF_NOT_SET}\n", "F, line 1: the environment has no variable \"HF_NOT_SET\"" },
        { "tcti = ${HOME\n", "F, line 1: \"${\" without a closing brace" },
        { "= /x\n", "F, line 1: unknown key \"\"*" },
        { "tcti = \xff\xfe\n", "F: expected a text file*" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(HfSetupConfig) c = parse_config(cases[i].text, &error);
        g_assert_null(c);
        g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
        g_assert_true(g_pattern_match_simple(cases[i].message, error->message));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(hf_setup_config_parse("tcti = x\0y\n", 11, "F", &error));
    g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
}

static void config_is_found(void)
{
    g_autofree char *dir = scratch();
    g_autofree char *path = g_build_filename(dir, HF_SETUP_CONFIG_NAME, NULL);
    g_autoptr(GError) error = NULL;
    g_setenv("XDG_CONFIG_HOME", dir, TRUE);
    g_assert_true(g_file_set_contents(path, "tcti = here\n", -1, NULL));
    g_autoptr(HfSetupConfig) user = hf_setup_config_load(NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(user->path, ==, path);
    g_assert_cmpstr(user->tcti, ==, "here");
    g_assert_null(hf_setup_config_load("/nonexistent/x.conf", &error));
    g_assert_true(hf_error_is(error, HF_ERROR_NOT_FOUND));
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(path, "nonsense\n", -1, NULL));
    g_assert_null(hf_setup_config_load(NULL, &error)); /* not skipped */
    g_assert_true(hf_error_is(error, HF_ERROR_INVALID));
    remove_dir(dir);
}

static void config_is_written(void)
{
    g_autofree char *dir = scratch();
    g_autofree char *made = NULL;
    g_autoptr(GError) error = NULL;
    bool written = false;
    g_setenv("XDG_CONFIG_HOME", dir, TRUE);
    g_assert_true(hf_setup_config_create("root", &made, &written, &error));
    g_assert_true(written);
    g_autoptr(HfSetupConfig) c = hf_setup_config_load(NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(c->path, ==, made);
    g_assert_null(c->authority); /* comments only */
    g_free(g_steal_pointer(&made));
    g_assert_false(hf_setup_config_create("root", &made, &written, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_EXISTS));
    g_clear_error(&error);
    g_assert_true(hf_setup_config_create("root,skip-if-exist", &made, &written, &error));
    g_assert_false(written);
    g_free(g_steal_pointer(&made));
    g_assert_true(hf_setup_config_create("overwrite,root", &made, &written, &error));
    g_assert_true(written);
    static const char *const wrong[] = { "nonsense", "overwrite,skip-if-exist,root" };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(hf_setup_config_create(wrong[i], NULL, NULL, &error));
        g_assert_true(hf_error_is(error, HF_ERROR_USAGE));
        g_clear_error(&error);
    }
    remove_dir(dir);
}

/* --- the plan -------------------------------------------------------------------------------- */

static HfSetupPlan *plan_of(const char *line, const char *config, GError **error)
{
    g_autofree char *full = g_strdup_printf("holdfast-setup %s", line);
    g_auto(GStrv) argv = g_strsplit(full, " ", -1);
    bool done;
    g_autoptr(HfOptions) o =
        hf_options_parse(&hf_setup_program, (int)g_strv_length(argv), argv, &done, error);
    g_autoptr(HfSetupConfig) c = parse_config(config, NULL);
    return o && hf_setup_options_check(o, false, error)
               ? hf_setup_plan_new(o, c, false, 3072, error)
               : NULL;
}

static void plan_follows_the_options(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfSetupPlan) p = plan_of("--tpm2 --tpm-state /d --create-ek-cert --overwrite",
                                       "authority = /a\nactive_pcr_banks = -\n", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(p->state, ==, "/d");
    g_assert_cmpstr(p->authority, ==, "/a");
    g_assert_true(p->create_ek && p->ek_certificates && p->decryption);
    g_assert_false(p->platform_certificate || p->allow_signing || p->reconfigure);
    g_assert_cmpint(p->existing, ==, HF_EXISTING_REPLACE);
    g_assert_true(p->banks.leave);
    g_assert_cmpuint(p->key_count, ==, 2);
    g_assert_cmpstr(p->keys[0]->algorithm, ==, "rsa2048");
    g_assert_cmpstr(p->keys[1]->algorithm, ==, "ecc_nist_p384");

    g_autoptr(HfSetupPlan) max = plan_of("--tpm2 --tpmstate /d --createek --rsa-keysize max "
                                         "--pcr-banks sha1,sha384,sha1 --allow-signing",
                                         "rsa_keysize = 2048\n", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(max->key_count, ==, 3);
    g_assert_cmpstr(max->keys[1]->algorithm, ==, "rsa3072");
    g_assert_cmpuint(max->banks.count, ==, 2);
    g_assert_false(max->decryption);

    g_autoptr(HfSetupPlan) one =
        plan_of("--tpm2 --tpmstate /d --createek --ek1keyalgo secp256r1 --ek2keyalgo none",
                "rsa_keysize = 3072\nek1keyalgo = rsa3072\n", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(one->key_count, ==, 1);
    g_assert_cmpstr(one->keys[0]->algorithm, ==, "ecc_nist_p256");

    g_autoptr(HfSetupPlan) bare = plan_of("--tpm2 --tpmstate /d", "", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(bare->key_count, ==, 0);
    g_assert_cmpint(bare->existing, ==, HF_EXISTING_REFUSE);
    g_assert_cmpuint(bare->banks.algorithms[0], ==, HF_HASH_SHA256);
}

static void plan_refuses(void)
{
    static const struct {
        const char *line;
        const char *config;
        HfErrorCode code;
        const char *message;
    } cases[] = {
        { "--tpm2", "", HF_ERROR_USAGE, "--tpm-state must be given" },
        { "--tpm2 --tpm-state /a --tpmstate /b", "", HF_ERROR_USAGE, "*two directories" },
        { "--tpm-state /a --createek --ek1keyalgo rsa2048", "", HF_ERROR_USAGE,
          "--ek1keyalgo requires --tpm2" },
        { "--tpm-state /a --reconfigure", "", HF_ERROR_USAGE, "--reconfigure requires --tpm2" },
        { "--tpm2 --tpm-state /a --overwrite --not-overwrite", "", HF_ERROR_USAGE, "*contradict" },
        { "--tpm2 --tpm-state /a --reconfigure --createek", "", HF_ERROR_USAGE, "*--createek" },
        { "--tpm2 --tpm-state /a --reconfigure --create-ek-cert", "", HF_ERROR_USAGE, "*-ek-cert" },
        { "--tpm2 --tpm-state /a --keyfile k --pwdfile p", "", HF_ERROR_USAGE,
          "--keyfile and --pwdfile exclude *" },
        { "--tpm2 --tpm-state /a --pwdfile-fd x", "", HF_ERROR_USAGE, "*pwdfile-fd*" },
        { "--tpm2 --tpm-state /a --keyfile k --cipher des", "", HF_ERROR_USAGE, "*cipher*" },
        { "--tpm2 --tpm-state /a --cipher aes-256-cbc", "", HF_ERROR_USAGE, "--cipher *nothing*" },
        { "--tpm2 --tpm-state /a --reconfigure --profile-name x", "", HF_ERROR_USAGE,
          "*(new) profile*" },
        { "--tpm2 --tpm-state /a --createek --iakkeyalgo ecc_nist_p521", "", HF_ERROR_USAGE,
          "--iakkeyalgo: expected rsa2048, *none, found *" },
        { "--tpm2 --tpm-state /a --take-ownership", "", HF_ERROR_UNSUPPORTED, "*TPM 1.2*" },
        { "--tpm2 --tpm-state /a --write-ek-cert-files /c", "", HF_ERROR_USAGE, "*create-ek-cert" },
        { "--tpm2 --tpm-state /a --create-ek-cert", "", HF_ERROR_FAILED, "no authority *" },
        { "--tpm2 --tpm-state /a --create-platform-cert", "", HF_ERROR_FAILED, "no authority *" },
        { "--tpm2 --tpm-state /a --pcr-banks md5", "", HF_ERROR_USAGE, "--pcr-banks: *\"md5\"*" },
        { "--tpm2 --tpm-state /a", "active_pcr_banks = ,\n", HF_ERROR_USAGE,
          "F, active_pcr_banks: *" },
        { "--tpm2 --tpm-state /a --createek --rsa-keysize 4096", "", HF_ERROR_UNSUPPORTED,
          "--rsa-keysize: *3072*4096" },
        { "--tpm2 --tpm-state /a --createek", "rsa_keysize = 4096\n", HF_ERROR_UNSUPPORTED,
          "F, rsa_keysize: *3072*4096" },
        { "--tpm2 --tpm-state /a --createek", "rsa_keysize = big\n", HF_ERROR_USAGE, "*\"big\"" },
        { "--tpm2 --tpm-state /a --createek --ek1keyalgo dsa", "", HF_ERROR_USAGE,
          "--ek1keyalgo: expected rsa2048, *none, found \"dsa\"" },
        { "--tpm2 --tpm-state /a --createek --ek1keyalgo ecc_nist_p384", "", HF_ERROR_USAGE,
          "*ECC P-384*already" },
        { "--tpm2 --tpm-state /a --rsa-keysize 3072 --ek1keyalgo rsa2048", "", HF_ERROR_USAGE,
          "--rsa-keysize and --ek1keyalgo exclude *" },
        { "--tpm2 --tpm-state /a --create-ek-cert --ek1keyalgo none --ek2keyalgo none",
          "authority = /a\n", HF_ERROR_USAGE, "*at least one*" },
        { "--tpm2 --tpm-state /a --no-such", "", HF_ERROR_USAGE, "*--no-such*" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(HfSetupPlan) plan = plan_of(cases[i].line, cases[i].config, &error);
        g_test_message("%s: %s", cases[i].line, error ? error->message : "accepted");
        g_assert_null(plan);
        g_assert_true(hf_error_is(error, cases[i].code));
        g_assert_true(g_pattern_match_simple(cases[i].message, error->message));
    }
}

/* --- measurement ----------------------------------------------------------------------------- */

static void assert_measurement(const char *emulator, const char *engine, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) m = hf_measurement_of(emulator, engine, &error);
    g_assert_no_error(error);
    g_autofree char *hex = hf_hex(g_bytes_get_data(m, NULL), g_bytes_get_size(m));
    g_assert_cmpstr(hex, ==, expected);
}

static void measurement_is_as_documented(void)
{
    g_autofree char *dir = scratch();
    g_autofree char *emulator = g_build_filename(dir, "holdfast", NULL);
    g_autofree char *engine = g_build_filename(dir, "libtpms.so.0", NULL);
    g_assert_true(g_file_set_contents(emulator, "emulator", -1, NULL));
    g_assert_true(g_file_set_contents(engine, "engine", -1, NULL));
    /* Python's hashlib gave these. */
    assert_measurement(emulator, engine,
                       "0d4c1f0d0f1c2e556d5794f9f387eb75ce6a5d0fe031c2e86658242b510dc7e9");
    assert_measurement(emulator, NULL,
                       "861c4f8fe83eb372dd2f788ba5a1a3e9b02e6c4a051615643ddf43e723da65a9");
    g_autoptr(GError) error = NULL;
    g_assert_null(hf_measurement_of("/nonexistent/holdfast", engine, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_NOT_FOUND));
    g_clear_error(&error);
    g_assert_null(hf_measurement_of(emulator, dir, &error));
    g_assert_nonnull(error);
    remove_dir(dir);
}

/* --- replacement ----------------------------------------------------------------------------- */

/* A store in memory that can be told to fail, and that writes down what was done. */
typedef struct {
    HfStore base;
    GBytes *blobs[HF_STATE_COUNT];
    GString *story;
    bool save_fails;
    bool save_fails_late; /* after the rename */
    int remove_fails;     /* kind, or -1 */
} Memory;

static GBytes *memory_load(HfStore *store, HfStateKind kind, GError **error)
{
    Memory *m = (Memory *)store;
    if (!m->blobs[kind]) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "none");
        return NULL;
    }
    return g_bytes_ref(m->blobs[kind]);
}

static bool memory_save(HfStore *store, HfStateKind kind, const uint8_t *data, size_t size,
                        GError **error)
{
    Memory *m = (Memory *)store;
    if (kind == HF_STATE_PERMANENT && m->save_fails && !m->save_fails_late) {
        return hf_error_set(error, HF_ERROR_NO_SPACE, "disk full");
    }
    g_clear_pointer(&m->blobs[kind], g_bytes_unref);
    m->blobs[kind] = g_bytes_new(data, size);
    g_string_append_printf(m->story, "save %s;", hf_state_kind_name(kind));
    return !(kind == HF_STATE_PERMANENT && m->save_fails) ||
           hf_error_set(error, HF_ERROR_IO, "directory not synced");
}

static bool memory_remove(HfStore *store, HfStateKind kind, GError **error)
{
    Memory *m = (Memory *)store;
    if ((int)kind == m->remove_fails) {
        return hf_error_set(error, HF_ERROR_ACCESS, "no right");
    }
    g_clear_pointer(&m->blobs[kind], g_bytes_unref);
    g_string_append_printf(m->story, "remove %s;", hf_state_kind_name(kind));
    return true;
}

static const HfStoreClass memory_class = {
    .scheme = "memory", .load = memory_load, .save = memory_save, .remove = memory_remove
};

static Memory *memory_new(void)
{
    Memory *m = g_new0(Memory, 1);
    m->base.class = &memory_class;
    m->story = g_string_new(NULL);
    m->remove_fails = -1;
    m->blobs[HF_STATE_PERMANENT] = g_bytes_new_static("old", 3);
    m->blobs[HF_STATE_VOLATILE] = g_bytes_new_static("vol", 3);
    return m;
}

static void memory_free(Memory *m)
{
    for (int i = 0; i < HF_STATE_COUNT; i++) {
        g_clear_pointer(&m->blobs[i], g_bytes_unref);
    }
    g_string_free(m->story, TRUE);
    g_free(m);
}

static bool holds(const Memory *m, HfStateKind kind, const char *text)
{
    size_t size = 0;
    const void *data = m->blobs[kind] ? g_bytes_get_data(m->blobs[kind], &size) : NULL;
    return text ? size == strlen(text) && memcmp(data, text, size) == 0 : !m->blobs[kind];
}

static void replacement_keeps_the_order(void)
{
    g_autoptr(HfSecret) new = hf_secret_copy("new", 3);
    g_autoptr(GError) error = NULL;
    Memory *m = memory_new();
    g_assert_true(hf_replacement_commit(&m->base, new, &error));
    g_assert_cmpstr(m->story->str, ==, "remove volatilestate;remove savestate;save permall;");
    g_assert_true(holds(m, HF_STATE_PERMANENT, "new"));
    memory_free(m);
}

static void replacement_goes_back(void)
{
    g_autoptr(HfSecret) new = hf_secret_copy("new", 3);
    g_autoptr(GError) error = NULL;
    Memory *full = memory_new();
    full->save_fails = true;
    g_assert_false(hf_replacement_commit(&full->base, new, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_NO_SPACE));
    g_assert_true(holds(full, HF_STATE_PERMANENT, "old") && holds(full, HF_STATE_VOLATILE, "vol"));
    memory_free(full);
    g_clear_error(&error);

    Memory *denied = memory_new();
    denied->remove_fails = HF_STATE_SAVESTATE;
    g_assert_false(hf_replacement_commit(&denied->base, new, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_ACCESS));
    g_assert_true(holds(denied, HF_STATE_PERMANENT, "old"));
    g_assert_true(holds(denied, HF_STATE_VOLATILE, "vol"));
    memory_free(denied);
    g_clear_error(&error);

    /* The new TPM is there already: the old one's volatile state must not come back to it. */
    Memory *late = memory_new();
    late->save_fails = late->save_fails_late = true;
    g_assert_false(hf_replacement_commit(&late->base, new, &error));
    g_assert_true(holds(late, HF_STATE_PERMANENT, "new") && holds(late, HF_STATE_VOLATILE, NULL));
    memory_free(late);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/setup/config/read", config_is_read);
    g_test_add_func("/setup/config/refuse", config_refuses);
    g_test_add_func("/setup/config/found", config_is_found);
    g_test_add_func("/setup/config/written", config_is_written);
    g_test_add_func("/setup/plan/options", plan_follows_the_options);
    g_test_add_func("/setup/plan/refuse", plan_refuses);
    g_test_add_func("/setup/measurement", measurement_is_as_documented);
    g_test_add_func("/setup/replacement/order", replacement_keeps_the_order);
    g_test_add_func("/setup/replacement/back", replacement_goes_back);
    return g_test_run();
}
