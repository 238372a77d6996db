#!/usr/bin/env bash
# holdfast-setup --reproducible-from: the same host and configuration give the same endorsement keys
# after everything was lost; another configuration, host or derivation key does not, and a host in
# another state than the approved one gives none. Debian's swtpm is the host TPM.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm tpm2_pcrextend tpm2_createak tpm2_quote openssl python3

authority=$top_builddir/holdfast-authority
ca=$top_builddir/holdfast-ca
setup=$top_builddir/holdfast-setup
attest=$top_builddir/holdfast-attest
cd "$tap_dir" || exit 1
umask 022
export XDG_CONFIG_HOME=$tap_dir/config

# make NAME [OPTION...]: a TPM in the new directory NAME, what it is made of in NAME.log.
make() {
    local name=$1
    shift
    mkdir "$name" || return 1
    "$setup" --tpm2 --tpm-state "$name" --create-spk --display --authority A --tcti "$host_tcti" \
        "$@" >"$name.log" 2>&1 || { cat "$name.log"; return 1; }
}
certified() { local name=$1; shift; mkdir -p "$name.certs" && make "$name" --create-ek-cert \
    --create-platform-cert --write-ek-cert-files "$name.certs" "$@"; }
keys() { sed -n 's/.*key \(0x810100[^ ]*\): .*name \([0-9a-f]*\)$/\1 \2/p' "$1.log"; }
storage_key() { sed -n 's/.*key 0x81000001: .*name \([0-9a-f]*\)$/\1/p' "$1.log"; }
nothing() { is "$(find "$1" -type f ! -name .lock)" "" "$2"; }
# delegated AUTHORITY: has its certificate.
delegated() {
    "$authority" approve --dir "$1" --approver-key approver.key --tcti "$host_tcti" &&
        "$authority" pcrs --dir "$1" --tcti "$host_tcti" >"$1.pcrs" &&
        "$authority" request --dir "$1" --nonce "$("$ca" nonce --dir C)" --out request \
            --tcti "$host_tcti" &&
        "$ca" delegate --dir C --request request --out "$1.pem" --approver-public approver.key.pub \
            --allow-unproved-ek --approved-pcrs "$1.pcrs" &&
        "$authority" install-certificate --dir "$1" "$1.pem"
}

printf 'uuid=6e1c\nname=alpha\n' >vm.conf
printf 'uuid=6e1d\nname=beta\n' >other.conf
printf 'uuid=6e1c\nname=alpha\n\n' >newline.conf
: >empty.conf
mkdir config

### Usage
refuses 2 'requires --tpm2' "a TPM 1.2 has none" "$setup" --tpm-state . --reproducible-from vm.conf
refuses 2 'cannot go with --reproducible-from' "nor does an existing TPM get one" \
    "$setup" --tpm2 --tpm-state . --reconfigure --reproducible-from vm.conf
refuses 1 'needs the derivation key of an authority' "without an authority there is none" \
    "$setup" --tpm2 --tpm-state . --createek --reproducible-from vm.conf

### The same host and configuration
"$authority" approver-key approver.key >/dev/null || bail "no approver"
"$ca" init --dir C --subject Fleet >/dev/null || bail "no CA"
host_tpm_start one || bail "the host TPM did not start"
ok "an authority" "$authority" init --dir A --tcti "$host_tcti" --approver-public approver.key.pub
refuses 1 'nothing approved yet' "no keys before an approval" make early --createek --reproducible-from vm.conf
nothing early "and no TPM"
ok "approved and delegated" delegated A
ok "a TPM is made" certified first --reproducible-from vm.conf
is "$(keys first | wc -l)" 2 "with two endorsement keys"
rm -r first
host_tpm_stop
host_tpm_start one || bail "the host TPM did not start again"
ok "after its loss and a reboot it is made again" certified again --reproducible-from vm.conf
is "$(keys again)" "$(keys first)" "with the same endorsement keys"
if [ "$("$setup" --tpm2 --print-profiles)" = "{}" ]; then
    skip "the same with a profile" "this libtpms has none"
else
    for profile in null default-v1; do
        ok "with the profile $profile" make "p1-$profile" --createek --reproducible-from vm.conf --profile-name "$profile"
        like "$(<"p1-$profile.log")" "has the profile $profile" "that is what it has"
        ok "again" make "p2-$profile" --createek --reproducible-from vm.conf --profile-name "$profile"
        is "$(keys "p2-$profile")" "$(keys "p1-$profile")" "the keys are the same"
    done
    is "$(keys p1-null)" "$(keys first)" "those without a profile are those of null"
