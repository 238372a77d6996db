/*
 * extension_reader.c - certificate extensions, read into the certificate's fields.
 *
 * One row an extension. A known extension that is malformed refuses the certificate; content that
 * is well formed but not ours (other names, other attributes) is noted for chain.c to judge.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "pki/extension.h"
#include "pki/oid.h"

#include <string.h>

#define OIDS_MAX 32

/* GeneralName tags. */
enum {
    TAG_OTHER = 0xa0,
    TAG_EMAIL = 0x81,
    TAG_DNS = 0x82,
    TAG_DIRECTORY = 0xa4,
    TAG_URI = 0x86,
    TAG_IP = 0x87
};

static bool read_basic_constraints(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    c->has_basic_constraints = true;
    c->is_ca = hf_der_peek(&r) == HF_DER_BOOLEAN && hf_der_bool(&r);
    if (hf_der_peek(&r) == HF_DER_INTEGER) {
        uint64_t n = hf_der_uint(&r);
        if (n > 255 || !c->is_ca) {
            return false;
        }
        c->path_length = (int)n;
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

static bool read_key_usage(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_BITS);
    unsigned unused = hf_reader_u8(&r);
    size_t n = hf_reader_left(&r);
    if (r.failed || unused > 7 || n < 1 || n > 2) {
        return false;
    }
    c->has_key_usage = true;
    c->key_usage = (uint16_t)(hf_reader_u8(&r) << 8);
    if (n == 2) {
        c->key_usage |= hf_reader_u8(&r);
    }
    unsigned lowest = n == 2 ? unused : unused + 8;
    return !(c->key_usage & ((1u << lowest) - 1)) && hf_reader_done(&value);
}

static bool read_purposes(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    c->purposes = g_new0(char *, OIDS_MAX + 1);
    for (size_t i = 0; i < OIDS_MAX && !r.failed && hf_reader_left(&r) > 0; i++) {
        c->purposes[i] = hf_der_oid(&r);
    }
    return c->purposes[0] && hf_reader_done(&r) && hf_reader_done(&value);
}

static bool read_policies(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    c->policies = g_new0(char *, OIDS_MAX + 1);
    for (size_t i = 0; i < OIDS_MAX && !r.failed && hf_reader_left(&r) > 0; i++) {
        HfReader information = hf_der_get(&r, HF_DER_SEQUENCE);
        c->policies[i] = hf_der_oid(&information);
        if (hf_reader_left(&information) > 0) {
            (void)hf_der_whole(&information, HF_DER_SEQUENCE); /* qualifiers: for people */
        }
        if (!hf_reader_done(&information)) {
            return false;
        }
    }
    return c->policies[0] && hf_reader_done(&r) && hf_reader_done(&value);
}

static bool read_key_id(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_OCTETS);
    if (r.failed || hf_reader_left(&r) == 0 || !hf_reader_done(&value)) {
        return false;
    }
    c->key_id = hf_der_bytes(r);
    return true;
}

