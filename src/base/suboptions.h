/*
 * suboptions.h - the comma grammar of option values: `name=value,flag,path=/x`.
 *
 * As swtpm parses them: comma-separated `name=value` or bare `name` (a boolean, true;
 * name=true|false|1|0 too), a value holds no comma unless it is a JSON object `={...}`; the first
 * occurrence of a name wins; an unknown name is an error. What names there are, and of which kind,
 * stands in a table that belongs to the option's row.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_SUBOPTIONS_H
#define HOLDFAST_BASE_SUBOPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    HF_KIND_FLAG = 0, /* no argument (sub-option: boolean) */
    HF_KIND_STRING,
    HF_KIND_PATH,   /* a string that completion treats as a file name */
    HF_KIND_INT,    /* decimal, min..max of the row */
    HF_KIND_MODE,   /* octal, at most 0777 */
    HF_KIND_USER,   /* user name or number */
    HF_KIND_GROUP,  /* group name or number */
    HF_KIND_CHOICE, /* one of `choices`, separated by '|' */
    HF_KIND_SUB,    /* (options only) a value in the comma grammar; `sub` is its table */
} HfKind;

typedef struct {
    const char *name; /* NULL ends a table */
    HfKind kind;
    const char *arg;     /* how help calls the value; NULL for flags */
    const char *help;    /* one line, for the manual's sub-option lists; may be NULL */
    const char *preset;  /* default as text; NULL: none */
    int64_t min, max;    /* HF_KIND_INT */
    const char *choices; /* HF_KIND_CHOICE */
} HfSubOption;

typedef struct HfSubOptions HfSubOptions;

/* Parses `text` by the table, checking every value (kind, range). `option` names the option in
 * messages: "Error parsing OPTION options: Unknown option 'x'". HF_ERROR_USAGE on failure. */
HfSubOptions *hf_suboptions_parse(const HfSubOption *table, const char *option, const char *text,
                                  GError **error);
void hf_suboptions_free(HfSubOptions *sub);

/* The getters assert that `name` is in the table with a fitting kind. NULL for sub is allowed and
 * means "nothing given": has() is false, the others return the preset. */
bool hf_suboptions_has(const HfSubOptions *sub, const char *name); /* given explicitly */
bool hf_suboptions_flag(const HfSubOptions *sub, const char *name);
const char *hf_suboptions_string(const HfSubOptions *sub, const char *name); /* or preset or NULL */
int64_t hf_suboptions_int(const HfSubOptions *sub, const char *name); /* or preset or 0; MODE too */
/* USER and GROUP: resolved while parsing; (uid_t)-1 / (gid_t)-1 when not given. */
uid_t hf_suboptions_uid(const HfSubOptions *sub, const char *name);
gid_t hf_suboptions_gid(const HfSubOptions *sub, const char *name);

/* Shared by both grammars: checks one value by its kind; *ret_number gets INT, MODE, USER, GROUP.
 * `what` names the value in the message ("--port", "mode in --ctrl"). */
bool hf_value_check(HfKind kind, const char *what, const char *value, int64_t min, int64_t max,
                    const char *choices, int64_t *ret_number, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfSubOptions, hf_suboptions_free)

#endif
