#!/usr/bin/env bash
# A CA that serves, and the system around it: another user, users who may ask, sockets of a service
# manager, IPv6 between network name spaces, and several hosts and many guests at once.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca openssl python3

cd "$tap_dir" || exit 1
umask 022
rules=(--dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub --approved-pcrs values)
enrol() { # DIR URL [OPTION...]
    local dir=$1 url=$2
    shift 2
    "$authority" enrol --dir "$dir" --server "$url" "$@"
}
count() { "$ca" list --dir "$1" | wc -l; }
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status" | tr '\t' ' '; }

fleet_make
serving_tls
free_ports 1
mapfile -t good < <(tls_of server)

### Another user; users who may ask
owner=61234 stranger=61235
as() { local uid=$1; shift; setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@"; }
if [ "$(id -u)" != 0 ] || [ -z "$(type -P setpriv)" ]; then
    skip "serving as another user" "only root can become another user"
else
    chmod 711 .
    cp -r C owned
    refuses 1 "owned: user $owner must be able to write it" "a directory that is not the user's" \
        "$ca" serve "${rules[@]/#C/owned}" --unix s --runas "$owner"
    refuses 1 "nosuchuser" "a user that is none" "$ca" serve "${rules[@]}" --unix s --runas nosuchuser
    refuses 1 "nosuchuser" "a peer that is none" "$ca" serve "${rules[@]}" --unix s --unix-peer nosuchuser
    chown -R "$owner:$owner" owned
    serving_start "${rules[@]/#C/owned}" --unix-mode 0666 "${good[@]}" --runas "$owner" ||
        { diag_file serve.log; bail "it does not serve"; }
    is "$(status_of "$serving" Uid)/$(status_of "$serving" Gid)/$(status_of "$serving" Groups)" \
        "$owner $owner $owner $owner/$owner $owner $owner $owner/" "it has become that user"
    is "$(status_of "$serving" CapEff) $(status_of "$serving" CapPrm) $(status_of "$serving" CapInh) $(status_of "$serving" CapAmb)" \
        "0000000000000000 0000000000000000 0000000000000000 0000000000000000" "and has no capabilities"
    is "$(status_of "$serving" NoNewPrivs)" 1 "nor gets any"
    for file in environ maps fd/0; do
        refuses any "Permission denied" "another process of that user does not see its $file" \
            as "$owner" /usr/bin/python3 -c "open('/proc/$serving/$file')"
    done
    ok "a host enrols" enrol A "unix:$PWD/s" --renew
    is "$(stat -c %u owned/issued)" "$owner" "the record is the user's"
    is "$(find owned ! -uid "$owner")" "" "as all else"
    ok "over TLS" enrol A "127.0.0.1:$port" --server-ca tlsca.pem --renew
    cp values values.mine
    chmod 600 values server.key
    kill -HUP "$serving"
    ok "what that user cannot read is not read again" wait_for 10 grep -q "stays as it was" serve.log
    ok "and all stays as it was" enrol A "unix:$PWD/s" --renew
    chmod 644 values
    chown "$owner" server.key
    kill -HUP "$serving"
    ok "what it can read is" wait_for 10 grep -q "rules read again" serve.log
    chown 0 server.key
    "$authority" request --dir A --out introduction >/dev/null
    chmod 644 introduction
    refuses 1 "refused, code 3: user $stranger may not ask here" "another user may not ask" \
        as "$stranger" /usr/bin/python3 "$top_srcdir/tests/cli/serve-client.py" ask s 1 introduction told
    like "$(cat serve.log)" "user $stranger, process [0-9]+: user $stranger may not ask here" "the log says who"
    mkdir told && chown "$owner" told
    ok "the CA's own may" as "$owner" /usr/bin/python3 "$top_srcdir/tests/cli/serve-client.py" ask s 1 introduction told/a
    serving_start "${rules[@]/#C/owned}" --unix-mode 0666 --runas "$owner" --unix-peer "$stranger"
    chown "$stranger" told
    ok "and who was named" as "$stranger" /usr/bin/python3 "$top_srcdir/tests/cli/serve-client.py" ask s 1 introduction told/b
    ok "root, too" enrol A "unix:$PWD/s" --renew
    serving_start "${rules[@]/#C/owned}" --runas "$owner"
    refuses 1 "Permission denied" "the mode of the socket holds for all" \
        as "$stranger" /usr/bin/python3 "$top_srcdir/tests/cli/serve-client.py" ask s 1 introduction told/b
fi

### Sockets of a service manager
activated() { # LISTENER,... COMMAND...: as a service manager starts it; says "READY" when it is told
    start activated python3 "$top_srcdir/tests/cli/serve-client.py" activate "$@"
    serving=$started
}
stop "$serving"
rm -f s
activated unix:s,tcp:127.0.0.1:"$port" "$ca" serve "${rules[@]}" "${good[@]}"
ok "the service manager is told that it is ready" wait_for 20 grep -q READY=1 activated.log ||
    diag_file activated.log
ok "its UNIX socket is served" enrol A "unix:$PWD/s" --renew
ok "its TCP socket is served with TLS" enrol A "127.0.0.1:$port" --server-ca tlsca.pem --renew
ok "without TLS nobody is heard there" hostile plain "127.0.0.1:$port"
kill -TERM "$serving"
ok "it ends" wait_gone "$serving" 20
is "$(test -S s && echo there)" there "the service manager's socket stays"
rm -f s
refuses 2 "tls-certificate and --tls-key expected" "its TCP socket is not served in clear" \
    hostile activate tcp:127.0.0.1:"$port" "$ca" serve "${rules[@]}"
refuses 1 "socket 3 of the service manager.*(listen|stream)" "a socket of datagrams" \
    hostile activate udp:127.0.0.1:"$port" "$ca" serve "${rules[@]}" "${good[@]}"
refuses 1 "socket 3 of the service manager.*listen" "a socket that does not listen" \
    hostile activate deaf:s "$ca" serve "${rules[@]}"
refuses 1 "socket 3 of the service manager" "a file" \
    hostile activate file:values "$ca" serve "${rules[@]}"
refuses 1 "LISTEN_PID and LISTEN_FDS" "numbers that are none" \
    env LISTEN_PID=x LISTEN_FDS=1 "$ca" serve "${rules[@]}" --unix s
refuses 2 "unix PATH or --listen" "sockets that are for another process" \
    env LISTEN_PID=1 LISTEN_FDS=1 "$ca" serve "${rules[@]}"
rm -f s

### IPv6, from one network name space to another
near=hfn$$ there=hft$$
space() { ip netns exec "$@"; }
wire() { # two name spaces of our own, so that nothing of this machine's network is touched
    ip netns add "$near" && ip netns add "$there" &&
        space "$there" ip link set lo up && space "$near" ip link set lo up &&
        space "$near" ip link add eth0 type veth peer name eth0 netns "$there" &&
        space "$there" ip addr add 2001:db8:1::1/64 dev eth0 nodad &&
        space "$there" ip addr add 198.51.100.1/24 dev eth0 &&
        for at in 2001:db8:1::2/64 2001:db8:1::3/64 2001:db8:2::2/64; do
            space "$near" ip addr add "$at" dev eth0 nodad
        done &&
        space "$near" ip addr add 198.51.100.2/24 dev eth0 &&
        space "$there" ip link set eth0 up && space "$near" ip link set eth0 up &&
        space "$there" ip route add 2001:db8:2::/64 dev eth0
}
unwire() { ip netns del "$near"; ip netns del "$there"; } 2>/dev/null
far_enrol() { space "$near" "$authority" enrol --dir A --server "$@" --server-ca tlsca.pem --renew; }
six_serve() { # ADDRESS CERTIFICATE-OPTION...
    local at=$1
    shift
    start six ip netns exec "$there" "$ca" serve "${rules[@]}" "$@" --listen "[$at]:$port" --max-connections 16
    serving=$started
    wait_for 20 six_listens
}
six_listens() { space "$there" cat /proc/net/tcp6 | grep -Eqi ":$(printf '%04X' "$port") [0-9A-F]+:0000 0A "; }
if [ "$(id -u)" != 0 ] || [ -z "$(type -P ip)" ] || ! wire 2>net.log; then
    unwire
    skip "IPv6" "no network name spaces can be made: $(head -n 1 net.log)"
else
    trap 'unwire; tap_cleanup' EXIT
    leaf_make six tlsca 'subjectAltName=IP:2001:db8:1::1,IP:198.51.100.1
extendedKeyUsage=serverAuth'
    mapfile -t six < <(tls_of six)
    ok "it listens at IPv6 addresses" six_serve :: "${six[@]}" || diag_file six.log
    ok "a host enrols over IPv6" far_enrol "[2001:db8:1::1]:$port" || diag_file net.log
    like "$(cat six.log)" "2001:db8:1::[23] port [0-9]+: delegation renewed" "the log says from where"
    ok "and over IPv4, to the same socket" far_enrol "198.51.100.1:$port"
    like "$(cat six.log)" "198.51.100.2 port [0-9]+: delegation renewed" "which the log shows as such"
    # One network (/64) has a quarter of the 16 places; the oldest of it gives way, nobody else's.
    mine=2001:db8:1::2 other=2001:db8:1::3 far=2001:db8:2::2
    is "$(space "$near" python3 "$top_srcdir/tests/cli/serve-client.py" places "[2001:db8:1::1]:$port" \
        "$far,$mine,$other,$mine,$other,$other")" "closed: 1" "a /64 of IPv6 counts as one"
    stop "$serving"
    ok "it listens at one of them" six_serve 2001:db8:1::1 "${good[@]}"
    refuses 1 "does not prove that it is 2001:db8:1::1: .*name in the certificate does not match" \
        "an address that is not in the certificate" far_enrol "[2001:db8:1::1]:$port"
    refuses 1 "cannot connect to 198.51.100.1 port" "at no other" far_enrol "198.51.100.1:$port"
    stop "$serving"
    unwire
fi
refuses 1 "bind address 'localhost': expected an IPv4 or IPv6 address" "a name to listen at" \
    "$ca" serve "${rules[@]}" "${good[@]}" --listen "localhost:$port"

### A socket that was left behind
serving_start "${rules[@]}"
refuses 1 "s: somebody serves there" "a socket at which somebody serves" "$ca" serve "${rules[@]}" --unix s
kill_hard "$serving"
start serve "$ca" serve "${rules[@]}" --unix s
serving=$started
ok "one of a server that is gone is taken over" wait_for 20 enrol A "unix:$PWD/s" --renew
stop "$serving"
start serve "$ca" serve "${rules[@]}" --unix s
serving=$started
ok "also after a proper end" wait_for 20 enrol A "unix:$PWD/s" --renew
stop "$serving"
rm -f s
echo precious >s
refuses 1 "s: " "a file is left alone" "$ca" serve "${rules[@]}" --unix s
is "$(cat s)" precious "to the last byte"
rm s

### Two hosts with a TPM each, at once
first_values=$(cat values)
{ host_tpm_make second && host_tpm_start second; } || bail "no second host TPM"
{ "$authority" init --dir B --tcti "$host_tcti" --approver-public approver.pub &&
    "$authority" approve --dir B --approver-key approver.key; } >fleet.log 2>&1 || diag_file fleet.log
is "$("$authority" pcrs --dir B)" "$first_values" "both hosts are in the same state"
ek_of() { "$authority" status --dir "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["host-ek"])'; }
isnt "$(ek_of A)" "$(ek_of B)" "and have different TPMs"
"$ca" init --dir two --subject "two hosts" >/dev/null
serving_start "${rules[@]/#C/two}" "${good[@]}"
rm A/vma.pem A/chain.pem
together() { # COMMAND_OF ARG...: all at once; fails if one fails
    local pids=() arg pid code=0 action=$1
    shift
    for arg; do
        "$action" "$arg" >"together.$arg" 2>&1 &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || code=1
    done
    return "$code"
}
host_enrols() { enrol "$1" "unix:$PWD/s" --renew --timeout 120; }
for round in 1 2 3; do
    ok "two hosts enrol at once, $round" together host_enrols A B || diag_file together.B
done
is "$(count two)" 6 "each certificate is on record"
is "$("$ca" list --dir two --json | python3 -c '
import json, sys
issued = json.load(sys.stdin)["issued"]
print(len({i["serial"] for i in issued}), len({i["host-ek"] for i in issued}), len({i["key"] for i in issued}))')" \
    "6 2 2" "under its own number, for two keys of two TPMs"
is "$(ls two/nonces)" "" "every challenge is used up"
for dir in A B; do
    ok "status of $dir: works" "$authority" status --dir "$dir"
    is "$(openssl verify -CAfile two/root.pem "$dir/vma.pem" 2>&1 | tail -n 1)" "$dir/vma.pem: OK" "its certificate is good"
done
isnt "$(openssl x509 -in A/vma.pem -noout -pubkey)" "$(openssl x509 -in B/vma.pem -noout -pubkey)" "with a key each"
ok "an answer that was made for one is refused for the other" bash -c "
    '$authority' request --dir A --out introduction &&
    '$ca' challenge --dir two --request introduction --out challenge --ek-roots vendor/issuercert.pem &&
    ! '$authority' respond --dir B --challenge challenge --out response"

### Many guests at once
guests=(g1 g2 g3 g4 g5 g6)
for name in "${guests[@]}"; do
    vtpm_make "$name"
done
serving_start --dir P --answer guests --vma-root two/root.pem "${good[@]}"
guest_enrolls() {
    local i
    for i in 1 2 3; do
        "$attest" enroll --dir "$1.ak" --tcti "swtpm:path=$tap_dir/$1.sock" --timeout 120 \
            --server "127.0.0.1:$port" --server-ca tlsca.pem --ca-root P/root.pem || return 1
    done
}
ok "six guests enroll three times each, at once" together guest_enrolls "${guests[@]}" || diag_file together.g1
is "$(count P)" 18 "each certificate is on record"
is "$(for name in "${guests[@]}"; do openssl x509 -in "$name.ak/ak.pem" -noout -pubkey; done | sha256sum)" \
    "$(for name in "${guests[@]}"; do openssl verify -CAfile P/root.pem "$name.ak/ak.pem" >/dev/null &&
        openssl x509 -in "$name.ak/ak.pem" -noout -pubkey; done | sha256sum)" "and good"
is "$(for name in "${guests[@]}"; do openssl x509 -in "$name.ak/ak.pem" -noout -pubkey | sha256sum; done | sort -u | wc -l)" \
    6 "with a key each"
finish
