/*
 * fuzz-audit.c - lines of the CA's audit log and its head, as somebody may have left them.
 *
 * A line that is read can be written and read again and is the same then. A head that was not
 * signed by the root's key is none.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <string.h>

#include "fuzz.h"
#include "tools/ca/ca_audit.h"

/* Of the CA whose log the seeds are from. */
static const char root_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBhDCCASmgAwIBAgIUTiq2UqK62LP2PsU0kH99VJaYlEMwCgYIKoZIzj0EAwIw\n"
                               "HjEcMBoGA1UEAwwTaG9sZGZhc3QgZmxlZXQgcm9vdDAeFw0yNjExMjExNjI3MzVa\n"
                               "Fw00NjExMTYxNjI3MzVaMB4xHDAaBgNVBAMME2hvbGRmYXN0IGZsZWV0IHJvb3Qw\n"
                               "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATiOp17g6zDIZ/Oo8fxaWihwDbrF2xb\n"
                               "CbsG1D+TERyQWwM/26ZIlowQ+ZjQwpEK/kaV0u0lFoo5OEQkluzNqMMEo0UwQzAS\n"
                               "BgNVHRMBAf8ECDAGAQH/AgEBMA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUNgMq\n"
                               "zILyzQSUkbQkjPBBkghKtXAwCgYIKoZIzj0EAwIDSQAwRgIhANl8Nde2ugaIDpDe\n"
                               "bN0gl1MHCCxS/CDZE+/lnEpSUWLoAiEA/lK8K+oUc/8ctG85Qu9ZGhsQF5OTjI0K\n"
                               "1ORVG0ocRTA=\n"
                               "-----END CERTIFICATE-----\n";

static HfCertificate *root_of_seeds(void)
{
    g_autoptr(GBytes) pem = g_bytes_new_static(root_pem, strlen(root_pem));
    g_autoptr(GPtrArray) all = hf_certificate_parse_bundle(pem, "root", NULL);
    g_assert_nonnull(all);
    return hf_certificate_ref(all->pdata[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GError *error = NULL;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(HfCertificate) root = root_of_seeds();
    g_autoptr(HfAuditEntry) entry =
        hf_audit_entry_read(g_bytes_get_data(bytes, NULL), size, "input", &error);
    HfAuditHead head = { 0 };

    fuzz_told(entry != NULL, &error);
    if (entry) {
        g_autofree char *line = hf_audit_entry_write(entry);
        g_autoptr(HfAuditEntry) again =
            hf_audit_entry_read(line, strlen(line) - 1, "again", &error);
        g_assert_no_error(error);
        g_autofree char *same = hf_audit_entry_write(again);
        g_assert_cmpstr(line, ==, same);
    }
    fuzz_told(hf_audit_head_read(bytes, "input", root, &head, &error), &error);
    return 0;
}
