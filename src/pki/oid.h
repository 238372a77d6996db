/*
 * oid.h - object identifiers of our certificates, as dotted text.
 *
 * The TCG's come from the EK Credential Profile and the Platform Certificate Profile; ours hang
 * under HF_OID_ARC, which the packager sets with ./configure --with-oid-arc (the default lies under
 * the example arc of RFC 5612 and is for tests).
 *
 *     ARC.1.1  policy: virtual TPM, rooted in a hardware TPM
 *     ARC.1.2  policy: virtual TPM, rooted in a software key
 *     ARC.1.3  policy: virtual TPM, rooted in another virtual TPM (nested)
 *     ARC.1.4  policy: the key is the fleet's issuer's; it issues what vMAs have asked for
 *     ARC.2.1  certificate extension, never critical: the holding
 *
 *     Holding ::= SEQUENCE {
 *         version              INTEGER (1 | 2),          -- 2: with modelName
 *         hostEk           [0] IMPLICIT Digest OPTIONAL, -- of the host TPM's EK, DER SPKI
 *         deviceModel      [1] IMPLICIT Digest OPTIONAL, -- measurement of the emulator
 *         tcbPolicy        [2] IMPLICIT Digest OPTIONAL, -- policy of the key that signed
 *         migrationPolicy      UTF8String (SIZE (1..64)), -- "none": the TPM never moves
 *         reproducible         BOOLEAN,                   -- EK can be made again from the host
 *         modelName        [3] EXPLICIT UTF8String (SIZE (1..64)) OPTIONAL } -- "tpm-2.0"
 *     ARC.2.2  certificate extension of a vMA, never critical: the mandate
 *
 *     Mandate ::= SEQUENCE {
 *         version              INTEGER (1 | 2 | 3),      -- 2: with modelName, 3: with nested
 *         environment          UTF8String (SIZE (1..64)), -- approved, by name
 *         migrationPolicy      UTF8String (SIZE (1..64)),
 *         hostEk           [0] IMPLICIT Digest OPTIONAL,
 *         emulators        [1] IMPLICIT SEQUENCE OF Digest OPTIONAL, -- none: any
 *         generation       [2] EXPLICIT INTEGER OPTIONAL, -- the counter was at least this
 *         modelName        [3] EXPLICIT UTF8String (SIZE (1..64)) OPTIONAL, -- none: any
 *         nested           [4] EXPLICIT SEQUENCE { levels INTEGER (1..3), onSoftware BOOLEAN }
 *                              OPTIONAL } -- virtual TPMs below each other, what the last stands on
 *     ARC.2.3  certificate extension of an attestation or identity key, never critical: its TPM's EK
 *     Bond ::= SEQUENCE { version INTEGER (1), endorsementKey Digest }
 *
 *     Digest ::= OCTET STRING (SIZE (32 | 48 | 64))       -- SHA-256, SHA-384, SHA-512
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_OID_H
#define HOLDFAST_PKI_OID_H

#include "config.h"

#define HF_OID_POLICY_HARDWARE HF_OID_ARC ".1.1"
#define HF_OID_POLICY_SOFTWARE HF_OID_ARC ".1.2"
#define HF_OID_POLICY_NESTED HF_OID_ARC ".1.3"
#define HF_OID_POLICY_ISSUER HF_OID_ARC ".1.4"
#define HF_OID_HOLDING HF_OID_ARC ".2.1"
#define HF_OID_MANDATE HF_OID_ARC ".2.2"
#define HF_OID_BOND HF_OID_ARC ".2.3"

#define HF_OID_TPM_MANUFACTURER "2.23.133.2.1"
#define HF_OID_TPM_MODEL "2.23.133.2.2"
#define HF_OID_TPM_VERSION "2.23.133.2.3"
#define HF_OID_TPM_SPECIFICATION "2.23.133.2.16"
#define HF_OID_PLATFORM_MANUFACTURER "2.23.133.5.1.1"
#define HF_OID_PLATFORM_MODEL "2.23.133.5.1.4"
#define HF_OID_PLATFORM_VERSION "2.23.133.5.1.5"

/* Extended key usages: a CA that has one of these and no other can issue nothing else. */
#define HF_OID_PURPOSE_EK "2.23.133.8.1"
#define HF_OID_PURPOSE_PLATFORM "2.23.133.8.2"
#define HF_OID_PURPOSE_AK "2.23.133.8.3"
/* Ours: a device identity (IDevID) signs whatever it is given, so it must not pass for a key that attests,
 * and the TCG has none for it. */
#define HF_OID_PURPOSE_IDENTITY HF_OID_ARC ".3.1"

/* What a CA verified of a key: it is in a TPM, and stays there. */
#define HF_OID_POLICY_TPM_RESIDENCY "2.23.133.11.1.1"
#define HF_OID_POLICY_TPM_FIXED "2.23.133.11.1.2"

#define HF_OID_SUBJECT_DIRECTORY "2.5.29.9"
#define HF_OID_SUBJECT_KEY_ID "2.5.29.14"
#define HF_OID_KEY_USAGE "2.5.29.15"
#define HF_OID_SUBJECT_ALT_NAME "2.5.29.17"
#define HF_OID_BASIC_CONSTRAINTS "2.5.29.19"
#define HF_OID_NAME_CONSTRAINTS "2.5.29.30"
#define HF_OID_CRL_POINTS "2.5.29.31"
#define HF_OID_POLICIES "2.5.29.32"
#define HF_OID_AUTHORITY_KEY_ID "2.5.29.35"
#define HF_OID_PURPOSES "2.5.29.37"
#define HF_OID_CRL_NUMBER "2.5.29.20"
#define HF_OID_CRL_REASON "2.5.29.21"
#define HF_OID_CRL_DELTA "2.5.29.27"
#define HF_OID_CRL_SCOPE "2.5.29.28" /* issuing distribution point */
#define HF_OID_CRL_ENTRY_ISSUER "2.5.29.29"
#define HF_OID_AUTHORITY_INFO "1.3.6.1.5.5.7.1.1"
#define HF_OID_CA_ISSUERS "1.3.6.1.5.5.7.48.2"

/* subjectAltName of RFC 4108, and what the TCG has for its hwType: hwSerialNum is a TPM's. */
#define HF_OID_HARDWARE_MODULE_NAME "1.3.6.1.5.5.7.8.4"
#define HF_OID_TPM_HARDWARE_TYPE "2.23.133.1.2"

#define HF_OID_SERIAL_NUMBER "2.5.4.5"
#define HF_OID_ORGANIZATION "2.5.4.10"
#define HF_OID_COMMON_NAME "2.5.4.3"
#define HF_OID_UNIT "2.5.4.11"

#define HF_OID_RSA "1.2.840.113549.1.1.1"
#define HF_OID_RSA_SHA256 "1.2.840.113549.1.1.11"
#define HF_OID_RSA_SHA384 "1.2.840.113549.1.1.12"
#define HF_OID_EC "1.2.840.10045.2.1"
#define HF_OID_ECDSA_SHA256 "1.2.840.10045.4.3.2"
#define HF_OID_ECDSA_SHA384 "1.2.840.10045.4.3.3"
#define HF_OID_P256 "1.2.840.10045.3.1.7"
#define HF_OID_P384 "1.3.132.0.34"
#define HF_OID_P521 "1.3.132.0.35"

#endif
