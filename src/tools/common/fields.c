/*
 * fields.c - small JSON files of ours.
 *
 * json-glib reads the syntax; everything about the contents is checked here, since a getter of
 * json-glib on a member of another type complains on stderr and returns nothing.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/common/fields.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

struct HfFields {
    JsonParser *parser;
    JsonObject *object; /* the parser's */
    char *label;
    bool newer; /* unknown members are allowed */
    GHashTable *known;
    char *wrong; /* the first thing that is wrong, or NULL */
};

void hf_fields_wrong(HfFields *fields, const char *name, const char *why)
{
    if (!fields->wrong) {
        fields->wrong = g_strdup_printf("member \"%s\": %s", name, why);
    }
}

void hf_fields_free(HfFields *fields)
{
    if (!fields) {
        return;
    }
    g_clear_object(&fields->parser);
    g_clear_pointer(&fields->known, g_hash_table_unref);
    g_free(fields->label);
    g_free(fields->wrong);
    g_free(fields);
}

static JsonNode *member(HfFields *fields, const char *name, bool required)
{
    JsonNode *node = json_object_get_member(fields->object, name);

    g_hash_table_add(fields->known, g_strdup(name));
    if (!node && required) {
        hf_fields_wrong(fields, name, "missing");
    }
    return node;
}

static bool holds_text(JsonNode *node)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
}

/* NULL when it does not do. */
static const char *plain_text(JsonNode *node)
{
    const char *text = holds_text(node) ? json_node_get_string(node) : NULL;

    if (!text || strlen(text) > HF_FIELDS_TEXT_MAX) {
        return NULL;
    }
    for (const char *p = text; *p; p++) {
        if (g_ascii_iscntrl(*p)) {
            return NULL;
        }
    }
    return text;
}

char *hf_fields_text(HfFields *fields, const char *name, bool required)
{
    JsonNode *node = member(fields, name, required);
    const char *text = node ? plain_text(node) : NULL;

    if (node && !text) {
        hf_fields_wrong(fields, name, "text without control characters expected");
    }
    if (!text) {
        return required ? g_strdup("") : NULL;
    }
    return g_strdup(text);
}

bool hf_fields_has(HfFields *fields, const char *name)
{
    return json_object_has_member(fields->object, name);
}

unsigned hf_fields_choice(HfFields *fields, const char *name, const char *const *choices)
{
    g_autofree char *text = hf_fields_text(fields, name, true);
    g_autofree char *all = NULL;
    g_autofree char *why = NULL;

    for (unsigned i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            return i;
        }
    }
    all = g_strjoinv("\" or \"", (char **)(uintptr_t)choices);
    why = g_strdup_printf("\"%s\" expected, found \"%s\"", all, text);
    hf_fields_wrong(fields, name, why);
    return 0;
}

int64_t hf_fields_number(HfFields *fields, const char *name, int64_t min, int64_t max)
{
    JsonNode *node = member(fields, name, true);
    int64_t value;

    if (!node) {
        return min;
    }
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64) {
        hf_fields_wrong(fields, name, "integer expected");
        return min;
    }
    value = json_node_get_int(node);
    if (value < min || value > max) {
        g_autofree char *why = g_strdup_printf("%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                                               " expected, found %" G_GINT64_FORMAT,
                                               min, max, value);

        hf_fields_wrong(fields, name, why);
        return min;
    }
    return value;
}

GBytes *hf_fields_hex(HfFields *fields, const char *name, bool required, size_t min, size_t max)
{
    g_autofree char *text = hf_fields_text(fields, name, required);
    g_autoptr(GBytes) bytes = NULL;

    if (!text) {
        return NULL;
    }
    bytes = hf_hex_parse(text, name, NULL);
    if (!bytes || g_bytes_get_size(bytes) < min || g_bytes_get_size(bytes) > max) {
        g_autofree char *why = g_strdup_printf("%zu to %zu hex bytes expected", min, max);

        hf_fields_wrong(fields, name, why);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

char *hf_fields_lines(HfFields *fields, const char *name)
{
    JsonNode *node = member(fields, name, true);
    g_autoptr(GString) lines = g_string_new(NULL);
    JsonArray *array;

    if (!node) {
        return NULL;
    }
    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        hf_fields_wrong(fields, name, "array of texts expected");
        return NULL;
    }
    array = json_node_get_array(node);
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        const char *text = plain_text(json_array_get_element(array, i));

        if (!text) {
            hf_fields_wrong(fields, name, "array of texts expected");
            return NULL;
        }
        g_string_append_printf(lines, "%s\n", text);
    }
    return g_string_free(g_steal_pointer(&lines), FALSE);
}

