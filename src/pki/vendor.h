/*
 * vendor.h - EK certificates of hardware TPMs, verified up to pinned roots of their vendors.
 *
 * Vendors take the profiles less seriously than chain.h does: any number of intermediates, names in
 * several forms, no extended key usage or one more, key usages of all kinds. So GnuTLS verifies
 * here (signatures, validity, CA flags, no SHA-1), and what is asked of the leaf is what matters:
 * no CA, and meant for an EK where it says what it is meant for. A virtual TPM's certificate is not
 * a hardware TPM's, whoever signed it. Revocation lists of vendors are not looked at.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_VENDOR_H
#define HOLDFAST_PKI_VENDOR_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HfVendorRoots HfVendorRoots;

HfVendorRoots *hf_vendor_roots_new(void);
void hf_vendor_roots_free(HfVendorRoots *roots);
/* A file of certificates (PEM or DER), or a directory of such files; a hidden file is skipped.
 * Whatever is in there is trusted, an intermediate too. HF_ERROR_INVALID when something is no
 * certificate or there is none. */
bool hf_vendor_roots_add(HfVendorRoots *roots, const char *path, GError **error);
unsigned hf_vendor_roots_count(const HfVendorRoots *roots);

/* The certificate's public key as canonical SPKI (spki.h), which proves nothing yet. */
GBytes *hf_vendor_key(GBytes *certificate, GError **error);

/* Verifies at the present time. above: intermediates, DER certificates one after the other in any
 * order, or NULL; those that do not belong are left aside. ret_root: subject of the pinned
 * certificate that was reached, for people; may be NULL, caller frees. HF_ERROR_AUTH when no pinned
 * root is reached or a signature is wrong, HF_ERROR_POLICY for validity and usage. */
bool hf_vendor_verify(const HfVendorRoots *roots, GBytes *certificate, GBytes *above,
                      char **ret_root, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfVendorRoots, hf_vendor_roots_free)

#endif
