/*
 * cert_tool.c - swtpm_cert: options, public key, signing key, issuer, and where the result goes.
 *
 * What a certificate looks like is pki/swtpm_profile.h's. Every failure is exit code 1, the message
 * swtpm_cert's where it has one for the case; nothing is written then.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tools/localca/cert_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/options.h"
#include "crypto/pubkey.h"
#include "pki/keyfile.h"
#include "pki/pem.h"
#include "pki/swtpm_profile.h"
#include "tools/localca/password.h"

#define SECONDS_A_DAY 86400
#define OPERANDS_MAX 64
#define PUBLIC_KEY_DEFAULT_EXPONENT 65537

static const HfOption options_table[] = {
    { .name = "pubkey", .kind = HF_KIND_PATH, .arg = "FILE", .help = "The TPM's public key, PEM" },
    { .name = "modulus",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "or its modulus, when it is an RSA key" },
    { .name = "exponent",
      .kind = HF_KIND_STRING,
      .arg = "N",
      .help = "and exponent (65537 when not given)" },
    { .name = "ecc-x",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "or the x coordinate of an ECC key" },
    { .name = "ecc-y", .kind = HF_KIND_STRING, .arg = "HEX", .help = "and its y coordinate" },
    { .name = "ecc-curveid",
      .kind = HF_KIND_STRING,
      .arg = "CURVE",
      .preset = "secp256r1",
      .help = "and its curve: secp256r1, secp384r1, secp521r1" },
    { .name = "public",
      .kind = HF_KIND_STRING,
      .arg = "HEX",
      .help = "or the public key of another algorithm: refused, see --keyalgo" },
    { .name = "keyalgo",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "and that algorithm, ML-KEM or ML-DSA, which cannot be certified here" },
    { .name = "signkey",
      .kind = HF_KIND_PATH,
      .arg = "KEY",
      .help = "The CA's private key: a PEM file or a PKCS#11 URL" },
    { .name = "signkey-password",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "Its password (others see it in the list of processes)" },
    { .name = "signkey-pwd",
      .kind = HF_KIND_STRING,
      .arg = "HOW",
      .help = "Its password: pass:TEXT, fd:NUMBER, file:NAME, env:NAME" },
    { .name = "parentkey-password",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "Password of the parent of a key in a TPM 1.2",
      .flags = HF_OPTION_IGNORED },
    { .name = "parentkey-pwd",
      .kind = HF_KIND_STRING,
      .arg = "HOW",
      .help = "The same",
      .flags = HF_OPTION_IGNORED },
    { .name = "issuercert", .kind = HF_KIND_PATH, .arg = "FILE", .help = "The CA's certificate" },
    { .name = "out-cert",
      .kind = HF_KIND_PATH,
      .arg = "FILE",
      .help = "Where the certificate goes (standard output when not given)" },
    { .name = "serial",
      .kind = HF_KIND_STRING,
      .arg = "NUMBER",
      .help = "Serial number of at most 20 bytes (random when not given)" },
    { .name = "days",
      .kind = HF_KIND_INT,
      .arg = "N",
      .min = G_MININT64,
      .max = G_MAXINT64,
      .preset = "365",
      .help = "How long it is valid; -1 for ever" },
    { .name = "pem", .help = "Write PEM instead of DER" },
    { .name = "type",
      .kind = HF_KIND_STRING,
      .arg = "TYPE",
      .preset = "ek",
      .help = "What is certified: ek, platform, iak, idevid" },
    { .name = "tpm-manufacturer",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "Manufacturer of the TPM" },
    { .name = "tpm-model", .kind = HF_KIND_STRING, .arg = "NAME", .help = "Model of the TPM" },
    { .name = "tpm-version",
      .kind = HF_KIND_STRING,
      .arg = "VERSION",
      .help = "Version of the TPM's firmware" },
    { .name = "tpm-serial-num",
      .kind = HF_KIND_STRING,
      .arg = "TEXT",
      .help = "Serial number of the TPM, for iak and idevid" },
    { .name = "platform-manufacturer",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "Manufacturer of the platform" },
    { .name = "platform-model",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "Model of the platform" },
    { .name = "platform-version",
      .kind = HF_KIND_STRING,
      .arg = "VERSION",
      .help = "Version of the platform" },
    { .name = "tpm-spec-family",
      .kind = HF_KIND_STRING,
      .arg = "FAMILY",
      .help = "TPM specification: family, such as 2.0" },
    { .name = "tpm-spec-level",
      .kind = HF_KIND_STRING,
      .arg = "N",
      .help = "TPM specification: level" },
    { .name = "tpm-spec-revision",
      .kind = HF_KIND_STRING,
      .arg = "N",
      .help = "TPM specification: revision" },
    { .name = "subject",
      .kind = HF_KIND_STRING,
      .arg = "NAME",
      .help = "Subject, such as C=US,CN=vm1; not with TPM 1.2" },
    { .name = "add-header", .help = "Put the header of TPM 1.2 NVRAM before the certificate" },
    { .name = "tpm2", .help = "For a TPM 2.0 (default: TPM 1.2)" },
    { .name = "allow-signing", .help = "The key may sign" },
    { .name = "decryption", .help = "The key may decrypt; the default without --allow-signing" },
    { .name = "print-capabilities",
      .help = "Show what this program can do (JSON)",
      .features = "cmdarg-signkey-pwd cmdarg-parentkey-pwd cmdarg-tpm-serial-num "
                  "supports-iak-idevid" },
    { .name = NULL },
};

const HfProgram hf_cert_program = {
    .name = "swtpm_cert",
    .summary = "Makes certificates for TPMs",
    .version_title = "TPM certificate tool version",
    .options = options_table,
    .max_operands = OPERANDS_MAX,
    .usage_exit = EXIT_FAILURE,
};

/* --- the TPM's key --- */

