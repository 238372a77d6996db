#!/bin/bash
# Encrypted state, one key, two programs: what Debian's swtpm encrypted, holdfast opens, and the
# other way round; files and migration blobs, every form a key has, and a refusal for every wrong one.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh disable=SC2317 # functions that ok calls
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 swtpm swtpm_ioctl
ctl=$top_builddir/holdfast-ctl
{ [ -x "$emulator" ] && [ -x "$ctl" ]; } || bail "$emulator or $ctl is not there"
case $emulator in /*) ;; *) emulator=$PWD/$emulator ;; esac
case $ctl in /*) ;; *) ctl=$PWD/$ctl ;; esac
cd "$tap_dir" || bail "no directory"
swtpm=$(type -P swtpm)
pid=

printf '000102030405060708090a0b0c0d0e0f\n' >key.hex
printf '0x000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f' >key32.hex
printf '0123456789abcdef' >key.raw
printf '0123456789abcdef0123456789ABCDEF' >key32.raw
printf 'correct horse\n' >phrase
printf 'another\n' >phrase2

# begin PROGRAM DIR [OPTION...]: an emulator that is off.
begin() {
    local program=$1 dir=$2
    shift 2
    free_ports 2
    start tpm "$program" socket --tpm2 --tpmstate "dir=$tap_dir/$dir" \
        --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))" "$@"
    pid=$started
    export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
    wait_port "$port" "$pid" || { diag_file tpm.log; return 1; }
}
run() { begin "$@" --flags not-need-init,startup-clear || bail "$1 does not open the state"; }
end() {
    tpm2_shutdown -c
    stop "$pid"
}
ioctl() { swtpm_ioctl --tcp "127.0.0.1:$((port + 1))" "$@"; }
control() { "$ctl" "$@" --tcp "127.0.0.1:$((port + 1))"; }
flags_of() { od -An -tx1 -j 4 -N 2 "$1" | tr -d ' '; }

# State files.
while read -r name flags key; do
    for direction in "swtpm holdfast" "holdfast swtpm"; do
        case $direction in
        swtpm*) first=$swtpm second=$emulator ;;
        *) first=$emulator second=$swtpm ;;
        esac
        what="$name, ${direction/ / to }"
        rm -rf state
        mkdir state
        run "$first" state --key "$key"
        ok "$what: an index is made" sh -c 'tpm2_nvdefine -Q 0x1500001 -C o -s 12 &&
            printf "twelve bytes" | tpm2_nvwrite 0x1500001 -C o -i-'
        end
        is "$(flags_of state/tpm2-00.permall)" "$flags" "$what: the file is encrypted"
        run "$second" state --key "$key"
        is "$(tpm2_nvread 0x1500001 -C o -s 12)" "twelve bytes" "$what: and opened"
        printf 'twelve again' | tpm2_nvwrite 0x1500001 -C o -i-
        ok "$what: the volatile state is stored" ioctl -v
        is "$(flags_of state/tpm2-00.volatilestate)" "$flags" "$what: it is encrypted too"
        kill_hard "$pid"
        run "$first" state --key "$key"
        is "$(tpm2_nvread 0x1500001 -C o -s 12)" "twelve again" "$what: and back"
        end
    done
done <<EOF
hexadecimal-128 0001 file=key.hex
hexadecimal-256 0009 file=key32.hex,format=hex,mode=aes-256-cbc
raw-128 0001 file=key.raw,format=binary,mode=aes-128-cbc
raw-256 0009 file=key32.raw,format=binary,mode=aes-256-cbc
pbkdf2-128 0001 pwdfile=phrase
pbkdf2-256 0009 pwdfile=phrase,kdf=pbkdf2,mode=aes-256-cbc
sha512-128 0001 pwdfile=phrase,kdf=sha512,mode=aes-cbc
sha512-256 0009 pwdfile=phrase,kdf=sha512,mode=aes-256-cbc
EOF

# From descriptors; the file of a key is removed when asked.
rm -rf state
mkdir state
cp key.hex key.once
exec 7<phrase
run "$emulator" state --key pwdfd=7,mode=aes-256-cbc --migration-key file=key.once,remove=true
is "$(ioctl -g)" "ptm configuration flags: 0x3" "both keys are reported"
ok "the key file is gone" test ! -e key.once
ok "no descriptor of a key is left open" sh -c "! ls -l /proc/$pid/fd | grep -E 'phrase|key'"
end
exec 7<&- 8<phrase
run "$swtpm" state --key pwdfd=8,mode=aes-256-cbc
end
exec 8<&- 9<key32.raw
pass "swtpm opens what was encrypted with a passphrase from a descriptor"

# Refusals. The state stays as it is.
sum=$(sha256sum state/tpm2-00.permall)
# refuse REGEX DESCRIPTION OPTION...
refuse() {
    local regex=$1 description=$2
    shift 2
    free_ports 2
    refuses any "$regex" "$description" timeout 20 "$emulator" socket --tpm2 \
        --tpmstate "dir=$tap_dir/state" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear "$@"
}
refuse "is encrypted, and no key was given" "encrypted state without a key"
refuse "another key, or altered" "with another passphrase" --key pwdfile=phrase2,mode=aes-256-cbc
refuse "another key, or altered" "with another derivation" --key pwdfile=phrase,kdf=sha512,mode=aes-256-cbc
refuse "expected a key of 256 bits.*found one of 128" "with a key of the wrong size" --key pwdfile=phrase
refuse "expected 64 hexadecimal digits, found 32" "with a key file too short" --key file=key.hex,mode=aes-256-cbc
refuse "expected 32 bytes, found 16" "the same in binary" --key file=key.raw,format=binary,mode=aes-256-cbc
refuse "cannot open --key: missing" "with a key file that is missing" --key file=missing
refuse "exclude each other" "with two keys in one" --key file=key.hex,pwdfile=phrase
refuse "file, fd, pwdfile or pwdfd is missing" "with no key in it" --migration-key mode=aes-256-cbc
refuse "mode" "with an unknown mode" --key pwdfile=phrase,mode=aes-512-cbc
is "$(sha256sum state/tpm2-00.permall)" "$sum" "all of that left the state alone"
rm -rf state
mkdir state
run "$swtpm" state
end
sum=$(sha256sum state/tpm2-00.permall)
refuse "is not encrypted, and a key was given" "plain state with a key" --key pwdfile=phrase
is "$(sha256sum state/tpm2-00.permall)" "$sum" "the state stays"

# Migration blobs. save_blobs NAME OPTION...: from the running TPM; load_blobs NAME: into one that is off.
save_blobs() { control save permanent "$1.p" "${@:2}" && control save volatile "$1.v" "${@:2}"; }
load_blobs() { ioctl --load permanent "$1.p" && ioctl --load volatile "$1.v" && ioctl -i; }
# (Keys of different sizes are more than swtpm 0.7.1 can do.)
# shellcheck disable=SC2054 # the commas are swtpm's
both=(--key file=key32.hex,mode=aes-256-cbc --migration-key pwdfile=phrase,mode=aes-256-cbc)
for direction in "swtpm holdfast" "holdfast swtpm"; do
    case $direction in
    swtpm*) first=$swtpm second=$emulator ;;
    *) first=$emulator second=$swtpm ;;
    esac
    what="blobs, ${direction/ / to }"
    rm -rf state other
    mkdir state other
    run "$first" state "${both[@]}"
    tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
    pcr=$(tpm2_pcrread sha256:16)
    ok "$what: encrypted twice" save_blobs twice
    ok "$what: for migration only" save_blobs clear --decrypted
    ok "$what: by swtpm_ioctl" ioctl --save permanent ioctl.p
    ioctl --save volatile ioctl.v
    is "$(flags_of twice.p) $(flags_of twice.v)" "001f 001f" "$what: the flags tell both keys"
    is "$(flags_of clear.p) $(flags_of ioctl.v)" "0016 0016" "$what: and the migration key alone"
    stop "$pid"
    for blob in twice clear ioctl; do
        rm -f other/*
        begin "$second" other "${both[@]}" || bail "$second does not start"
        ok "$what: $blob is taken" load_blobs "$blob"
        is "$(tpm2_pcrread sha256:16)" "$pcr" "$what: $blob has the same PCR"
        is "$(flags_of other/tpm2-00.permall)" 0009 "$what: $blob is stored encrypted"
        end
    done
    rm -f other/*
    begin "$second" other --migration-key pwdfile=phrase,mode=aes-256-cbc || bail "$second does not start"
    ok "$what: a TPM without state key takes the half clear one" load_blobs clear
    is "$(flags_of other/tpm2-00.permall)" 0000 "$what: and stores it plain"
    end
done

# The results on the control channel, ours against swtpm's.
right="--migration-key pwdfile=phrase,mode=aes-256-cbc"
for keys in "" "$right" "--migration-key file=key.hex" "--migration-key pwdfile=phrase2,mode=aes-256-cbc" \
    "$right --key pwdfile=phrase2" "$right --key pwdfile=phrase,mode=aes-256-cbc"; do
    results=()
    for program in "$swtpm" "$emulator"; do
        rm -f other/*
        # shellcheck disable=SC2086  # words
        begin "$program" other $keys || bail "$program does not start"
        results+=("$(ioctl --load permanent twice.p 2>&1 | grep -o '0x[0-9a-f]*$')")
        stop "$pid"
    done
    like "${results[0]}" 0x "swtpm refuses a blob with '$keys'"
    is "${results[1]}" "${results[0]}" "and holdfast with the same result"
done
finish
