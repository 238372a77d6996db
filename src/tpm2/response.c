/*
 * response.c - names of response codes and of the commands we send.
 *
 * Tables only; the numbers are Part 2's (6.6.3). Format-one codes carry in their upper bits which
 * handle, parameter or session is meant.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/response.h"

#include <glib.h>

#include "tpm2/constants.h"

#define FORMAT_ONE 0x080u
#define FORMAT_ONE_PARAMETER 0x040u
#define FORMAT_ONE_SESSION 0x800u
#define FORMAT_ONE_BASE 0x0bfu /* the format bit and the code, without position */
#define KNOWN_BITS 0xfffu

typedef struct {
    uint32_t code;
    const char *name;
} NameRow;

/* Format zero: errors 0x100 and up, warnings 0x900 and up. */
static const NameRow zero_rows[] = {
    { 0x100, "TPM_RC_INITIALIZE" },
    { 0x101, "TPM_RC_FAILURE" },
    { 0x103, "TPM_RC_SEQUENCE" },
    { 0x10b, "TPM_RC_PRIVATE" },
    { 0x119, "TPM_RC_HMAC" },
    { 0x120, "TPM_RC_DISABLED" },
    { 0x121, "TPM_RC_EXCLUSIVE" },
    { 0x124, "TPM_RC_AUTH_TYPE" },
    { 0x125, "TPM_RC_AUTH_MISSING" },
    { 0x126, "TPM_RC_POLICY" },
    { 0x127, "TPM_RC_PCR" },
    { 0x128, "TPM_RC_PCR_CHANGED" },
    { 0x12d, "TPM_RC_UPGRADE" },
    { 0x12e, "TPM_RC_TOO_MANY_CONTEXTS" },
    { 0x12f, "TPM_RC_AUTH_UNAVAILABLE" },
    { 0x130, "TPM_RC_REBOOT" },
    { 0x131, "TPM_RC_UNBALANCED" },
    { 0x142, "TPM_RC_COMMAND_SIZE" },
    { 0x143, "TPM_RC_COMMAND_CODE" },
    { 0x144, "TPM_RC_AUTHSIZE" },
    { 0x145, "TPM_RC_AUTH_CONTEXT" },
    { 0x146, "TPM_RC_NV_RANGE" },
    { 0x147, "TPM_RC_NV_SIZE" },
    { 0x148, "TPM_RC_NV_LOCKED" },
    { 0x149, "TPM_RC_NV_AUTHORIZATION" },
    { 0x14a, "TPM_RC_NV_UNINITIALIZED" },
    { 0x14b, "TPM_RC_NV_SPACE" },
    { 0x14c, "TPM_RC_NV_DEFINED" },
    { 0x150, "TPM_RC_BAD_CONTEXT" },
    { 0x151, "TPM_RC_CPHASH" },
    { 0x152, "TPM_RC_PARENT" },
    { 0x153, "TPM_RC_NEEDS_TEST" },
    { 0x154, "TPM_RC_NO_RESULT" },
    { 0x155, "TPM_RC_SENSITIVE" },
    { 0x901, "TPM_RC_CONTEXT_GAP" },
    { 0x902, "TPM_RC_OBJECT_MEMORY" },
    { 0x903, "TPM_RC_SESSION_MEMORY" },
    { 0x904, "TPM_RC_MEMORY" },
    { 0x905, "TPM_RC_SESSION_HANDLES" },
    { 0x906, "TPM_RC_OBJECT_HANDLES" },
    { 0x907, "TPM_RC_LOCALITY" },
    { 0x908, "TPM_RC_YIELDED" },
    { 0x909, "TPM_RC_CANCELED" },
    { 0x90a, "TPM_RC_TESTING" },
    { 0x910, "TPM_RC_REFERENCE_H0" },
    { 0x911, "TPM_RC_REFERENCE_H1" },
    { 0x912, "TPM_RC_REFERENCE_H2" },
    { 0x918, "TPM_RC_REFERENCE_S0" },
    { 0x919, "TPM_RC_REFERENCE_S1" },
    { 0x91a, "TPM_RC_REFERENCE_S2" },
    { 0x920, "TPM_RC_NV_RATE" },
    { 0x921, "TPM_RC_LOCKOUT" },
    { 0x922, "TPM_RC_RETRY" },
    { 0x923, "TPM_RC_NV_UNAVAILABLE" },
};