static GBytes *parse_hex(const char *text, GError **error)
{
    for (const char *p = text; *p; p++) {
        if (!g_ascii_isxdigit(*p)) {
            hf_error_set(error, HF_ERROR_INVALID, "Illegal hex character '%c'.", *p);
            return NULL;
        }
    }
    size_t digits = strlen(text);
    if (digits % 2 != 0) {
        hf_error_set(error, HF_ERROR_INVALID, "Got an odd number of hex digits (%zu).", digits);
        return NULL;
    }
    return hf_hex_parse(text, "key", error);
}

static HfPublicKey *key_from_file(const char *path, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        hf_error_errno(error, errno, "Could not open file for EK public key");
        return NULL;
    }
    g_autoptr(GBytes) data = hf_fd_read_all(fd, HF_KEYFILE_MAX, path, error);
    g_autoptr(GPtrArray) blocks = data ? hf_pem_read(data, "PUBLIC KEY", 1, path, error) : NULL;
    if (!blocks) {
        g_prefix_error(error, "Could not import EK: ");
        return NULL;
    }
    gsize size = 0;
    const void *der = g_bytes_get_data(blocks->pdata[0], &size);
    return hf_public_key_from_spki(der, size, error);
}

static HfPublicKey *key_from_modulus(const HfOptions *options, GError **error)
{
    const char *text = hf_options_string(options, "exponent");
    guint64 exponent = PUBLIC_KEY_DEFAULT_EXPONENT;
    bool is_hex = text && g_str_has_prefix(text, "0x");
    if (text && (!g_ascii_string_to_unsigned(is_hex ? text + 2 : text, is_hex ? 16 : 10, 1,
                                             G_MAXUINT32, &exponent, NULL))) {
        hf_error_set(error, HF_ERROR_INVALID, "Exponent is wrong and cannot be 0.");
        return NULL;
    }
    g_autoptr(GBytes) modulus = parse_hex(hf_options_string(options, "modulus"), error);
    if (!modulus) {
        return NULL;
    }
    gsize size = 0;
    const void *data = g_bytes_get_data(modulus, &size);
    return hf_public_key_from_rsa(data, size, (uint32_t)exponent, error);
}

