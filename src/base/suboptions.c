/*
 * suboptions.c - values by their kind, and the comma grammar of option values.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "base/suboptions.h"

#include "base/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *text; /* NULL: not given */
    int64_t number;
} Value;

struct HfSubOptions {
    const HfSubOption *table;
    Value *values; /* one a row */
};

static bool check_int(const char *what, const char *value, int base, int64_t min, int64_t max,
                      int64_t *ret_number, GError **error)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(value, &end, base);
    bool digits = g_ascii_isdigit(value[0]) || (value[0] == '-' && g_ascii_isdigit(value[1]));
    if (!digits || *end != '\0' || errno != 0 || n < min || n > max) {
        if (base == 8) {
            return hf_error_set(error, HF_ERROR_USAGE,
                                "%s: expected an octal mode from 0 to 0777, found '%s'", what,
                                value);
        }
        return hf_error_set(error, HF_ERROR_USAGE,
                            "%s: expected a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                            ", found '%s'",
                            what, min, max, value);
    }
    *ret_number = n;
    return true;
}

static bool check_user(const char *what, const char *value, int64_t *ret_number, GError **error)
{
    if (g_ascii_isdigit(value[0])) {
        return check_int(what, value, 10, 0, UINT32_MAX - 1, ret_number, error);
    }
    const struct passwd *user = getpwnam(value);
    if (!user) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: there is no user '%s'", what, value);
    }
    *ret_number = user->pw_uid;
    return true;
}

static bool check_group(const char *what, const char *value, int64_t *ret_number, GError **error)
{
    if (g_ascii_isdigit(value[0])) {
        return check_int(what, value, 10, 0, UINT32_MAX - 1, ret_number, error);
    }
    const struct group *group = getgrnam(value);
    if (!group) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: there is no group '%s'", what, value);
    }
    *ret_number = group->gr_gid;
    return true;
}

static bool check_choice(const char *what, const char *value, const char *choices, GError **error)
{
    g_auto(GStrv) list = g_strsplit(choices, "|", -1);
    if (g_strv_contains((const char *const *)list, value)) {
        return true;
    }
    g_autofree char *joined = g_strjoinv(", ", list);
    return hf_error_set(error, HF_ERROR_USAGE, "%s: expected one of %s, found '%s'", what, joined,
                        value);
}

static bool check_flag(const char *what, const char *value, int64_t *ret_number, GError **error)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0) {
        *ret_number = 1;
        return true;
    }
    if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0) {
        *ret_number = 0;
        return true;
    }
    return hf_error_set(error, HF_ERROR_USAGE, "%s: expected true, false, 1 or 0, found '%s'", what,
                        value);
}

bool hf_value_check(HfKind kind, const char *what, const char *value, int64_t min, int64_t max,
                    const char *choices, int64_t *ret_number, GError **error)
{
    switch (kind) {
    case HF_KIND_FLAG: return check_flag(what, value, ret_number, error);
    case HF_KIND_INT: return check_int(what, value, 10, min, max, ret_number, error);
    case HF_KIND_MODE: return check_int(what, value, 8, 0, 0777, ret_number, error);
    case HF_KIND_USER: return check_user(what, value, ret_number, error);
    case HF_KIND_GROUP: return check_group(what, value, ret_number, error);
    case HF_KIND_CHOICE: return check_choice(what, value, choices, error);
    case HF_KIND_SUB: return true; /* none of the names may be given, as in swtpm */
    case HF_KIND_STRING:
    case HF_KIND_PATH: break;
    }
    if (*value == '\0') {
        return hf_error_set(error, HF_ERROR_USAGE, "%s: expected a value, found none", what);
    }
    return true;
}

static size_t table_size(const HfSubOption *table)
{
    size_t n = 0;
    while (table[n].name) {
        n++;
    }
    return n;
}

static ssize_t find_row(const HfSubOption *table, const char *name)
{
    for (size_t i = 0; table[i].name; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return (ssize_t)i;
        }
    }
    return -1;
}