static bool read_authority_id(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    if (hf_der_peek(&r) == HF_DER_CONTEXT(0)) {
        HfReader id = hf_der_get(&r, HF_DER_CONTEXT(0));
        if (id.failed || hf_reader_left(&id) == 0) {
            return false;
        }
        c->authority_id = hf_der_bytes(id);
    }
    while (!r.failed && hf_reader_left(&r) > 0) {
        (void)hf_der_whole(&r, 0);
        c->authority_has_more = true;
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

/* The field of a TCG name attribute; NULL for any other. */
static char **attribute_field(HfCertificate *c, const char *oid)
{
    const struct {
        const char *oid;
        char **field;
    } attributes[] = {
        { HF_OID_TPM_MANUFACTURER, &c->tpm_manufacturer },
        { HF_OID_TPM_MODEL, &c->tpm_model },
        { HF_OID_TPM_VERSION, &c->tpm_version },
        { HF_OID_PLATFORM_MANUFACTURER, &c->platform_manufacturer },
        { HF_OID_PLATFORM_MODEL, &c->platform_model },
        { HF_OID_PLATFORM_VERSION, &c->platform_version },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (strcmp(oid, attributes[i].oid) == 0) {
            return attributes[i].field;
        }
    }
    return NULL;
}

/* AttributeTypeAndValue. */
static bool read_attribute(HfCertificate *c, HfReader *rdn)
{
    HfReader r = hf_der_get(rdn, HF_DER_SEQUENCE);
    g_autofree char *oid = hf_der_oid(&r);
    char **field = oid ? attribute_field(c, oid) : NULL;
    if (field && !*field) {
        *field = hf_der_text(&r);
    } else {
        (void)hf_der_whole(&r, 0);
        c->alt_name_foreign = true;
    }
    return hf_reader_done(&r);
}

static bool read_directory_name(HfCertificate *c, HfReader *names)
{
    HfReader tagged = hf_der_get(names, TAG_DIRECTORY);
    HfReader rdns = hf_der_get(&tagged, HF_DER_SEQUENCE);
    while (!rdns.failed && hf_reader_left(&rdns) > 0) {
        HfReader rdn = hf_der_get(&rdns, HF_DER_SET);
        do {
            if (!read_attribute(c, &rdn)) {
                return false;
            }
        } while (hf_reader_left(&rdn) > 0);
    }
    return hf_reader_done(&rdns) && hf_reader_done(&tagged);
}

/* OtherName: hardwareModuleName with a TPM's serial number; any other is noted as foreign. */
static bool read_other_name(HfCertificate *c, HfReader *names)
{
    HfReader tagged = hf_der_get(names, TAG_OTHER);
    g_autofree char *oid = hf_der_oid(&tagged);
    HfReader value = hf_der_get(&tagged, HF_DER_CONTEXT_OF(0));
    if (g_strcmp0(oid, HF_OID_HARDWARE_MODULE_NAME) != 0) {
        c->alt_name_foreign = true;
        return oid && !value.failed && hf_reader_done(&tagged);
    }
    HfReader module = hf_der_get(&value, HF_DER_SEQUENCE);
    g_autofree char *type = hf_der_oid(&module);
    HfReader number = hf_der_get(&module, HF_DER_OCTETS);
    g_autofree char *serial = g_strndup((const char *)number.data, number.failed ? 0 : number.size);
    if (!type || !hf_reader_done(&module) || !hf_reader_done(&value) || !hf_reader_done(&tagged)) {
        return false;
    }
    if (strcmp(type, HF_OID_TPM_HARDWARE_TYPE) == 0 && strlen(serial) == number.size &&
        hf_extension_check_serial(serial, NULL)) {
        c->tpm_serial = g_steal_pointer(&serial);
    } else {
        c->alt_name_foreign = true;
    }
    return true;
}

static bool read_alt_name(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    c->has_alt_name = true;
    for (size_t i = 0; !r.failed && hf_reader_left(&r) > 0; i++) {
        if (i == 0 && hf_der_peek(&r) == TAG_DIRECTORY) {
            if (!read_directory_name(c, &r)) {
                return false;
            }
        } else if (i == 0 && hf_der_peek(&r) == TAG_OTHER) {
            if (!read_other_name(c, &r)) {
                return false;
            }
        } else {
            (void)hf_der_whole(&r, 0);
            c->alt_name_foreign = true;
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

/* SET { SEQUENCE { family, level, revision } } */
static bool read_specification(HfCertificate *c, HfReader *attribute)
{
    HfReader set = hf_der_get(attribute, HF_DER_SET);
    HfReader r = hf_der_get(&set, HF_DER_SEQUENCE);
    g_autofree char *family = hf_der_text(&r);
    uint64_t level = hf_der_uint(&r);
    uint64_t revision = hf_der_uint(&r);
    if (!hf_reader_done(&r) || !hf_reader_done(&set) || level > G_MAXUINT32 ||
        revision > G_MAXUINT32 || c->spec_family) {
        return false;
    }
    c->spec_family = g_steal_pointer(&family);
    c->spec_level = (uint32_t)level;
    c->spec_revision = (uint32_t)revision;
    return true;
}

static bool read_subject_directory(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    while (!r.failed && hf_reader_left(&r) > 0) {
        HfReader attribute = hf_der_get(&r, HF_DER_SEQUENCE);
        g_autofree char *oid = hf_der_oid(&attribute);
        if (g_strcmp0(oid, HF_OID_TPM_SPECIFICATION) == 0) {
            if (!read_specification(c, &attribute)) {
                return false;
            }
        } else {
            (void)hf_der_whole(&attribute, HF_DER_SET);
        }
        if (!hf_reader_done(&attribute)) {
            return false;
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

/* Keeps the first URI of the names that are left in `r`. */
static bool read_uri(HfReader *r, char **url)
{
    while (!r->failed && hf_reader_left(r) > 0) {
        if (hf_der_peek(r) != TAG_URI) {
            (void)hf_der_whole(r, 0);
            continue;
        }
        HfReader content = hf_der_get(r, TAG_URI);
        for (size_t i = 0; i < content.size; i++) {
            if (!g_ascii_isgraph(content.data[i])) {
                return false;
            }
        }
        if (!*url) {
            *url = g_strndup((const char *)content.data, content.size);
        }
    }
    return hf_reader_done(r);
}

static bool read_authority_info(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    while (!r.failed && hf_reader_left(&r) > 0) {
        HfReader description = hf_der_get(&r, HF_DER_SEQUENCE);
        g_autofree char *method = hf_der_oid(&description);
        if (g_strcmp0(method, HF_OID_CA_ISSUERS) == 0) {
            if (!read_uri(&description, &c->ca_issuers_url)) {
                return false;
            }
        } else {
            (void)hf_der_whole(&description, 0);
        }
        if (!hf_reader_done(&description)) {
            return false;
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

/* DistributionPoint: the full name's URI; reasons and issuer are skipped. */
static bool read_crl_point(HfCertificate *c, HfReader *points)
{
    HfReader point = hf_der_get(points, HF_DER_SEQUENCE);
    if (hf_der_peek(&point) == HF_DER_CONTEXT_OF(0)) {
        HfReader name = hf_der_get(&point, HF_DER_CONTEXT_OF(0));
        if (hf_der_peek(&name) == HF_DER_CONTEXT_OF(0)) {
            HfReader full = hf_der_get(&name, HF_DER_CONTEXT_OF(0));
            if (!read_uri(&full, &c->crl_url)) {
                return false;
            }
        } else {
            (void)hf_der_whole(&name, 0);
        }
        if (!hf_reader_done(&name)) {
            return false;
        }
    }
    while (!point.failed && hf_reader_left(&point) > 0) {
        (void)hf_der_whole(&point, 0);
    }
    return hf_reader_done(&point);
}

static bool read_crl_points(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    while (!r.failed && hf_reader_left(&r) > 0) {
        if (!read_crl_point(c, &r)) {
            return false;
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

static bool read_subtrees(HfCertificate *c, HfReader subtrees)
{
    while (!subtrees.failed && hf_reader_left(&subtrees) > 0) {
        HfReader subtree = hf_der_get(&subtrees, HF_DER_SEQUENCE);
        uint8_t tag = hf_der_peek(&subtree);
        (void)hf_der_whole(&subtree, 0);
        if ((tag != TAG_DNS && tag != TAG_EMAIL && tag != TAG_IP) || hf_reader_left(&subtree) > 0) {
            c->name_constraints_foreign = true;
        } else if (!hf_reader_done(&subtree)) {
            return false;
        }
    }
    return hf_reader_done(&subtrees);
}

static bool read_name_constraints(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    c->has_name_constraints = true;
    for (unsigned i = 0; i < 2; i++) { /* permitted, excluded */
        if (hf_der_peek(&r) == HF_DER_CONTEXT_OF(i) &&
            !read_subtrees(c, hf_der_get(&r, (uint8_t)HF_DER_CONTEXT_OF(i)))) {
            return false;
        }
    }
    return hf_reader_done(&r) && hf_reader_done(&value);
}

static bool read_holding(HfCertificate *c, HfReader value)
{
    c->holding = hf_holding_read(value);
    return c->holding != NULL;
}

static bool read_mandate(HfCertificate *c, HfReader value)
{
    c->mandate = hf_mandate_read(value);
    return c->mandate != NULL;
}

static bool read_bond(HfCertificate *c, HfReader value)
{
    HfReader r = hf_der_get(&value, HF_DER_SEQUENCE);
    uint64_t version = hf_der_uint(&r);
    HfReader digest = hf_der_get(&r, HF_DER_OCTETS);
    size_t n = hf_reader_left(&digest);
    if (!hf_reader_done(&r) || !hf_reader_done(&value) || version != HF_EXTENSION_BOND_VERSION ||
        (n != 32 && n != 48 && n != 64)) {
        return false;
    }
    c->bond = hf_der_bytes(digest);
    return true;
}

bool hf_extension_read(HfCertificate *c, const char *oid, bool critical, HfReader value)
{
    g_assert(c);
    const struct {
        const char *oid;
        bool (*read)(HfCertificate *c, HfReader value);
        bool *critical; /* where it matters to somebody */
    } extensions[] = {
        { HF_OID_BASIC_CONSTRAINTS, read_basic_constraints, &c->basic_constraints_critical },
        { HF_OID_KEY_USAGE, read_key_usage, &c->key_usage_critical },
        { HF_OID_PURPOSES, read_purposes, &c->purposes_critical },
        { HF_OID_POLICIES, read_policies, NULL },
        { HF_OID_SUBJECT_KEY_ID, read_key_id, NULL },
        { HF_OID_AUTHORITY_KEY_ID, read_authority_id, NULL },
        { HF_OID_SUBJECT_ALT_NAME, read_alt_name, &c->alt_name_critical },
        { HF_OID_SUBJECT_DIRECTORY, read_subject_directory, NULL },
        { HF_OID_AUTHORITY_INFO, read_authority_info, NULL },
        { HF_OID_CRL_POINTS, read_crl_points, NULL },
        { HF_OID_NAME_CONSTRAINTS, read_name_constraints, NULL },
        { HF_OID_HOLDING, read_holding, NULL },
        { HF_OID_MANDATE, read_mandate, NULL },
        { HF_OID_BOND, read_bond, NULL },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(extensions); i++) {
        if (strcmp(oid, extensions[i].oid) == 0) {
            if (extensions[i].critical) {
                *extensions[i].critical = critical;
            }
            return extensions[i].read(c, value);
        }
    }
    if (critical && !c->unknown_critical) {
        c->unknown_critical = g_strdup(oid);
    }
    return true;
}
