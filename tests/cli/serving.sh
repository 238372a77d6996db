# shellcheck shell=bash
# serving.sh - for tests: a CA that serves, keys and certificates for TLS with it, clients that mean
# no good, and a man in the middle. After tap.sh and letters.sh; works in the current directory.
#
#     serving_tls                        # tlsca and otherca; server, client, stranger
#     free_ports 1
#     mapfile -t good < <(tls_of server)
#     serving_start --dir C --answer guests --vma-root C/root.pem "${good[@]}" || bail "it does not serve"
#     between cut 1 100                  # at ./m: the first answer is cut after 100 bytes
#     between_end
#
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2154  # started and port are tap.sh's

ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}

server_ext='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
extendedKeyUsage=serverAuth'
serving_tls() {
    issuer_make tlsca
    issuer_make otherca
    leaf_make server tlsca "$server_ext"
    leaf_make client tlsca "extendedKeyUsage=clientAuth"
    leaf_make stranger otherca "extendedKeyUsage=clientAuth"
}

# tls_of NAME: what the server needs of it, a word a line.
tls_of() { printf '%s\n' --tls-certificate "$1.pem" --tls-key "$1.key"; }

# serving_start OPTION...: a server at the UNIX socket ./s and, with a certificate among the options,
# at 127.0.0.1:$port; its pid in $serving, its log in serve.log. The one before is ended.
serving=
serving_start() {
    local tcp=()
    [ -z "$serving" ] || stop "$serving"
    rm -f s
    [[ " $* " != *" --tls-certificate "* ]] || tcp=(--listen "127.0.0.1:$port")
    start serve "$ca" serve --unix s "${tcp[@]}" "$@"
    serving=$started
    wait_for 20 test -S s && { [ ${#tcp[@]} = 0 ] || wait_port "$port" "$serving"; }
}

# hostile COMMAND...: serve-client.py. between MODE...: it stands between ./m and ./s until
# between_end.
hostile() { python3 "$top_srcdir/tests/cli/serve-client.py" "$@"; }
between_pid=
between() {
    rm -f m
    start between python3 "$top_srcdir/tests/cli/serve-client.py" between m s "$@"
    between_pid=$started
    wait_for 10 test -S m
}
between_end() { stop "$between_pid"; }
