/*
 * fuzz-manifest.c - the small JSON files of an authority: manifest and approval.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "tools/common/approval_file.h"
#include "tools/common/manifest.h"
#include "tpm2/template.h"

/* The file is called "input"; the reader wants it under its own name. */
static void approval(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    bool found = false;
    HfPublic approver;
    HfApprovalSubject subject = { .approver = &approver };
    (void)fuzz_file(data, size);
    int dir = fuzz_file_dir();
    g_assert_cmpint(renameat(dir, "input", dir, HF_APPROVAL_FILE), ==, 0);
    hf_template_public(HF_TEMPLATE_SRK_P256, &approver);
    subject.counter = hf_tpm_name_of_handle(0x01000000);
    g_autoptr(HfApproval) read =
        hf_approval_load(&subject, dir, HF_APPROVAL_FILE, "input", &found, &error);
    g_assert_null(read); /* nobody has this approver's key */
    fuzz_told(FALSE, &error);
    g_assert_cmpint(unlinkat(dir, HF_APPROVAL_FILE, 0), ==, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) json = g_bytes_new(data, size);
    HfManifest *manifest = hf_manifest_parse(json, "input", &error);
    fuzz_told(manifest != NULL, &error);
    hf_manifest_free(manifest);
    approval(data, size);
    return 0;
}
