/*
 * response.h - TPM response codes in words: "TPM_RC_AUTH_FAIL (0x98e), session 1".
 *
 * Part 2, 6.6. Format-one codes name the handle, parameter or session they blame.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TPM2_RESPONSE_H
#define HOLDFAST_TPM2_RESPONSE_H

#include <stdint.h>

/* Caller frees. Unknown codes come out as "response code 0x...". */
char *hf_response_text(uint32_t code);
/* "TPM2_NV_Write"; NULL for one we never send. */
const char *hf_command_name(uint32_t command_code);

#endif
