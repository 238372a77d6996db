/*
 * attest_main.c - holdfast-attest: the verifier's and the guest's side of proving what a guest's TPM
 * is and says.
 *
 * Command line and exit codes; `challenge` is in challenge.c, `verify` in verdict.c, `enroll` and
 * `quote` in guest_enroll.c and guest_quote.c. Those two talk to a TPM, and `enroll --server` to a CA;
 * everything else comes and goes as files. A further command is a row in the tables of
 * attest_options.c and a file of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/options.h"
#include "crypto/memory.h"
#include "tools/attest/attest_options.h"
#include "tools/attest/challenge.h"
#include "tools/attest/guest.h"
#include "tools/attest/verdict.h"
#include "tools/common/host_connection.h"

/* Proved, but the machine is not as the reference says: no failure of ours, and no success. */
#define EXIT_OTHER 3

static int verify(const HfOptions *options, GError **error)
{
    g_autoptr(HfVerdict) verdict = hf_verdict_new(options, error);
    HfVerdictOutcome outcome = verdict ? hf_verdict_reach(verdict, error) : HF_VERDICT_REFUSED;

    if (hf_options_flag(options, "json")) {
        if (verdict || !hf_error_is(*error, HF_ERROR_USAGE)) {
            hf_verdict_print_json(verdict, outcome, *error);
        }
    } else if (outcome != HF_VERDICT_REFUSED) {
        hf_verdict_print_tree(verdict);
    }
    if (fflush(stdout) != 0 && outcome == HF_VERDICT_GOOD) {
        hf_error_set(error, HF_ERROR_IO, "cannot write the result");
        return EXIT_FAILURE;
    }
    return outcome == HF_VERDICT_GOOD    ? EXIT_SUCCESS
           : outcome == HF_VERDICT_OTHER ? EXIT_OTHER
                                         : EXIT_FAILURE;
}

static int run(const HfOptions *options, GError **error)
{
    bool done;

    switch (hf_options_command(options)->bit) {
    case HF_ATTEST_CHALLENGE: done = hf_attest_challenge(options, error); break;
    case HF_ATTEST_ENROLL: done = hf_guest_enroll(options, error); break;
    case HF_ATTEST_QUOTE: done = hf_guest_quote(options, error); break;
    default: return verify(options, error);
    }
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    hf_crypto_take_memory();
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&hf_attest_program, argc, argv);
    g_autoptr(GError) error = NULL;
    int code = run(options, &error);

    if (!error) {
        return code;
    }
    if (hf_options_command(options)->bit & (HF_ATTEST_ENROLL | HF_ATTEST_QUOTE)) {
        hf_own_error(error);
    }
    fprintf(stderr, "%s: %s\n", hf_attest_program.name, error->message);
    return hf_error_is(error, HF_ERROR_USAGE) ? hf_attest_program.usage_exit : code;
}
