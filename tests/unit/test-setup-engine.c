/*
 * test-setup-engine.c - the engine's process of holdfast-setup: what it does, refuses, and is told
 * to have died of; a manufacture from first command to check, and checks that must fail.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "tools/setup/capabilities.h"
#include "tools/setup/manufacture.h"
#include "tools/setup/reproducible.h"
#include "tpm2/constants.h"

static HfEngineChild *start(void)
{
    g_autoptr(GError) error = NULL;
    HfEngineChild *child = hf_engine_child_start(HF_TPM_2_0, &error);
    g_assert_no_error(error);
    return child;
}

/* The only child process there is, by the kernel's list. */
static pid_t find_child(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)getpid());
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) words = g_strsplit(g_strstrip(text), " ", -1);
    g_assert_cmpuint(g_strv_length(words), ==, 1);
    return (pid_t)g_ascii_strtoll(words[0], NULL, 10);
}

/* The value of a "Name:\tvalue" line of the child's status. */
static char *status_of(pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], name) && lines[i][strlen(name)] == ':') {
            return g_strstrip(g_strdup(lines[i] + strlen(name) + 1));
        }
    }
    g_assert_not_reached();
}

static void child_is_confined(void)
{
    g_autoptr(GError) error = NULL;
    int inherited = open("/etc/passwd", O_RDONLY); /* on purpose without close-on-exec */
    g_assert_cmpint(inherited, >=, 0);
    g_autoptr(HfEngineChild) child = start();
    close(inherited);
    unsigned limit = 0;
    g_assert_true(hf_capabilities_rsa_limit(child, &limit, &error)); /* it has answered: confined */
    g_assert_cmpuint(limit, >=, 2048);
    pid_t pid = find_child();
    g_autofree char *filter = status_of(pid, "Seccomp");
    g_autofree char *privileges = status_of(pid, "NoNewPrivs");
    g_autofree char *effective = status_of(pid, "CapEff");
    g_autofree char *bounding = status_of(pid, "CapBnd");
    g_assert_cmpstr(filter, ==, "2");
    g_assert_cmpstr(privileges, ==, "1");
    g_assert_cmpstr(effective, ==, "0000000000000000");
    g_assert_cmpstr(bounding, ==, geteuid() == 0 ? "0000000000000000" : bounding);
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
    g_assert_nonnull(dir);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *link = g_build_filename(fds, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        g_test_message("descriptor %s: %s", name, target);
        g_assert_cmpstr(target, !=, "/etc/passwd");
    }
}

static void child_refuses(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    HfTransport tpm = hf_engine_child_transport(child);
    g_assert_false(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error));
    g_assert_nonnull(strstr(error->message, "the TPM is off"));
    g_clear_error(&error);
    g_assert_null(hf_engine_child_finish(child, &error)); /* nothing was made */
    g_assert_nonnull(error);
}

/* A blob that cannot be loaded is an error, never a new TPM. */
static void child_never_replaces(void)
{
    static const char *const blobs[] = { "garbage", "\x00\x03\xab\x36\x47\x23" };
    for (size_t i = 0; i < G_N_ELEMENTS(blobs); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(HfEngineChild) child = start();
        g_autoptr(HfSecret) blob = hf_secret_copy(blobs[i], 6);
        g_assert_false(hf_engine_child_power_on(child, blob, &error));
        g_assert_nonnull(error);
        g_test_message("%s", error->message);
        g_autoptr(HfSecret) after = hf_engine_child_finish(child, NULL);
        g_assert_true(!after || (after->size == 6 && memcmp(after->data, blobs[i], 6) == 0));
    }
}

static void child_death_is_told(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    g_assert_true(hf_engine_child_power_on(child, NULL, &error));
    kill(find_child(), SIGKILL);
    HfTransport tpm = hf_engine_child_transport(child);
    g_assert_false(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error));
    g_assert_nonnull(strstr(error->message, "was ended by signal 9"));
    g_clear_error(&error);
    g_assert_false(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error)); /* and again, without a child */
    g_assert_nonnull(error);
}

