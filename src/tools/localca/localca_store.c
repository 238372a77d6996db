/*
 * localca_store.c - making and sharing the directory of a local CA.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "tools/localca/localca_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "pki/delegation.h"
#include "crypto/random.h"
#include "pki/keyfile.h"
#include "pki/swtpm_profile.h"

#define LOCK_NAME ".lock.swtpm-localca"
#define ROOT_KEY "swtpm-localca-rootca-privkey.pem"
#define ROOT_CERTIFICATE "swtpm-localca-rootca-cert.pem"
#define ROOT_SUBJECT "swtpm-localca-rootca"
#define ISSUER_SUBJECT "swtpm-localca"
#define KEY_MODE 0640
#define CERTIFICATE_MODE 0644
#define SERIAL_DIGITS_MAX 64u

/* What a setup that was killed has left behind. With the lock nobody is writing such a file. */
static void remove_temporaries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir)) != NULL;) {
        if (name[0] == '.' && g_str_has_suffix(name, ".tmp")) {
            g_autofree char *left = g_build_filename(path, name, NULL);
            (void)unlink(left);
        }
    }
}

int hf_localca_lock(const HfLocalCa *ca, GError **error)
{
    g_autofree char *path = g_build_filename(ca->dir, LOCK_NAME, NULL);
    hf_autofd int fd =
        TEMP_FAILURE_RETRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640));
    if (fd < 0 && errno == EACCES) {
        /* made by another user of the directory: to lock it, reading is enough */
        fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY));
    }
    if (fd < 0) {
        hf_error_errno(error, errno, "Could not open lock file %s", path);
        return -1;
    }
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            hf_error_errno(error, errno, "Could not lock %s", path);
            return -1;
        }
    }
    remove_temporaries(ca->dir);
    return hf_fd_steal(&fd);
}

/* True also when we may not look: what may be there is not made. */
static bool exists(const char *path)
{
    return access(path, F_OK) == 0 || errno != ENOENT;
}

bool hf_localca_complete(const HfLocalCa *ca)
{
    return (hf_signer_is_pkcs11(ca->signkey) || exists(ca->signkey)) && exists(ca->issuercert);
}

