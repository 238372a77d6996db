# shellcheck shell=bash
# build.sh - builds holdfast away from the source tree, for tests/run and samples/quickstart.
#
# The sources are copied first, so it does not matter whether somebody has configured or built in
# the tree itself; what git does not know and ignores is left behind. A second build of unchanged
# sources does nothing.
# SPDX-License-Identifier: BSD-3-Clause

# build_copy TOP DIR: the sources of TOP into DIR, times kept.
build_copy() {
    rm -rf "$2.new"
    mkdir -p "$2.new"
    if git -C "$1" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        (cd "$1" && git ls-files -z -c -o --exclude-standard | while IFS= read -r -d '' file; do
            [ ! -e "$file" ] || printf '%s\0' "$file"
        done | tar -c --null --no-recursion -T -) | tar -x -C "$2.new"
    else
        (cd "$1" && tar -c --exclude='./build*' --exclude=./.git --exclude=config.status \
            --exclude=config.log --exclude=Makefile --exclude='*.o' --exclude='*.a' .) |
            tar -x -C "$2.new"
    fi
}

# build_holdfast TOP DIR LOG [CONFIGURE OPTION...]: sources in DIR/source, result in DIR/build.
# What the programs called have to say is in LOG.
build_holdfast() {
    local top=$1 dir=$2 log=$3 key
    shift 3
    mkdir -p "$dir"
    : >"$log"
    build_copy "$top" "$dir/source" >>"$log" 2>&1 || return 1
    key=$({
        echo "$*"
        cd "$dir/source.new" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum)
    if [ -e "$dir/build/done" ] && [ "$(cat "$dir/build/done")" = "$key" ]; then
        rm -rf "$dir/source.new"
        return 0
    fi
    rm -rf "$dir/source" "$dir/build"
    mv "$dir/source.new" "$dir/source"
    mkdir "$dir/build"
    (cd "$dir/source" && ./autogen.sh && cd ../build && ../source/configure "$@" &&
        make -j"$(nproc)") </dev/null >>"$log" 2>&1 || return 1
    echo "$key" >"$dir/build/done"
}