/* What is sent ahead is done before what is asked after it, and answered to who sends it again. */
static void child_works_ahead(void)
{
    static const HfTemplate kinds[] = { HF_TEMPLATE_EK_P384, HF_TEMPLATE_EK_P256 };
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    HfTransport tpm = hf_engine_child_transport(child);
    HfTransport ahead = hf_engine_child_ahead(child);
    HfPublic templates[2], first[2], second, found;
    uint32_t handle;
    g_assert_true(hf_engine_child_power_on(child, NULL, &error));
    g_assert_true(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error));
    for (unsigned asks = 0; asks < 3; asks++) {
        for (unsigned i = 0; i < 2; i++) {
            hf_template_public(kinds[i], &templates[i]);
            g_assert_false(hf_tpm_create_primary(&ahead, TPM2_RH_ENDORSEMENT, NULL, &templates[i],
                                                 &handle, NULL, NULL));
        }
        for (unsigned i = 0; i < asks; i++) {
            g_assert_true(hf_tpm_read_public(&tpm, 0x80000000 + i, &found, &error));
        }
        for (unsigned i = 0; i < 2; i++) {
            g_assert_true(hf_tpm_create_primary(&tpm, TPM2_RH_ENDORSEMENT, NULL, &templates[i],
                                                &handle, &first[i], &error));
            g_assert_cmphex(handle, ==, 0x80000000 + i);
        }
        /* Once more it is made once more. */
        g_assert_true(hf_tpm_create_primary(&tpm, TPM2_RH_ENDORSEMENT, NULL, &templates[1], &handle,
                                            &second, &error));
        g_assert_cmphex(handle, ==, 0x80000002);
        g_assert_cmpmem(first[1].unique, first[1].unique_size, second.unique, second.unique_size);
        g_assert_cmpuint(first[0].unique_size, !=, second.unique_size);
        for (unsigned i = 0; i < 3; i++) {
            g_assert_true(hf_tpm_flush_context(&tpm, 0x80000000 + i, &error));
        }
        g_assert_no_error(error);
    }
}

/* More than there is room for: the rest waits for its turn. */
static void child_works_far_ahead(void)
{
    enum { MANY = 200 };
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    HfTransport tpm = hf_engine_child_transport(child);
    HfTransport ahead = hf_engine_child_ahead(child);
    uint32_t level, found;
    g_assert_true(hf_engine_child_power_on(child, NULL, &error));
    g_assert_true(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, &error));
    g_assert_true(hf_tpm_get_property(&tpm, TPM2_PT_LEVEL, &level, &error));
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_false(hf_tpm_get_property(&ahead, TPM2_PT_LEVEL, &found, NULL));
    }
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_true(hf_tpm_get_property(&tpm, TPM2_PT_LEVEL, &found, &error));
        g_assert_cmpuint(found, ==, level);
    }
    g_assert_no_error(error);
}

/* The TPM's refusal, and the death of the child, are found where the answer is wanted. */
static void child_refuses_ahead(void)
{
    g_autoptr(GError) error = NULL;
    HfPublic template;
    uint32_t handle;
    hf_template_public(HF_TEMPLATE_EK_P256, &template);
    for (unsigned dead = 0; dead < 2; dead++) {
        g_autoptr(HfEngineChild) child = start();
        HfTransport tpm = hf_engine_child_transport(child);
        if (dead) {
            kill(find_child(), SIGKILL);
        }
        HfTransport ahead = hf_engine_child_ahead(child);
        (void)hf_tpm_create_primary(&ahead, TPM2_RH_ENDORSEMENT, NULL, &template, &handle, NULL,
                                    NULL);
        if (!dead) {
            g_assert_true(hf_engine_child_power_on(child, NULL, &error));
        }
        g_assert_false(hf_tpm_create_primary(&tpm, TPM2_RH_ENDORSEMENT, NULL, &template, &handle,
                                             NULL, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, dead ? "was ended by signal 9" : "the TPM is off"));
        g_clear_error(&error);
    }
}

/* --- a manufacture --------------------------------------------------------------------------- */

static HfSetupPlan small_plan(void)
{
    HfSetupPlan plan = {
        .create_ek = true, .allow_signing = true, .decryption = true, .key_count = 1
    };
    plan.keys[0] = hf_ek_row_find("ecc_nist_p256", "", NULL);
    g_assert_true(hf_bank_choice_parse("sha256", "", &plan.banks, NULL));
    return plan;
}

static HfManufacture *manufacture(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) engine = start();
    HfSetupPlan plan = small_plan();
    HfManufacture *made = hf_manufacture_begin(&plan, engine, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(hf_manufacture_complete(made, &plan, engine, NULL, &error));
    g_assert_no_error(error);
    return made;
}

static bool passes(const HfManufacture *made, char **ret_message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) engine = start();
    bool passed = hf_manufacture_check(made, engine, &error);
    *ret_message = error ? g_strdup(error->message) : NULL;
    return passed;
}

static void check_accepts(void)
{
    g_autoptr(HfManufacture) made = manufacture();
    g_autofree char *message = NULL;
    g_assert_true(passes(made, &message));
    g_assert_cmpuint(made->keys->len, ==, 1);
    g_assert_cmpuint(made->indices->len, ==, 1); /* the template of a key that signs */
    g_assert_cmpstr(made->identity.family, ==, "2.0");
    g_assert_cmpstr(made->identity.manufacturer, ==, "id:49424D00");
}