/* Directory and name of a file that is to be made. */
static int open_folder(const char *path, char **ret_name, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int dir = TEMP_FAILURE_RETRY(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (dir < 0) {
        hf_error_errno(error, errno, "Could not open directory %s", folder);
        return -1;
    }
    *ret_name = g_path_get_basename(path);
    return dir;
}

/* The signer of a key file, which is made when it does not exist. */
static HfSigner *own_key(const char *path, const HfSecret *password, GError **error)
{
    g_autofree char *name = NULL;
    hf_autofd int dir = open_folder(path, &name, error);
    if (dir < 0 || (!exists(path) && !hf_keyfile_generate_at(dir, name, HF_KEYFILE_RSA3072,
                                                             password, KEY_MODE, path, error))) {
        return NULL;
    }
    hf_autofd int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (fd < 0) {
        hf_error_errno(error, errno, "Could not open key %s", path);
        return NULL;
    }
    g_autoptr(HfSecret) pem = hf_fd_read_secret(fd, HF_KEYFILE_MAX, path, error);
    return pem ? hf_signer_pem_new(pem, password, path, error) : NULL;
}

static bool store_certificate(const char *path, const HfCertificate *certificate, GError **error)
{
    g_autofree char *name = NULL;
    g_autofree char *pem = hf_certificate_pem(certificate);
    hf_autofd int dir = open_folder(path, &name, error);
    return dir >= 0 &&
           hf_file_create_at(dir, name, pem, strlen(pem), CERTIFICATE_MODE, path, error);
}

/* The root's certificate, made when there is none. *ret_signer is its key. */
static HfCertificate *own_root(const HfLocalCa *ca, HfSigner **ret_signer, GError **error)
{
    g_autofree char *key_path = g_build_filename(ca->dir, ROOT_KEY, NULL);
    g_autofree char *path = g_build_filename(ca->dir, ROOT_CERTIFICATE, NULL);
    if (exists(path) && !exists(key_path)) {
        hf_error_set(error, HF_ERROR_STATE,
                     "%s is there, but not the key %s: no new issuer can be certified", path,
                     key_path);
        return NULL;
    }
    g_autoptr(HfSigner) signer = own_key(key_path, ca->root_password, error);
    if (!signer) {
        return NULL;
    }
    g_autoptr(HfCertificate) root = NULL;
    if (exists(path)) {
        root = hf_certificate_load(path, error);
    } else {
        const HfRootInput in = { .common_name = ROOT_SUBJECT, .not_before = (gint64)time(NULL) };
        root = hf_delegation_root(&in, signer, error);
        if (root && !store_certificate(path, root, error)) {
            return NULL;
        }
    }
    if (!root) {
        return NULL;
    }
    *ret_signer = g_steal_pointer(&signer);
    return g_steal_pointer(&root);
}

bool hf_localca_create(const HfLocalCa *ca, GError **error)
{
    if (hf_signer_is_pkcs11(ca->signkey)) {
        return hf_error_set(error, HF_ERROR_NOT_FOUND,
                            "The issuer certificate %s of the PKCS#11 key does not exist.",
                            ca->issuercert);
    }
    if (exists(ca->issuercert)) {
        return hf_error_set(error, HF_ERROR_STATE,
                            "The issuer certificate %s is there, but not its key %s.",
                            ca->issuercert, ca->signkey);
    }
    g_autoptr(HfSigner) root_signer = NULL;
    g_autoptr(HfCertificate) root = own_root(ca, &root_signer, error);
    g_autoptr(HfSigner) signer = root ? own_key(ca->signkey, ca->password, error) : NULL;
    if (!signer) {
        return false;
    }
    const HfDelegation in = { .spki = signer->spki,
                              .rooted = HF_ROOTED_SOFTWARE,
                              .common_name = ISSUER_SUBJECT,
                              .not_before = (gint64)time(NULL),
                              .as_root = true };
    g_autoptr(HfCertificate) issuer = hf_delegation_new(&in, root_signer, root, error);
    return issuer && store_certificate(ca->issuercert, issuer, error);
}

/* 20 digits, the first of which is no 0. */
static char *random_number(void)
{
    uint8_t bytes[20];
    hf_random_bytes(bytes, sizeof(bytes));
    GString *digits = g_string_new(NULL);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        g_string_append_c(digits, (char)(i == 0 ? '1' + bytes[i] % 9 : '0' + bytes[i] % 10));
    }
    return g_string_free(digits, FALSE);
}

/* The next number in decimal. A text that is none begins at 1, with which swtpm 0.7 can go on; after
 * the largest serial number, of 20 octets, comes a random one of 20 digits, as in swtpm. */
static char *successor(const char *text)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > SERIAL_DIGITS_MAX) {
        return g_strdup("1");
    }
    g_autofree char *number = g_strdup_printf("0%.*s", (int)length, text);
    for (char *digit = number + length; ++*digit > '9'; digit--) {
        *digit = '0';
    }
    g_autoptr(GBytes) valid = hf_swtpm_profile_serial(number, NULL);
    return valid ? g_strdup(number[0] == '0' ? number + 1 : number) : random_number();
}

bool hf_localca_count(const HfLocalCa *ca, GError **error)
{
    g_autoptr(GBytes) old = hf_file_read(ca->certserial, SERIAL_DIGITS_MAX + 1, NULL);
    struct stat st;
    bool owned = stat(ca->certserial, &st) == 0;
    gsize size = 0;
    const char *data = old ? g_bytes_get_data(old, &size) : "";
    g_autofree char *text = g_strndup(size > 0 ? data : "", size);
    g_autofree char *next = successor(text);
    if (!hf_file_replace(ca->certserial, next, strlen(next), CERTIFICATE_MODE, error)) {
        return false;
    }
    /* It stays its owner's, who may be another user and write it in place, as swtpm does. */
    bool kept = !owned || lchown(ca->certserial, st.st_uid, st.st_gid) == 0;
    (void)kept;
    return true;
}
