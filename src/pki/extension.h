/*
 * extension.h - the values of certificate extensions, written one by one; private to pki.
 *
 * Each returns the DER of extnValue's content, to be given to hf_builder_add. How they are read is
 * in extension_reader.c; the two are tested against each other and against GnuTLS and OpenSSL.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_PKI_EXTENSION_H
#define HOLDFAST_PKI_EXTENSION_H

#include "pki/certificate.h"

/* path_length -1: none. */
GByteArray *hf_extension_basic_constraints(bool is_ca, int path_length);
GByteArray *hf_extension_key_usage(uint16_t usage);
/* NULL-terminated lists of dotted OIDs. */
GByteArray *hf_extension_purposes(const char *const *oids);
GByteArray *hf_extension_policies(const char *const *oids);
GByteArray *hf_extension_key_id(GBytes *key_id);
GByteArray *hf_extension_authority_id(GBytes *key_id);
/* One directoryName with an RDN for each pair {OID, text}; ends at a NULL OID. */
GByteArray *hf_extension_directory_name(const char *const pairs[][2]);
/* subjectDirectoryAttributes with the TPM specification. */
GByteArray *hf_extension_specification(const char *family, uint32_t level, uint32_t revision);
GByteArray *hf_extension_ca_issuers(const char *url);
GByteArray *hf_extension_crl_point(const char *url);
/* Permitted DNS and e-mail: vtpm.invalid; excluded: every IP address. */
GByteArray *hf_extension_name_constraints(void);

/* One otherName, hardwareModuleName: the TPM of this serial number (hf_extension_check_serial). */
GByteArray *hf_extension_hardware_module(const char *serial);
#define HF_HARDWARE_SERIAL_MAX 128u
/* 1 to 128 characters of ASCII, none of them a blank. */
bool hf_extension_check_serial(const char *serial, GError **error);

#define HF_EXTENSION_BOND_VERSION 1
/* Digest of the endorsement key: of 32, 48 or 64 bytes. */
GByteArray *hf_extension_bond(GBytes *endorsement_key);

/* An http, https or ldap URL in ASCII of at most 512 characters. */
bool hf_extension_check_url(const char *url, const char *what, GError **error);

/* Reads the value of the extension `oid` into the certificate's fields. An unknown OID is noted if
 * it is critical. False when the value is malformed. */
bool hf_extension_read(HfCertificate *certificate, const char *oid, bool critical, HfReader value);

#endif
