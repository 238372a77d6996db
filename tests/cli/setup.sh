#!/usr/bin/env bash
# holdfast-setup without an authority: its refusals, and that nothing it does or fails to do loses a TPM.
# SPDX-License-Identifier: BSD-3-Clause
. "${top_srcdir:-.}/tests/tap.sh"
need python3 timeout
setup=$top_builddir/holdfast-setup
export XDG_CONFIG_HOME=$tap_dir/config
mkdir "$XDG_CONFIG_HOME"

# state NAME: an empty state directory, its path in $dir.
dir=
state() {
    dir=$tap_dir/$1
    mkdir "$dir"
}
# sum DIR: what is in the directory, names and bytes, the lock file apart.
sum() { (cd "$1" && find . -type f ! -name .lock -exec sha256sum {} + | sort); }
# same DESCRIPTION BEFORE: $dir is as it was.
same() {
    if [ "$(sum "$dir")" = "$2" ]; then
        pass "$1"
    else
        fail "$1" "before: $2; now: $(sum "$dir")"
    fi
}
# loads DIR: an engine accepts the state and finds the PCR banks it was made with.
loads() { "$setup" --tpm2 --tpm-state "$1" --reconfigure --pcr-banks sha256 | grep -q 'as it was asked for'; }

# --- usage
refuses 2 'tpm-state must be given' 'no state directory' "$setup" --tpm2
refuses 2 'unknown or ambiguous' 'unknown option' "$setup" --tpm2 --tpm-state /x --no-such
refuses 2 'unexpected operand' 'operand' "$setup" --tpm2 --tpm-state /x word
refuses 2 'contradict' 'overwrite and not-overwrite' \
    "$setup" --tpm2 --tpm-state /x --overwrite --not-overwrite
refuses 2 'requires --tpm2' 'a TPM 1.2 has no storage primary key' "$setup" --tpm-state "$tap_dir" --create-spk
refuses 2 'exclude each other' 'two keys' \
    "$setup" --tpm2 --tpm-state "$tap_dir" --pwdfile /etc/hostname --keyfile-fd 3
refuses 2 'encrypts nothing' 'a cipher without a key' "$setup" --tpm2 --tpm-state "$tap_dir" --cipher aes-256-cbc
ln -s "$(realpath "$setup")" "$tap_dir/swtpm_setup"
refuses 1 '^swtpm_setup: ' 'under the name swtpm_setup wrong usage is 1' "$tap_dir/swtpm_setup" --tpm2
ok '--help' "$setup" --help
ok '--version' "$setup" --version
"$setup" --print-capabilities >"$tap_dir/caps"
ok '--print-capabilities is JSON of swtpm_setup' python3 - "$tap_dir/caps" <<'PY'
import json, sys
caps = json.load(open(sys.argv[1]))
assert caps["type"] == "swtpm_setup", caps
for word in ("tpm-1.2", "tpm-2.0", "cmdarg-keyfile-fd", "cmdarg-pwdfile-fd", "cmdarg-write-ek-cert-files", "cmdarg-create-config-files",
             "cmdarg-reconfigure-pcr-banks", "tpm2-rsa-keysize-2048", "tpm2-rsa-keysize-3072"):
    assert word in caps["features"], word
PY

# --- making one
refuses 1 'missing.*No such file' 'missing directory' \
    "$setup" --tpm2 --tpm-state "$tap_dir/missing" --createek
ok 'it is not made' test ! -e "$tap_dir/missing"
state plain
"$setup" --tpm2 --tpm-state "$dir" --createek --display >"$tap_dir/plain.log" 2>&1
ok 'a TPM with two endorsement keys' grep -q '0x81010016' "$tap_dir/plain.log"
ok 'its state is there' test -s "$dir/tpm2-00.permall"
ok 'an engine accepts it' loads "$dir"
ok 'nothing else is left' test "$(find "$dir" -type f ! -name .lock | wc -l)" = 1
made=$(sum "$dir")
refuses 1 'there is a TPM already' 'an existing TPM is not replaced' \
    "$setup" --tpm2 --tpm-state "$dir" --createek