static HfPublicKey *key_from_point(const HfOptions *options, GError **error)
{
    static const struct {
        const char *name;
        uint16_t curve;
    } curves[] = {
        { "secp256r1", HF_CURVE_P256 },
        { "secp384r1", HF_CURVE_P384 },
        { "secp521r1", HF_CURVE_P521 },
    };
    const char *name = hf_options_string(options, "ecc-curveid");
    uint16_t curve = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(curves); i++) {
        curve = strcmp(name, curves[i].name) == 0 ? curves[i].curve : curve;
    }
    if (curve == 0) {
        hf_error_set(error, HF_ERROR_INVALID, "Unsupported ECC curve id: %s", name);
        return NULL;
    }
    g_autoptr(GBytes) x = parse_hex(hf_options_string(options, "ecc-x"), error);
    g_autoptr(GBytes) y = x ? parse_hex(hf_options_string(options, "ecc-y"), error) : NULL;
    if (!y) {
        return NULL;
    }
    gsize x_size = 0;
    gsize y_size = 0;
    const void *x_data = g_bytes_get_data(x, &x_size);
    const void *y_data = g_bytes_get_data(y, &y_size);
    return hf_public_key_from_ec(curve, x_data, x_size, y_data, y_size, error);
}

/* swtpm_cert of 0.11 certifies keys on lattices, with a libcrypto that knows them (3.5). Nothing here could
 * say whether such bytes are a key, nor read what was made of them. */
static bool check_algorithm(const HfOptions *options, GError **error)
{
    static const char *const names[] = { "ml-kem-512", "ml-kem-768", "ml-kem-1024", "ml-dsa-44",
                                         "ml-dsa-65",  "ml-dsa-87",  NULL };
    const char *public = hf_options_string(options, "public");
    const char *algorithm = hf_options_string(options, "keyalgo");
    if (!public && !algorithm) {
        return true;
    }
    if (!public || !algorithm) {
        return hf_error_set(error, HF_ERROR_USAGE, "--public and --keyalgo must both be given.");
    }
    return g_strv_contains(names, algorithm)
               ? hf_error_set(error, HF_ERROR_UNSUPPORTED,
                              "--keyalgo: keys of the algorithm %s cannot be certified: libcrypto "
                              "3.5 is the first that knows them",
                              algorithm)
               : hf_error_set(error, HF_ERROR_USAGE,
                              "Unsupported key algorithm '%s': RSA and ECC keys are given with "
                              "--modulus or --ecc-x and --ecc-y.",
                              algorithm);
}

/* The DER SPKI of the key that is to be certified. */
static GBytes *find_key(const HfOptions *options, GError **error)
{
    bool has_modulus = hf_options_has(options, "modulus");
    bool has_x = hf_options_has(options, "ecc-x");
    bool has_y = hf_options_has(options, "ecc-y");
    const char *path = hf_options_string(options, "pubkey");
    g_autoptr(HfPublicKey) key = NULL;
    if (!check_algorithm(options, error)) {
        return NULL;
    }
    if (has_modulus && (has_x || has_y)) {
        hf_error_set(error, HF_ERROR_USAGE, "RSA modulus and ECC parameters cannot both be given.");
        return NULL;
    }
    if (has_x != has_y) {
        hf_error_set(error, HF_ERROR_USAGE, "ECC x and y parameters must both be given.");
        return NULL;
    }
    if (path) {
        key = key_from_file(path, error);
    } else if (has_modulus) {
        key = key_from_modulus(options, error);
    } else if (has_x) {
        key = key_from_point(options, error);
    } else {
        hf_error_set(error, HF_ERROR_USAGE,
                     "Missing public EK file and modulus or ECC parameters.");
    }
    return key ? hf_public_key_spki(key) : NULL;
}