fi
for file in ek-rsa2048.crt ek-secp384r1.crt; do
    is "$(openssl x509 -inform der -in "again.certs/$file" -noout -pubkey)" \
        "$(openssl x509 -inform der -in "first.certs/$file" -noout -pubkey)" "$file: for the same key"
    isnt "$(openssl x509 -inform der -in "again.certs/$file" -noout -serial)" \
        "$(openssl x509 -inform der -in "first.certs/$file" -noout -serial)" "$file: issued anew"
    openssl x509 -inform der -in "again.certs/$file" -out ek.pem
    ok "$file: its chain verifies" openssl verify -x509_strict -CAfile C/root.pem \
        -untrusted A/vma.pem ek.pem
done
isnt "$(storage_key again)" "$(storage_key first)" "the storage key is another one"
ok "other kinds of key" make kinds --ek1keyalgo rsa3072 --ek2keyalgo ecc_nist_p256 \
    --reproducible-from vm.conf --createek
ok "and again" make kinds2 --ek1keyalgo ecc_nist_p256 --ek2keyalgo ecc_nist_p521 \
    --reproducible-from vm.conf --createek
is "$(keys kinds2 | grep 0x8101000a)" "$(keys kinds | grep 0x8101000a)" \
    "a key is the same whatever is made beside it"
ok "keys that sign" make sign --allow-signing --createek --reproducible-from vm.conf
ok "made again" make sign2 --allow-signing --createek --reproducible-from vm.conf
is "$(keys sign2)" "$(keys sign)" "are the same"

### Not the same
ok "another configuration" make other --createek --reproducible-from other.conf
isnt "$(keys other)" "$(keys first)" "gives other keys"
ok "a newline more" make newline --createek --reproducible-from newline.conf
isnt "$(keys newline)" "$(keys first)" "is another configuration"
ok "without the option" make random --createek
isnt "$(keys random)" "$(keys first)" "keys are random"
refuses 1 'empty.conf: empty' "an empty configuration" make empty --createek --reproducible-from empty.conf
nothing empty "nothing was made"
refuses 1 'none.conf' "a configuration that is missing" make none --createek --reproducible-from none.conf
refuses 1 'engine makes RSA keys of at most' "RSA-4096" make large --ek1keyalgo rsa4096 --createek \
    --reproducible-from vm.conf

### The seed is in the TPM's state and nowhere else
seed_places() { # the files that contain the endorsement seed of again; a TPM's state may
    python3 - <<'PY'
import os
blob = open("again/tpm2-00.permall", "rb").read()
at = blob.index(bytes.fromhex("12213443")) + 6 + 1 + 6 + 12
assert blob[at:at + 2] == b"\0\x40"
seed = blob[at + 2:at + 66]
for folder, _, names in os.walk("."):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and not os.path.islink(path):
            data = open(path, "rb").read()
            if name == "tpm2-00.permall" and folder != "./again":
                continue
            if seed in data or seed.hex().encode() in data.lower():
                print(path)
PY
}
is "$(seed_places | sort | tr '\n' ' ')" "./again/tpm2-00.permall " "only the TPM's own state holds it"

### What a verifier sees
export TSS2_LOG=all+none
start guest "$emulator" socket --tpm2 --tpmstate dir=again --server type=unixio,path=guest.sock \
    --ctrl type=unixio,path=guest.sock.ctrl --flags not-need-init,startup-clear
wait_socket guest.sock "$started" || bail "the emulator did not start"
tool() { TPM2TOOLS_TCTI=swtpm:path=$tap_dir/guest.sock "$@" >tool.log 2>&1; }
tool tpm2_createak -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub || bail "no AK"
tool tpm2_flushcontext -t
openssl x509 -inform der -in again.certs/ek-rsa2048.crt -out ek.pem
ok "a challenge for its endorsement certificate" "$attest" challenge --ek-certificate ek.pem \
    --ak-public ak.pub --out c.cred --secret-out c.secret
tool tpm2_startauthsession --policy-session -S policy.ctx
tool tpm2_policysecret -S policy.ctx -c e
ok "the TPM that was made again opens it" tool tpm2_activatecredential -c ak.ctx -C 0x81010001 \
    -i c.cred -o c.act -P session:policy.ctx
tool tpm2_flushcontext policy.ctx
tool tpm2_flushcontext -t
tool tpm2_quote -c ak.ctx -l sha256:0,7 -q 0011 -m q.msg -s q.sig -o q.pcrs
"$attest" verify --quote q.msg --signature q.sig --ak-public ak.pub --nonce 0011 --pcrs q.pcrs \
    --selection sha256:0,7 --ek-certificate ek.pem --chain A/vma.pem --root C/root.pem \
    --secret c.secret --activated c.act >tree 2>&1
