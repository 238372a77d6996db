/*
 * ctl_options.h - the command lines of holdfast-ctl and of the programs it is under swtpm's names.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CTL_CTL_OPTIONS_H
#define HOLDFAST_TOOLS_CTL_CTL_OPTIONS_H

#include "base/options.h"

HfProgram hf_ctl_program(void);
HfProgram hf_swtpm_ioctl_program(void); /* swtpm_ioctl.c */
HfProgram hf_swtpm_bios_program(void);  /* swtpm_bios.c */

#endif
