/*
 * reference.c - reference values: read, held against facts, written.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/reference.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/name.h"

#define BOOTS_MAX 1024u
#define LINES_MAX 16384u /* of one boot */
#define LOG_PCRS 16u

typedef struct {
    char *name;
    GArray *values; /* HfPcrValue */
    GArray *events; /* HfReferenceEvent */
} Boot;

struct HfReference {
    GPtrArray *boots; /* Boot */
};

static void boot_free(void *data)
{
    Boot *boot = data;

    g_free(boot->name);
    g_array_unref(boot->values);
    g_array_unref(boot->events);
    g_free(boot);
}

void hf_reference_free(HfReference *reference)
{
    if (reference) {
        g_ptr_array_unref(reference->boots);
        g_free(reference);
    }
}

static bool same_place(const HfPcrValue *a, const HfPcrValue *b)
{
    return a->hash == b->hash && a->index == b->index;
}

static bool same_value(const HfPcrValue *a, const HfPcrValue *b)
{
    return same_place(a, b) && memcmp(a->digest, b->digest, hf_hash_size(a->hash)) == 0;
}

static char *place_text(const HfPcrValue *value)
{
    return g_strdup_printf("%s:%u", hf_hash_name(value->hash), value->index);
}

static char *digest_text(const HfPcrValue *value)
{
    return hf_hex(value->digest, hf_hash_size(value->hash));
}

/* Facts */

static void take_event(const HfLogEvent *event, void *user)
{
    HfReferenceEvent taken = { .number = event->number, .type = event->type };
    HfReferenceFacts *facts = user;

    taken.value.hash = event->hash;
    taken.value.index = event->pcr;
    memcpy(taken.value.digest, event->digest, hf_hash_size(event->hash));
    g_array_append_val(facts->events, taken);
    facts->log_events = event->number;
}

bool hf_reference_facts_fill(HfReferenceFacts *facts, const HfPcrSelection *selection,
                             HfPcrValues *values, GBytes *log, GError **error)
{
    *facts = (HfReferenceFacts){ .selection = *selection, .values = values };
    facts->events = g_array_new(FALSE, FALSE, sizeof(HfReferenceEvent));
    if (!log) {
        return true;
    }
    facts->replayed = hf_event_log_walk(g_bytes_get_data(log, NULL), g_bytes_get_size(log),
                                        take_event, facts, error);
    return facts->replayed != NULL;
}

void hf_reference_facts_clear(HfReferenceFacts *facts)
{
    g_clear_pointer(&facts->replayed, hf_pcr_values_free);
    g_clear_pointer(&facts->events, g_array_unref);
}

/* Reading */

static bool begin_boot(HfReference *reference, char *line, GError **error)
{
    size_t size = strlen(line);
    Boot *boot;

    if (line[size - 1] != ']') {
        return hf_error_set(error, HF_ERROR_INVALID, "[NAME] expected");
    }
    line[size - 1] = '\0';
    g_strstrip(++line);
    if (!hf_name_check_text(line, "name of the boot", error)) {
        return false;
    }
    if (reference->boots->len == BOOTS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "at most %u boots expected", BOOTS_MAX);
    }
    for (unsigned i = 0; i < reference->boots->len; i++) {
        if (strcmp(((const Boot *)reference->boots->pdata[i])->name, line) == 0) {
            return hf_error_set(error, HF_ERROR_INVALID, "[%s] is there twice", line);
        }
    }
    boot = g_new0(Boot, 1);
    boot->name = g_strdup(line);
    boot->values = g_array_new(FALSE, FALSE, sizeof(HfPcrValue));
    boot->events = g_array_new(FALSE, FALSE, sizeof(HfReferenceEvent));
    g_ptr_array_add(reference->boots, boot);
    return true;
}

static bool add_value(Boot *boot, const char *text, GError **error)
{
    HfPcrValue value;

    if (!hf_pcr_value_parse(text, &value, error)) {
        return false;
    }
    for (unsigned i = 0; i < boot->values->len; i++) {
        if (same_place(&g_array_index(boot->values, HfPcrValue, i), &value)) {
            g_autofree char *place = place_text(&value);

            return hf_error_set(error, HF_ERROR_INVALID, "%s is there twice", place);
        }
    }
    g_array_append_val(boot->values, value);
    return true;
}

static bool add_event(Boot *boot, const char *text, bool optional, GError **error)
{
    HfReferenceEvent event = { .optional = optional };

    if (!hf_pcr_value_parse(text, &event.value, error)) {
        return false;
    }
    if (event.value.index >= LOG_PCRS) {
        return hf_error_set(error, HF_ERROR_INVALID, "an event log has PCRs 0 to %u, found %u",
                            LOG_PCRS - 1, event.value.index);
    }
    g_array_append_val(boot->events, event);
    return true;
}

