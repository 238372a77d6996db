#!/usr/bin/env bash
# Certificates of attestation keys from a CA that serves: guests with virtual TPMs and a hardware TPM,
# over a UNIX socket and TLS, from the fleet's CA and from one of somebody else. Each check of the
# CA refuses with its own name; whatever is refused, cut or killed leaves key and certificate as
# they were.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/letters.sh"
. "$top_srcdir/tests/cli/fleet.sh"
. "$top_srcdir/tests/cli/serving.sh"
need swtpm swtpm_setup swtpm_localca tpm2_createprimary openssl python3

cd "$tap_dir" || exit 1
enroll() { # GUEST URL [OPTION...]
    local name=$1 url=$2
    shift 2
    "$attest" enroll --dir "$name.ak" --tcti "swtpm:path=$tap_dir/$name.sock" --server "$url" "$@"
}
state() { # of GUEST: all files of its directory, by name
    (cd "$1.ak" 2>/dev/null && for file in *; do echo "$file"; cat "$file"; done | sha256sum)
}
unchanged() { is "$(state "$1")" "$before" "the directory is as it was"; }
count() { "$ca" list --dir P | wc -l; }
ask() { hostile ask s 17 "$1" told; }

fleet_make
vtpm_make one
vtpm_make two
ln -s "$tap_dir/host/sock" hard.sock
ln -s "$tap_dir/host/sock.ctrl" hard.sock.ctrl
serving_tls
free_ports 1
mapfile -t good < <(tls_of server)

### Options
refuses 2 "whose TPMs are to be believed" "guests of nobody" \
    "$ca" serve --dir P --unix s --answer guests
refuses 2 "approver-public: not with --answer guests" "rules for hosts, of guests" \
    "$ca" serve --dir P --unix s --answer guests --vma-root C/root.pem --approver-public approver.pub
refuses 2 "hardware-only: not with --answer hosts" "rules for guests, of hosts" \
    "$ca" serve --dir P --unix s --vma-root C/root.pem --hardware-only
refuses 2 "one of --request, --activate and --server" "two ways at once" \
    enroll one unix:s --request x
refuses 2 "server: HOST:PORT expected" "an address that is none" enroll one nowhere
refuses 1 "none.pem" "CAs of servers that are not there" enroll one "127.0.0.1:1" --server-ca none.pem
is "$(ls -d one.ak 2>/dev/null)" "" "nothing was made for any of them"

### Whom a server answers
serving_start --dir C --ek-roots vendor/issuercert.pem --approver-public approver.pub \
    --approved-pcrs values || bail "the CA does not serve"
refuses 1 "server refuses: requests of guests are not answered here" "a server for hosts" \
    enroll one "unix:$PWD/s"
is "$(ls one.ak)" "" "leaves no key behind"
serving_start --dir P --answer guests --vma-root C/root.pem "${good[@]}" ||
    { diag_file serve.log; bail "the privacy CA does not serve"; }
rm A/vma.pem A/chain.pem
refuses 1 "server refuses: requests of hosts are not answered here" "a server for guests" \
    "$authority" enrol --dir A --server "unix:$PWD/s"
"$authority" install-certificate --dir A vma.pem >/dev/null

### The straight path
ok "a guest gets a certificate over a UNIX socket" enroll one "unix:$PWD/s" --ca-root P/root.pem
ok "openssl verifies it" openssl verify -x509_strict -CAfile P/root.pem one.ak/ak.pem
is "$(cd one.ak && stat -c '%a %n' -- * | tr '\n' ' ')" "600 ak.blob 600 ak.json 600 ak.pem " \
    "what it keeps is its own"
like "$(openssl x509 -in one.ak/ak.pem -noout -text)" "2.23.133.8.3|Attestation Identity Key Certificate" "it is an attestation key's"
like "$("$ca" list --dir P)" "attestation key, virtual TPM, hardware-rooted" "it is on record"
like "$(cat serve.log)" "certificate of CN=AK [0-9a-f]+ for a virtual TPM, hardware-rooted" \
    "and in the log"
