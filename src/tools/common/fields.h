/*
 * fields.h - a small JSON file of ours: one object, every member checked.
 *
 * Every such file has "format", "version" and "minimum-reader"; a reader takes it when the minimum
 * is not above its own version, and refuses members it does not know unless the file is newer. The
 * getters remember the first thing that is wrong; hf_fields_finish reports it with file and member.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_COMMON_FIELDS_H
#define HOLDFAST_TOOLS_COMMON_FIELDS_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HF_FIELDS_FILE_MAX (64 * 1024)
#define HF_FIELDS_TEXT_MAX 1024 /* bytes of one text */

typedef struct HfFields HfFields;

/* NULL and *error when it is no JSON object, of another format, or needs a newer reader. */
HfFields *hf_fields_parse(GBytes *json, const char *label, const char *format, int64_t version,
                          GError **error);
void hf_fields_free(HfFields *fields);

/* Text without control characters. Optional ones give NULL when absent; a required one that is
 * absent or wrong gives "" and is remembered as wrong. Caller frees. */
char *hf_fields_text(HfFields *fields, const char *name, bool required);
/* Is there a member of this name? For numbers that may be left out. */
bool hf_fields_has(HfFields *fields, const char *name);
/* Position of the text in `choices` (NULL-terminated). */
unsigned hf_fields_choice(HfFields *fields, const char *name, const char *const *choices);
int64_t hf_fields_number(HfFields *fields, const char *name, int64_t min, int64_t max);
/* Hex digits of min to max bytes; NULL when absent or wrong. */
GBytes *hf_fields_hex(HfFields *fields, const char *name, bool required, size_t min, size_t max);
/* An array of texts joined by newlines, each followed by one. NULL when absent or wrong. */
char *hf_fields_lines(HfFields *fields, const char *name);
/* Marks a member wrong whose value was got but does not do. */
void hf_fields_wrong(HfFields *fields, const char *name, const char *why);

bool hf_fields_finish(HfFields *fields, GError **error);

/* Writing: a builder inside an object that has the three members above. */
JsonBuilder *hf_fields_begin(const char *format, int64_t version, int64_t minimum);
/* value NULL: left out. */
void hf_fields_put(JsonBuilder *builder, const char *name, const char *value);
void hf_fields_put_hex(JsonBuilder *builder, const char *name, const void *data, size_t n);
void hf_fields_put_bytes(JsonBuilder *builder, const char *name, GBytes *bytes);
void hf_fields_put_number(JsonBuilder *builder, const char *name, int64_t value);
void hf_fields_put_flag(JsonBuilder *builder, const char *name, bool value);
/* Each line of the text as one text of an array. */
void hf_fields_put_lines(JsonBuilder *builder, const char *name, const char *text);
/* Ends the object; indented text with a newline. Caller frees; the builder is gone. */
char *hf_fields_end(JsonBuilder *builder);
/* The same on one line, with its newline. */
char *hf_fields_end_line(JsonBuilder *builder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfFields, hf_fields_free)

#endif