is "$(grep -c 'there is a TPM already' "$tap_dir/refuses.log")" 1 'that is told once where log and errors go to one place'
"$setup" --tpm2 --tpm-state "$dir" --createek >"$tap_dir/out" 2>"$tap_dir/err" || true
is "$(cat "$tap_dir/out" "$tap_dir/err" | grep -c 'there is a TPM already')" 1 'and once where they go apart'
ok 'with the errors' grep -q 'there is a TPM already' "$tap_dir/err"
same 'it is as it was' "$made"
ok '--not-overwrite succeeds' "$setup" --tpm2 --tpm-state "$dir" --createek --not-overwrite
same 'and does nothing' "$made"
ok 'dir:// and --tpmstate' "$setup" --tpm2 --tpmstate "dir://$dir" --overwrite
ok '--overwrite makes another TPM' test "$(sum "$dir")" != "$made"
bak=$dir/tpm2-00.permall.bak
for left in "$bak" "$dir/tpm2-00.permall.damaged"; do
    cp "$dir/tpm2-00.permall" "$left"
    ok '--overwrite with what --tpmstate backup has left' "$setup" --tpm2 --tpm-state "$dir" --overwrite
    ok 'and nothing of the old TPM stays' test ! -e "$left"
done
cp "$dir/tpm2-00.permall" "$bak"
ok '--reconfigure with a backup' "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha384
ok 'which was that of an older state' test ! -e "$bak"
mv "$dir/tpm2-00.permall" "$bak"
refuses 1 'there is a TPM already' 'only the backup is there: there is a TPM' "$setup" --tpm2 --tpm-state "$dir"
ok '--not-overwrite keeps it' "$setup" --tpm2 --tpm-state "$dir" --not-overwrite
ok 'as it is' test -e "$bak" -a ! -e "$dir/tpm2-00.permall"
ok '--overwrite replaces it' "$setup" --tpm2 --tpm-state "$dir" --overwrite
ok 'with all of it' test ! -e "$bak"
ok 'ignored options are accepted' "$setup" --tpm2 --tpm-state "$dir" --overwrite --tpm 'swtpm socket' \
    --swtpm_ioctl x --tcsd-system-ps-file y --ownerpass z --ecc
"$setup" --tpm2 --tpm-state "$dir" --overwrite --tcsd-system-ps-file y >"$tap_dir/ignored.log"
ok 'and said to be' grep -q -- '--tcsd-system-ps-file has no effect' "$tap_dir/ignored.log"
ok '--logfile' "$setup" --tpm2 --tpm-state "$dir" --overwrite --logfile "$tap_dir/log"
ok 'the messages are in it' grep -q 'Making a TPM 2.0' "$tap_dir/log"
ln -s "$tap_dir/log" "$tap_dir/log.link"
refuses 1 'log.link' 'a log file is not a symbolic link' \
    "$setup" --tpm2 --tpm-state "$dir" --overwrite --logfile "$tap_dir/log.link"
mkfifo "$tap_dir/log.fifo"
refuses 1 'log.fifo' 'a log file that is a FIFO nobody reads' \
    timeout 30 "$setup" --tpm2 --tpm-state "$dir" --overwrite --logfile "$tap_dir/log.fifo"

# --- no certificates without an authority
state lone
refuses 1 'no authority to issue' 'certificates need an authority' \
    "$setup" --tpm2 --tpm-state "$dir" --create-ek-cert
refuses 1 'authority:.*nowhere' 'an authority that is not there' \
    "$setup" --tpm2 --tpm-state "$dir" --create-ek-cert --authority "$tap_dir/nowhere"
printf 'authority = %s\n' "$tap_dir/elsewhere" >"$XDG_CONFIG_HOME/holdfast-setup.conf"
refuses 1 'authority:.*elsewhere' 'the configuration names the authority' \
    "$setup" --tpm2 --tpm-state "$dir" --create-platform-cert
printf 'tcti = x\nauthorty = y\n' >"$XDG_CONFIG_HOME/holdfast-setup.conf"
refuses 1 'holdfast-setup.conf, line 2: unknown key' 'a misspelt key' \
    "$setup" --tpm2 --tpm-state "$dir"
refuses 1 'nofile.conf' 'a configuration file that is not there' \
    "$setup" --tpm2 --tpm-state "$dir" --config "$tap_dir/nofile.conf"
rm "$XDG_CONFIG_HOME/holdfast-setup.conf"
same 'nothing was made' ''
ok '--create-config-files' "$setup" --create-config-files=root
refuses 1 'exists' 'a second time' "$setup" --create-config-files=root
ok 'skip-if-exist, as libvirt gives it' "$setup" --create-config-files root,skip-if-exist
refuses 2 'unknown word' 'a wrong word' "$setup" --create-config-files=rot
if [ "$(id -u)" = 0 ]; then
    refuses 1 'add the word' 'root has to say so' "$setup" --create-config-files=overwrite
