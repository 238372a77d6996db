#!/usr/bin/env bash
# TLS between a host and the CA that serves, with somebody in between who has other certificates,
# changes, drops, repeats, reorders or cuts records, replays what he has recorded, or would have both
# sides use something older. Each is refused with its own error; host and CA are as they were.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca openssl python3

cd "$tap_dir" || exit 1
tls() { python3 "$top_srcdir/tests/cli/tls-between.py" "$@"; }
middle_pid=
middle() { # COMMAND ARG...: at $man
    [ -z "$middle_pid" ] || stop "$middle_pid"
    local command=$1
    shift
    rm -f middle.log
    start middle python3 "$top_srcdir/tests/cli/tls-between.py" "$command" "$man" "$@"
    middle_pid=$started
    wait_for 20 grep -q ready middle.log || { diag_file middle.log; bail "nobody is in the middle"; }
}
enrols() { "$authority" enrol --dir A --server "127.0.0.1:$man" --server-ca tlsca.pem --renew --timeout "${patience:-10}"; }
state() { cat A/* | sha256sum; }
count() { "$ca" list --dir C | wc -l; }
intact() { is "$(state) $(count) $(find C/nonces -type f | wc -l)" "$before" "$1: host and CA are as they were"; }
remember() { before="$(state) $(count) $(find C/nonces -type f | wc -l)"; }

fleet_make
serving_tls
free_ports 2
man=$((port + 1))
mapfile -t good < <(tls_of server)
serving_start --dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub \
    --approved-pcrs values "${good[@]}" || { diag_file serve.log; bail "it does not serve"; }
middle relay "$port"
ok "with somebody who only looks on it works" enrols
remember

### Somebody with a certificate of his own
leaf_make other otherca "$server_ext"
leaf_make elsewhere tlsca "subjectAltName=DNS:elsewhere.example,IP:127.0.0.2
extendedKeyUsage=serverAuth"
leaf_make purpose tlsca "subjectAltName=IP:127.0.0.1
extendedKeyUsage=clientAuth"
leaf_make late tlsca "$server_ext" expired
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -subj /CN=self \
    -addext "subjectAltName=IP:127.0.0.1" -days 5 -out self.pem 2>/dev/null
terminated() { # CERTIFICATE REGEX DESCRIPTION
    middle terminate "$port" "$1.pem" "$1.key"
    refuses 1 "127.0.0.1:$man: TLS: the other side does not prove that it is 127.0.0.1: .*$2" "$3" enrols
    is "$(grep -c read: middle.log)" 0 "he reads nothing"
    intact "$3"
}
terminated other "issuer is unknown" "of another CA"
terminated self "issuer is unknown|not trusted" "of himself"
terminated elsewhere "name in the certificate does not match" "of the same CA, for another place"
terminated purpose "purpose|not trusted" "of the same CA, for a client"
terminated client "not trusted|purpose|does not match" "of a client"
terminated late "expired" "that has expired"

### Something older
middle speak server.pem server.key 1.1
refuses 1 "TLS: .*(refuses: Error in protocol version|version)" "TLS 1.1 alone" enrols
is "$(grep -c shaken middle.log)" 0 "no hands are shaken"
intact "TLS 1.1"
openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=rsa -days 5 -out rsa.pem 2>/dev/null
middle speak rsa.pem rsa.key static-rsa
refuses 1 "TLS: handshake: .*(refuses: Handshake failed|cipher)" "key exchange without forward secrecy" enrols
is "$(grep -c shaken middle.log)" 0 "no hands are shaken"
intact "without forward secrecy"
middle relay "$port" 1:c:1:tls12
refuses 1 "TLS: handshake: .*(illegal|insecure|refuses|downgrade)" "a client's TLS 1.3 is taken out of what it offers" enrols
intact "downgrade"
middle http
refuses 1 "TLS: handshake: .*unexpected TLS packet" "a server that speaks something else" enrols
intact "something else"

### Records changed, left out, repeated, reordered, cut
# The server's first is its hello, the second a dummy, then come encrypted ones; the client's first is
# its hello, then dummy, finished and request.
for how in flip flip-last; do
    for at in 1:s:1 1:s:3 1:s:4 1:c:3; do
        middle relay "$port" "$at:$how"
        refuses 1 "127.0.0.1:$man: TLS: " "$how of record $at" enrols
        intact "$how $at"
    done
done
patience=3
for edit in 1:s:1:drop 1:s:3:drop 1:s:3:dup 1:s:3:swap 1:c:3:drop 1:c:3:dup 1:c:3:swap; do
    middle relay "$port" "$edit"
    refuses 1 "127.0.0.1:$man: (TLS: |no answer within)" "record ${edit%:*}: ${edit##*:}" enrols
    intact "$edit"
done
for edit in 1:c:1:cut 1:s:1:cut 1:s:1:short 1:s:3:cut 1:s:4:short 1:c:3:cut 1:c:4:short; do
    middle relay "$port" "$edit"
    refuses 1 "127.0.0.1:$man: .*(was cut|closed the connection|decoding the received)" "record ${edit%:*}: ${edit##*:}" enrols
    intact "$edit"
done

### The letters themselves
answer_at() { # the number of the server's record that has the answer: the last but its good-bye
    middle record "$port" "$1"
    enrols >/dev/null 2>&1
    stop "$middle_pid"
    middle_pid=
    python3 -c '
import struct, sys
data, at, count = open(sys.argv[1], "rb").read(), 0, 0
sizes = []
while at + 5 <= len(data):
    size, = struct.unpack(">H", data[at + 3:at + 5])
    sizes.append(size)
    at += 5 + size
print(max(range(len(sizes)), key=lambda n: (n > 3) * sizes[n]) + 1)' "$1.1.s"
}
last=$(answer_at first)
remember
middle relay "$port" "1:s:$last:flip-last"
refuses 1 "TLS: reading: " "an altered challenge" enrols
is "$(state) $(count)" "${before% *}" "leaves host and record as they were"
for how in short cut drop; do
    middle relay "$port" "1:s:$last:$how"
    refuses 1 "127.0.0.1:$man: .*(was cut|closed the connection|decoding the received|no answer within)" "a challenge: $how" enrols
    is "$(state) $(count)" "${before% *}" "leaves host and record as they were"
done
middle relay "$port" "2:s:$last:flip-last"
refuses 1 "TLS: reading: " "altered certificates" enrols
is "$(state)" "${before%% -*} -" "leave the host as it was"
ok "and enrolment is repeated" bash -c "'$authority' enrol --dir A --server 127.0.0.1:$port --server-ca tlsca.pem --renew"

### Recorded connections
patience=10
middle record "$port" taken
ok "an enrolment is recorded" enrols
is "$(grep -c CERTIFICATE taken.2.s)" 0 "nothing of it can be read"
remember
middle replay taken
refuses 1 "TLS: " "the server's side is replayed to the host" enrols
intact "replay of the server"
lines=$(wc -l <serve.log)
for connection in 1 2; do
    ok "the host's side of connection $connection is sent again: nothing is answered" \
        tls resend "$port" "taken.$connection.c"
done
refused() { [ "$(tail -n +$((lines + 1)) serve.log | grep -c 'TLS: handshake')" -ge 2 ]; }
ok "the log tells both" wait_for 20 refused || diag_file serve.log
intact "replay of the host"

### And after all of that
stop "$middle_pid"
ok "the server still serves" "$authority" enrol --dir A --server "127.0.0.1:$port" --server-ca tlsca.pem --renew
ok "status: works" "$authority" status --dir A
finish