key=$(openssl x509 -in one.ak/ak.pem -noout -pubkey)
before=$(state one)
ok "over TLS" enroll one "127.0.0.1:$port" --server-ca tlsca.pem --ca-root P/root.pem
isnt "$(state one)" "$before" "it has another certificate"
is "$(openssl x509 -in one.ak/ak.pem -noout -pubkey)" "$key" "of the same key"
is "$(count)" 2 "both are on record"
for kind in p384 rsa2048; do
    ok "a new key, $kind" enroll one "unix:$PWD/s" --new-key --key-algorithm "$kind"
    isnt "$(openssl x509 -in one.ak/ak.pem -noout -pubkey)" "$key" "is another one"
done
ok "by files a request waits" "$attest" enroll --dir one.ak --request file.request
ok "meanwhile the server certifies the same key" enroll one "unix:$PWD/s"
ok "the one by files can be had too" "$ca" certify --dir P --request file.request --out file.answer \
    --vma-root C/root.pem
ok "and be installed" "$attest" enroll --dir one.ak --activate file.answer
mkdir waits
for name in one two; do
    enroll "$name" "unix:$PWD/s" >"waits/$name" 2>&1 &
    tap_pids+=("$!")
    pids+=("$!")
done
for pid in "${pids[@]}"; do
    ok "two guests at the same time" wait "$pid"
done

### A hardware TPM, and a CA for both
refuses 1 'server refuses: check "EK certificate" failed: endorsement key: nobody vouches' \
    "a hardware TPM whose vendor is not pinned" enroll hard "unix:$PWD/s"
"$ca" init --dir D >/dev/null
serving_start --dir D --answer all --vma-root C/root.pem --ek-roots vendor/issuercert.pem \
    --approver-public approver.pub --approved-pcrs values || diag_file serve.log
ok "with its vendor" enroll hard "unix:$PWD/s"
like "$(cat serve.log)" "for a hardware TPM" "the log says which kind"
ok "the same CA answers virtual ones" enroll two "unix:$PWD/s" --ca-root D/root.pem
cp -r A A2 && rm A2/vma.pem A2/chain.pem
ok "and hosts" "$authority" enrol --dir A2 --server "unix:$PWD/s"

### Each check of the CA, in its order
serving_start --dir P --answer guests --vma-root C/root.pem "${good[@]}"
"$attest" enroll --dir one.ak --request one.request >/dev/null
"$attest" enroll --dir two.ak --request two.request >/dev/null
records=$(count)
record two.request 4 >two.ek
record two.request 3 >two.ekpub
record two.request 2 >two.area
parcel bad one.request 5-
refuses 1 'code 7: check "vMA certificate" failed: .*--vma' "no vMA certificate" ask bad
openssl x509 -in vma.pem -out own.pem
openssl x509 -in own.pem -outform DER -out good.der
cp good.der altered.der
printf x | dd of=altered.der bs=1 seek=$(($(stat -c %s good.der) - 3)) conv=notrunc 2>/dev/null
parcel bad one.request 5=altered.der
refuses 1 'code [134]: check "vMA certificate" failed: ' "an altered vMA certificate" ask bad
parcel bad one.request 4^-3
refuses 1 'code 4: check "EK certificate" failed: .*signature' "a forged EK certificate" ask bad
parcel bad one.request 4=two.ek
refuses 1 'code 4: check "endorsement key" failed: .*not the key in the EK certificate' \
    "the EK certificate of another virtual TPM" ask bad
tool one tpm2_createprimary -C e -G ecc -c sign.ctx \
    -a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
tool one tpm2_readpublic -c sign.ctx -o free
tool one tpm2_flushcontext -t
tail -c +3 free >free.area
parcel bad one.request 2=free.area
refuses 1 'code 3: check "attestation key" failed: .*restricted must be set' "a key that is not restricted" \
    ask bad
head -c 100 one.request >bad
refuses 1 "code 1: AK request" "half a request" ask bad
is "$(count)" "$records" "nothing is on record for any of them"
cp two.request both
parcel stolen one.request 4=two.ek 3=two.ekpub
ok "another's endorsement key altogether: an answer is made" ask stolen
refuses 1 "not the one to the request" "but who asked cannot take it" \
    "$attest" enroll --dir one.ak --activate told