static bool read_line(HfReference *reference, char *line, GError **error)
{
    Boot *boot =
        reference->boots->len > 0 ? reference->boots->pdata[reference->boots->len - 1] : NULL;

    if (*line == '[') {
        if (boot && boot->values->len + boot->events->len == 0) {
            return hf_error_set(error, HF_ERROR_INVALID, "[%s] has no lines", boot->name);
        }
        return begin_boot(reference, line, error);
    }
    if (!boot) {
        return hf_error_set(error, HF_ERROR_INVALID, "[NAME] expected first, found \"%s\"", line);
    }
    if (boot->values->len + boot->events->len == LINES_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "at most %u lines expected", LINES_MAX);
    }
    if (g_str_has_prefix(line, "event ")) {
        return add_event(boot, g_strstrip(line + strlen("event ")), false, error);
    }
    if (g_str_has_prefix(line, "may ")) {
        return add_event(boot, g_strstrip(line + strlen("may ")), true, error);
    }
    return add_value(boot, line, error);
}

/* What a line says, without comment and blanks around it; a comment begins a word. */
static char *strip_line(char *line)
{
    for (char *p = line; *p; p++) {
        if (*p == '#' && (p == line || g_ascii_isspace(p[-1]))) {
            *p = '\0';
            break;
        }
    }
    return g_strstrip(line);
}

static bool read_lines(HfReference *reference, char *text, const char *label, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++) {
        char *line = strip_line(lines[i]);

        if (*line && !read_line(reference, line, error)) {
            g_prefix_error(error, "%s: line %u: ", label, i + 1);
            return false;
        }
    }
    return true;
}

HfReference *hf_reference_parse(GBytes *text, const char *label, GError **error)
{
    g_autoptr(HfReference) reference = g_new0(HfReference, 1);
    size_t size = 0;
    const char *data = g_bytes_get_data(text, &size);
    g_autofree char *copy = NULL;
    const Boot *last;

    reference->boots = g_ptr_array_new_with_free_func(boot_free);
    if (size > 0 && !g_utf8_validate_len(data, size, NULL)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: expected reference values, text in UTF-8",
                     label);
        return NULL;
    }
    copy = g_strndup(size > 0 ? data : "", size);
    if (!read_lines(reference, copy, label, error)) {
        return NULL;
    }
    last = reference->boots->len > 0 ? reference->boots->pdata[reference->boots->len - 1] : NULL;
    if (!last || last->values->len + last->events->len == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: %s%s%s has no lines", label, last ? "[" : "",
                     last ? last->name : "the file", last ? "]" : "");
        return NULL;
    }
    return g_steal_pointer(&reference);
}

HfReference *hf_reference_load(const char *path, GError **error)
{
    g_autoptr(GBytes) text = hf_file_read(path, HF_REFERENCE_FILE_MAX, error);

    return text ? hf_reference_parse(text, path, error) : NULL;
}

/* Judging */

static bool selected(const HfPcrSelection *selection, const HfPcrValue *value)
{
    for (uint32_t i = 0; i < selection->count; i++) {
        if (selection->banks[i].hash == value->hash) {
            return selection->banks[i].mask >> value->index & 1;
        }
    }
    return false;
}

static bool check_selected(const Boot *boot, const HfPcrValue *value,
                           const HfPcrSelection *selection, GError **error)
{
    if (!selected(selection, value)) {
        g_autofree char *place = place_text(value);

        return hf_error_set(error, HF_ERROR_USAGE,
                            "reference values [%s]: %s is not among the PCRs of --selection",
                            boot->name, place);
    }
    return true;
}

bool hf_reference_check_selection(const HfReference *reference, const HfPcrSelection *selection,
                                  GError **error)
{
    for (unsigned i = 0; i < reference->boots->len; i++) {
        const Boot *boot = reference->boots->pdata[i];

        for (unsigned j = 0; j < boot->values->len; j++) {
            if (!check_selected(boot, &g_array_index(boot->values, HfPcrValue, j), selection,
                                error)) {
                return false;
            }
        }
        for (unsigned j = 0; j < boot->events->len; j++) {
            if (!check_selected(boot, &g_array_index(boot->events, HfReferenceEvent, j).value,
                                selection, error)) {
                return false;
            }
        }
    }
    return true;
}

static void compare_values(const Boot *boot, const HfReferenceFacts *facts, GPtrArray *differences)
{
    for (unsigned i = 0; i < boot->values->len; i++) {
        const HfPcrValue *value = &g_array_index(boot->values, HfPcrValue, i);
        const uint8_t *found = hf_pcr_values_get(facts->values, value->hash, value->index);
        size_t size = hf_hash_size(value->hash);

        if (!found || memcmp(found, value->digest, size) != 0) {
            g_autofree char *place = place_text(value);
            g_autofree char *expected = digest_text(value);
            g_autofree char *have = found ? hf_hex(found, size) : g_strdup("none");

            g_ptr_array_add(differences,
                            g_strdup_printf("%s: expected %s, found %s", place, expected, have));
        }
    }
}

