/*
 * certifier_tool.c - certificates from the program of create_certs_tool, once each.
 *
 * swtpm_setup's plug-in point for a site's CA: the program is told the key and what it is for, and
 * leaves ek.cert, platform.cert, iak.cert or idevid.cert in a directory made for this run. What it
 * leaves is read with bounds, must be a certificate, and must be of that key (certifier.h).
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "tools/setup/certifier.h"
#include "tools/setup/swtpm_setup_config.h"
#include "tools/setup/tool_run.h"

#define DIRECTORY_PATTERN "swtpm_setup.certs.XXXXXX"
#define CERTIFICATE_MAX (64u * 1024u)
#define HEADER_SIZE 7u /* before the certificate of a TPM 1.2 */

typedef struct {
    HfCertifier base;
    const HfSetupPlan *plan;
    const HfEngineFacts *facts;
    char *dir;    /* of this run, removed at its end */
    char *config; /* files for a swtpm_localca that would find none, in dir; or NULL */
    char *options;
} ToolCertifier;

static const char *const file_names[] = { "ek.cert", "platform.cert", "iak.cert", "idevid.cert" };
static const char *const type_names[] = { "ek", "platform", "iak", "idevid" };

/* Whatever the tool left in it goes too, but no directories: nobody made some for it. */
static void remove_directory(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        unlink(file);
    }
    if (dir) {
        g_dir_close(dir);
    }
    rmdir(path);
}

static void tool_free(HfCertifier *base)
{
    ToolCertifier *certifier = (ToolCertifier *)base;
    if (certifier->dir) {
        remove_directory(certifier->dir);
    }
    g_free(certifier->dir);
    g_free(certifier->config);
    g_free(certifier->options);
    g_free(certifier);
}

/* --- the command line ------------------------------------------------------------------------ */

static void add(GPtrArray *argv, const char *option, const char *value)
{
    if (value) {
        g_ptr_array_add(argv, g_strdup(option));
        g_ptr_array_add(argv, g_strdup(value));
    }
}

static void add_number(GPtrArray *argv, const char *option, uint32_t value)
{
    g_ptr_array_add(argv, g_strdup(option));
    g_ptr_array_add(argv, g_strdup_printf("%u", value));
}

static void add_flag(GPtrArray *argv, const char *option, bool wanted)
{
    if (wanted) {
        g_ptr_array_add(argv, g_strdup(option));
    }
}

static char *hex_of(GBytes *bytes)
{
    size_t size;
    const void *data = g_bytes_get_data(bytes, &size);
    return hf_hex(data, size);
}

/* The modulus, or x=HEX,y=HEX,id=CURVE. */
static char *key_text(const HfPublicKey *key)
{
    if (hf_public_key_kind(key) == HF_KEY_RSA) {
        uint32_t exponent;
        g_autoptr(GBytes) modulus = hf_public_key_modulus(key, &exponent);
        return hex_of(modulus);
    }
    g_autoptr(GBytes) x = NULL;
    g_autoptr(GBytes) y = NULL;
    hf_public_key_point(key, &x, &y);
    g_autofree char *x_hex = hex_of(x);
    g_autofree char *y_hex = hex_of(y);
    return g_strdup_printf("x=%s,y=%s,id=secp%ur1", x_hex, y_hex, hf_public_key_bits(key));
}

static GPtrArray *command_line(const ToolCertifier *certifier, const HfCertRequest *request)
{
    const HfSetupPlan *plan = certifier->plan;
    const HfEngineFacts *facts = certifier->facts;
    bool identity = request->kind == HF_CERT_IAK || request->kind == HF_CERT_IDEVID;
    g_autofree char *key = key_text(request->key);
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(argv, g_strdup(plan->certs_tool));
    add(argv, "--type", type_names[request->kind]);
    add(argv, identity ? "--key" : "--ek", key);
    add(argv, "--dir", certifier->dir);
    add_flag(argv, "--allow-signing", plan->allow_signing && !identity);
    add_flag(argv, "--decryption", plan->allow_signing && plan->decryption && !identity);
    add(argv, "--logfile", plan->logfile);
    add(argv, "--vmid", plan->vmid);
    add(argv, "--tpm-spec-family", facts->family);
    add_number(argv, "--tpm-spec-level", facts->level);
    add_number(argv, "--tpm-spec-revision", facts->revision);
    add(argv, "--tpm-manufacturer", facts->manufacturer);
    add(argv, "--tpm-model", facts->model);
    add(argv, "--tpm-version", facts->version);
    add_flag(argv, "--tpm2", !plan->tpm12);
    add(argv, "--configfile",
        plan->certs_tool_config ? plan->certs_tool_config : certifier->config);
    add(argv, "--optsfile",
        plan->certs_tool_options ? plan->certs_tool_options : certifier->options);
    add(argv, "--tpm-serial-num", identity ? request->tpm_serial : NULL);
    g_ptr_array_add(argv, NULL);
    return argv;
}