/* What was made is changed behind the check's back, one thing at a time. */
static void check_refuses(void)
{
    enum { KEY, CONTENT, ATTRIBUTES, INDEX, BANKS, BLOB, COUNT };
    static const char *const messages[COUNT] = { "not the key", "does not hold", "attributes",
                                                 "0x01c0000d",  "PCR banks",     "" };
    for (int what = 0; what < COUNT; what++) {
        g_autoptr(HfManufacture) made = manufacture();
        g_autoptr(HfManufacture) other = manufacture();
        HfMadeKey *key = g_ptr_array_index(made->keys, 0);
        HfMadeIndex *index = g_ptr_array_index(made->indices, 0);
        switch (what) {
        case KEY: key->public = ((HfMadeKey *)g_ptr_array_index(other->keys, 0))->public; break;
        case CONTENT:
            g_bytes_unref(index->content);
            index->content = g_bytes_new_static("something else", 14);
            break;
        case ATTRIBUTES: index->attributes |= TPMA_NV_WRITELOCKED; break;
        case INDEX: index->index = 0x01c0000d; break;
        case BANKS: made->banks.banks[0].mask ^= 1; break;
        default: hf_secret_truncate(made->permanent, made->permanent->size - 1); break;
        }
        g_autofree char *message = NULL;
        g_assert_false(passes(made, &message));
        g_test_message("%s", message);
        g_assert_true(g_str_has_prefix(message, "the finished TPM does not pass its check: "));
        g_assert_nonnull(strstr(message, messages[what]));
    }
}

/* --- reproducible keys ----------------------------------------------------------------------- */

static HfSecret *fixed_seed(uint8_t fill)
{
    HfSecret *seed = hf_secret_new(HF_ENDORSEMENT_SEED_SIZE);
    memset(seed->data, fill, seed->size);
    return seed;
}

static void reproducible(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) maker = start();
    g_autoptr(HfEngineChild) checker = start();
    g_autoptr(HfSecret) seed = fixed_seed(7);
    g_autoptr(HfSecret) other = fixed_seed(8);
    HfSetupPlan plan = small_plan();
    g_assert_true(hf_reproducible_rehearse(&plan, maker, &error));
    g_assert_no_error(error);
    g_autoptr(HfManufacture) made = hf_manufacture_begin(&plan, maker, seed, &error);
    g_assert_no_error(error);
    g_assert_true(hf_manufacture_complete(made, &plan, maker, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(hf_reproducible_check(&plan, seed, made, checker, &error));
    g_assert_no_error(error);
    g_assert_true(hf_manufacture_check(made, checker, &error)); /* it is empty again */
    g_assert_true(hf_engine_child_forget(checker, &error));
    g_assert_false(hf_reproducible_check(&plan, other, made, checker, &error));
    g_assert_nonnull(strstr(error->message, "it is another key: not reproducible"));
}

/* No known answer: no reproducible key. */
static void reproducible_unknown(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    HfSetupPlan plan = small_plan();
    plan.keys[0] = hf_ek_row_find("rsa4096", "", NULL);
    g_assert_false(hf_reproducible_rehearse(&plan, child, &error));
    g_assert_true(hf_error_is(error, HF_ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "there is no known answer"));
}

static void seed_comes_first(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HfEngineChild) child = start();
    g_autoptr(HfSecret) seed = fixed_seed(9);
    HfTransport tpm = hf_engine_child_transport(child);
    g_assert_true(hf_engine_child_power_on(child, NULL, NULL));
    g_assert_true(hf_tpm_startup(&tpm, TPM2_SU_CLEAR, NULL));
    g_assert_false(hf_engine_child_set_seed(child, seed, &error));
    g_assert_nonnull(strstr(error->message, "made just now"));
    g_assert_true(hf_engine_child_forget(child, NULL));
    g_assert_null(hf_engine_child_finish(child, NULL)); /* nothing of it is left */
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    hf_log_to_fd(-1); /* progress messages are not TAP */
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/setup/engine/confined", child_is_confined);
    g_test_add_func("/setup/engine/refuse", child_refuses);
    g_test_add_func("/setup/engine/never-replaces", child_never_replaces);
    g_test_add_func("/setup/engine/death", child_death_is_told);
    g_test_add_func("/setup/engine/ahead", child_works_ahead);
    g_test_add_func("/setup/engine/far-ahead", child_works_far_ahead);
    g_test_add_func("/setup/engine/ahead-refused", child_refuses_ahead);
    g_test_add_func("/setup/check/accept", check_accepts);
    g_test_add_func("/setup/check/refuse", check_refuses);
    g_test_add_func("/setup/reproducible/made-again", reproducible);
    g_test_add_func("/setup/reproducible/no-known-answer", reproducible_unknown);
    g_test_add_func("/setup/reproducible/seed-comes-first", seed_comes_first);
    return g_test_run();
}