HfFields *hf_fields_parse(GBytes *json, const char *label, const char *format, int64_t version,
                          GError **error)
{
    static const int64_t highest = 1000000;
    g_autoptr(HfFields) fields = g_new0(HfFields, 1);
    g_autofree char *found = NULL;
    g_autoptr(GError) syntax = NULL;
    size_t size = 0;
    const char *data = g_bytes_get_data(json, &size);
    int64_t minimum;
    JsonNode *root;

    fields->label = g_strdup(label);
    fields->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fields->parser = json_parser_new_immutable();
    /* The parser takes it for a C string. */
    if (size == 0 || memchr(data, 0, size) || !g_utf8_validate(data, (gssize)size, NULL)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: JSON text expected", label);
        return NULL;
    }
    if (!json_parser_load_from_data(fields->parser, data, (gssize)size, &syntax)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: %s", label, syntax->message);
        return NULL;
    }
    root = json_parser_get_root(fields->parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: a JSON object expected", label);
        return NULL;
    }
    fields->object = json_node_get_object(root);
    found = hf_fields_text(fields, "format", true);
    if (strcmp(found, format) != 0) {
        hf_error_set(error, HF_ERROR_INVALID, "%s: format \"%s\" expected, found \"%s\"", label,
                     format, found);
        return NULL;
    }
    fields->newer = hf_fields_number(fields, "version", 1, highest) > version;
    minimum = hf_fields_number(fields, "minimum-reader", 1, highest);
    if (minimum > version) {
        hf_error_set(error, HF_ERROR_UNSUPPORTED,
                     "%s: needs a reader of version %" G_GINT64_FORMAT
                     ", this one is %" G_GINT64_FORMAT,
                     label, minimum, version);
        return NULL;
    }
    return g_steal_pointer(&fields);
}

bool hf_fields_finish(HfFields *fields, GError **error)
{
    g_autoptr(GList) names = json_object_get_members(fields->object);

    for (GList *i = names; i && !fields->newer; i = i->next) {
        if (!g_hash_table_contains(fields->known, i->data)) {
            g_autofree char *name = g_strescape(i->data, NULL);

            hf_fields_wrong(fields, name, "unknown");
        }
    }
    if (fields->wrong) {
        return hf_error_set(error, HF_ERROR_INVALID, "%s: %s", fields->label, fields->wrong);
    }
    return true;
}

JsonBuilder *hf_fields_begin(const char *format, int64_t version, int64_t minimum)
{
    JsonBuilder *builder = json_builder_new();

    json_builder_begin_object(builder);
    hf_fields_put(builder, "format", format);
    hf_fields_put_number(builder, "version", version);
    hf_fields_put_number(builder, "minimum-reader", minimum);
    return builder;
}

void hf_fields_put(JsonBuilder *builder, const char *name, const char *value)
{
    if (value) {
        json_builder_set_member_name(builder, name);
        json_builder_add_string_value(builder, value);
    }
}

void hf_fields_put_hex(JsonBuilder *builder, const char *name, const void *data, size_t n)
{
    g_autofree char *hex = hf_hex(data, n);

    hf_fields_put(builder, name, hex);
}

void hf_fields_put_bytes(JsonBuilder *builder, const char *name, GBytes *bytes)
{
    if (bytes) {
        hf_fields_put_hex(builder, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    }
}

void hf_fields_put_number(JsonBuilder *builder, const char *name, int64_t value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

void hf_fields_put_flag(JsonBuilder *builder, const char *name, bool value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

void hf_fields_put_lines(JsonBuilder *builder, const char *name, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (char **line = lines; *line; line++) {
        if (**line) {
            json_builder_add_string_value(builder, *line);
        }
    }
    json_builder_end_array(builder);
}

static char *end(JsonBuilder *builder, gboolean pretty)
{
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_end_object(builder);
    root = json_builder_get_root(builder);
    g_object_unref(builder);
    text = json_to_string(root, pretty);
    return g_strconcat(text, "\n", NULL);
}

char *hf_fields_end(JsonBuilder *builder)
{
    return end(builder, TRUE);
}

char *hf_fields_end_line(JsonBuilder *builder)
{
    return end(builder, FALSE);
}
