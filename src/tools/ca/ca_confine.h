/*
 * ca_confine.h - what a CA that serves gives up before it hears the first client.
 *
 * Files: the CA's directory, and to read those in which the files are that SIGHUP reads again
 * (Landlock). Calls: the list of the profile HF_PROFILE_CA; no program, no process, no connection, no
 * other socket. Memory: all of it is locked, so that no key is swapped out. With a key in a PKCS#11
 * token or a TPM neither files nor calls are confined: what leads to it decides what it needs.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CA_CA_CONFINE_H
#define HOLDFAST_TOOLS_CA_CA_CONFINE_H

#include "base/options.h"
#include "tools/ca/ca_dir.h"

/* The words of --seccomp, in the order of HfSeccompAction. */
#define HF_CA_SECCOMP_CHOICES "kill|log|none"

/* While the process may still raise its limits. What cannot be had is a line of the log. */
bool hf_ca_confine_memory(GError **error);
/* With one thread, and everything open. */
bool hf_ca_confine_files(const HfOptions *options, const HfCaDir *ca, GError **error);
/* With all threads there. */
bool hf_ca_confine_calls(const HfOptions *options, const HfCaDir *ca, GError **error);

#endif
