/*
 * pki-world.c - a fleet in a temporary directory.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki-world.h"

#include "base/error.h"

#include <glib/gstdio.h>
#include <string.h>

HfSigner *world_key(World *world, HfKeyfileKind kind)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdup_printf("%s/key-%08x.pem", world->dir, g_random_int());
    g_assert_true(hf_keyfile_generate(path, kind, &error));
    HfSigner *signer = hf_signer_file_new(path, &error);
    g_assert_no_error(error);
    return signer;
}

World *world_new(HfRooted rooted)
{
    return world_new_with(rooted, HF_KEYFILE_P384);
}

World *world_new_with(HfRooted rooted, HfKeyfileKind root_kind)
{
    g_autoptr(GError) error = NULL;
    World *w = g_new0(World, 1);
    w->dir = g_dir_make_tmp("hf-pki-XXXXXX", &error);
    g_assert_no_error(error);
    w->root_key = world_key(w, root_kind);
    w->vma_key = world_key(w, HF_KEYFILE_P256);
    w->ek_key = world_key(w, HF_KEYFILE_P384);
    w->vma_key->rooted = rooted;

    HfRootInput root = { .organization = "Fleet",
                         .common_name = "Fleet root",
                         .not_before = WORLD_BIRTH };
    w->root = hf_delegation_root(&root, w->root_key, &error);
    g_assert_no_error(error);
    HfDelegation delegation = { .spki = w->vma_key->spki,
                                .rooted = rooted,
                                .organization = "Fleet",
                                .name_constraints = true,
                                .crl_url = "http://ca.example/fleet.crl",
                                .not_before = WORLD_BIRTH,
                                .days = 365 };
    w->vma = hf_delegation_new(&delegation, w->root_key, w->root, &error);
    g_assert_no_error(error);

    uint8_t digest[32];
    memset(digest, 0xa5, sizeof digest);
    w->host_digest = g_bytes_new(digest, sizeof digest);
    w->holding = (HfHolding){ .host_ek = rooted == HF_ROOTED_SOFTWARE ? NULL : w->host_digest,
                              .device_model = w->host_digest,
                              .tcb_policy = rooted == HF_ROOTED_SOFTWARE ? NULL : w->host_digest,
                              .migration_policy = HF_HOLDING_NOT_MIGRATABLE,
                              .reproducible = true };
    w->ek = (HfEndorsement){ .spki = w->ek_key->spki,
                             .tpm_manufacturer = "id:00001014",
                             .tpm_model = "holdfast virtual TPM",
                             .tpm_version = "id:20191023",
                             .spec_family = "2.0",
                             .spec_level = 0,
                             .spec_revision = 164,
                             .platform_manufacturer = "Example",
                             .platform_model = "QEMU on Example Host",
                             .platform_version = "7.2",
                             .vmid = "guest:4dcd6b3c-2f0e-4a52-a8fa-5e8c4e0b7f11",
                             .holding = &w->holding,
                             .ca_issuers_url = "http://ca.example/vma.der",
                             .not_before = WORLD_NOW,
                             .not_after = -1 };
    w->roots = world_chain(w->root, NULL);
    w->rules = (HfChainRules){ .kind = HF_LEAF_EK, .at = WORLD_NOW + WORLD_DAY };
    return w;
}

void world_free(World *world)
{
    if (!world) {
        return;
    }
    g_autoptr(GDir) dir = g_dir_open(world->dir, 0, NULL);
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(world->dir, name, NULL);
        g_unlink(path);
    }
    g_rmdir(world->dir);
    hf_signer_free(world->root_key);
    hf_signer_free(world->vma_key);
    hf_signer_free(world->ek_key);
    hf_certificate_unref(world->root);
    hf_certificate_unref(world->vma);
    g_bytes_unref(world->host_digest);
    g_ptr_array_unref(world->roots);
    g_free(world->dir);
    g_free(world);
}

GPtrArray *world_chain(HfCertificate *first, ...)
{
    GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)hf_certificate_unref);
    va_list ap;
    va_start(ap, first);
    for (HfCertificate *c = first; c; c = va_arg(ap, HfCertificate *)) {
        g_ptr_array_add(chain, hf_certificate_ref(c));
    }
    va_end(ap);
    return chain;
}

void world_refused(GError **error, int code, const char *text)
{
    g_assert_nonnull(*error);
    g_test_message("refused: %s", (*error)->message);
    g_assert_error(*error, HF_ERROR, code);
    if (!strstr((*error)->message, text)) {
        g_error("expected a message with \"%s\", found \"%s\"", text, (*error)->message);
    }
    g_clear_error(error);
}
