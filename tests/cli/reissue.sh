#!/usr/bin/env bash
# holdfast-setup --reissue-certificates: new certificates for the endorsement keys of a TPM that has long been in
# use: after the CA and the authority have changed. What a guest has in it stays, and whatever is refused leaves
# every file as it was.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
need swtpm tpm2_changeeps tpm2_nvdefine tpm2_unseal openssl python3

authority=$top_builddir/holdfast-authority
ca=$top_builddir/holdfast-ca
setup=$top_builddir/holdfast-setup
cd "$tap_dir" || exit 1
export XDG_CONFIG_HOME=$tap_dir/config TSS2_LOG=all+none
mkdir config vm plain repeat other nothing

make() { "$setup" --tpm2 --create-ek-cert --create-platform-cert --lock-nvram --tpm-state "$@"; }
reissue() { "$setup" --tpm2 --reissue-certificates --tpm-state "$@"; }
look() { "$setup" --tpm2 --check-certificates --tpm-state "$@"; }
sum() { (cd "$1" && find . -type f ! -name .lock -exec sha256sum {} + | sort); }
guest() { # DIR [OPTION...]: the TPM runs
    local dir=$1
    shift
    rm -f guest.sock guest.sock.ctrl
    start guest "$emulator" socket --tpm2 --tpmstate "dir=$dir" --server "type=unixio,path=guest.sock" \
        --ctrl "type=unixio,path=guest.sock.ctrl" --flags not-need-init,startup-clear "$@"
    { wait_socket guest.sock.ctrl "$started" && wait_socket guest.sock "$started"; } || bail "the emulator did not start"
}
export TPM2TOOLS_TCTI=swtpm:path=$tap_dir/guest.sock
tool() { "$@" >tool.log 2>&1; }
# Everything in the TPM that can be seen, and what only its owner sees; but not our certificates.
inventory() {
    local handle index
    for handle in $(tpm2_getcap handles-persistent | grep -o '0x.*'); do
        echo "$handle $(tpm2_readpublic -c "$handle" 2>&1 | grep -A1 '^name')"
    done
    tpm2_nvreadpublic | sed -n '/^0x1[^c]/,$p' | grep -v '^0x1[cC]' | grep -A7 '^0x18'
    for index in 0x1800001 0x1800003; do echo "$index $(tpm2_nvread -P guest "$index" 2>&1 | od -An -tx1)"; done
    echo "sealed $(tpm2_unseal -c 0x81000010 -p guest 2>&1)"
    tpm2_getcap properties-variable | grep -A1 -E 'ownerAuthSet|LOCKOUT|lockout|MAX_AUTH_FAIL'
    tpm2_getcap pcrs
    for handle in "o -P owner" e p; do
        # shellcheck disable=SC2086  # two words of one
        tpm2_createprimary -C $handle -G ecc -c p.ctx >/dev/null 2>&1
        echo "primary $handle"
        tpm2_readpublic -c p.ctx 2>&1 | grep -A1 '^name'
        tpm2_flushcontext -t
    done
}
certificate() { tpm2_nvread "$1" 2>/dev/null | openssl x509 -inform DER; }
verified() { # INDEX ROOT VMA
    certificate "$1" >c.pem && openssl verify -x509_strict -purpose any -CAfile "$2" -untrusted "$3" c.pem
}
authority_of() { # DIR CA TCTI COUNTER: an authority in the host TPM
    "$authority" init --dir "$1" --tcti "$3" --approver-public approver.pub --counter-index "$4" &&
        "$authority" approve --dir "$1" --approver-key approver.key && "$authority" pcrs --dir "$1" >values &&
        "$authority" request --dir "$1" --nonce "$("$ca" nonce --dir "$2")" --out request &&
        "$ca" delegate --dir "$2" --request request --out "$1.pem" --approver-public approver.pub --approved-pcrs values \
            --allow-unproved-ek && "$authority" install-certificate --dir "$1" "$1.pem"
}