/* --- the CA --- */

static HfSecret *find_password(const HfOptions *options, const HfSecret *given, GError **error)
{
    const char *how = hf_options_string(options, "signkey-pwd");
    const char *text = hf_options_string(options, "signkey-password");
    if (how) {
        return hf_password_read(how, error);
    }
    if (text) {
        return hf_secret_copy(text, strlen(text));
    }
    return given ? hf_secret_copy(given->data, given->size) : NULL;
}

/* A PIN may stand in the URL, be the password or be in the environment. */
static HfSecret *find_pin(const HfSecret *password)
{
    const char *pin = g_getenv("SWTPM_PKCS11_PIN");
    if (password) {
        return hf_secret_copy(password->data, password->size);
    }
    return pin ? hf_secret_copy(pin, strlen(pin)) : NULL;
}

typedef struct {
    HfSigner *signer;
    HfSecret *pin; /* lives as long as the signer */
    HfCertificate *issuer;
} Authority;

static void authority_clear(Authority *authority)
{
    hf_signer_free(authority->signer);
    hf_secret_free(authority->pin);
    g_clear_pointer(&authority->issuer, hf_certificate_unref);
}

/* Key files of swtpm's users are where they are: links are followed, and any mode is taken. */
static bool open_key(Authority *authority, const char *key, const HfSecret *password,
                     GError **error)
{
    if (hf_signer_is_pkcs11(key)) {
        authority->pin = find_pin(password);
        authority->signer = hf_signer_pkcs11_new(key, authority->pin, error);
        return authority->signer != NULL;
    }
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(key, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        return hf_error_errno(error, errno, "Could not read signing key from file %s", key);
    }
    g_autoptr(HfSecret) pem = hf_fd_read_secret(fd, HF_KEYFILE_MAX, key, error);
    authority->signer = pem ? hf_signer_pem_new(pem, password, key, error) : NULL;
    if (!authority->signer) {
        g_prefix_error(error, "Could not import signing key: ");
    }
    return authority->signer != NULL;
}

static bool open_issuer(Authority *authority, const char *path, GError **error)
{
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        return hf_error_errno(error, errno, "Could not read certificate from file %s", path);
    }
    g_autoptr(GBytes) data = hf_fd_read_all(fd, HF_CERTIFICATE_FILE_MAX, path, error);
    g_autoptr(GPtrArray) bundle = data ? hf_certificate_parse_bundle(data, path, error) : NULL;
    if (!bundle) {
        g_prefix_error(error, "Could not import issuer certificate: ");
        return false;
    }
    authority->issuer = hf_certificate_ref(bundle->pdata[0]);
    return true;
}

static bool open_authority(Authority *authority, const HfOptions *options, const HfSecret *given,
                           GError **error)
{
    const char *key = hf_options_string(options, "signkey");
    g_autoptr(GError) cause = NULL;
    g_autoptr(HfSecret) password = find_password(options, given, &cause);
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (!key) {
        return hf_error_set(error, HF_ERROR_USAGE, "The signature key is required.");
    }
    return open_key(authority, key, password, error) &&
           open_issuer(authority, hf_options_string(options, "issuercert"), error);
}

/* --- what is said in the certificate --- */

static bool parse_kind(const char *text, HfSwtpmKind *ret_kind, GError **error)
{
    static const char *const kinds[] = { [HF_SWTPM_EK] = "ek",
                                         [HF_SWTPM_PLATFORM] = "platform",
                                         [HF_SWTPM_IAK] = "iak",
                                         [HF_SWTPM_IDEVID] = "idevid" };
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(text, kinds[i]) == 0) {
            *ret_kind = (HfSwtpmKind)i;
            return true;
        }
    }
    return hf_error_set(error, HF_ERROR_USAGE, "Unknown certificate type '%s'.", text);
}

