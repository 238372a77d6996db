#!/bin/bash
# holdfast-setup under the name swtpm_setup: its configuration files, certificates by create_certs_tool (ours,
# Debian's, a site's own), and what happens when that program fails; beside Debian's swtpm_setup where it is.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2016  # what stands in quotes is for the programs that are written here
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
need openssl
names=$(cd "$top_builddir" && pwd)/swtpm-names
[ -x "$names/swtpm_setup" ] || bail "$names has no links"
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir/config TMPDIR=$tap_dir/tmp
mkdir tmp
setup() { "$names/swtpm_setup" --tpm2 "$@"; }
rooted=()
[ "$(id -u)" != 0 ] || rooted=(root)

# --- configuration files for a user

out=$("$names/swtpm_setup" --create-config-files "${rooted[@]}")
is "$out" "Writing $tap_dir/config/swtpm_setup.conf.
Writing $tap_dir/config/swtpm-localca.conf.
Writing $tap_dir/config/swtpm-localca.options." "--create-config-files writes three files"
ok "and makes the CA's directory" test -d config/var/lib/swtpm-localca
like "$(cat config/swtpm_setup.conf)" "create_certs_tool = /.*/swtpm_localca" "they name the certificate tool"
is "$(sed -n 's/^statedir = //p' config/swtpm-localca.conf)" "$tap_dir/config/var/lib/swtpm-localca" "and the CA"
before=$(cat config/swtpm* | sha256sum)
words=$(IFS=,; echo "${rooted[*]}")
refuses 1 "already exists. Refusing to overwrite" "not a second time" "$names/swtpm_setup" --create-config-files "${words:-}"
ok "skip-if-exist" "$names/swtpm_setup" --create-config-files "${words:+$words,}skip-if-exist"
rm config/swtpm-localca.conf
ok "skip-if-exist, one is there" "$names/swtpm_setup" --create-config-files "${words:+$words,}skip-if-exist"
ok "leaves the others out" test ! -e config/swtpm-localca.conf
ok "overwrite" "$names/swtpm_setup" --create-config-files "${words:+$words,}overwrite"
is "$(cat config/swtpm* | sha256sum)" "$before" "they are the same again"
refuses 1 "unknown word" "an unknown word" "$names/swtpm_setup" --create-config-files "${words:+$words,}nonsense"
if [ -n "$words" ]; then
    refuses 1 "Requiring the 'root' flag" "root has to say so" "$names/swtpm_setup" --create-config-files
fi

# --- certificates by the tool that is configured

# What is installed there later is in the build tree now.
sed -i "s|^create_certs_tool = .*|create_certs_tool = $names/swtpm_localca|" config/swtpm_setup.conf
mkdir state certs
ok "a TPM with certificates of the local CA" setup --tpm-state state --create-ek-cert --create-platform-cert \
    --lock-nvram --vmid vm1:0815 --write-ek-cert-files certs --logfile setup.log
like "$(cat setup.log)" "Invoking $names/swtpm_localca --type ek --ek [0-9a-f]{512} --dir $tap_dir/tmp/swtpm_setup.certs.[^ ]* --logfile setup.log --vmid vm1:0815 --tpm-spec-family 2.0 --tpm-spec-level 0 --tpm-spec-revision [0-9]+ --tpm-manufacturer id:00001014 --tpm-model swtpm --tpm-version id:[0-9]+ --tpm2 --configfile $tap_dir/config/swtpm-localca.conf --optsfile $tap_dir/config/swtpm-localca.options" \
    "it is called as swtpm_setup calls it"
like "$(cat setup.log)" "Invoking [^ ]* --type ek --ek x=[0-9a-f]{96},y=[0-9a-f]{96},id=secp384r1 " "for the ECC key too"
like "$(cat setup.log)" "Invoking [^ ]* --type platform --ek [0-9a-f]{512} " "and for the platform"
like "$(cat setup.log)" "Successfully created EK certificate locally." "its log is ours"
ca=config/var/lib/swtpm-localca
for file in ek-rsa2048 ek-secp384r1; do
    openssl x509 -inform DER -in "certs/$file.crt" -out "$file.pem"
    ok "$file verifies" openssl verify -CAfile $ca/swtpm-localca-rootca-cert.pem -untrusted $ca/issuercert.pem $file.pem
    is "$(openssl x509 -in $file.pem -noout -subject -nameopt RFC2253)" "subject=CN=vm1:0815" "$file: the VM"
done
is "$(ls tmp)" "" "no temporary directory is left"
ok "without certificates no tool is needed" sh -c "mkdir plain && XDG_CONFIG_HOME=/nonexistent '$names/swtpm_setup' --tpm2 --tpm-state plain --createek"

# tool NAME SCRIPT: a site's own program and a configuration with it.
tool() {
    printf '#!/bin/bash\n%s\n' "$2" >"$1.tool"
    chmod +x "$1.tool"
    printf 'create_certs_tool = ${TOOLS}/%s.tool # ours\ncreate_certs_tool_config = c.conf\nactive_pcr_banks = sha384\n' "$1" >"$1.conf"
}
export TOOLS=$tap_dir
tool own "printf '%s ' \"\$@\" >>$tap_dir/own.calls; exec $names/swtpm_localca \"\${@/c.conf/$tap_dir/config/swtpm-localca.conf}\" --optsfile $tap_dir/config/swtpm-localca.options"
mkdir own
ok "a site's own program" setup --tpm-state own --create-ek-cert --allow-signing --decryption --config own.conf --pcr-banks sha256
like "$(cat own.calls)" "--allow-signing --decryption --tpm-spec-family .* --tpm2 --configfile c.conf " "is told what is wanted"