cp stolen one.ak/request
refuses 1 "does not open it" "his TPM neither" "$attest" enroll --dir one.ak --activate told
refuses 1 "not the one to the request" "nor the other guest, whose attestation key is another" \
    "$attest" enroll --dir two.ak --activate told
rm -f one.ak/request two.ak/request

### Refused, and nothing has changed
before=$(state one)
serving_start --dir P --answer guests --vma-root P/root.pem "${good[@]}"
refuses 1 'server refuses: check "vMA certificate" failed: .*not one of the trusted roots' \
    "an unknown fleet" enroll one "unix:$PWD/s"
unchanged one
refuses 1 'check "vMA certificate" failed' "with a new key too" enroll one "unix:$PWD/s" --new-key
unchanged one
serving_start --dir P --answer guests --vma-root C/root.pem "${good[@]}"
refuses 1 "not, and is not below, one of the pinned|not one of" "a CA that was not named" \
    enroll one "unix:$PWD/s" --new-key --ca-root C/root.pem
unchanged one
refuses 1 "does not prove that it is 127.0.0.1.*issuer is unknown" "a server of another CA" \
    enroll one "127.0.0.1:$port" --server-ca otherca.pem
unchanged one
for cut in 0 5 100; do
    between cut 1 "$cut"
    refuses 1 "closed the connection|was cut" "an answer cut after $cut bytes" \
        enroll one "unix:$PWD/m" --new-key --timeout 10
    between_end
    unchanged one
done
between record
ok "a recorded enrolment" enroll one "unix:$PWD/m"
between_end
before=$(state one)
between swap 1 answer-1
refuses 1 "not the one to the request" "the recorded answer once more" enroll one "unix:$PWD/m"
between_end
between swap 1 answer-1
refuses 1 "not the one to the request" "to another guest" enroll two "unix:$PWD/m"
between_end
between flip 1
refuses 1 "sealed certificates" "an altered answer" enroll one "unix:$PWD/m" --new-key
between_end
unchanged one
between keep 1
refuses 1 "no answer within the time allowed" "an answer that never comes" \
    enroll one "unix:$PWD/m" --timeout 1
between_end
unchanged one
between keep 1
start killed "$attest" enroll --dir one.ak --tcti "swtpm:path=$tap_dir/one.sock" --server "unix:$PWD/m" --new-key
killed=$started
ok "a request is on its way" wait_for 20 grep -q asked between.log
refuses 1 "somebody else works on it" "another process has to wait" enroll one "unix:$PWD/s"
kill_hard "$killed"
tool one tpm2_flushcontext -t # what a resource manager does
between_end
unchanged one
ok "the next one gets a certificate" enroll one "unix:$PWD/s"

### What a crash leaves while a new key is put in the place of the old one
rm one.ak/ak.json one.ak/ak.pem
ok "neither key nor certificate: a new key" enroll one "unix:$PWD/s" --ca-root P/root.pem
key=$(openssl x509 -in one.ak/ak.pem -noout -pubkey)
rm one.ak/ak.pem
ok "the new key without its certificate" enroll one "unix:$PWD/s" --ca-root P/root.pem
is "$(openssl x509 -in one.ak/ak.pem -noout -pubkey)" "$key" "gets one for it"

### Clients of ours only; the end
serving_start --dir P --answer guests --vma-root C/root.pem "${good[@]}" --tls-clients tlsca.pem
before=$(state one)
refuses 1 "TLS: .*other side refuses: Certificate is required" "a guest without certificate where one is asked for"     enroll one "127.0.0.1:$port" --server-ca tlsca.pem
refuses 1 "TLS: .*other side refuses: Certificate is required" "one of another CA, which is not shown" enroll one "127.0.0.1:$port" --server-ca tlsca.pem \
    --client-certificate stranger.pem --client-key stranger.key
unchanged one
refuses 2 "client-certificate and --client-key: both or none" "a certificate without its key" \
    enroll one "127.0.0.1:$port" --server-ca tlsca.pem --client-certificate client.pem
ok "a client of ours" enroll one "127.0.0.1:$port" --server-ca tlsca.pem \
    --client-certificate client.pem --client-key client.key
like "$(cat serve.log)" "CN=client: certificate of CN=AK" "the log says which"
kill -TERM "$serving"
ok "SIGTERM ends it" wait_gone "$serving" 20
finish
