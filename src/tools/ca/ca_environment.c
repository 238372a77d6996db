/*
 * ca_environment.c - the file of approved environments.
 *
 * What decides over whom is delegated to must not be read in another way than it was meant: nothing
 * is guessed, skipped or overridden.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ca/ca_environment.h"

#include <string.h>

#include "pki/mandate.h"
#include "pki/name.h"

#define SELECTION_DEFAULT "sha256:0,2,4,7"
#define LINE_MAX_CHARACTERS 1024

typedef struct {
    GPtrArray *all;
    HfCaEnvironment *current; /* in `all` */
    GString *values;          /* its lines of PCR values */
    bool has_pcrs, has_generation, has_log, has_nested;
} Parser;

HfCaEnvironment *hf_ca_environment_new(const char *name)
{
    HfCaEnvironment *environment = g_new0(HfCaEnvironment, 1);

    environment->name = g_strdup(name);
    environment->migration = g_ptr_array_new_with_free_func(g_free);
    environment->models = g_ptr_array_new_with_free_func(g_free);
    environment->emulators = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return environment;
}

void hf_ca_environment_free(HfCaEnvironment *environment)
{
    if (!environment) {
        return;
    }
    g_free(environment->name);
    hf_pcr_values_free(environment->values);
    g_ptr_array_unref(environment->migration);
    g_ptr_array_unref(environment->models);
    g_ptr_array_unref(environment->emulators);
    g_free(environment);
}

HfCaEnvironment *hf_ca_environment_find(GPtrArray *environments, const char *name)
{
    for (unsigned i = 0; i < environments->len; i++) {
        HfCaEnvironment *environment = g_ptr_array_index(environments, i);

        if (strcmp(environment->name, name) == 0) {
            return environment;
        }
    }
    return NULL;
}

/* No value twice, no value that is not selected: hf_pcr_values_parse takes more than is selected.
 */
static bool check_selected(const HfPcrSelection *selection, char *const *lines, GError **error)
{
    unsigned count = 0;

    for (; *lines; lines++) {
        count += **lines != '\0';
    }
    return count == hf_pcr_selection_total(selection) ||
           hf_error_set(error, HF_ERROR_INVALID,
                        "%u PCR values expected, one for each selected PCR, found %u",
                        hf_pcr_selection_total(selection), count);
}

static bool finish_section(Parser *parser, GError **error)
{
    HfCaEnvironment *environment = parser->current;
    g_auto(GStrv) lines = NULL;
    bool good;

    if (!environment) {
        return true;
    }
    if (!parser->has_pcrs) {
        good = hf_pcr_selection_parse(SELECTION_DEFAULT, &environment->selection, error);
        g_assert(good);
    }
    lines = g_strsplit(parser->values->str, "\n", -1);
    good = check_selected(&environment->selection, lines, error);
    if (good) {
        environment->values = hf_pcr_values_parse(parser->values->str, parser->values->len,
                                                  &environment->selection, error);
    }
    if (!environment->values) {
        g_prefix_error(error, "environment \"%s\": ", environment->name);
        return false;
    }
    g_string_truncate(parser->values, 0);
    parser->has_pcrs = parser->has_generation = parser->has_log = parser->has_nested = false;
    return true;
}

static bool section(Parser *parser, char *line, GError **error)
{
    size_t size = strlen(line);

    if (size < 3 || line[size - 1] != ']') {
        return hf_error_set(error, HF_ERROR_INVALID, "[NAME] expected");
    }
    line[size - 1] = '\0';
    g_strstrip(++line);
    if (!hf_name_check_text(line, "name of the environment", error) ||
        !finish_section(parser, error)) {
        return false;
    }
    if (hf_ca_environment_find(parser->all, line)) {
        return hf_error_set(error, HF_ERROR_INVALID, "environment \"%s\" is there twice", line);
    }
    parser->current = hf_ca_environment_new(line);
    g_ptr_array_add(parser->all, parser->current);
    return true;
}

static bool once(bool *seen, const char *key, GError **error)
{
    if (*seen) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s is there twice", key);
    }
    *seen = true;
    return true;
}

static bool generation(Parser *parser, const char *value, GError **error)
{
    char *end = NULL;
    guint64 number = g_ascii_strtoull(value, &end, 10);

    if (!g_ascii_isdigit(*value) || *end != '\0' || number == 0 || number > G_MAXINT64) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "minimum-generation: a number from 1 on expected, found \"%s\"", value);
    }
    parser->current->minimum_generation = number;
    return true;
}

static bool nested(Parser *parser, const char *value, GError **error)
{
    unsigned levels = value[0] && !value[1] ? (unsigned)(value[0] - '0') : 0;

    if (levels < 1 || levels > HF_NESTED_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "nested: a number from 1 to %d expected, found \"%s\"", HF_NESTED_MAX,
                            value);
    }
    parser->current->nested = levels;
    return true;
}