fi
ok 'the file that was written can be read' "$setup" --tpm2 --tpm-state "$dir"

# --- another user
if [ "$(id -u)" = 0 ]; then
    state other
    chmod 711 "$tap_dir"
    chown nobody "$dir"
    ok '--runas' "$setup" --tpm2 --tpm-state "$dir" --createek --runas nobody
    ok 'the state is that user'"'"'s' test "$(stat -c %U "$dir/tpm2-00.permall")" = nobody
    refuses 1 'no-such-user' 'a user that does not exist' \
        "$setup" --tpm2 --tpm-state "$dir" --runas no-such-user
    chown root "$dir"
    chmod 755 "$dir"
    made=$(sum "$dir")
    refuses 1 'ermission denied' 'a directory that user may not write' \
        "$setup" --tpm2 --tpm-state "$dir" --overwrite --runas nobody
    same 'the TPM is as it was' "$made"
else
    skip '--runas' 'only root can become somebody else'
fi

# --- PCR banks
state banks
"$setup" --tpm2 --tpm-state "$dir" --createek --pcr-banks sha1,sha384,sm3-256 >"$tap_dir/banks.log"
ok 'PCR banks that the TPM has are activated' grep -q 'PCR banks sha1,sha384 among' "$tap_dir/banks.log"
made=$(sum "$dir")
refuses 1 'none of the PCR banks' 'no bank left' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sm3-256
same 'the TPM is as it was' "$made"
refuses 2 'unknown PCR bank "md5"' 'unknown bank' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks md5
refuses 2 'it cannot go with --createek' 'reconfigure makes no keys' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --createek
ok 'the same banks again' "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha384,sha1
same 'write nothing' "$made"
ok 'other banks' "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha256
ok 'are stored' loads "$dir"
state none
refuses 1 'there is no TPM to reconfigure' 'reconfigure without a TPM' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha256
same 'makes none' ''

# --- states that are not to be touched
state corrupt
"$setup" --tpm2 --tpm-state "$dir" --createek >/dev/null
truncate -s 1000 "$dir/tpm2-00.permall"
made=$(sum "$dir")
refuses 1 'permall' 'a truncated state cannot be reconfigured' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha1
same 'and is not replaced by a new TPM' "$made"

# A state whose file is in order and whose content is not reaches the engine itself.
python3 - "$dir/tpm2-00.permall" <<'PY'
import struct, sys
size = 500
with open(sys.argv[1], "r+b") as f:
    head, blob = f.read(16), f.read(size)
    f.seek(0)
    f.truncate()
    f.write(head[:6] + struct.pack(">IHI", 16 + size, 1, size) + blob)
PY
made=$(sum "$dir")
refuses 1 'does not start from its state' 'nor one that the engine does not understand' \
    "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha1
same 'and that is not replaced either' "$made"

state linked
"$setup" --tpm2 --tpm-state "$dir" >/dev/null
mv "$dir/tpm2-00.permall" "$tap_dir/target"
ln -s "$tap_dir/target" "$dir/tpm2-00.permall"
made=$(sha256sum <"$tap_dir/target")
refuses 1 'permall' 'a symbolic link in its place' "$setup" --tpm2 --tpm-state "$dir" --createek
refuses 1 'permall' 'is not read through' "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha1
"$setup" --tpm2 --tpm-state "$dir" --overwrite >/dev/null 2>&1
ok 'is not written through' test "$(sha256sum <"$tap_dir/target")" = "$made"

state busy
"$setup" --tpm2 --tpm-state "$dir" >/dev/null
free_ports 2
start emulator "$emulator" socket --tpm2 --tpmstate "dir=$dir" --flags not-need-init,startup-clear \
    --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))"
running=$started
wait_port "$port" "$running" || { diag_file "$tap_dir/emulator.log"; bail 'the emulator does not start'; }
# It listens before it has started its TPM, which writes; it answers after that.
ok 'a running TPM' "$top_builddir/swtpm-names/swtpm_ioctl" --tcp "127.0.0.1:$((port + 1))" -c
made=$(sum "$dir")
refuses 1 'in use' 'a running TPM is not overwritten' "$setup" --tpm2 --tpm-state "$dir" --overwrite
refuses 1 'in use' 'nor reconfigured' "$setup" --tpm2 --tpm-state "$dir" --reconfigure --pcr-banks sha1
ok 'and can be kept' "$setup" --tpm2 --tpm-state "$dir" --not-overwrite
same 'it is as it was' "$made"
stop "$running"
ok 'afterwards it can be overwritten' "$setup" --tpm2 --tpm-state "$dir" --overwrite

