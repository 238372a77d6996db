/*
 * test-engine-pages.c - memory that libtpms has only cleared is given back, and what it keeps there
 * afterwards is kept.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_tpm.h"
#include "tpm2/constants.h"

#define INDEX 0x01000001u
#define SIZE 2000u
#define CLEARED 150 /* KB, of the 173 of its NV memory, that a new TPM does not use */

/* Kilobytes of its own that this process has in libtpms' variables without a value: the mapping
 * without a name behind the library's. */
static long variables_kb(void)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    bool behind = false;
    bool here = false;
    long kb = -1;
    for (unsigned i = 0; lines[i] && kb < 0; i++) {
        char name[256] = "";
        char rights[8];
        if (sscanf(lines[i], "%*x-%*x %7s %*x %*s %*u %255s", rights, name) >= 1 &&
            strlen(rights) == 4) {
            here = behind && *name == '\0';
            behind = strstr(name, "libtpms.so") != NULL;
        } else if (here && g_str_has_prefix(lines[i], "Anonymous:")) {
            kb = atol(lines[i] + strlen("Anonymous:"));
        }
    }
    return kb;
}

static void write_index(LiveTpm *live, uint32_t index, uint8_t fill)
{
    g_autoptr(GError) error = NULL;
    const HfNvPublic public = { .index = index,
                                .name_alg = TPM2_ALG_SHA256,
                                .attributes =
                                    TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_NO_DA,
                                .size = SIZE };
    uint8_t data[SIZE];
    memset(data, fill, sizeof(data));
    g_assert_true(
        hf_tpm_nv_define(&live->transport, TPM2_RH_OWNER, NULL, &public, NULL, &error) &&
        hf_tpm_nv_write(&live->transport, TPM2_RH_OWNER, NULL, index, data, SIZE, &error));
    g_assert_no_error(error);
}

static void check(LiveTpm *live, uint32_t index, uint8_t fill)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) found = hf_tpm_nv_read(&live->transport, TPM2_RH_OWNER, NULL, index, &error);
    uint8_t data[SIZE];
    memset(data, fill, sizeof(data));
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(found, NULL), g_bytes_get_size(found), data, SIZE);
}

static void test_released(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LiveTpm) live = live_tpm_new();
    g_assert_true(hf_tpm_startup(&live->transport, TPM2_SU_CLEAR, &error));
    write_index(live, INDEX, 1);
    long before = variables_kb();
    hf_engine_release_zeros();
    long after = variables_kb();
    g_test_message("%ld KB before, %ld after", before, after);
    if (before < 0) {
        g_test_skip("libtpms is not a library of its own here");
        return;
    }
    g_assert_cmpint(after, >=, 0);
    g_assert_cmpint(after, <=, before - CLEARED);
    /* Whatever was written is there, and so is what is written now. */
    for (unsigned i = 1; i < 20; i++) {
        check(live, INDEX + i - 1, (uint8_t)i);
        write_index(live, INDEX + i, (uint8_t)(i + 1));
        hf_engine_release_zeros();
    }
    /* Also by a TPM that is switched on again. */
    g_assert_cmpuint(hf_engine_power_on(live->engine, false, &error), ==, 0);
    hf_engine_release_zeros();
    g_assert_cmpint(variables_kb(), <=, before - CLEARED + 60);
    g_assert_true(hf_tpm_startup(&live->transport, TPM2_SU_CLEAR, &error));
    for (unsigned i = 0; i < 20; i++) {
        check(live, INDEX + i, (uint8_t)(i + 1));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/pages/released", test_released);
    return g_test_run();
}
