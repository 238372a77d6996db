/*
 * engine_profile.h - profiles of a TPM 2.0, before libtpms gets them.
 *
 * A profile is a JSON object with a Name and, for those of the name "custom" or "custom:...", lists
 * of what a new TPM shall have: Algorithms, Commands, Attributes, each one string with commas. What
 * they mean is libtpms' own affair (0.10 and later). Here the lists of a custom profile are cut down
 * to what this host's libcrypto can do, which is not all in FIPS mode. Asks no engine and needs
 * none.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_ENGINE_PROFILE_H
#define HOLDFAST_ENGINE_PROFILE_H

#include <glib.h>
#include <stdbool.h>

/* A profile is no longer than this. */
#define HF_PROFILE_MAX (64u * 1024u)

typedef enum {
    HF_PROFILE_KEEP,     /* remove nothing */
    HF_PROFILE_CHECK,    /* what is tried and does not work */
    HF_PROFILE_FIPS_HOST /* what does not work on a host in FIPS mode */
} HfProfileRemoval;

/* "check" or "fips-host"; another text is HF_ERROR_USAGE. */
bool hf_profile_removal_parse(const char *text, HfProfileRemoval *ret_removal, GError **error);

/* The profile in `json`, white space around it gone, with what `removal` says removed; unchanged
 * when it is none of the custom ones. `available`: what the library tells of its profiles
 * (HF_ENGINE_INFO_PROFILES), for the algorithms of a custom profile that lists none. HF_ERROR_INVALID:
 * not such an object. Caller frees. */
char *hf_profile_prepare(const char *json, const char *available, HfProfileRemoval removal,
                         GError **error);

/* {"Name":"..."}: a profile of the library by its name. HF_ERROR_INVALID: letters, digits and .-:
 * only, at most 32. Caller frees. */
char *hf_profile_by_name(const char *name, GError **error);

/* In what the library tells of itself: the text behind "KEY":" from the first `section` on (NULL:
 * from the beginning), up to the quotation mark. NULL: none. Caller frees. */
char *hf_profile_fact(const char *info, const char *section, const char *key);

#endif
