/*
 * swtpm_tools.h - what holdfast-ctl is when it is called by a name of swtpm's tools.
 *
 * Options, texts and exit codes are those of swtpm_ioctl and swtpm_bios; what swtpm prints where
 * programs look for it, is printed here word for word.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_CTL_SWTPM_TOOLS_H
#define HOLDFAST_TOOLS_CTL_SWTPM_TOOLS_H

/* Both return the exit code. */
int hf_swtpm_ioctl_main(int argc, char **argv);
int hf_swtpm_bios_main(int argc, char **argv);

#endif