like "$(<tree)" "endorsement key reproducible on its host" "holdfast-attest says that it is reproducible"
openssl x509 -inform der -in first.certs/ek-rsa2048.crt -out old.pem
ok "its old certificate is still its own" "$attest" verify --quote q.msg --signature q.sig \
    --ak-public ak.pub --nonce 0011 --pcrs q.pcrs --selection sha256:0,7 --ek-certificate old.pem \
    --chain A/vma.pem --root C/root.pem --secret c.secret --activated c.act
stop "$started"

### The host in another state
host_pcr_extend 7 >/dev/null
refuses 1 'PCRs changed since the approval .*derivation key' "PCRs that changed" \
    make changed --createek --reproducible-from vm.conf
nothing changed "nothing was made"
ok "a TPM with random keys can be made" make random2 --createek
"$authority" approve --dir A --approver-key approver.key --tcti "$host_tcti" >/dev/null
ok "approved anew" make approved --createek --reproducible-from vm.conf
is "$(keys approved)" "$(keys first)" "the keys are the same again"
"$authority" bump-generation --dir A --approver-key approver.key --tcti "$host_tcti" >/dev/null
refuses 1 'generation revoked' "a generation that was revoked" \
    make revoked --createek --reproducible-from vm.conf
nothing revoked "nothing was made"
"$authority" approve --dir A --approver-key approver.key --tcti "$host_tcti" >/dev/null
python3 - <<'PY'
import json
a = json.load(open("A/approval.json"))
del a["derive-policy"], a["derive-signature"]
json.dump(a, open("old.json", "w"))
PY
cp A/approval.json new.json
cp old.json A/approval.json
refuses 1 'does not cover it: run holdfast-authority approve' "an approval for the signing key alone" \
    make uncovered --createek --reproducible-from vm.conf
cp new.json A/approval.json

### Keys that derive otherwise
cp A/derive.blob derive.old
rm A/derive.blob
refuses 1 'there is no derivation key: run holdfast-authority derivation-key' "no derivation key" \
    make keyless --createek --reproducible-from vm.conf
ok "another derivation key" "$authority" derivation-key --dir A --tcti "$host_tcti"
ok "works" make rekeyed --createek --reproducible-from vm.conf
isnt "$(keys rekeyed)" "$(keys first)" "and gives other keys"
head -c 90 derive.old >A/derive.blob
refuses 1 'derive.blob' "a truncated derivation key" make broken --createek --reproducible-from vm.conf
cp derive.old A/derive.blob
host_tpm_stop
host_tpm_start two || bail "the other TPM did not start"
refuses 1 'TPM replaced' "the same authority's files on another host" \
    make moved --createek --reproducible-from vm.conf
mv A A.one
"$authority" init --dir A --tcti "$host_tcti" --approver-public approver.key.pub >/dev/null ||
    bail "no second authority"
"$authority" approve --dir A --approver-key approver.key >/dev/null || bail "it is not approved"
cp A/derive.blob derive.two
cp derive.old A/derive.blob
refuses 1 'does not know the derivation key as its own' "the derivation key of another host" \
    make stolen --createek --reproducible-from vm.conf
cp derive.two A/derive.blob
ok "another host" make host2 --createek --reproducible-from vm.conf
isnt "$(keys host2)" "$(keys first)" "gives other keys"

### A bus that lies, a TPM that lacks the command
start bus python3 "$top_srcdir/tests/cli/tpmbus.py" "$tap_dir/bus" "$tap_dir/two/sock" hmacless
wait_socket bus/sock "$started" || bail "the bus did not start"
refuses 1 'has no command 0x155|has no TPM2_HMAC' "a host TPM without TPM2_HMAC" \
    make hmacless --createek --reproducible-from vm.conf --tcti "swtpm:path=$tap_dir/bus/sock"
nothing hmacless "nothing was made"
stop "$started"
rm -r bus
start bus python3 "$top_srcdir/tests/cli/tpmbus.py" "$tap_dir/bus" "$tap_dir/two/sock" hmac
wait_socket bus/sock "$started" || bail "the bus did not start"
refuses 1 'host TPM: derive a secret' "a secret that was changed on the bus" \
    make forged --createek --reproducible-from vm.conf --tcti "swtpm:path=$tap_dir/bus/sock"
nothing forged "nothing was made"
stop "$started"

### Without a host TPM
mv A A.two
"$authority" init --dir A --software >/dev/null || bail "no software-rooted authority"
host_tcti=swtpm:path=$tap_dir/none
refuses 1 'software-rooted: only a host TPM has a derivation key' "an authority whose key is a file" \
    make software --createek --reproducible-from vm.conf
nothing software "nothing was made"
finish
