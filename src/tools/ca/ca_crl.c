/*
 * ca_crl.c - issues the revocation list; `holdfast-ca crl`.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_crl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/crl_set.h"
#include "tools/ca/ca_act.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_revoked.h"
#include "tools/common/fields.h"

#define STATE "crl.json"
#define FORMAT "holdfast-ca-crl"
#define FORMAT_VERSION 1
#define SECONDS_A_DAY 86400

typedef struct {
    int64_t number; /* of the last list; 0: there was none */
    int64_t days;
} HfCrlState;

static bool load_state(const HfCaDir *ca, HfCrlState *ret_state, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, STATE, NULL);
    g_autoptr(GBytes) file = NULL;
    g_autoptr(HfFields) fields = NULL;

    if (!hf_file_read_if_at(ca->fd, STATE, HF_FIELDS_FILE_MAX, label, &file, error)) {
        return false;
    }
    if (!file) {
        if (faccessat(ca->fd, HF_CA_CRL_PEM, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            return hf_error_set(error, HF_ERROR_STATE,
                                "%s: missing, and there is a %s: the number of the next list is "
                                "not known",
                                label, HF_CA_CRL_PEM);
        }
        *ret_state = (HfCrlState){ .days = HF_CA_CRL_DAYS };
        return true;
    }
    fields = hf_fields_parse(file, label, FORMAT, FORMAT_VERSION, error);
    if (!fields) {
        return false;
    }
    ret_state->number = hf_fields_number(fields, "number", 1, G_MAXINT64 - 1);
    ret_state->days = hf_fields_number(fields, "days", 1, HF_CA_CRL_DAYS_MAX);
    return hf_fields_finish(fields, error);
}

static bool save_state(HfCaDir *ca, const HfCrlState *state, GError **error)
{
    g_autofree char *label = g_build_filename(ca->path, STATE, NULL);
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);
    g_autofree char *text = NULL;

    hf_fields_put_number(builder, "number", state->number);
    hf_fields_put_number(builder, "days", state->days);
    text = hf_fields_end(builder);
    return hf_file_replace_at(ca->fd, STATE, text, strlen(text), 0600, label, error);
}

static bool add_entry(GArray *entries, const HfRevoked *revoked, GError **error)
{
    g_autoptr(GBytes) serial = hf_hex_parse(revoked->serial, "serial", error);
    HfCrlEntry entry = { .reason = revoked->reason, .when = revoked->when };

    if (!serial) {
        return false;
    }
    if (g_bytes_get_size(serial) > sizeof(entry.serial)) {
        return hf_error_set(error, HF_ERROR_INVALID, "revoked: serial number %s is too long",
                            revoked->serial);
    }
    entry.size = (uint8_t)g_bytes_get_size(serial);
    memcpy(entry.serial, g_bytes_get_data(serial, NULL), entry.size);
    g_array_append_val(entries, entry);
    return true;
}

static GArray *load_entries(const HfCaDir *ca, GError **error)
{
    g_autoptr(GHashTable) revoked = hf_ca_revoked(ca, error);
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(HfCrlEntry));
    GHashTableIter iter;
    gpointer entry;

    if (!revoked) {
        return NULL;
    }
    g_hash_table_iter_init(&iter, revoked);
    while (g_hash_table_iter_next(&iter, NULL, &entry)) {
        if (!add_entry(entries, entry, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&entries);
}

static bool save(HfCaDir *ca, const HfCrl *crl, GError **error)
{
    g_autofree char *pem_label = g_build_filename(ca->path, HF_CA_CRL_PEM, NULL);
    g_autofree char *der_label = g_build_filename(ca->path, HF_CA_CRL_DER, NULL);
    g_autofree char *pem = hf_crl_pem(crl);

    return hf_file_replace_at(ca->fd, HF_CA_CRL_DER, g_bytes_get_data(crl->der, NULL),
                              g_bytes_get_size(crl->der), 0644, der_label, error) &&
           hf_file_replace_at(ca->fd, HF_CA_CRL_PEM, pem, strlen(pem), 0644, pem_label, error);
}

static bool commit(HfCaDir *ca, const HfCrl *crl, int64_t number, GError **error)
{
    g_autoptr(HfAuditEntry) act = hf_audit_entry_new(HF_AUDIT_CRL);

    act->number = number;
    act->digest = hf_audit_digest_text(crl->der);
    return hf_ca_act_commit(ca, act, error);
}

HfCrl *hf_ca_crl_issue(HfCaDir *ca, unsigned days, GError **error)
{
    g_autoptr(GArray) entries = load_entries(ca, error);
    g_autoptr(HfCrl) crl = NULL;
    HfCrlState state = { 0 };
    HfCrlInput in = { .entries = entries };

    if (!entries || !load_state(ca, &state, error)) {
        return NULL;
    }
    state.number++;
    state.days = days ? days : state.days;
    if (!save_state(ca, &state, error)) {
        return NULL;
    }
    in.number = (uint64_t)state.number;
    in.this_update = g_get_real_time() / G_USEC_PER_SEC;
    in.next_update = in.this_update + state.days * SECONDS_A_DAY;
    crl = hf_crl_issue(&in, ca->signer, ca->root, error);
    return crl && commit(ca, crl, state.number, error) && save(ca, crl, error)
               ? g_steal_pointer(&crl)
               : NULL;
}

static bool write_out(const HfOptions *options, const HfCrl *crl, GError **error)
{
    const char *out = hf_options_string(options, "out");
    g_autofree char *pem = NULL;

    if (!out) {
        return true;
    }
    if (strcmp(hf_options_string(options, "format"), "der") == 0) {
        return hf_file_write(out, g_bytes_get_data(crl->der, NULL), g_bytes_get_size(crl->der),
                             0644, error);
    }
    pem = hf_crl_pem(crl);
    return hf_file_write(out, pem, strlen(pem), 0644, error);
}

bool hf_ca_command_crl(const HfOptions *options, GError **error)
{
    g_autoptr(HfCaDir) ca = hf_ca_open(options, error);
    hf_autofd int lock = ca ? hf_ca_act_begin(ca, error) : -1;
    g_autoptr(HfCrl) crl = NULL;
    g_autofree char *number = NULL;
    g_autofree char *until = NULL;

    crl = lock >= 0 ? hf_ca_crl_issue(ca, (unsigned)hf_options_int(options, "crl-days"), error)
                    : NULL;
    if (!crl || !write_out(options, crl, error)) {
        return false;
    }
    number = hf_crl_number_text(crl->number);
    until = hf_crl_time_text(crl->next_update);
    printf("%s/%s: revocation list %s, %u revoked, the next is due at %s\n", ca->path,
           HF_CA_CRL_PEM, number, crl->entries->len, until);
    return true;
}