{
    cat own.conf
    echo 'profile = {"Name": "default-v1"}'
} >profile.conf
mkdir profile
ok "a profile in the configuration, as that of swtpm 0.10 has it" setup --tpm-state profile --create-ek-cert --config profile.conf \
    --logfile profile.log
like "$(cat profile.log)" 'Warning: profile.conf: the profile has no effect|Active profile: .*default-v1' \
    "has its effect, or is left alone, and that is said"

# A program that fails, or lies, changes nothing.
before=$(sha256sum state/tpm2-00.permall)
tool fails 'echo "no such luck" >&2; exit 3'
refuses 1 "fails.tool exit with status 3: no such luck" "one that fails" setup --tpm-state state --overwrite --create-ek-cert --config fails.conf
tool nothing 'exit 0'
refuses 1 "ek.cert" "one that makes nothing" setup --tpm-state state --overwrite --create-ek-cert --config nothing.conf
tool garbage 'while [ "$1" != --dir ]; do shift; done; echo garbage >"$2/ek.cert"; echo more >"$2/more"'
refuses 1 "expected one X.509 certificate" "one that makes garbage" setup --tpm-state state --overwrite --create-ek-cert --config garbage.conf
tool other "while [ \"\$1\" != --dir ]; do shift; done; cp $tap_dir/certs/ek-rsa2048.crt \"\$2/ek.cert\""
refuses 1 "certified another key" "one that certifies another key" setup --tpm-state state --overwrite --create-ek-cert --config other.conf
tool dies 'kill -SEGV $$'
refuses 1 "died of signal 11" "one that dies" setup --tpm-state state --overwrite --create-ek-cert --config dies.conf
tool link 'while [ "$1" != --dir ]; do shift; done; ln -s /etc/passwd "$2/ek.cert"'
refuses 1 "symbolic link" "one that makes a link" setup --tpm-state state --overwrite --create-ek-cert --config link.conf
echo "create_certs_tool = /nonexistent/tool" >none.conf
refuses 1 'cannot run "/nonexistent/tool"' "one that is not there" setup --tpm-state state --overwrite --create-ek-cert --config none.conf
refuses 1 "cannot read config file" "a configuration that is not there" setup --tpm-state state --overwrite --create-ek-cert --config nowhere.conf
is "$(sha256sum state/tpm2-00.permall)" "$before" "the TPM that was there is there"

# A refusal is one line, on stderr; with a log file it is there, too.
for arguments in "--tpm-state state" "--tpm-state /nonexistent/dir" "--tpm-state state --overwrite --pcr-banks sm3-256" \
    "--tpm-state state --overwrite --keyfile /nonexistent/key" "--tpm-state state --reconfigure --createek"; do
    read -r -a words <<<"$arguments"
    setup "${words[@]}" >refused.out 2>refused.err
    is "$(grep -c . refused.err)" 1 "one line on stderr: $arguments"
    is "$(grep -cF -f refused.err refused.out)" 0 "and not on stdout, too: $arguments"
done
refuses 1 "Found existing TPM state" "with a log file stderr has it" setup --tpm-state state --logfile refused.log
like "$(cat refused.log)" "Found existing TPM state" "and the log file"
is "$(ls tmp)" "" "and nothing is left in the temporary directory"

# --- Debian's programs

if [ -x /usr/bin/swtpm_setup ] && [ -x /usr/bin/swtpm_localca ]; then
    sed "s|^create_certs_tool = .*|create_certs_tool = /usr/bin/swtpm_localca|" config/swtpm_setup.conf >debian.conf
    mkdir d1 d2
    ok "Debian's swtpm_localca with our swtpm_setup" setup --tpm-state d1 --create-ek-cert --create-platform-cert --config debian.conf
    ok "our swtpm_localca with Debian's swtpm_setup" /usr/bin/swtpm_setup --tpm2 --tpm-state d2 --create-ek-cert \
        --create-platform-cert --config config/swtpm_setup.conf --logfile d2.log
    # Exit codes of what both refuse or do.
    for arguments in "--tpm-state d1" "--tpm-state d1 --not-overwrite" "--tpm-state /nonexistent/dir" "" "--help" "--bogus" \
        "--tpm-state d1 --reconfigure --createek" "--tpm-state d1 --reconfigure --pcr-banks sha384" "--print-capabilities"; do
        read -r -a words <<<"$arguments"
        ours=0 theirs=0
        setup "${words[@]}" >/dev/null 2>&1 || ours=$?
        /usr/bin/swtpm_setup --tpm2 "${words[@]}" >/dev/null 2>&1 || theirs=$?
        is "$ours" "$theirs" "the exit code is Debian's: $arguments"
        case "$arguments" in
        --help | --bogus) ;;
        *)
            setup "${words[@]}" 2>&1 >/dev/null | grep -c . >ours.lines
            /usr/bin/swtpm_setup --tpm2 "${words[@]}" 2>&1 >/dev/null | grep -c . >theirs.lines
            is "$(cat ours.lines)" "$(cat theirs.lines)" "so is the number of lines on stderr: $arguments"
            ;;
        esac
    done
else
    skip "beside Debian's swtpm_setup" "it is not installed"
fi
finish
