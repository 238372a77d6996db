/*
 * ca_audit_print.c - `holdfast-ca audit`: what the CA did, and whether the log of it is whole.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <string.h>

#include "base/bytes.h"
#include "tools/ca/ca_audit_check.h"
#include "tools/ca/ca_commands.h"
#include "tools/ca/ca_select.h"

typedef struct {
    const HfOptions *options;
    HfCaSelector selector;
    JsonBuilder *json; /* NULL: in words */
} Print;

/* Peers have ports and processes, which nobody knows beforehand. */
static bool is_from(const char *const *wanted, const char *requester)
{
    bool found = !*wanted;

    for (; *wanted && !found; wanted++) {
        found = strstr(requester, *wanted) != NULL;
    }
    return found;
}

static bool among(const char *const *wanted, const char *text)
{
    return !*wanted || (text && g_strv_contains(wanted, text));
}

static bool is_wanted(const Print *print, const HfAuditEntry *entry)
{
    const HfOptions *options = print->options;

    return !hf_options_flag(options, "verify") &&
           among(hf_options_list(options, "event"), hf_audit_event_text(entry->event)) &&
           among(hf_options_list(options, "environment"), entry->facts->environment) &&
           is_from(hf_options_list(options, "requester"), entry->requester) &&
           hf_ca_selector_matches(&print->selector, entry->facts);
}

static void print_words(const HfAuditEntry *entry)
{
    const HfIssued *facts = entry->facts;
    const struct {
        const char *label;
        const char *text;
    } details[] = {
        { "", entry->act },
        { "", facts->serial },
        { "", facts->subject },
        { "", facts->rooted },
        { "environment ", facts->environment },
        { "host-ek ", facts->host_ek },
        { "", facts->ek_proof },
        { "nonce ", entry->nonce },
        { "", entry->reason },
    };

    printf("%" G_GINT64_FORMAT "  %s  %s  %s", entry->sequence, facts->time,
           hf_audit_event_text(entry->event), entry->requester);
    for (unsigned i = 0; i < G_N_ELEMENTS(details); i++) {
        if (details[i].text) {
            printf("  %s%s", details[i].label, details[i].text);
        }
    }
    if (entry->event == HF_AUDIT_CRL) {
        printf("  number %" G_GINT64_FORMAT, entry->number);
    }
    if (entry->unrecorded > 0) {
        printf("  (before it %" G_GINT64_FORMAT " refusals without a line)", entry->unrecorded);
    }
    printf("\n");
}

static void print_entry(const HfAuditEntry *entry, void *user)
{
    Print *print = user;

    if (!is_wanted(print, entry)) {
        return;
    }
    if (print->json) {
        json_builder_begin_object(print->json);
        hf_audit_entry_put(print->json, entry);
        json_builder_end_object(print->json);
    } else {
        print_words(entry);
    }
}

/* broken: NULL when all is well. */
static void end_json(JsonBuilder *json, const HfAuditReport *report, const GError *broken)
{
    g_autofree char *text = NULL;

    json_builder_end_array(json);
    hf_fields_put_flag(json, "whole", !broken);
    hf_fields_put(json, "error", broken ? broken->message : NULL);
    hf_fields_put_flag(json, "interrupted", report->interrupted);
    hf_fields_put_number(json, "sequence", report->head.sequence);
    hf_fields_put_hex(json, "line", report->head.line, HF_AUDIT_DIGEST);
    text = hf_fields_end(json);
    fputs(text, stdout);
}

static void end_words(const HfOptions *options, const HfAuditReport *report)
{
    g_autofree char *line = hf_hex(report->head.line, HF_AUDIT_DIGEST);

    if (hf_options_flag(options, "verify")) {
        printf("%s: whole, %" G_GINT64_FORMAT " lines, the last is %s\n",
               hf_options_string(options, "dir"), report->head.sequence, line);
        if (report->interrupted) {
            printf("note: an act after the last line was interrupted; it was not done\n");
        }
    }
}

bool hf_ca_command_audit(const HfOptions *options, GError **error)
{
    bool as_json = hf_options_flag(options, "json");
    g_autoptr(HfCaDir) ca = NULL;
    Print print = { .options = options };
    HfAuditReport report = { 0 };
    GError *local = NULL;
    bool good = hf_ca_selector_read(options, &print.selector, error);

    ca = good ? hf_ca_dir_open_records(hf_options_string(options, "dir"), error) : NULL;
    if (!ca) {
        hf_ca_selector_clear(&print.selector);
        return false;
    }
    if (as_json) {
        print.json = hf_fields_begin("holdfast-ca-audit-list", 1, 1);
        json_builder_set_member_name(print.json, "acts");
        json_builder_begin_array(print.json);
    }
    good = hf_ca_audit_check(ca, hf_options_string(options, "head"), print_entry, &print, &report,
                             &local);
    if (as_json) {
        end_json(print.json, &report, local);
    } else if (good) {
        end_words(options, &report);
    }
    hf_ca_selector_clear(&print.selector);
    if (!good) {
        g_propagate_prefixed_error(error, local, "audit log: ");
    }
    return good;
}
