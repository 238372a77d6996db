#!/bin/bash
# One linear file (backend-uri=file://), two programs: Debian's swtpm and holdfast take turns on it,
# plain and encrypted, with volatile state, blobs that grow, and a block device where one can be had.
# Then what holdfast must refuse, and leave as it is, where swtpm formats it.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need tpm2 swtpm swtpm_ioctl
[ -x "$emulator" ] || bail "$emulator is not there"
case $emulator in /*) ;; *) emulator=$PWD/$emulator ;; esac
cd "$tap_dir" || bail "no directory"
swtpm=$(type -P swtpm)
pid=
printf '000102030405060708090a0b0c0d0e0f' >key.hex

# begin PROGRAM FILE [OPTION...]: an emulator that is off.
begin() {
    local program=$1 file=$2
    shift 2
    free_ports 2
    start tpm "$program" socket --tpm2 --tpmstate "backend-uri=file://$file" \
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

# turns FILE WHAT FIRST SECOND [OPTION...]: an index of each is found by the other, while the state
# grows and volatile state comes and goes.
turns() {
    local file=$1 what=$2 first=$3 second=$4 program other index=1500000 i pcr
    shift 4
    run "$first" "$file" "$@"
    end
    for i in 1 2 3 4; do
        for program in "$first" "$second"; do
            other=$second
            [ "$program" = "$second" ] && other=$first
            index=$((index + 1))
            run "$program" "$file" "$@"
            tpm2_nvdefine -Q 0x$index -C o -s 700
            head -c 700 /dev/zero | tr '\0' "$i" | tpm2_nvwrite 0x$index -C o -i-
            tpm2_pcrextend 16:sha256=0101010101010101010101010101010101010101010101010101010101010101
            pcr=$(tpm2_pcrread sha256:16)
            ioctl -v || bail "the volatile state is not stored"
            kill_hard "$pid"
            begin "$other" "$file" "$@" || bail "$other does not start"
            ioctl -i
            is "$(tpm2_pcrread sha256:16)" "$pcr" "$what: $i, ${other##*/} resumes what ${program##*/} suspended"
            is "$(tpm2_nvread 0x$index -C o -s 700 | sha256sum)" \
                "$(head -c 700 /dev/zero | tr '\0' "$i" | sha256sum)" "$what: $i, and reads what it wrote"
            end
        done
    done
    run "$second" "$file" "$@"
    is "$(tpm2_getcap handles-nv-index | grep -c 0x15)" 8 "$what: all indices are there"
    end
}

for options in "" "--key file=key.hex"; do
    for direction in "swtpm holdfast" "holdfast swtpm"; do
        case $direction in
        swtpm*) first=$swtpm second=$emulator ;;
        *) first=$emulator second=$swtpm ;;
        esac
        rm -f state
        # shellcheck disable=SC2086 # words
        turns "$tap_dir/state" "${options:-plain}, ${direction/ / to }" "$first" "$second" $options
        is "$(head -c 8 state)" nilmptws "${options:-plain}, ${direction/ / to }: it is a linear file"
        size=$(stat -c %s state)
        ok "${options:-plain}, ${direction/ / to }: it is not larger than it must be ($size)" \
            test "$size" -lt 200000
    done
done

# What swtpm_setup makes, both ways.
if [ -n "$(type -P swtpm_setup)" ]; then
    rm -f state
    export XDG_CONFIG_HOME=$tap_dir
    ok "swtpm_setup makes a linear file" swtpm_setup --tpm2 --tpmstate "file://$tap_dir/state" --createek
    run "$emulator" "$tap_dir/state"
    like "$(tpm2_getcap handles-persistent)" 0x81010001 "holdfast finds its EK"
    end
    is "$("$emulator" socket --tpm2 --print-states --tpmstate "backend-uri=file://$tap_dir/state" |
        sed 's/[0-9][0-9]*/N/g')" "$("$swtpm" socket --tpm2 --print-states \
        --tpmstate "backend-uri=file://$tap_dir/state" | sed 's/[0-9][0-9]*/N/g')" "--print-states agree"
fi

# A file of zeros, as a new volume is (swtpm cuts it short later).
truncate -s 4M volume
turns "$tap_dir/volume" "volume of 4 MiB" "$emulator" "$swtpm"

# A real block device, reached over a link as LVM has it.
truncate -s 4M disk
if [ -n "$(type -P losetup)" ] && loop=$(losetup --find --show disk 2>/dev/null); then
    exec 6<"$loop" # the kernel gives it up when we end, however we end
    losetup -d "$loop"
    ln -s "$loop" vm-disk
    turns "$tap_dir/vm-disk" "block device" "$emulator" "$swtpm"
    exec 6<&-
    sync disk
    is "$(head -c 8 disk)" nilmptws "block device: the state is on it"
else
    skip "block device" "no loop device here"
fi

# Refusals.
# refuse FILE REGEX DESCRIPTION [OPTION...]: also, the file stays as it is.
refuse() {
    local file=$1 regex=$2 description=$3 sum
    shift 3
    sum=$(sha256sum <"$file")
    free_ports 2
    refuses any "$regex" "$description" timeout 20 "$emulator" socket --tpm2 \
        --tpmstate "backend-uri=file://$tap_dir/$file" --server "type=tcp,port=$port" \
        --ctrl "type=tcp,port=$((port + 1))" --flags not-need-init,startup-clear "$@"
    is "$(sha256sum <"$file")" "$sum" "$description: it stays as it is"
}
printf 'a letter' >letter
refuse letter "found something else, which is left alone" "a file with something in it"
truncate -s 1M filesystem
printf '\123\357' | dd of=filesystem bs=1 seek=1080 conv=notrunc status=none
refuse filesystem "found something else, which is left alone" "what looks like ext4"
head -c 100 state >short
refuse short "truncated" "half a header"
cp state newer
printf '\2' | dd of=newer bs=1 seek=8 conv=notrunc status=none
refuse newer "version 2" "a version nobody knows"
ln -s letter link
refuse link "symbolic link" "a symbolic link to a file"
refuse state "is not encrypted, and a key was given" "a plain state with a key" --key file=key.hex
refuses any "missing" "a directory that is missing" timeout 20 "$emulator" socket --tpm2 \
    --tpmstate "backend-uri=file://$tap_dir/missing/state" --ctrl "type=unixio,path=$tap_dir/c"
is "$("$emulator" socket --tpm2 --print-states --tpmstate "backend-uri=file://$tap_dir/none")" \
    '{ "type": "swtpm", "states": [] }' "a file that is missing has no states"
ok "and is not made by looking" test ! -e none
refuses any "backup is for a directory" "backup" "$emulator" socket --tpm2 --ctrl "type=unixio,path=$tap_dir/c" \
    --tpmstate "backend-uri=file://$tap_dir/state,backup"

# The lock, if asked for: `lock` goes through the URI's option.
run "$emulator" "$tap_dir/state,lock"
free_ports 2
refuses any "state is locked by process $pid" "a locked file is not opened a second time" timeout 20 \
    "$emulator" socket --tpm2 --tpmstate "backend-uri=file://$tap_dir/state,lock" \
    --ctrl "type=tcp,port=$port" --flags not-need-init
end

# The process holds the file and nothing else, and has the shorter list of system calls.
run "$emulator" "$tap_dir/state" --runas "$(id -u)"
is "$(readlink "/proc/$pid"/fd/* | grep -c "^$tap_dir/state$")" 1 "one descriptor for the state"
end
finish