### Two fleets, and a TPM of the first that a guest has used
host_tpm_start host || bail "the host TPM did not start"
"$authority" approver-key approver.key && mv approver.key.pub approver.pub
for name in C D; do "$ca" init --dir $name --subject "fleet $name" >/dev/null || bail "no CA"; done
authority_of A C "$host_tcti" 0x01804846 >fleet.log 2>&1 || { diag_file fleet.log; bail "no authority"; }
authority_of B D "$host_tcti" 0x01804846 >fleet.log 2>&1 || { diag_file fleet.log; bail "no authority"; }
make vm --authority A >/dev/null || bail "no TPM"
guest vm
tool tpm2_nvdefine 0x1800001 -C o -s 16 -a "authread|authwrite" -p guest || bail "cannot define"
printf 'what a guest has' | tool tpm2_nvwrite 0x1800001 -P guest -i -
tool tpm2_nvdefine 0x1800003 -C o -a "authread|authwrite|nt=counter" -p guest || bail "cannot define a counter"
tool tpm2_nvincrement 0x1800003 -P guest && tool tpm2_nvincrement 0x1800003 -P guest
tool tpm2_createprimary -C o -G ecc -c srk.ctx
printf 'sealed for a guest' | tool tpm2_create -C srk.ctx -i - -u s.pub -r s.priv -p guest
tool tpm2_flushcontext -t
{ tool tpm2_load -C srk.ctx -u s.pub -r s.priv -c s.ctx && tool tpm2_flushcontext -t &&
    tool tpm2_evictcontrol -C o -c s.ctx 0x81000010; } || { diag_file tool.log; bail "cannot seal"; }
tool tpm2_flushcontext -t
tool tpm2_dictionarylockout -s -n 7 -t 99 -l 98
tool tpm2_changeauth -c o owner || bail "cannot set a password"
inventory >before
like "$(<before)" "sealed sealed for a guest" "a TPM in use"
certificate 0x1c00002 >old.pem
ek=$(openssl x509 -in old.pem -noout -pubkey)
refuses 1 "in use by a running TPM" "not while it runs" reissue vm --authority B
stop "$started"

### What is refused
sums=$(sum vm)
refuses 2 'requires --tpm2' "not for a TPM 1.2" "$setup" --tpm-state vm --reissue-certificates
refuses 2 'cannot go with --createek' "nothing is made meanwhile" reissue vm --createek
refuses 2 'cannot go with --overwrite' "nor replaced" reissue vm --overwrite
refuses 2 'cannot go with' "nor withdrawn" reissue vm --withdraw-certificates
refuses 1 'there is no TPM whose certificates could be issued anew' "no TPM" reissue nothing --authority B
refuses 1 'no authority here|No such file' "no authority" reissue vm --authority nowhere
host_pcr_extend 7
refuses 1 'PCRs changed since the approval' "an authority in a state that is not approved" reissue vm --authority B
host_tpm_stop
host_tpm_start host || bail "the host TPM did not start"
printf x >vm/tpm2-00.volatilestate
refuses 1 'the TPM is suspended .*volatile' "a suspended TPM" reissue vm --authority B
rm vm/tpm2-00.volatilestate
is "$(sum vm)" "$sums" "nothing was changed by any of them"

### New certificates
ok "new ones by the other authority" reissue vm --authority B --write-ek-cert-files vm
ok "match" look vm
guest vm
inventory >after
ok "everything else in the TPM is as it was" cmp before after || diag "$(diff before after)"
isnt "$(certificate 0x1c00002)" "$(<old.pem)" "the certificate is another one"
is "$(certificate 0x1c00002 | openssl x509 -noout -pubkey)" "$ek" "for the same key"
for index in 0x1c00002 0x1c00016 0x1c08000; do
    ok "$index: verifies in the other fleet" verified $index D/root.pem B/vma.pem
    refuses any "" "$index: and not in the first" verified $index C/root.pem A/vma.pem