static bool parse_positive(const char *option, const char *text, uint32_t *ret, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &number, NULL)) {
        return hf_error_set(error, HF_ERROR_USAGE, "%s must pass a positive number.", option);
    }
    *ret = (uint32_t)number;
    return true;
}

static bool read_tpm(HfSwtpmProfile *profile, const HfOptions *options, GError **error)
{
    profile->tpm_manufacturer = hf_options_string(options, "tpm-manufacturer");
    profile->tpm_model = hf_options_string(options, "tpm-model");
    profile->tpm_version = hf_options_string(options, "tpm-version");
    bool needed =
        profile->kind == HF_SWTPM_EK || (profile->kind == HF_SWTPM_PLATFORM && !profile->is_tpm2);
    if (needed && (!profile->tpm_manufacturer || !profile->tpm_model || !profile->tpm_version)) {
        return hf_error_set(
            error, HF_ERROR_USAGE,
            "--tpm-manufacturer and --tpm-model and --tpm version must all be provided");
    }
    return true;
}

static bool read_specification(HfSwtpmProfile *profile, const HfOptions *options, GError **error)
{
    const char *level = hf_options_string(options, "tpm-spec-level");
    const char *revision = hf_options_string(options, "tpm-spec-revision");
    profile->spec_family = hf_options_string(options, "tpm-spec-family");
    if (profile->kind == HF_SWTPM_EK && (!profile->spec_family || !level || !revision)) {
        return hf_error_set(
            error, HF_ERROR_USAGE,
            "--tpm-spec-family and --tpm-spec-level and --tpm-spec-revision must all be provided");
    }
    return (!level || parse_positive("--tpm-spec-level", level, &profile->spec_level, error)) &&
           (!revision ||
            parse_positive("--tpm-spec-revision", revision, &profile->spec_revision, error));
}

static bool read_platform(HfSwtpmProfile *profile, const HfOptions *options, GError **error)
{
    profile->platform_manufacturer = hf_options_string(options, "platform-manufacturer");
    profile->platform_model = hf_options_string(options, "platform-model");
    profile->platform_version = hf_options_string(options, "platform-version");
    if (profile->kind == HF_SWTPM_PLATFORM &&
        (!profile->platform_manufacturer || !profile->platform_model ||
         !profile->platform_version)) {
        return hf_error_set(error, HF_ERROR_USAGE,
                            "--platform-manufacturer and --platform-model and --platform version "
                            "must all be provided");
    }
    profile->hardware_serial = hf_options_string(options, "tpm-serial-num");
    bool identity = profile->kind == HF_SWTPM_IAK || profile->kind == HF_SWTPM_IDEVID;
    return !identity || profile->hardware_serial ||
           hf_error_set(error, HF_ERROR_USAGE, "--tpm-serial-num must be provided");
}

static void read_validity(HfSwtpmProfile *profile, const HfOptions *options)
{
    int64_t days = hf_options_int(options, "days");
    profile->not_before = (gint64)time(NULL);
    profile->not_after = HF_DER_TIME_NEVER;
    if (days >= 0 && days < (HF_DER_TIME_NEVER - profile->not_before) / SECONDS_A_DAY) {
        profile->not_after = profile->not_before + days * SECONDS_A_DAY;
    }
}

static bool read_profile(HfSwtpmProfile *profile, const HfOptions *options, GError **error)
{
    profile->is_tpm2 = hf_options_flag(options, "tpm2");
    profile->may_sign = profile->is_tpm2 && hf_options_flag(options, "allow-signing");
    profile->may_decrypt = hf_options_flag(options, "decryption");
    profile->subject = hf_options_string(options, "subject");
    read_validity(profile, options);
    return parse_kind(hf_options_string(options, "type"), &profile->kind, error) &&
           read_tpm(profile, options, error) && read_platform(profile, options, error) &&
           read_specification(profile, options, error);
}

/* --- the certificate --- */

