/*
 * ctl_options.c - the command line of holdfast-ctl as a table; its commands are those of ctl_commands.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/ctl/ctl_options.h"

#include "tools/ctl/ctl_commands.h"

#define FACTS                                                           \
    (HF_CTL_BIT(HF_CTL_CAPABILITIES) | HF_CTL_BIT(HF_CTL_ESTABLISHED) | \
     HF_CTL_BIT(HF_CTL_CONFIG) | HF_CTL_BIT(HF_CTL_BUFFER_SIZE) | HF_CTL_BIT(HF_CTL_INFO))

static const HfOption options_table[] = {
    { .name = "unix",
      .kind = HF_KIND_PATH,
      .arg = "PATH",
      .help = "control channel: UNIX socket of the emulator" },
    { .name = "tcp",
      .kind = HF_KIND_STRING,
      .arg = "HOST:PORT",
      .help = "control channel: TCP; without HOST this computer, IPv6 as [ADDRESS]:PORT" },
    { .name = "device",
      .kind = HF_KIND_PATH,
      .arg = "PATH",
      .help = "control channel: character device of the emulator (holdfast cuse)" },
    { .name = "timeout",
      .kind = HF_KIND_INT,
      .arg = "SECONDS",
      .help = "how long to wait for an answer, 0 for ever",
      .preset = "20",
      .min = 0,
      .max = 86400 },
    { .name = "json", .help = "print facts as one JSON object", .where = FACTS },
    { .name = "delete-volatile",
      .help = "remove the stored volatile state once it was resumed",
      .where = HF_CTL_BIT(HF_CTL_INIT) },
    { .name = "decrypted",
      .help = "ask for the state in clear even when the emulator has a key",
      .where = HF_CTL_BIT(HF_CTL_SAVE) },
    { .name = NULL },
};

HfProgram hf_ctl_program(void)
{
    return (HfProgram){
        .name = "holdfast-ctl",
        .summary = "Speaks the control channel of a TPM emulator (holdfast or swtpm)",
        .commands = hf_ctl_commands(),
        .options = options_table,
        .usage_exit = 2,
    };
}
