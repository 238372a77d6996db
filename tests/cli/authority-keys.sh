#!/usr/bin/env bash
# Several signing keys in one authority, one for each migration policy and device model: made,
# delegated to, chosen by holdfast-setup, named in the certificates; and everything that would mix
# them up is refused. An authority with one key is what it always was.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317  # functions are called by ok and refuses
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm openssl python3

authority=${HOLDFAST_AUTHORITY:-$top_builddir/holdfast-authority}
ca=${HOLDFAST_CA:-$top_builddir/holdfast-ca}
setup=${HOLDFAST_SETUP:-$top_builddir/holdfast-setup}
export XDG_CONFIG_HOME=$tap_dir/config
mkdir -p "$XDG_CONFIG_HOME"
cd "$tap_dir" || exit 1
umask 022

auth() { local command=$1; shift; "$authority" "$command" --dir A "$@"; }
nonce() { "$ca" nonce --dir C; }
delegate() { # REQUEST OUT [OPTION...]
    local request=$1 out=$2
    shift 2
    "$ca" delegate --dir C --request "$request" --out "$out" --approver-public approver.key.pub \
        --approved-pcrs values --allow-unproved-ek "$@"
}
enrol() { # KEY: request, delegation, installation
    auth request --nonce "$(nonce)" --key "$1" --out "request.$1" && delegate "request.$1" "$1.pem" &&
        auth install-certificate "$1.pem"
}
make_tpm() { # NAME [OPTION...]: its state and certificates in NAME
    local name=$1
    shift
    rm -rf "$name"
    mkdir "$name"
    "$setup" --tpm2 --tpm-state "$name" --create-ek-cert --create-platform-cert --authority A \
        --ek1keyalgo none --write-ek-cert-files "$name" "$@"
}
# texts FILE DER|PEM: the texts in our own extension of a certificate, a TPM's or a vMA's.
arc=$(sed -n 's/^#define HF_OID_ARC "\(.*\)"/\1/p' "$top_builddir/config.h")
texts() {
    local der=$1 at
    at=$(openssl asn1parse -inform "$2" -in "$der" -oid <(printf '%s\tholding\n%s\tmandate\n' "$arc.2.1" "$arc.2.2") |
        grep -A1 -E ':(holding|mandate)$' | sed -n '2s/^ *\([0-9]*\):.*/\1/p')
    openssl asn1parse -inform "$2" -in "$der" -strparse "$at" | sed -n 's/.*UTF8STRING *://p' | paste -sd,
}
key_of() { openssl "$@" -noout -pubkey; }
json() { python3 -c 'import json,sys
value = json.load(sys.stdin)
for name in sys.argv[1:]:
    value = value[int(name) if name.isdigit() else name]
print(value)' "$@"; }

host_tpm_start one || bail "the host TPM did not start"
ok "a CA" "$ca" init --dir C --subject "Test fleet"
ok "an approver" "$authority" approver-key approver.key

### One key, as before
ok "an authority" auth init --tcti "$host_tcti" --approver-public approver.key.pub
ok "is approved" auth approve --approver-key approver.key
auth pcrs >values
ok "and enrolled" enrol default
ok "one key needs no directory of keys" test ! -e A/keys
is "$(json version <A/manifest.json)" 1 "and no manifest of a new version"
like "$(auth status)" "^A: works .*migration policy none.$" "status: one key"
ok "a TPM without a word of migration" make_tpm plain
is "$(texts plain/ek-secp384r1.crt DER)" "none,tpm-2.0" \
    "its certificate says what it is and that it stays"
ok "that stays, by name" make_tpm plain --migration-policy none
refuses 1 'no signing key for migration policy "fleet", device model "tpm-2.0"; there are: default \(migration policy none, device model any\)' \
    "there is no key for TPMs that move" make_tpm moving --migration-policy fleet
is "$(ls moving)" "" "and nothing was made"

### More keys
ok "a key for TPMs that move" auth init --key fleet-tpm2 --migration-policy fleet --device-model tpm-2.0
ok "the approval is for it too: it can ask for its delegation" \
    auth request --nonce "$(nonce)" --key fleet-tpm2 --out request.f
ok "which it gets" delegate request.f f.pem
refuses 1 "no certificate installed.*|keys/fleet-tpm2" "before that no TPM is made with it" \
    make_tpm moving --migration-policy fleet
like "$(auth status)" "fleet-tpm2 .*does not work: .*no certificate" "status says so of this key alone"
is "$(auth status --json | json further-keys 0 problems 0 code)" "no-certificate" "in JSON too"
is "$(auth status --json | json works)" "True" "the first one works"
ok "its certificate finds its way" auth install-certificate f.pem
ok "status: all work" auth status
is "$(find A -type d -exec stat -c %a {} + | sort -u) $(find A -type f -exec stat -c %a {} + | sort -u)" \
    "700 600" "directories are 0700, files 0600"
like "$(openssl x509 -in f.pem -noout -subject)" \
    "OU ?= ?migration policy fleet, OU ?= ?device model tpm-2.0, CN ?= ?holdfast vMA" "its subject says what it is for"
is "$(texts f.pem PEM)" "unnamed,fleet,tpm-2.0" "and so does the mandate"
is "$("$ca" list --dir C --json | json issued 1 device-model)" "tpm-2.0" "the CA has it on record"
isnt "$(key_of x509 -in f.pem)" "$(key_of x509 -in A/vma.pem)" "it is another key"
ok "a TPM that may move" make_tpm moving --migration-policy fleet
is "$(texts moving/ek-secp384r1.crt DER)" "fleet,tpm-2.0" "says so"
ok "is signed by that key" openssl verify -x509_strict -purpose any -no_check_time \
    -partial_chain -trusted A/keys/fleet-tpm2/vma.pem <(openssl x509 -inform DER -in moving/ek-secp384r1.crt)
ok "a TPM without a word still stays" make_tpm plain
is "$(texts plain/ek-secp384r1.crt DER)" "none,tpm-2.0" "and says so"
echo 'migration_policy = fleet' >setup.conf
ok "a site's policy in the configuration file" make_tpm moving --config setup.conf
is "$(texts moving/ek-secp384r1.crt DER)" "fleet,tpm-2.0" "counts"
ok "an option counts more" make_tpm plain --config setup.conf --migration-policy none
is "$(texts plain/ek-secp384r1.crt DER)" "none,tpm-2.0" "than the file"

### Device models
rm -rf old
mkdir old
setup12() { "$setup" --tpm-state old --create-ek-cert --overwrite --authority A --write-ek-cert-files old "$@"; }
refuses 1 'no signing key for migration policy "fleet", device model "tpm-1.2"' \
    "a key for TPM 2.0 certifies no TPM 1.2" setup12 --migration-policy fleet
ok "a key of its own" auth init --key fleet-tpm12 --migration-policy fleet --device-model tpm-1.2 \
    --key-algorithm rsa-2048
ok "enrolled" enrol fleet-tpm12
ok "does" setup12 --migration-policy fleet
is "$(texts "$(echo old/*.crt)" DER)" "fleet,tpm-1.2" "and its certificate says so"
ok "the first key, which is for any, certifies TPM 1.2 too" setup12 --migration-policy none
ok "until there is a better one" auth init --key tpm12 --device-model tpm-1.2
refuses 1 "no certificate installed" "which then counts" setup12 --migration-policy none
ok "enrolled" enrol tpm12
ok "a TPM 1.2 is made with it" setup12
is "$(auth status --json --device-model tpm-1.2 --migration-policy none | json key)" "tpm12" \
    "a key can be named by what it is for"
is "$(auth status --key fleet-tpm12 --json | json device-model)" "tpm-1.2" "and by name"
ok "renewal" enrol fleet-tpm2
is "$(openssl x509 -in fleet-tpm2.pem -noout -subject) $(key_of x509 -in fleet-tpm2.pem)" \
    "$(openssl x509 -in f.pem -noout -subject) $(key_of x509 -in f.pem)" "keeps subject and key"

### What the CA allows
pcrs=$(cat values)
environments() { printf '[lab]\n%s\n%s\n' "$pcrs" "$1" >C/environments; }
env_delegate() {
    "$ca" delegate --dir C --request "$1" --out out.pem --approver-public approver.key.pub --allow-unproved-ek
}
environments 'device-model = tpm-1.2'
auth request --nonce "$(nonce)" --key fleet-tpm2 --out request.f
refuses 1 'environment "lab": device model: "tpm-2.0" is not one of this environment' \
    "an environment may be for certain device models" env_delegate request.f
environments $'device-model = tpm-1.2\ndevice-model = tpm-2.0'
ok "for several" env_delegate request.f
environments 'device-model = tpm-2.0'
auth request --nonce "$(nonce)" --out request.d
refuses 1 'device model: "any" is not one' "a key for any is more than that" env_delegate request.d
environments 'device-model ='
refuses 1 "environments: line .*device-model" "a device model without a name" env_delegate request.d
rm C/environments

### What does not go together
refuses 1 "migration policy \"fleet\" expected, found \"none\"|for another key" \
    "a certificate of another key" auth install-certificate --key fleet-tpm2 default.pem
refuses 1 "it is for another key than the" "a certificate of no key here" auth install-certificate C/root.pem
refuses 1 "there is a key of this name: fleet-tpm2" "a name twice" \
    auth init --key fleet-tpm2 --migration-policy other
refuses 1 "there is a key of this name: default" "the first one's name" auth init --key default --migration-policy other
refuses 1 "there is a key for this already: fleet-tpm2" "two keys for one thing" \
    auth init --key again --migration-policy fleet --device-model tpm-2.0
refuses 2 "approver-public: .*settled" "another approver" \
    auth init --key x --migration-policy x --approver-public approver.key.pub
refuses 2 "pcrs: .*settled" "other PCRs" auth init --key x --migration-policy x --pcrs sha256:0
refuses 2 "software" "a key in a file beside keys in a TPM" auth init --key x --migration-policy x --software
for name in '' ../x X .x a/b "$(printf '%033d' 0)"; do
    refuses 2 "--key: " "no name: \"$name\"" auth init --key "$name" --migration-policy x
done
refuses 2 "migration-policy" "no policy" auth init --key x --migration-policy ''
refuses 2 "device-model" "no device model" auth init --key x --migration-policy x --device-model ''
refuses 1 "there is an authority already .--key" "without a name" auth init --approver-public approver.key.pub
is "$(cd A/keys && echo *)" "fleet-tpm12 fleet-tpm2 tpm12" "nothing is left of all this"
refuses 1 'no signing key for name "none"; there are: ' "a key that there is not" \
    auth request --nonce "$(nonce)" --key none --out denied
ok "an authority for two policies, none of them none" "$authority" init --dir M --software \
    --migration-policy one --key first
ok "with a second key in a file" "$authority" init --dir M --key second --migration-policy two
is "$(json key <M/manifest.json)" "first" "the first one has a name, too"
refuses 1 "several keys, of several migration policies" "cannot guess" \
    "$setup" --tpm2 --tpm-state old --overwrite --create-ek-cert --authority M
refuses 2 "key-algorithm" "the algorithm of a key in a file" \
    "$authority" init --dir M --key third --migration-policy three --key-algorithm rsa-2048

### Files
refuse_json() { # JSON REGEX DESCRIPTION
    cp A/keys/fleet-tpm2/key.json saved
    printf '%s' "$1" >A/keys/fleet-tpm2/key.json
    refuses 1 "$2" "$3" make_tpm moving --migration-policy fleet
    cp saved A/keys/fleet-tpm2/key.json
}
head='"format": "holdfast-authority-key", "version": 1, "minimum-reader": 1'
refuse_json '' "key.json: " "key.json: empty"
refuse_json "{$head}" 'key-algorithm' "key.json: nothing in it"
refuse_json "{$head, \"key-algorithm\": \"ecc-p256\", \"migration-policy\": \"fleet\"}" \
    'member "device-model"' "key.json: no device model"
refuse_json "{$head, \"key-algorithm\": \"file\", \"migration-policy\": \"fleet\", \"device-model\": \"tpm-2.0\"}" \
    'does not go with the signer' "key.json: a file's algorithm"
refuse_json "{$head, \"key-algorithm\": \"ecc-p256\", \"migration-policy\": \"fleet\", \"device-model\": \"tpm-2.0\", \"x\": 1}" \
    'member "x"' "key.json: something unknown"
refuse_json "{$head, \"key-algorithm\": \"ecc-p256\", \"migration-policy\": \"fleet\", \"device-model\": \"tpm-1.2\"}" \
    'no signing key for|several|mandate|outside' "key.json: another device model than was delegated"
refuse_json "{$head, \"key-algorithm\": \"ecc-p256\", \"migration-policy\": \"none\", \"device-model\": \"tpm-2.0\"}" \
    'no signing key for' "key.json: another policy"
mkdir A/keys/unfinished
ok "what an interrupted run left is no key" auth status
ok "and is made one by another run" auth init --key unfinished --migration-policy third
rm -r A/keys/unfinished
mkdir "A/keys/WRONG"
refuses 1 "keys: a name that is none" "a directory that is none of ours" make_tpm plain
rmdir "A/keys/WRONG"
ln -s "$tap_dir/A/keys/tpm12" A/keys/link
refuses 1 "symbolic link" "a symbolic link" make_tpm plain
rm A/keys/link
# A certificate for a key is one of that key's mandate: a vMA that lies about the policy is not believed.
python3 - <<'PY'
import json
key = json.load(open("A/keys/fleet-tpm2/key.json"))
key["migration-policy"] = "elsewhere"
json.dump(key, open("A/keys/fleet-tpm2/key.json", "w"))
PY
refuses 1 'outside of what was delegated to the issuer: migration policy "elsewhere", but .* for "fleet"' \
    "a key renamed to another policy signs nothing" make_tpm moving --migration-policy elsewhere
finish
