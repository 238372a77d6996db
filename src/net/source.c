/*
 * source.c - peer credentials and addresses.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "net/source.h"

#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
} Address;

static bool of_user(int fd, char **ret_peer, char **ret_source, uid_t *ret_uid)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return false;
    }
    *ret_peer =
        g_strdup_printf("user %u, process %d", (unsigned)credentials.uid, (int)credentials.pid);
    *ret_source = g_strdup_printf("user %u", (unsigned)credentials.uid);
    *ret_uid = credentials.uid;
    return true;
}

bool hf_source_of(int fd, char **ret_peer, char **ret_source, uid_t *ret_uid)
{
    Address address;
    socklen_t size = sizeof(address);
    char text[INET6_ADDRSTRLEN] = "";

    memset(&address, 0, sizeof(address));
    if (getpeername(fd, &address.any, &size) != 0) {
        return false;
    }
    if (address.any.sa_family == AF_UNIX) {
        return of_user(fd, ret_peer, ret_source, ret_uid);
    }
    if (address.any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
        *ret_source = g_strdup(text);
    } else if (address.any.sa_family == AF_INET6) {
        struct in6_addr *number = &address.v6.sin6_addr;

        (void)inet_ntop(AF_INET6, number, text, sizeof(text));
        /* An IPv4 address in disguise is one machine, a /64 is one network of somebody's. */
        *ret_source =
            IN6_IS_ADDR_V4MAPPED(number)
                ? g_strdup(text)
                : g_strdup_printf("%02x%02x:%02x%02x:%02x%02x:%02x%02x::", number->s6_addr[0],
                                  number->s6_addr[1], number->s6_addr[2], number->s6_addr[3],
                                  number->s6_addr[4], number->s6_addr[5], number->s6_addr[6],
                                  number->s6_addr[7]);
    } else {
        return false;
    }
    *ret_peer = g_strdup_printf("%s port %u", text, ntohs(address.v4.sin_port));
    *ret_uid = (uid_t)-1;
    return true;
}