# --- volatile state of the old TPM
state stale
"$setup" --tpm2 --tpm-state "$dir" >/dev/null
cp "$dir/tpm2-00.permall" "$dir/tpm2-00.volatilestate"
cp "$dir/tpm2-00.permall" "$dir/tpm2-00.savestate"
ok 'overwriting a suspended TPM' "$setup" --tpm2 --tpm-state "$dir" --overwrite
ok 'leaves nothing of it' test "$(find "$dir" -type f ! -name .lock | wc -l)" = 1

# --- full disk
state small
if mount -t tmpfs -o size=24k none "$dir" 2>/dev/null; then
    "$setup" --tpm2 --tpm-state "$dir" --createek >/dev/null
    cp "$dir/tpm2-00.permall" "$dir/tpm2-00.volatilestate"
    dd if=/dev/zero of="$dir/filler" bs=4096 2>/dev/null
    made=$(sum "$dir")
    refuses 1 'No space left' 'a full disk' "$setup" --tpm2 --tpm-state "$dir" --createek --create-spk \
        --ek1keyalgo rsa3072 --overwrite
    same 'keeps the old TPM, suspended as it is' "$made"
    umount "$dir"
else
    skip 'a full disk' 'no tmpfs can be mounted here'
fi

# --- killed at any time
# suspend: the TPM in $dir gets a volatile state; $before is what it is then.
before=
suspend() {
    cp "$dir/tpm2-00.permall" "$dir/tpm2-00.volatilestate"
    before=$(sha256sum <"$dir/tpm2-00.permall")
}
# whole: the old TPM as it was, or a new one that an engine accepts, without a volatile state.
old=0 new=0
whole() {
    if [ "$(sha256sum <"$dir/tpm2-00.permall")" = "$before" ]; then
        old=$((old + 1))
    elif [ ! -e "$dir/tpm2-00.volatilestate" ] && loads "$dir"; then
        new=$((new + 1))
    else
        return 1
    fi
}
state killed
"$setup" --tpm2 --tpm-state "$dir" --createek >/dev/null
begin=${EPOCHREALTIME/./}
"$setup" --tpm2 --tpm-state "$dir" --createek --overwrite >/dev/null
took=$((${EPOCHREALTIME/./} - begin))
wrong=''
for ((i = 0; i < 40; i++)); do
    after=$((RANDOM * 32768 % (took * 5 / 4) + 100))
    suspend
    { timeout -s KILL "$(printf '0.%06d' "$after")" \
        "$setup" --tpm2 --tpm-state "$dir" --createek --overwrite >/dev/null; } 2>/dev/null
    whole || { wrong="after $after us"; break; }
done
if [ -z "$wrong" ] && [ "$old" -gt 0 ]; then
    pass "killed 40 times: the old TPM $old times, the new one $new times"
else
    fail 'killed at any time' "$wrong; old $old, new $new"
fi

# The same at each system call that opens, writes or names something, one after the other.
if type -P strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    wrong='' old=0 new=0
    for call in openat write fdatasync fchmod renameat unlinkat fsync; do
        for ((nth = 1; nth <= 100; nth++)); do
            suspend
            code=0
            { strace -o /dev/null -e "inject=$call:signal=KILL:when=$nth" \
                "$setup" --tpm2 --tpm-state "$dir" --createek --ek1keyalgo none --overwrite \
                >/dev/null || code=$?; } 2>/dev/null
            [ "$code" = 0 ] && break
            whole || { wrong="$call number $nth"; break 2; }
        done
    done
    if [ -z "$wrong" ] && [ "$old" -ge 30 ] && [ "$new" -ge 1 ]; then
        pass "killed at $((old + new)) system calls: the old TPM $old times, the new one $new times"
    else
        fail 'killed at each system call' "$wrong; old $old, new $new"
    fi
    strace -f -o "$tap_dir/exec.log" -e trace=execve \
        "$setup" --tpm2 --tpm-state "$dir" --createek --overwrite >/dev/null 2>&1
    ok 'no second program is started' test "$(grep -c 'execve(' "$tap_dir/exec.log")" = 1
else
    skip 'killed at each system call' 'strace does not work here'
    skip 'no second program is started' 'strace does not work here'
fi
# A killed run may leave a hidden temporary behind; it is not mistaken for a state.
ok 'after all this a TPM can be made' "$setup" --tpm2 --tpm-state "$dir" --createek --overwrite

finish
