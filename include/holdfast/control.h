/*
 * control.h - numbers and sizes of the control channel, for clients and servers.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_CONTROL_H
#define HOLDFAST_CONTROL_H
#endif
