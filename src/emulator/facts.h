/*
 * facts.h - what the emulator prints about itself: capabilities, states, library information.
 *
 * The shapes are swtpm's (libvirt and swtpm_setup read them), "type" included.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_EMULATOR_FACTS_H
#define HOLDFAST_EMULATOR_FACTS_H

#include <glib.h>
#include <stdbool.h>

#include "emulator/emulator_options.h"

/* Does the settings' --print-* task on stdout. */
bool hf_facts_print(const HfProgram *program, const HfSettings *settings, GError **error);

#endif