static void say_event(GPtrArray *differences, const HfReferenceEvent *event, const char *what)
{
    g_autofree char *place = place_text(&event->value);
    g_autofree char *digest = digest_text(&event->value);
    g_autofree char *number =
        event->number > 0 ? g_strdup_printf(" (event %u of the log)", event->number) : NULL;

    g_ptr_array_add(differences,
                    g_strdup_printf("%s: %s %s%s", place, what, digest, number ? number : ""));
}

static const HfReferenceEvent *find_event(const GArray *events, const HfPcrValue *value)
{
    for (unsigned i = 0; i < events->len; i++) {
        const HfReferenceEvent *event = &g_array_index(events, HfReferenceEvent, i);

        if (same_value(&event->value, value)) {
            return event;
        }
    }
    return NULL;
}

/* One PCR whose events the boot lists: the log must lead to it, and hold the listed events, no
 * others. */
static void compare_place(const Boot *boot, const HfPcrValue *of, const HfReferenceFacts *facts,
                          GPtrArray *differences)
{
    if (!facts->replayed ||
        !hf_event_log_leads(facts->replayed, facts->values, of->hash, of->index)) {
        g_autofree char *place = place_text(of);

        g_ptr_array_add(differences,
                        g_strdup_printf("%s: its events are not proved: %s", place,
                                        facts->replayed ? "the log does not lead to its value"
                                                        : "there is no event log"));
        return;
    }
    for (unsigned i = 0; i < boot->events->len; i++) {
        const HfReferenceEvent *event = &g_array_index(boot->events, HfReferenceEvent, i);

        if (same_place(&event->value, of) && !event->optional &&
            !find_event(facts->events, &event->value)) {
            say_event(differences, event, "the log lacks the event");
        }
    }
    for (unsigned i = 0; i < facts->events->len; i++) {
        const HfReferenceEvent *event = &g_array_index(facts->events, HfReferenceEvent, i);

        if (same_place(&event->value, of) && !find_event(boot->events, &event->value)) {
            say_event(differences, event, "an event that is not listed:");
        }
    }
}

static void compare_events(const Boot *boot, const HfReferenceFacts *facts, GPtrArray *differences)
{
    for (unsigned i = 0; i < boot->events->len; i++) {
        const HfPcrValue *of = &g_array_index(boot->events, HfReferenceEvent, i).value;
        bool first = true;

        for (unsigned j = 0; j < i && first; j++) {
            first = !same_place(&g_array_index(boot->events, HfReferenceEvent, j).value, of);
        }
        if (first) {
            compare_place(boot, of, facts, differences);
        }
    }
}

const char *hf_reference_match(const HfReference *reference, const HfReferenceFacts *facts,
                               const char **ret_nearest, GPtrArray **ret_differences)
{
    g_autoptr(GPtrArray) fewest = NULL;
    const char *nearest = NULL;

    for (unsigned i = 0; i < reference->boots->len; i++) {
        const Boot *boot = reference->boots->pdata[i];
        g_autoptr(GPtrArray) differences = g_ptr_array_new_with_free_func(g_free);

        compare_values(boot, facts, differences);
        compare_events(boot, facts, differences);
        if (differences->len == 0) {
            return boot->name;
        }
        if (!fewest || differences->len < fewest->len) {
            g_clear_pointer(&fewest, g_ptr_array_unref);
            fewest = g_steal_pointer(&differences);
            nearest = boot->name;
        }
    }
    *ret_nearest = nearest;
    *ret_differences = g_steal_pointer(&fewest);
    return NULL;
}

/* Writing */

static void write_place(const HfReferenceFacts *facts, uint16_t hash, unsigned pcr, GString *out)
{
    HfPcrValue place = { .hash = hash, .index = pcr };
    g_autofree char *hex = hf_hex(hf_pcr_values_get(facts->values, hash, pcr), hf_hash_size(hash));

    g_string_append_printf(out, "%s:%u:%s\n", hf_hash_name(hash), pcr, hex);
    if (!facts->replayed || !hf_event_log_leads(facts->replayed, facts->values, hash, pcr)) {
        return;
    }
    for (unsigned i = 0; i < facts->events->len; i++) {
        const HfReferenceEvent *event = &g_array_index(facts->events, HfReferenceEvent, i);

        if (same_place(&event->value, &place)) {
            g_autofree char *digest = digest_text(&event->value);

            g_string_append_printf(out, "# event %s:%u:%s # type 0x%08x\n", hf_hash_name(hash), pcr,
                                   digest, event->type);
        }
    }
}

char *hf_reference_write(const HfReferenceFacts *facts, const char *name)
{
    GString *out =
        g_string_new("# Reference values, holdfast-attest(5). A line \"event\" instead of a "
                     "PCR's value lets its events come\n# in any order.\n");

    g_string_append_printf(out, "[%s]\n", name);
    for (uint32_t b = 0; b < facts->selection.count; b++) {
        const HfPcrBank *bank = &facts->selection.banks[b];

        for (unsigned pcr = 0; pcr < HF_PCR_COUNT; pcr++) {
            if (bank->mask >> pcr & 1) {
                write_place(facts, bank->hash, pcr, out);
            }
        }
    }
    return g_string_free(out, FALSE);
}