static bool emulator(Parser *parser, const char *value, GError **error)
{
    g_autoptr(GBytes) digest = hf_hex_parse(value, "emulator", error);

    if (!digest) {
        return false;
    }
    if (g_bytes_get_size(digest) != 32) {
        return hf_error_set(error, HF_ERROR_INVALID,
                            "emulator: SHA-256 (32 bytes) expected, found %zu",
                            g_bytes_get_size(digest));
    }
    if (parser->current->emulators->len == HF_MANDATE_EMULATORS_MAX) {
        return hf_error_set(error, HF_ERROR_INVALID, "emulator: at most %d expected",
                            HF_MANDATE_EMULATORS_MAX);
    }
    g_ptr_array_add(parser->current->emulators, g_steal_pointer(&digest));
    return true;
}

static bool setting(Parser *parser, const char *key, const char *value, GError **error)
{
    HfCaEnvironment *environment = parser->current;

    if (strcmp(key, "pcrs") == 0) {
        return once(&parser->has_pcrs, key, error) &&
               hf_pcr_selection_parse(value, &environment->selection, error);
    }
    if (strcmp(key, "minimum-generation") == 0) {
        return once(&parser->has_generation, key, error) && generation(parser, value, error);
    }
    if (strcmp(key, "nested") == 0) {
        return once(&parser->has_nested, key, error) && nested(parser, value, error);
    }
    if (strcmp(key, "emulator") == 0) {
        return emulator(parser, value, error);
    }
    if (strcmp(key, "migration-policy") == 0) {
        if (!hf_name_check_text(value, "migration-policy", error)) {
            return false;
        }
        g_ptr_array_add(environment->migration, g_strdup(value));
        return true;
    }
    if (strcmp(key, "device-model") == 0) {
        if (!hf_name_check_text(value, "device-model", error)) {
            return false;
        }
        g_ptr_array_add(environment->models, g_strdup(value));
        return true;
    }
    if (strcmp(key, "event-log") == 0) {
        environment->event_log = true;
        return once(&parser->has_log, key, error) &&
               (strcmp(value, "required") == 0 ||
                hf_error_set(error, HF_ERROR_INVALID,
                             "event-log: \"required\" expected, found \"%s\"", value));
    }
    return hf_error_set(error, HF_ERROR_INVALID,
                        "pcrs, minimum-generation, migration-policy, device-model, emulator, "
                        "event-log, nested or a line BANK:INDEX:HEX expected, found \"%s\"",
                        key);
}

static bool one_line(Parser *parser, char *line, GError **error)
{
    char *equals;

    if (strlen(line) > LINE_MAX_CHARACTERS || !g_utf8_validate(line, -1, NULL)) {
        return hf_error_set(error, HF_ERROR_INVALID, "UTF-8 of at most %d characters expected",
                            LINE_MAX_CHARACTERS);
    }
    g_strstrip(line);
    if (*line == '\0' || *line == '#') {
        return true;
    }
    if (*line == '[') {
        return section(parser, line, error);
    }
    if (!parser->current) {
        return hf_error_set(error, HF_ERROR_INVALID, "[NAME] expected before anything else");
    }
    equals = strchr(line, '=');
    if (!equals) {
        g_string_append_printf(parser->values, "%s\n", line);
        return true;
    }
    *equals = '\0';
    return setting(parser, g_strstrip(line), g_strstrip(equals + 1), error);
}

static bool parse(Parser *parser, char **lines, const char *label, GError **error)
{
    unsigned i = 0;

    for (; lines[i]; i++) {
        if (!one_line(parser, lines[i], error)) {
            g_prefix_error(error, "%s: line %u: ", label, i + 1);
            return false;
        }
    }
    if (!finish_section(parser, error)) {
        g_prefix_error(error, "%s: line %u: ", label, i);
        return false;
    }
    return true;
}

GPtrArray *hf_ca_environments_parse(GBytes *file, const char *label, GError **error)
{
    g_autoptr(GPtrArray) all =
        g_ptr_array_new_with_free_func((GDestroyNotify)hf_ca_environment_free);
    Parser parser = { .all = all, .values = g_string_new(NULL) };
    size_t size = 0;
    const char *data = g_bytes_get_data(file, &size);
    g_auto(GStrv) lines = NULL;
    bool good;

    if (size > 0 && memchr(data, '\0', size)) {
        g_string_free(parser.values, TRUE);
        hf_error_set(error, HF_ERROR_INVALID, "%s: text expected, found a zero byte", label);
        return NULL;
    }
    {
        g_autofree char *text = g_strndup(data ? data : "", size);

        lines = g_strsplit(text, "\n", -1);
    }
    good = parse(&parser, lines, label, error);
    g_string_free(parser.values, TRUE);
    return good ? g_steal_pointer(&all) : NULL;
}