/* --- the certificate ------------------------------------------------------------------------- */

/* Of a TPM 1.2 the file has a header; a tool that leaves it out is understood. */
static GBytes *strip_header(GBytes *file, const char *label, GError **error)
{
    HfReader r = hf_reader_for(file);
    if (hf_reader_u16(&r) != 0x1001 || hf_reader_u8(&r) != 0) {
        return g_bytes_ref(file);
    }
    uint16_t size = hf_reader_u16(&r);
    uint16_t tag = hf_reader_u16(&r);
    if (r.failed || tag != 0x1002 || size != hf_reader_left(&r) + 2) {
        hf_error_set(error, HF_ERROR_INVALID,
                     "%s: its header says %u bytes and tag 0x%04x, %zu bytes follow", label, size,
                     tag, hf_reader_left(&r));
        return NULL;
    }
    return g_bytes_new_from_bytes(file, HEADER_SIZE, hf_reader_left(&r));
}

static GBytes *read_certificate(const ToolCertifier *certifier, HfCertKind kind, GError **error)
{
    g_autofree char *label =
        g_strdup_printf("%s of %s", file_names[kind], certifier->plan->certs_tool);
    hf_autofd int dir = hf_dir_open(certifier->dir, error);
    g_autoptr(GBytes) file =
        dir < 0 ? NULL : hf_file_read_at(dir, file_names[kind], CERTIFICATE_MAX, label, error);
    return file && certifier->plan->tpm12 ? strip_header(file, label, error)
                                          : g_steal_pointer(&file);
}

static GBytes *tool_issue(HfCertifier *base, const HfCertRequest *request, GError **error)
{
    const ToolCertifier *certifier = (const ToolCertifier *)base;
    uint32_t exponent = 65537;
    if (hf_public_key_kind(request->key) == HF_KEY_RSA) {
        g_autoptr(GBytes) modulus = hf_public_key_modulus(request->key, &exponent);
    }
    if (exponent != 65537) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED, "RSA exponent %u, expected 65537", exponent);
        return NULL;
    }
    g_autoptr(GPtrArray) argv = command_line(certifier, request);
    g_autofree char *text = g_strjoinv(" ", (char **)argv->pdata);
    hf_log(1, "  Invoking %s", text);
    /* A file of an earlier call must not be taken for this one's. */
    g_autofree char *file = g_build_filename(certifier->dir, file_names[request->kind], NULL);
    if (unlink(file) != 0 && errno != ENOENT) {
        hf_error_errno(error, errno, "cannot remove \"%s\"", file);
        return NULL;
    }
    return hf_tool_run((const char *const *)argv->pdata, certifier->plan->certs_tool_seconds, error)
               ? read_certificate(certifier, request->kind, error)
               : NULL;
}

/* A verifier gets the CA's certificates from the CA. */
static GBytes *tool_chain(HfCertifier *base G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return g_bytes_new(NULL, 0);
}

static const HfCertifierClass tool_class = { tool_issue, tool_chain, tool_free };

HfCertifier *hf_certifier_tool_open(const HfSetupPlan *plan, const HfEngineFacts *facts,
                                    GError **error)
{
    g_autofree char *program = g_find_program_in_path(plan->certs_tool);
    if (!program) {
        hf_error_set(error, HF_ERROR_NOT_FOUND, "create_certs_tool: cannot run \"%s\"",
                     plan->certs_tool);
        return NULL;
    }
    ToolCertifier *certifier = g_new0(ToolCertifier, 1);
    g_autoptr(HfCertifier) base = &certifier->base;
    certifier->base.class = &tool_class;
    certifier->base.description = plan->certs_tool;
    certifier->plan = plan;
    certifier->facts = facts;
    g_autofree char *pattern = g_build_filename(g_get_tmp_dir(), DIRECTORY_PATTERN, NULL);
    if (!mkdtemp(pattern)) {
        hf_error_errno(error, errno, "cannot make a directory \"%s\"", pattern);
        return NULL;
    }
    certifier->dir = g_steal_pointer(&pattern);
    g_autofree char *name = g_path_get_basename(plan->certs_tool);
    if (strcmp(name, "swtpm_localca") == 0 &&
        !hf_swtpm_localca_defaults(certifier->dir, &certifier->config, &certifier->options,
                                   error)) {
        return NULL;
    }
    return g_steal_pointer(&base);
}
