#!/usr/bin/env bash
# holdfast-setup --install-certificate: EK certificates that the fleet's issuer has issued come into the TPM, and
# the guest enrols and is verified with what it finds there. Everything else stays, and whatever is refused
# leaves every file as it was.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317,SC2154  # functions are called by ok and refuses; tap_dir is tap.sh's
. "${top_srcdir:-.}/tests/tap.sh"
. "$top_srcdir/tests/cli/host-tpm.sh"
. "$top_srcdir/tests/cli/fleet.sh"
need swtpm swtpm_setup swtpm_localca tpm2_nvread tpm2_changeeps openssl python3

cd "$tap_dir" || exit 1
install() { local file=$1; shift; "$top_builddir/holdfast-setup" --tpm2 --tpm-state one --install-certificate "$file" "$@"; }
sum() { (cd one && find . -type f ! -name .lock -exec sha256sum {} + | sort); }
as_pem() { openssl x509 -inform DER -in "$1" 2>/dev/null || openssl x509 -in "$1"; }
issue() { # KIND: KIND.pem, and the issuer's behind it, for that key of the TPM
    as_pem "files/ek-$1.crt" >"$1.ask" && "$ca" issue --dir C --request "$1.ask" --vma vma-only.pem --out "$1.pem" >/dev/null
}
power_on() {
    rm -f one.sock one.sock.ctrl
    start one "$top_builddir/holdfast" socket --tpm2 --tpmstate dir=one --server type=unixio,path=one.sock \
        --ctrl type=unixio,path=one.sock.ctrl --flags not-need-init,startup-clear
    { wait_socket one.sock.ctrl "$started" && wait_socket one.sock "$started"; } || bail "the emulator did not start"
}
nv() { tool one tpm2_nvread "$1" -o "$2" || bail "NV index $1: $(<tool.log)"; } # INDEX FILE
refused() { # REGEX DESCRIPTION FILE [OPTION...]
    local regex=$1 description=$2
    shift 2
    refuses 1 "$regex" "$description" install "$@"
    is "$(sum)" "$sums" "nothing was changed"
}

### A virtual TPM with certificates of its authority, and those of the issuer
fleet_make
openssl x509 -in vma.pem -out vma-only.pem
mkdir files others
vtpm_make two --write-ek-cert-files "$tap_dir/others"
vtpm_make one --write-ek-cert-files "$tap_dir/files" --lock-nvram
"$ca" issuer --dir C >/dev/null || bail "no issuer"
{ issue rsa2048 && issue secp384r1; } || bail "nothing is issued"
for index in 0x1c08000 0x1c00016; do nv $index before.$index; done
tool one tpm2_getcap handles-persistent && cp tool.log before.handles
refuses 1 "in use by a running TPM" "not while it runs" install rsa2048.pem
stop "$started"
sums=$(sum)

### What is refused
refuses 2 "requires --tpm2" "not for a TPM 1.2" "$top_builddir/holdfast-setup" --tpm-state one --install-certificate rsa2048.pem
for option in --createek --overwrite --reissue-certificates --create-platform-cert; do
    refuses 2 "cannot go with $option|cannot go with --install-certificate" "not with $option" install rsa2048.pem $option
done
mkdir nothing
refuses 1 "there is no TPM whose certificates could be replaced" "no TPM" \
    "$top_builddir/holdfast-setup" --tpm2 --tpm-state nothing --install-certificate rsa2048.pem
