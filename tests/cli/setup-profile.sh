#!/bin/bash
# Profiles in holdfast-setup and swtpm_setup: where they are looked for, what a TPM gets, what is refused. With libtpms 0.9,
# which has none: that each of them is refused and nothing made.
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317 # called by ok
# shellcheck source=tests/tap.sh
. "${top_srcdir:=.}/tests/tap.sh" || exit 1
built=$(cd "$top_builddir" && pwd)
setup=$built/holdfast-setup names=$built/swtpm-names
cd "$tap_dir" || bail "no directory"
export XDG_CONFIG_HOME=$tap_dir/config
mkdir config site st
: >config/swtpm_setup.conf # and not that of the system
swtpm_setup() { "$names/swtpm_setup" --tpm2 --tpm-state st "$@"; }
own() { "$setup" --tpm2 --tpm-state st "$@"; }
empty() { [ -z "$(ls st)" ]; }

is "$("$names/swtpm_setup" --print-profiles)" "{}" "a TPM 1.2 has none"
refuses 1 "no --profile support for TPM 1.2" "nor takes one" "$names/swtpm_setup" --tpm-state st --profile-name null
refuses 2 "no --profile support for TPM 1.2" "under our own name too" "$setup" --tpm-state st --profile-name null
refuses 1 "does not accept a .new. profile" "--reconfigure takes none" swtpm_setup --reconfigure --profile-name null
refuses 1 "Only one of --profile, --profile-name" "two of them" swtpm_setup --profile-name null --profile '{"Name":"null"}'
refuses 1 "one of check, fips-host, found 'often'" "a way to remove that there is not" \
    swtpm_setup --profile-remove-disabled often
refuses 1 "expected a number from 0" "no descriptor" swtpm_setup --profile-file-fd x

if [ "$(own --print-profiles)" = "{}" ]; then
    for option in '--profile={"Name":"null"}' --profile-name=null --profile-file=site/a.json --profile-file-fd=0 \
        --profile-remove-disabled=check; do
        refuses 1 "libtpms 0[.]9[.][0-9]+ has no profiles, libtpms 0[.]10 is the first that has; nothing was made" \
            "${option%%=*} without profiles" own "$option"
    done
    ok "nothing was made" empty
    echo 'profile_file = missing.json' >config/swtpm_setup.conf
    ok "what a configuration says of profiles" swtpm_setup --logfile log
    like "$(cat log)" 'the profile has no effect, the TPM gets the profile "null"' "has no effect, which is said"
    case $("$setup" --print-capabilities) in
    *profile*) fail "profiles are promised" ;;
    *) pass "and none is promised" ;;
    esac
    skip "profiles" "this libtpms has none"
    finish
fi

# --- what a TPM gets; asked of the emulator

# of STATE [KEY]: the name of the TPM's profile, or another member.
of() {
    "$built/holdfast" socket --tpm2 --tpmstate "dir=$1" --print-info 32 |
        python3 -c "import json, sys; print(json.load(sys.stdin)['ActiveProfile']['${2:-Name}'])"
}
# gets NAME DESCRIPTION OPTION...: a TPM that is made with the options has this profile.
gets() {
    local name=$1 what=$2
    shift 2
    rm -f st/tpm2*
    if swtpm_setup --logfile log "$@"; then
        is "$(of st)" "$name" "$what"
    else
        fail "$what" "$(cat log)"
    fi
    rm -f log
}

own --print-profiles >all.json
ok "--print-profiles names those of libtpms" python3 -c "
import json
all = json.load(open('all.json'))
assert list(all) == ['builtin'], list(all)
assert {'null', 'default-v1', 'custom'} <= {p['Name'] for p in all['builtin']}"
swtpm_setup --print-capabilities >caps.json
ok "and so do the capabilities" python3 -c "
import json
caps = json.load(open('caps.json'))
assert {'cmdarg-profile', 'cmdarg-profile-remove-disabled'} <= set(caps['features'])
assert caps['profiles'] == [p['Name'] for p in json.load(open('all.json'))['builtin']]"

