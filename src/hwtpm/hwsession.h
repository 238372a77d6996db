/*
 * hwsession.h - sessions with the host TPM that somebody on the bus cannot read or forge.
 *
 * Both kinds are salted with the SRK, whose Name was pinned, and use AES-128-CFB for parameters:
 * an HMAC session for the process's life, and policy sessions. Only files of src/hwtpm use this.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_HWTPM_HWSESSION_H
#define HOLDFAST_HWTPM_HWSESSION_H

#include "hwtpm/esys.h"

/* Starts the connection's HMAC session; connection->srk must be there. */
bool hf_session_open(HfConnection *connection, GError **error);
/* To go on with the HMAC session after a command that the TPM refused: ESYS keeps the attributes
 * it had for that command, which another command need not allow. */
void hf_session_mend(HfConnection *connection);
/* For a command that has neither an authorisation nor a parameter to encrypt: its answer is
 * authenticated all the same. Afterwards hf_session_mend. */
void hf_session_audit(HfConnection *connection);

/* A fresh salted policy session that stays open after use; the connection flushes it at the end. */
bool hf_session_policy(HfConnection *connection, ESYS_TR *ret_session, GError **error);

#endif
