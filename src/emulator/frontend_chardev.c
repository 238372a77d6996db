/*
 * frontend_chardev.c - `holdfast chardev`: the data channel is a character device.
 *
 * The device is named, inherited, or one side of a pair that the kernel's vTPM proxy makes: what
 * is written to /dev/tpmN on the other side is read here. Its end is the end of the process. The
 * proxy's interface is linux/vtpm_proxy.h; the numbers stand here because they can never change.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "emulator/channels.h"

#define VTPMX "/dev/vtpmx"
#define PROXY_TPM2 1u

typedef struct {
    uint32_t flags;
    uint32_t number; /* the kernel's answer, as all that follows */
    uint32_t fd;
    uint32_t major;
    uint32_t minor;
} ProxyDevice;

#define PROXY_NEW_DEVICE _IOWR(0xa1, 0x00, ProxyDevice)

/* Programs read the line, word by word. */
static bool announce(const ProxyDevice *device, GError **error)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "New TPM device: /dev/tpm%u (major/minor = %u/%u)\n",
                     device->number, device->major, device->minor);
    return hf_fd_write_all(STDOUT_FILENO, line, (size_t)n, "stdout", error);
}

static int make_proxy_device(HfTpmVersion version, GError **error)
{
    hf_autofd int control = open(VTPMX, O_RDWR | O_CLOEXEC);
    if (control < 0) {
        const char *hint = errno == ENOENT ? " (is the module tpm_vtpm_proxy loaded?)" : "";
        hf_error_errno(error, errno, "cannot open " VTPMX "%s", hint);
        return -1;
    }
    ProxyDevice device = { .flags = version == HF_TPM_2_0 ? PROXY_TPM2 : 0 };
    if (ioctl(control, PROXY_NEW_DEVICE, &device) != 0) {
        hf_error_errno(error, errno, VTPMX ": cannot make a TPM device");
        return -1;
    }
    hf_autofd int fd = (int)device.fd;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        hf_error_errno(error, errno, VTPMX ": descriptor %d", fd);
        return -1;
    }
    return announce(&device, error) ? hf_fd_steal(&fd) : -1;
}

static bool check_device(int fd, bool socket_too, const char *label, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return hf_error_errno(error, errno, "%s", label);
    }
    if (S_ISCHR(st.st_mode) || (socket_too && S_ISSOCK(st.st_mode))) {
        return true;
    }
    return hf_error_set(error, HF_ERROR_INVALID, "%s: expected a character device%s, found %s",
                        label, socket_too ? " or a socket" : "",
                        S_ISREG(st.st_mode)   ? "a regular file"
                        : S_ISDIR(st.st_mode) ? "a directory"
                                              : "something else");
}

static bool open_device(HfFrontend *frontend, GError **error)
{
    HfChannels *channels = (HfChannels *)frontend;
    const HfSettings *settings = channels->settings;
    int *device = &channels->data_sockets.connection;
    if (settings->vtpm_proxy) {
        *device = make_proxy_device(settings->version, error);
        return *device >= 0;
    }
    if (settings->device_fd >= 0) {
        g_autofree char *label = g_strdup_printf("--fd: descriptor %d", settings->device_fd);
        if (!check_device(settings->device_fd, true, label, error)) {
            return false;
        }
        *device = settings->device_fd;
        return true;
    }
    *device = open(settings->device_path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (*device < 0) {
        return hf_error_errno(error, errno, "cannot open %s", settings->device_path);
    }
    return check_device(*device, false, settings->device_path, error);
}

static bool open_control(HfFrontend *frontend, HfLeftovers *leftovers, GError **error)
{
    HfChannels *channels = (HfChannels *)frontend;
    return hf_channels_open(&channels->settings->control, "--ctrl", leftovers,
                            &channels->control_sockets, error);
}

static const HfFrontendClass chardev_class = {
    .profile = HF_PROFILE_EMULATOR,
    .profile_file = HF_PROFILE_EMULATOR_FILE,
    .open_device = open_device,
    .open = open_control,
    .connect = hf_channels_connect,
    .start = hf_channels_start,
    .run = hf_channels_run,
    .free = hf_channels_free,
};

HfFrontend *hf_frontend_chardev_new(const HfSettings *settings)
{
    return &hf_channels_new(&chardev_class, settings)->base;
}
