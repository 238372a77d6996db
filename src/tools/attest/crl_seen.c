/*
 * crl_seen.c - list numbers that were seen.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/attest/crl_seen.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tools/common/fields.h"

#define FORMAT "holdfast-crl-seen"
#define FORMAT_VERSION 1
#define KEY_ID_MAX 64

/* A line is KEYID:NUMBER, both hex. */
static bool parse_line(const char *line, HfCrlSet *set, const char *path, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(line, ":", 2);
    g_autoptr(GBytes) key_id = parts[0] ? hf_hex_parse(parts[0], path, error) : NULL;
    g_autoptr(GBytes) number = key_id && parts[1] ? hf_hex_parse(parts[1], path, error) : NULL;

    if (number && g_bytes_get_size(key_id) > 0 && g_bytes_get_size(key_id) <= KEY_ID_MAX &&
        g_bytes_get_size(number) > 0 && g_bytes_get_size(number) <= HF_DER_SERIAL_MAX + 1) {
        hf_crl_set_know(set, key_id, number);
        return true;
    }
    g_clear_error(error);
    return hf_error_set(error, HF_ERROR_INVALID,
                        "%s: member \"numbers\": KEYID:NUMBER in hex expected, found \"%s\"", path,
                        line);
}

bool hf_crl_seen_load(const char *path, HfCrlSet *set, GError **error)
{
    g_autoptr(GBytes) file = NULL;
    g_autoptr(HfFields) fields = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!hf_file_read_if_at(AT_FDCWD, path, HF_FIELDS_FILE_MAX, path, &file, error)) {
        return false;
    }
    if (!file) {
        return true;
    }
    fields = hf_fields_parse(file, path, FORMAT, FORMAT_VERSION, error);
    text = fields ? hf_fields_lines(fields, "numbers") : NULL;
    if (!fields || !hf_fields_finish(fields, error)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line && !parse_line(*line, set, path, error)) {
            return false;
        }
    }
    return true;
}

static void add_line(GBytes *key_id, GBytes *number, void *user)
{
    g_autofree char *id = hf_hex(g_bytes_get_data(key_id, NULL), g_bytes_get_size(key_id));
    g_autofree char *hex = hf_hex(g_bytes_get_data(number, NULL), g_bytes_get_size(number));

    g_ptr_array_add(user, g_strdup_printf("%s:%s", id, hex));
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool hf_crl_seen_save(const char *path, const HfCrlSet *set, GError **error)
{
    JsonBuilder *builder = hf_fields_begin(FORMAT, FORMAT_VERSION, 1);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GBytes) before = hf_file_read(path, HF_FIELDS_FILE_MAX, NULL);
    g_autofree char *joined = NULL;
    g_autofree char *text = NULL;

    hf_crl_set_known(set, add_line, lines);
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    joined = g_strjoinv("\n", (char **)lines->pdata);
    hf_fields_put_lines(builder, "numbers", joined);
    text = hf_fields_end(builder);
    if (before && g_bytes_get_size(before) == strlen(text) &&
        memcmp(g_bytes_get_data(before, NULL), text, strlen(text)) == 0) {
        return true;
    }
    return hf_file_replace(path, text, strlen(text), 0600, error);
}