printf x >one/tpm2-00.volatilestate
refuses 1 "the TPM is suspended .*volatile" "a suspended TPM" install rsa2048.pem
rm one/tpm2-00.volatilestate
refused "nowhere" "a file that is not there" nowhere
refused "values.*(certificate|PEM|DER)" "a file without certificates" values
head -c 300 files/ek-rsa2048.crt >short
refused "short" "one that is cut off" short
refused "expected the certificate of an endorsement key, found those of CAs only" "a CA's" vma-only.pem
as_pem others/ek-rsa2048.crt >other.pem
refused "of its 1 certificates of keys 0 are for keys of this TPM" "another TPM's" other.pem
cat rsa2048.pem other.pem >both.pem
refused "of its 2 certificates of keys 1 are" "one that is this TPM's, one that is not" both.pem
cat rsa2048.pem rsa2048.ask >twice.pem
refused "certificate 3 is for the same key as one before it" "two for one key" twice.pem
openssl x509 -in rsa2048.pem -noout -pubkey >ek.pub
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout site.key -subj "/CN=a site" -out site.pem 2>/dev/null
signed() { # FILE [OPTION...]: by the site, for this TPM's key
    local file=$1
    shift
    openssl req -new -key site.key -subj /CN=ek -out csr &&
        openssl x509 -req -in csr -CA site.pem -CAkey site.key -CAcreateserial -force_pubkey ek.pub "$@" -out "$file"
}
printf 'extendedKeyUsage=serverAuth\n' >server.ext
printf 'extendedKeyUsage=2.23.133.8.1\nauthorityKeyIdentifier=keyid\n' >ek.ext
ok "a server's certificate for this key" signed server.pem -extfile server.ext
refused "is not that of an endorsement key: expected the extended key usage" "is refused" server.pem
ok "one that has ended" signed ended.pem -extfile ek.ext -days -1
refused "certificate 1 has expired" "is refused" ended.pem
ok "one of another issuer" signed site-ek.pem -extfile ek.ext
openssl x509 -in site-ek.pem -outform DER -out altered.der
python3 - <<'PY'
data = bytearray(open("altered.der", "rb").read())
data[-1] ^= 1
open("altered.der", "wb").write(data)
PY
cat altered.der >altered && openssl x509 -in site.pem -outform DER >>altered
refused "signature" "is not taken when it is altered" altered

### Into the TPM
ok "the issuer's certificate of one key" install rsa2048.pem
like "$(cat ok.log)" "Changing the certificates of a TPM 2.0" "says what it does"
power_on
nv 0x1c00002 now.der
openssl x509 -in rsa2048.pem -outform DER -out rsa2048.der
ok "is in NV" cmp now.der rsa2048.der
for index in 0x1c08000 0x1c00016; do
    nv $index after.$index
    ok "$index stays" cmp before.$index after.$index
done
tool one tpm2_getcap handles-persistent
ok "so do the keys" cmp tool.log before.handles
refuses any "lock" "the index is locked as before" env TPM2TOOLS_TCTI="swtpm:path=$tap_dir/one.sock" tpm2_nvwrite 0x1c00002 -C p -i now.der
nv 0x1c00100 chain.der
awk '/BEGIN/ { n++ } n == 2' rsa2048.pem | openssl x509 -outform DER -out chain.wanted
openssl x509 -in vma-only.pem -outform DER >>chain.wanted
ok "the chain has the issuer's, and the authority's for the other key" cmp chain.der chain.wanted
certify() { "$ca" certify --dir P --request one.request --out answer --vma-root C/root.pem --hardware-only; }
for key in rsa2048 p384; do
    ok "the guest asks with what it finds, $key" request one --new-key --ek $key
    ok "a privacy CA believes it" certify
    ok "the TPM opens the answer" activate one answer --ca-root P/root.pem
    ok "evidence" "$attest" quote --dir one.ak --nonce 00112233 --out evidence
    ok "is verified up to the fleet's root" "$attest" verify evidence --nonce 00112233 --ca-root P/root.pem --root C/root.pem
    [ $key = p384 ] || like "$("$ca" list --dir P --json)" "holdfast fleet issuer" "the issuer's certificate it was"
done
stop "$started"

### Again, both, and by another issuer
ok "again" install rsa2048.pem
cat rsa2048.pem secp384r1.pem >all.pem
ok "both" install all.pem
ok "they match" "$top_builddir/holdfast-setup" --tpm2 --tpm-state one --check-certificates
power_on
nv 0x1c00100 chain.der
ok "the chain does not grow" cmp chain.der chain.wanted
stop "$started"
openssl x509 -in site-ek.pem -outform DER -out site-all.der && openssl x509 -in site.pem -outform DER >>site-all.der
ok "another CA's, signed by a root, as DER" install site-all.der
power_on
nv 0x1c00002 now.der
openssl x509 -in site-ek.pem -outform DER -out site-ek.der
ok "is in NV, too" cmp now.der site-ek.der
ok "firmware changes the endorsement seed" tool one tpm2_changeeps
stop "$started"
sums=$(sum)
refused "is not for the endorsement key that this TPM has now: .*--withdraw-certificates" "keys that have changed" rsa2048.pem
finish