static const NameRow one_rows[] = {
    { 0x081, "TPM_RC_ASYMMETRIC" },
    { 0x082, "TPM_RC_ATTRIBUTES" },
    { 0x083, "TPM_RC_HASH" },
    { 0x084, "TPM_RC_VALUE" },
    { 0x085, "TPM_RC_HIERARCHY" },
    { 0x087, "TPM_RC_KEY_SIZE" },
    { 0x088, "TPM_RC_MGF" },
    { 0x089, "TPM_RC_MODE" },
    { 0x08a, "TPM_RC_TYPE" },
    { 0x08b, "TPM_RC_HANDLE" },
    { 0x08c, "TPM_RC_KDF" },
    { 0x08d, "TPM_RC_RANGE" },
    { 0x08e, "TPM_RC_AUTH_FAIL" },
    { 0x08f, "TPM_RC_NONCE" },
    { 0x090, "TPM_RC_PP" },
    { 0x092, "TPM_RC_SCHEME" },
    { 0x095, "TPM_RC_SIZE" },
    { 0x096, "TPM_RC_SYMMETRIC" },
    { 0x097, "TPM_RC_TAG" },
    { 0x098, "TPM_RC_SELECTOR" },
    { 0x09a, "TPM_RC_INSUFFICIENT" },
    { 0x09b, "TPM_RC_SIGNATURE" },
    { 0x09c, "TPM_RC_KEY" },
    { 0x09d, "TPM_RC_POLICY_FAIL" },
    { 0x09f, "TPM_RC_INTEGRITY" },
    { 0x0a0, "TPM_RC_TICKET" },
    { 0x0a1, "TPM_RC_RESERVED_BITS" },
    { 0x0a2, "TPM_RC_BAD_AUTH" },
    { 0x0a3, "TPM_RC_EXPIRED" },
    { 0x0a4, "TPM_RC_POLICY_CC" },
    { 0x0a5, "TPM_RC_BINDING" },
    { 0x0a6, "TPM_RC_CURVE" },
    { 0x0a7, "TPM_RC_ECC_POINT" },
};

static const NameRow command_rows[] = {
    { TPM2_CC_EvictControl, "TPM2_EvictControl" },
    { TPM2_CC_HierarchyChangeAuth, "TPM2_HierarchyChangeAuth" },
    { TPM2_CC_NV_DefineSpace, "TPM2_NV_DefineSpace" },
    { TPM2_CC_PCR_Allocate, "TPM2_PCR_Allocate" },
    { TPM2_CC_CreatePrimary, "TPM2_CreatePrimary" },
    { TPM2_CC_NV_Increment, "TPM2_NV_Increment" },
    { TPM2_CC_NV_Write, "TPM2_NV_Write" },
    { TPM2_CC_NV_WriteLock, "TPM2_NV_WriteLock" },
    { TPM2_CC_SelfTest, "TPM2_SelfTest" },
    { TPM2_CC_Startup, "TPM2_Startup" },
    { TPM2_CC_Shutdown, "TPM2_Shutdown" },
    { TPM2_CC_StirRandom, "TPM2_StirRandom" },
    { TPM2_CC_NV_Read, "TPM2_NV_Read" },
    { TPM2_CC_FlushContext, "TPM2_FlushContext" },
    { TPM2_CC_NV_ReadPublic, "TPM2_NV_ReadPublic" },
    { TPM2_CC_ReadPublic, "TPM2_ReadPublic" },
    { TPM2_CC_GetCapability, "TPM2_GetCapability" },
    { TPM2_CC_GetRandom, "TPM2_GetRandom" },
    { TPM2_CC_PCR_Read, "TPM2_PCR_Read" },
    { TPM2_CC_PCR_Extend, "TPM2_PCR_Extend" },
};

static const char *find(const NameRow *rows, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].code == code) {
            return rows[i].name;
        }
    }
    return NULL;
}

static char *format_one_text(uint32_t code)
{
    const char *name = find(one_rows, G_N_ELEMENTS(one_rows), code & FORMAT_ONE_BASE);
    const char *what = "handle";
    unsigned number = code >> 8 & 0xf;

    if (!name) {
        return g_strdup_printf("response code 0x%x", code);
    }
    if (code & FORMAT_ONE_PARAMETER) {
        what = "parameter";
    } else if (code & FORMAT_ONE_SESSION) {
        what = "session";
        number &= 0x7;
    }
    if (number == 0) {
        return g_strdup_printf("%s (0x%x)", name, code);
    }
    return g_strdup_printf("%s (0x%x), %s %u", name, code, what, number);
}

char *hf_response_text(uint32_t code)
{
    const char *name;

    if (code == 0) {
        return g_strdup("success");
    }
    if ((code & ~KNOWN_BITS) == 0 && (code & FORMAT_ONE)) {
        return format_one_text(code);
    }
    name = find(zero_rows, G_N_ELEMENTS(zero_rows), code);
    return name ? g_strdup_printf("%s (0x%x)", name, code)
                : g_strdup_printf("response code 0x%x", code);
}

const char *hf_command_name(uint32_t command_code)
{
    return find(command_rows, G_N_ELEMENTS(command_rows), command_code);
}