gets null "without a word it is that of libtpms 0.9"
gets default-v1 "--profile" --profile '{"Name":"default-v1"}'
gets custom:few "--profile, a custom one" --profile ' {"Name" : "custom:few"} '
gets default-v1 "--profile-name, built in" --profile-name default-v1
gets custom:some "--profile-name, the name of a custom one" --profile-name custom:some
gets null "--profile-name builtin:" --profile-name builtin:null
printf '{"Name":"custom:site","Description":"ours"}\n' >site/ours.json
printf '{"Name":"null"}' >site/default-v1.json
gets custom:site "--profile-file" --profile-file site/ours.json
gets custom:site "--profile-file, a pipe" --profile-file <(cat site/ours.json)
gets custom:site "--profile-file-fd" --profile-file-fd 7 7<site/ours.json
ok "with everything else that a TPM gets" own --overwrite --createek --create-spk --profile-name default-v1 --display --logfile log
like "$(cat log)" "The TPM has the profile default-v1[.]" "and it is said"
rm log
ok "removed from a custom one" own --overwrite --profile '{"Name":"custom"}' --profile-remove-disabled fips-host
case ,$(of st Algorithms), in
*,camellia,* | *,rsa-min-size=1024,*) fail "what FIPS mode does not have" ;;
*,rsa-min-size=2048,*) pass "what FIPS mode does not have" ;;
*) fail "what FIPS mode does not have" "$(of st Algorithms)" ;;
esac
ok "banks can be changed then" own --reconfigure --pcr-banks sha384
is "$(of st)" "custom" "and the profile stays"

# --- the configuration

echo "local_profiles_dir = $tap_dir/empty" >config/swtpm_setup.conf
mkdir empty
like "$(swtpm_setup --print-profiles)" '^[{]"local":[[][]],"builtin":' "a site without profiles"
rmdir empty
like "$(swtpm_setup --print-profiles)" '^[{]"builtin":' "and without their directory"
echo "local_profiles_dir = $tap_dir/site" >config/swtpm_setup.conf
gets custom:site "--profile-name, the site's" --profile-name ours
gets null "the site's come before those built in" --profile-name default-v1
gets null "local:" --profile-name local:default-v1
gets default-v1 "builtin:" --profile-name builtin:default-v1
echo 'profile = {"Name":"default-v1"}' >>config/swtpm_setup.conf
gets default-v1 "profile" --createek
gets null "an option comes before it" --profile-name null
echo "profile_file = $tap_dir/site/ours.json" >>config/swtpm_setup.conf
gets custom:site "profile_file comes before profile"
sed -n 's/^local/&/p' config/swtpm_setup.conf >config/holdfast-setup.conf
echo 'profile = {"Name":"custom:own"}' >>config/holdfast-setup.conf
ok "the same in our own" own --overwrite
is "$(of st)" custom:own "is used"
rm config/holdfast-setup.conf
echo junk >site/junk.json
echo '{"Description":"no name"}' >site/noname.json
swtpm_setup --print-profiles >all.json 2>left-out
is "$(python3 -c "import json; print([p['Name'] for p in json.load(open('all.json'))['local']])")" "['default-v1', 'ours']" \
    "the site's are listed by the names they are asked for with"
like "$(cat left-out)" 'Left out: .*/noname.json: expected a JSON object with a "Name"' "what is none is left out"
like "$(cat left-out)" 'Left out: .*junk' "with its reason"

# --- refused, and the TPM that is there stays

echo "local_profiles_dir = $tap_dir/site" >config/swtpm_setup.conf
before=$(sha256sum st/tpm2*)
bad() { # bad TEXT OPTION...
    local text=$1
    shift
    refuses 1 "$text" "$*" swtpm_setup --overwrite "$@"
}
bad 'there is no profile .nonsense.: neither a file nonsense.json nor built into libtpms, which has ' --profile-name nonsense
bad 'there is no profile .null. there: cannot read .*/site/null.json' --profile-name local:null
bad 'there is no profile .nonsense. there: ' --profile-name distro:nonsense
bad 'letters, digits and [.]-: only' --profile-name ../st/x
bad 'letters, digits and [.]-: only' --profile-name local:
bad 'letters, digits and [.]-: only' --profile-name a2345678901234567890123456789012345
bad 'libtpms refuses the profile' --profile '{"Name":"nonsense"}'
bad 'libtpms refuses the profile .*hmac' --profile '{"Name":"custom","Algorithms":"rsa"}'
bad 'expected a profile, a JSON object with a "Name", found: [{]' --profile '{'
bad 'expected a profile, a JSON object' --profile '{"Name":7}'
bad '--profile-name: .*junk|expected a profile' --profile-name junk
bad 'expected a profile' --profile-file site/noname.json
bad '--profile-file: cannot open missing.json' --profile-file missing.json
bad 'expected a profile' --profile-file /dev/null
bad '--profile-file-fd: cannot read' --profile-file-fd 77
head -c 70000 /dev/zero | tr '\0' ' ' >site/long.json
bad '--profile-file: .*long.json' --profile-file site/long.json
echo "profile_file = missing.json" >>config/swtpm_setup.conf
bad 'swtpm_setup.conf, profile_file: cannot open missing.json'
is "$(sha256sum st/tpm2*)" "$before" "after all of that the TPM is as it was"
finish
