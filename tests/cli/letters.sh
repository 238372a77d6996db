# shellcheck shell=bash
# letters.sh - for tests of enrolment: parcels (holdfast-enrolment(7)) taken apart and forged, and
# certificates of other CAs than ours, by openssl.
#
#     . "$top_srcdir/tests/tap.sh"
#     . "$top_srcdir/tests/cli/letters.sh"
#     record request 4 >ek.der                # the bytes of a record
#     parcel bad request 4=other.der 5- 2^-1  # replaced, left out, the last byte's lowest bit flipped
#     issuer_make vendor                      # vendor.pem, vendor.key
#     leaf_make server vendor 'subjectAltName=DNS:localhost'       # server.pem, server.key
#     leaf_make old vendor 'subjectAltName=DNS:localhost' expired
#
# Works in the current directory. Must not: use code of ours; what is tested must not forge itself.
# SPDX-License-Identifier: BSD-3-Clause

# parcel NEW OLD [TAG=FILE | TAG^OFFSET | TAG-]...: records replaced by a file, with one bit
# flipped (OFFSET below 0: from the end), or left out.
parcel() {
    python3 - "$@" <<'PY'
import struct, sys
new, old, *edits = sys.argv[1:]
data = open(old, "rb").read()
records, at = {}, 18
while at < len(data):
    tag, size = struct.unpack(">HI", data[at:at + 6])
    records[tag] = data[at + 6:at + 6 + size]
    at += 6 + size
for edit in edits:
    if "=" in edit:
        tag, name = edit.split("=")
        records[int(tag)] = open(name, "rb").read()
    elif "^" in edit:
        tag, offset = map(int, edit.split("^"))
        value = bytearray(records[tag])
        value[offset] ^= 1
        records[tag] = bytes(value)
    else:
        del records[int(edit[:-1])]
body = b"".join(struct.pack(">HI", t, len(v)) + v for t, v in sorted(records.items()))
open(new, "wb").write(data[:12] + struct.pack(">IH", 18 + len(body), len(records)) + body)
PY
}

# record FILE TAG: a record's bytes.
record() {
    python3 - "$@" <<'PY'
import struct, sys
data, at = open(sys.argv[1], "rb").read(), 18
while at < len(data):
    tag, size = struct.unpack(">HI", data[at:at + 6])
    if tag == int(sys.argv[2]):
        sys.stdout.buffer.write(data[at + 6:at + 6 + size])
    at += 6 + size
PY
}

# issuer_make NAME [SUBJECT]: a CA of somebody's.
issuer_make() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -subj "${2:-/CN=$1}" -days 10 -out "$1.pem" 2>/dev/null
}

# openssl_ca ARG...: `openssl ca`, which alone can sign with dates of the past.
openssl_ca() {
    cat >openssl-ca.conf <<'END'
[ca]
default_ca = here
[here]
database = openssl-ca.index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
END
    : >openssl-ca.index
    openssl ca -batch -config openssl-ca.conf -notext "$@" 2>/dev/null
}
EXPIRED=(-startdate 20200101000000Z -enddate 20210101000000Z)

# leaf_make NAME ISSUER EXTENSIONS [expired]: a key and its certificate.
leaf_make() {
    printf '%s\n' "$3" >leaf.ext
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -subj "/CN=$1" -out leaf.csr 2>/dev/null
    if [ "${4:-}" = expired ]; then
        openssl_ca -in leaf.csr -cert "$2.pem" -keyfile "$2.key" -extfile leaf.ext -out "$1.pem" \
            "${EXPIRED[@]}"
    else
        openssl x509 -req -in leaf.csr -CA "$2.pem" -CAkey "$2.key" -extfile leaf.ext \
            -out "$1.pem" -days 5 2>/dev/null
    fi
}
