/*
 * options.h - a program's command line from one table.
 *
 * One row an option: from it come the parser, --help, the bash completion, the table that tests
 * hold against the manual page, and the feature names of --print-capabilities. A program has
 * either no commands (holdfast-setup) or several (holdfast socket, holdfast-authority init ...);
 * `where` says which commands know the option.
 *
 * Grammar: GNU getopt_long with permutation; `--name value`, `--name=value`, `-n value`; an
 * unambiguous abbreviation is accepted. Every program also knows --help, --version and
 * --print-completion (bash); they are handled here and need no row.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_BASE_OPTIONS_H
#define HOLDFAST_BASE_OPTIONS_H

#include <stdio.h>

#include "base/suboptions.h"

enum {
    HF_OPTION_MULTI = 1 << 0,    /* may be given several times; see hf_options_list */
    HF_OPTION_REQUIRED = 1 << 1, /* missing: usage error */
    HF_OPTION_IGNORED = 1 << 2,  /* accepted for compatibility, does nothing; help says so */
    HF_OPTION_HIDDEN = 1 << 3,   /* not in --help and completion (the manual still has it) */
    HF_OPTION_OPTIONAL = 1 << 4, /* HF_KIND_STRING: `--name` alone means the empty string */
    HF_OPTION_EMPTY = 1 << 5,    /* HF_KIND_STRING: the value may be empty */
};

typedef struct {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short option, or 0 */
    HfKind kind;
    const char *arg;        /* how help calls the value; NULL for flags */
    const char *help;       /* one line, no full stop */
    const char *preset;     /* default as text; NULL: none */
    int64_t min, max;       /* HF_KIND_INT */
    const char *choices;    /* HF_KIND_CHOICE: "a|b|c" */
    const HfSubOption *sub; /* HF_KIND_SUB */
    unsigned where;         /* bits of the commands that know it; 0: all */
    unsigned flags;         /* HF_OPTION_* */
    unsigned optional;      /* bits of commands that need it not, though it is REQUIRED */
    const char *features;   /* words for --print-capabilities, blank-separated; NULL: none */
} HfOption;

typedef struct {
    const char *name;     /* NULL ends the table */
    unsigned bit;         /* its bit in HfOption.where; one bit each */
    const char *help;     /* one line */
    const char *operands; /* "FILE [FILE...]" for help; NULL: takes none */
    unsigned min_operands, max_operands;
} HfCommand;

typedef struct {
    const char *name;          /* "holdfast" */
    const char *summary;       /* one line */
    const char *version_title; /* what --version prints before the number; NULL: the name */
    const HfCommand *commands; /* NULL: the program has none */
    const char *command_noun;  /* what swtpm calls a command, for swtpm's messages; NULL: ours */
    const HfOption *options;
    const char *operands; /* for a program without commands, as in HfCommand */
    unsigned min_operands, max_operands;
    int usage_exit;   /* exit code of wrong usage: 2; under swtpm names 1 */
    bool single_dash; /* long options may start with one dash (swtpm_ioctl) */
} HfProgram;

typedef struct HfOptions HfOptions;

/* Parses argv. NULL and *error (HF_ERROR_USAGE) on wrong usage. When --help, --version or
 * --print-completion was given, prints to stdout and sets *ret_done to true; the caller then exits
 * with 0. */
HfOptions *hf_options_parse(const HfProgram *program, int argc, char **argv, bool *ret_done,
                            GError **error);
void hf_options_free(HfOptions *options);

/* The command given, or NULL for a program without commands. */
const HfCommand *hf_options_command(const HfOptions *options);
const char *const *hf_options_operands(const HfOptions *options); /* NULL-terminated */

/* The getters assert that the table has `name` with a fitting kind. */
bool hf_options_has(const HfOptions *options, const char *name); /* given explicitly */
bool hf_options_flag(const HfOptions *options, const char *name);
const char *hf_options_string(const HfOptions *options, const char *name); /* or preset or NULL */
int64_t hf_options_int(const HfOptions *options,
                       const char *name); /* INT MODE USER GROUP; or preset */
const char *const *hf_options_list(const HfOptions *options,
                                   const char *name); /* MULTI; never NULL */
/* NULL when the option was not given and has no preset. */
const HfSubOptions *hf_options_sub(const HfOptions *options, const char *name);

/* Parsing plus the usual manners: on wrong usage prints "NAME: MESSAGE" and a hint to stderr and
 * exits with program->usage_exit; on --help and friends exits with 0. For use in main. */
HfOptions *hf_options_parse_or_exit(const HfProgram *program, int argc, char **argv);

void hf_options_print_help(const HfProgram *program, const HfCommand *command, FILE *out);
void hf_options_print_completion(const HfProgram *program, FILE *out);
/* Appends the feature words of all rows, in table order, each once. */
void hf_options_features(const HfProgram *program, GPtrArray *words);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfOptions, hf_options_free)

#endif
