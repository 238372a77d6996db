#!/usr/bin/env bash
# A CA that serves, and enrolment as one command: over a UNIX socket and over TLS, with Debian's swtpm
# as the host's TPM. Then what must be refused: servers that are not who they should be or that lie,
# letters that were used before, connections that are cut, and clients that want to block others.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca openssl python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
cd "$tap_dir" || exit 1
umask 022

auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
enrol() { auth enrol --server "$@"; }
count() { "$ca" list --dir C | wc -l; }
state() { cat A/* | sha256sum; } # of all the authority has

host_tpm_make one || { diag_file one.log; bail "no TPM could be made"; }
host_tpm_start one || bail "the host TPM did not start"
ok "a CA" "$ca" init --dir C
ok "an authority" auth init --tcti "$host_tcti" --make-approver approver.key
openssl pkey -in approver.key -pubout -out approver.pub
auth approve --approver-key approver.key >/dev/null
auth pcrs >values

### Keys and certificates of servers and clients
serving_tls
leaf_make purpose tlsca "subjectAltName=IP:127.0.0.1
extendedKeyUsage=clientAuth"
leaf_make elsewhere tlsca "subjectAltName=DNS:elsewhere.example
extendedKeyUsage=serverAuth"
leaf_make expired tlsca "$server_ext" expired

serve() { # [OPTION...]
    serving_start --dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub \
        --approved-pcrs values "$@"
}
free_ports 1

### Over a UNIX socket
refuses 2 "tls-certificate and --tls-key expected" "TCP without TLS is not to be had" \
    "$ca" serve --dir C --listen "127.0.0.1:$port"
refuses 2 "unix PATH or --listen" "nowhere to listen" "$ca" serve --dir C
refuses 2 "listen: HOST:PORT expected" "an address that is none" "$ca" serve --dir C --listen 1234
refuses 1 "no CA here" "no CA" "$ca" serve --dir nowhere --unix s
refuses 1 "nowhere" "a server that is not there" enrol unix:nowhere
refuses 2 "server: HOST:PORT" "an address without port" enrol localhost
mapfile -t good < <(tls_of server)
serve "${good[@]}" || { diag_file serve.log; bail "the server did not start"; }
is "$(stat -c %a s)" 600 "the socket is its owner's"
before=$(state)
ok "a host enrols" enrol "unix:$PWD/s" --progress
like "$(cat ok.log)" "4 of 4" "and says how far it is"
ok "status: works" auth status
is "$(count)" 1 "one certificate is on record"
isnt "$(state)" "$before" "it is installed"
is "$(ls C/nonces)" "" "the challenge is used up"
before=$(state)
ok "once more" enrol "unix:$PWD/s"
like "$(cat ok.log)" "enrolled already" "nothing is asked"
is "$(state) $(count)" "$before 1" "nothing is changed"
key=$(openssl x509 -in A/vma.pem -noout -pubkey)
ok "renewal" enrol "unix:$PWD/s" --renew
is "$(openssl x509 -in A/vma.pem -noout -pubkey)" "$key" "keeps the key"
is "$(count)" 2 "a second certificate is on record"

### Over TLS
rm A/vma.pem A/chain.pem
ok "over TLS, to an address" enrol "127.0.0.1:$port" --server-ca tlsca.pem
ok "and a name" enrol "tls:localhost:$port" --server-ca tlsca.pem --renew
before=$(state) records=$(count)
refuses 1 "does not prove that it is 127.0.0.1.*issuer is unknown" "a server of another CA" \
    enrol "127.0.0.1:$port" --renew --server-ca otherca.pem
refuses 1 "does not prove that it is 127.0.0.1|trusts no CA" "a server whose CA the system does not trust" \
    enrol "127.0.0.1:$port" --renew
refuses 1 "found none|certificates expected" "a file of CAs that has none" \
    enrol "127.0.0.1:$port" --renew --server-ca approver.pub
for wrong in "expired:expired" "purpose:purpose|does not prove" "elsewhere:does not match"; do
    mapfile -t bad < <(tls_of "${wrong%%:*}")
    serve "${bad[@]}" || diag_file serve.log
    refuses 1 "does not prove that it is 127.0.0.1.*(${wrong#*:})" "a certificate: ${wrong%%:*}" \
        enrol "127.0.0.1:$port" --renew --server-ca tlsca.pem
done
# By links, as ACME clients leave them.
mkdir archive
for end in pem key; do
    cp -p "server.$end" archive/
    ln -s "archive/server.$end" "linked.$end"
done
ln -s tlsca.pem linkedca.pem
mapfile -t linked < <(tls_of linked)
serve "${linked[@]}" --tls-clients linkedca.pem
refuses 1 "TLS: .*other side refuses: Certificate is required" "a client without certificate where one is asked for" \
    enrol "127.0.0.1:$port" --renew --server-ca tlsca.pem
refuses 1 "TLS: .*other side refuses: Certificate is required" "one of another CA, which is not shown" enrol "127.0.0.1:$port" --renew --server-ca tlsca.pem \
    --client-certificate stranger.pem --client-key stranger.key
openssl req -new -newkey rsa:1024 -nodes -keyout small.key -subj /CN=small -out leaf.csr 2>/dev/null
openssl x509 -req -in leaf.csr -CA tlsca.pem -CAkey tlsca.key -extfile <(echo extendedKeyUsage=clientAuth) \
    -out small.pem -days 5 2>/dev/null
refuses 1 "TLS: .*(other side refuses|insecure|cut)" "one with a key that is too small" \
    enrol "127.0.0.1:$port" --renew --server-ca tlsca.pem --client-certificate small.pem --client-key small.key
is "$(state) $(count)" "$before $records" "nothing is changed by any of them"
ok "a client of ours" enrol "127.0.0.1:$port" --renew --server-ca tlsca.pem \
    --client-certificate client.pem --client-key client.key
for end in pem key; do
    cp -p "server.$end" "archive/next.$end"
    ln -sf "archive/next.$end" "linked.$end"
done
kill -HUP "$serving"
ok "the next certificate behind the link is read" wait_for 10 grep -q "rules read again" serve.log

### Clients that want to block others
serve "${good[@]}" --max-connections 16
ok "plain text on the TLS port is dropped" hostile plain "127.0.0.1:$port"
ok "another protocol is told so" hostile magic s
ok "another version" hostile version s
ok "an unknown kind" hostile kind s
ok "a frame that is too long" hostile long s
ok "several requests on a connection, up to a limit" hostile many s
python3 "$top_srcdir/tests/cli/serve-client.py" loris s "127.0.0.1:$port" 40 >loris.log 2>&1 &
loris=$!
tap_pids+=("$loris")
ok "the slow are there" wait_for 20 grep -q ready loris.log
ok "they block nobody at the UNIX socket" enrol "unix:$PWD/s" --renew --timeout 10
ok "nor over TLS" enrol "127.0.0.1:$port" --server-ca tlsca.pem --renew --timeout 10
kill "$loris"

### A man in the middle, servers that lie, connections that are cut
rm A/vma.pem A/chain.pem
before=$(state) records=$(count)
for cut in 0 5 100; do
    for letter in 1 2; do
        between cut "$letter" "$cut"
        refuses 1 "closed the connection|was cut" "letter $letter cut after $cut bytes of the answer" \
            enrol "unix:$PWD/m" --timeout 10
        between_end
        is "$(state)" "$before" "leaves the host as it was"
    done
done
between keep 1
refuses 1 "." "an answer that never comes" enrol "unix:$PWD/m" --timeout 1
like "$(cat refuses.log)" "no answer within the time allowed" "is not waited for"
between_end
between record
ok "a recorded enrolment" enrol "unix:$PWD/m"
between_end
records=$(count)
ok "the recorded answer to the challenge is refused when it is sent again" hostile replay s letter-2
rm A/vma.pem A/chain.pem
before=$(state)
between swap 1 answer-1
refuses 1 "server refuses: .*used already" "a recorded challenge" enrol "unix:$PWD/m"
between_end
between swap 2 answer-2
refuses 1 "for another key" "a recorded certificate, of another key" enrol "unix:$PWD/m"
between_end
between flip 1
refuses 1 "challenge: " "a challenge that was altered" enrol "unix:$PWD/m"
between_end
is "$(state)" "$before" "and the host is as it was"
ok "another fleet" "$ca" init --dir other --subject "another root"
refuses 1 "another root than the one expected" "a server of another root than was said" \
    enrol "unix:$PWD/s" --root other/root.pem
is "$(state)" "$before" "and the host is as it was"
ok "of the right one" enrol "unix:$PWD/s" --root C/root.pem

### Rules
refuses 1 "server refuses: .*software-rooted" "a host without TPM is not challenged" \
    bash -c "'$authority' init --dir S --software >/dev/null; '$authority' enrol --dir S --server unix:$PWD/s"
printf '[rack]\n' >C/environments
kill -HUP "$serving"
ok "a wrong list of environments keeps the old rules" wait_for 10 grep -q "stays as it was" serve.log
ok "with which is delegated" enrol "unix:$PWD/s" --renew
rm C/environments
mv values values.good
sed 's/.$/0/; s/00$/11/' values.good >values
kill -HUP "$serving"
ok "other values are read again" wait_for 10 grep -q "rules read again" serve.log
refuses 1 "server refuses: .*no approved environment" "and count" enrol "unix:$PWD/s" --renew
mv values.good values
kill -HUP "$serving"
read_twice() { [ "$(grep -c "rules read again" serve.log)" = 2 ]; }
wait_for 10 read_twice

### Two hosts at once; the end
ok "two at the same time" bash -c "
    '$authority' enrol --dir A --server unix:$PWD/s --renew >one.out 2>&1 & p=\$!
    for i in 1 2 3 4 5 6 7 8; do python3 '$top_srcdir/tests/cli/serve-client.py' magic s; done
    wait \$p"

### Who asked, and who was refused
audit() { "$ca" audit --dir C "$@"; }
before=$(audit --event refuse | wc -l)
for _ in {1..70}; do
    "$authority" enrol --dir S --server "unix:$PWD/s" >/dev/null 2>&1
done
is "$(($(audit --event refuse | wc -l) - before))" 64 "not more than 64 refusals in a row are recorded"
ok "an act" enrol "unix:$PWD/s" --renew
like "$(audit | tail -n 2)" "  challenge  .*before it 6 refusals without a line" "the next says how many were not"
like "$(audit --event delegate | tail -n 1)" "  delegate  user $(id -u), process [0-9]+  [0-9a-f]+  CN=" \
    "a peer by UNIX socket"
like "$(audit --event delegate --requester "127.0.0.1 port")" "  delegate  127.0.0.1 port [0-9]+  " "and by TLS"
is "$(audit --event delegate | wc -l)" "$(count)" "every certificate has its line"
like "$(audit --event refuse | tail -n 1)" "  delegate|challenge  .*software-rooted" "a refusal says why"
ok "the log is whole" audit --verify
kill -TERM "$serving"
ok "SIGTERM ends it" wait_for 20 bash -c "! kill -0 $serving 2>/dev/null"
finish