/* One part: everything to the next comma, or to the end of a JSON object. */
static char *next_part(const char **cursor)
{
    const char *start = *cursor;
    const char *json = strstr(start, "={");
    const char *comma = strchr(start, ',');
    if (json && (!comma || json < comma)) {
        int depth = 0;
        const char *p = json + 1;
        for (; *p; p++) {
            depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
            if (depth == 0) {
                p++;
                break;
            }
        }
        comma = strchr(p, ',');
    }
    const char *end = comma ? comma : start + strlen(start);
    *cursor = comma ? comma + 1 : end;
    return g_strndup(start, (size_t)(end - start));
}

static bool take_part(HfSubOptions *sub, const char *option, char *part, GError **error)
{
    char *equals = strchr(part, '=');
    if (equals) {
        *equals = '\0';
    }
    ssize_t row = find_row(sub->table, part);
    if (row < 0) {
        return hf_error_set(error, HF_ERROR_USAGE, "Error parsing %s options: Unknown option '%s'",
                            option, part);
    }
    const HfSubOption *entry = &sub->table[row];
    if (!equals && entry->kind != HF_KIND_FLAG) {
        return hf_error_set(error, HF_ERROR_USAGE, "Error parsing %s options: '%s' wants a value",
                            option, part);
    }
    const char *value = equals ? equals + 1 : "true";
    g_autofree char *what = g_strdup_printf("%s in %s", part, option);
    int64_t number = 0;
    if (!hf_value_check(entry->kind, what, value, entry->min, entry->max, entry->choices, &number,
                        error)) {
        return false;
    }
    Value *slot = &sub->values[row];
    if (!slot->text) {
        slot->text = g_strdup(value);
        slot->number = number;
    }
    return true;
}

HfSubOptions *hf_suboptions_parse(const HfSubOption *table, const char *option, const char *text,
                                  GError **error)
{
    g_autoptr(HfSubOptions) sub = g_new0(HfSubOptions, 1);
    sub->table = table;
    sub->values = g_new0(Value, table_size(table) + 1);
    const char *cursor = text;
    while (*cursor) {
        g_autofree char *part = next_part(&cursor);
        if (*part && !take_part(sub, option, part, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&sub);
}

void hf_suboptions_free(HfSubOptions *sub)
{
    if (!sub) {
        return;
    }
    for (size_t i = 0; sub->table[i].name; i++) {
        g_free(sub->values[i].text);
    }
    g_free(sub->values);
    g_free(sub);
}

/* The row's value; NULL when sub is NULL. Asserts that the row exists. */
static const Value *value_of(const HfSubOptions *sub, const char *name, const HfSubOption **ret_row)
{
    if (!sub) {
        return NULL;
    }
    ssize_t row = find_row(sub->table, name);
    g_assert(row >= 0);
    *ret_row = &sub->table[row];
    return &sub->values[row];
}

bool hf_suboptions_has(const HfSubOptions *sub, const char *name)
{
    const HfSubOption *row = NULL;
    const Value *value = value_of(sub, name, &row);
    return value && value->text;
}

const char *hf_suboptions_string(const HfSubOptions *sub, const char *name)
{
    const HfSubOption *row = NULL;
    const Value *value = value_of(sub, name, &row);
    if (!value) {
        return NULL;
    }
    return value->text ? value->text : row->preset;
}

int64_t hf_suboptions_int(const HfSubOptions *sub, const char *name)
{
    const HfSubOption *row = NULL;
    const Value *value = value_of(sub, name, &row);
    if (!value) {
        return 0;
    }
    int64_t number = value->number;
    if (!value->text && row->preset) {
        bool valid = hf_value_check(row->kind, name, row->preset, row->min, row->max, row->choices,
                                    &number, NULL);
        g_assert(valid);
    }
    return number;
}

bool hf_suboptions_flag(const HfSubOptions *sub, const char *name)
{
    return hf_suboptions_int(sub, name) != 0;
}

uid_t hf_suboptions_uid(const HfSubOptions *sub, const char *name)
{
    return hf_suboptions_has(sub, name) ? (uid_t)hf_suboptions_int(sub, name) : (uid_t)-1;
}

gid_t hf_suboptions_gid(const HfSubOptions *sub, const char *name)
{
    return hf_suboptions_has(sub, name) ? (gid_t)hf_suboptions_int(sub, name) : (gid_t)-1;
}