done
tool tpm2_nvread 0x1c00100 -o chain.der
openssl x509 -in B/vma.pem -outform DER -out vma.der
ok "the chain is the other authority's" cmp chain.der vma.der
ok "the file is what is in NV" sh -c 'tpm2_nvread 0x1c00002 2>/dev/null | cmp - vm/ek-rsa2048.crt'
refuses any "" "the index is locked as before" tpm2_nvwrite 0x1c00002 -C p -i chain.der
stop "$started"
ok "again" reissue vm --authority B
ok "they match" look vm

### Keys that the guest has moved, indices that it has made
guest vm
ok "the guest removes the persistent key" tool tpm2_evictcontrol -C o -P owner -c 0x81010001
stop "$started"
ok "its certificate is issued anew all the same" reissue vm --authority A
ok "and matches" look vm
make other --authority A >/dev/null || bail "no TPM"
guest other
ok "firmware changes the endorsement seed" tool tpm2_changeeps
stop "$started"
sums=$(sum other)
refuses 1 'NV index 0x01c00002: the certificate is not for the endorsement key that this TPM has now: .*--withdraw-certificates' \
    "keys that have changed are not certified silently" reissue other --authority A
is "$(sum other)" "$sums" "nothing was changed"
"$setup" --tpm2 --tpm-state other --withdraw-certificates >/dev/null
refuses 1 'neither certificates of endorsement keys nor such keys' "withdrawn, and no key is persistent" \
    reissue other --authority A
guest other
ok "the new key is made" tool tpm2_createek -c 0x81010001 -G rsa
stop "$started"
ok "and certified by command" reissue other --authority A
ok "it matches" look other
guest other
tool tpm2_nvdefine 0x1c00016 -C o -s 16 -a "authread|authwrite" || diag_file tool.log
tool tpm2_createek -c 0x81010016 -G ecc384 || diag_file tool.log
stop "$started"
refuses 1 "NV index 0x01c00016: it is the guest's own" "an index of the guest's stays" reissue other --authority A

### Reproducible keys, encrypted state
echo "name = repeat" >machine
make repeat --authority A --reproducible-from machine >/dev/null || bail "no reproducible TPM"
refuses 1 'say that the endorsement keys are reproducible: --reproducible-from expected' \
    "what the certificate says is not lost" reissue repeat --authority B
echo "name = another" >another
refuses 1 'endorsement keys of this TPM do not follow from another with this authority' "nor made up" reissue repeat --authority A --reproducible-from another
refuses 1 'do not follow from machine' "another authority's derivation key makes others" \
    reissue repeat --authority B --reproducible-from machine
ok "the right file shows it" reissue repeat --authority A --reproducible-from machine
guest repeat
tool tpm2_nvread 0x1c00002 -o repeat.der
stop "$started"
like "$(openssl asn1parse -inform DER -in repeat.der | tail -8)" "HEX DUMP.*0101FF" "and the new certificate says so, too"
refuses 1 'endorsement keys of this TPM do not follow from machine' "a random key is not said to be reproducible" \
    reissue vm --authority A --reproducible-from machine
printf '%032d' 7 | tr -d '\n' >key
make plain --authority A --keyfile key >/dev/null || bail "no encrypted TPM"
refuses 1 "encrypted|key" "an encrypted TPM without its key" reissue plain --authority B
ok "with it" reissue plain --authority B --keyfile key
ok "it is still encrypted, and matches" look plain --keyfile key
ok "software, too" "$authority" init --dir S --software
"$authority" request --dir S --nonce "$("$ca" nonce --dir C)" --out request
"$ca" delegate --dir C --request request --out S.pem --allow-software >/dev/null
"$authority" install-certificate --dir S S.pem >/dev/null
ok "by a software authority" reissue vm --authority S
finish