/* A stored certificate of the TCG's PC client, full certificate: tag, type, size, tag. */
static GBytes *with_header(GBytes *der)
{
    GByteArray *w = g_byte_array_new();
    hf_put_u16(w, 0x1001);
    hf_put_u8(w, 0);
    hf_put_u16(w, (uint16_t)(g_bytes_get_size(der) + 2));
    hf_put_u16(w, 0x1002);
    hf_put_gbytes(w, der);
    return g_byte_array_free_to_bytes(w);
}

static bool write_out(const HfCertificate *certificate, const HfOptions *options, GError **error)
{
    const char *path = hf_options_string(options, "out-cert");
    g_autofree char *pem = NULL;
    g_autoptr(GBytes) bytes = g_bytes_ref(certificate->der);
    if (hf_options_flag(options, "pem")) {
        pem = hf_certificate_pem(certificate);
        g_bytes_unref(bytes);
        bytes = g_bytes_new_static(pem, strlen(pem));
    } else if (hf_options_flag(options, "add-header")) {
        g_bytes_unref(bytes);
        bytes = with_header(certificate->der);
    }
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);
    if (!path) {
        return hf_fd_write_all(STDOUT_FILENO, data, size, "standard output", error);
    }
    if (!hf_file_write(path, data, size, 0600, error)) {
        g_prefix_error(error, "Could not open %s for writing the certificate: ", path);
        return false;
    }
    return true;
}

static bool issue(const HfOptions *options, const HfSecret *password, GError **error)
{
    __attribute__((cleanup(authority_clear))) Authority authority = { NULL, NULL, NULL };
    HfSwtpmProfile profile = { .is_tpm2 = false };
    g_autoptr(GBytes) spki = find_key(options, error);
    if (!spki) {
        return false;
    }
    if (!hf_options_has(options, "issuercert")) {
        return hf_error_set(error, HF_ERROR_USAGE, "The issuer certificate name is required.");
    }
    const char *number = hf_options_string(options, "serial");
    g_autoptr(GBytes) serial = number ? hf_swtpm_profile_serial(number, error) : NULL;
    if ((number && !serial) || !read_profile(&profile, options, error) ||
        !open_authority(&authority, options, password, error)) {
        return false;
    }
    profile.spki = spki;
    profile.serial = serial;
    g_autoptr(HfCertificate) made =
        hf_swtpm_profile_issue(&profile, authority.signer, authority.issuer, error);
    return made && write_out(made, options, error);
}

static HfOptions *parse(int argc, char **argv, GError **error)
{
    bool done = false;
    g_autoptr(HfOptions) options = hf_options_parse(&hf_cert_program, argc, argv, &done, error);
    if (options && done) {
        hf_error_set(error, HF_ERROR_USAGE, "options that only print have no place here");
        return NULL;
    }
    return g_steal_pointer(&options);
}

bool hf_cert_tool_check(int argc, char **argv, GError **error)
{
    g_autoptr(HfOptions) options = parse(argc, argv, error);
    return options != NULL;
}

bool hf_cert_tool_issue(int argc, char **argv, const HfSecret *password, GError **error)
{
    g_autoptr(HfOptions) options = parse(argc, argv, error);
    return options && issue(options, password, error);
}

static int print_capabilities(void)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    hf_options_features(&hf_cert_program, words);
    fputs("{ \"type\": \"swtpm_cert\", \"features\": [ ", stdout);
    for (guint i = 0; i < words->len; i++) {
        printf("%s\"%s\"", i ? ", " : "", (const char *)words->pdata[i]);
    }
    printf(" ], \"version\": \"%s\" }\n", PACKAGE_VERSION);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int hf_cert_tool_main(int argc, char **argv)
{
    g_autoptr(HfOptions) options = hf_options_parse_or_exit(&hf_cert_program, argc, argv);
    g_autoptr(GError) error = NULL;
    if (hf_options_flag(options, "print-capabilities")) {
        return print_capabilities();
    }
    if (!issue(options, NULL, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
