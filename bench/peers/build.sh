#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the tries that no distribution packages as peers of bench/store.py, outside the tree:
#
#     bench/peers/build.sh DIR [SOURCES]
#
# Each source is cloned at a pinned commit below DIR, or taken from SOURCES/NAME
# (rax, libart, qp, hat-trie), offline; DIR/NAME.so is it and our adapter.
# Then: python3 bench/store.py BUILD-DIR OUT-DIR --also DIR
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: $0 DIR [SOURCES]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
sources=
if [ $# -eq 2 ]; then
    sources=$(cd "$2" && pwd)
fi

# The highest level, for this processor, so that no peer is slower than it has to be.
compile() {
    "${CC:-cc}" -O3 -march=native -DNDEBUG -fPIC -fno-semantic-interposition "$@"
}

# peer NAME URL COMMIT ADAPTER SUBDIRECTORY FILE...
peer() {
    name=$1 url=$2 commit=$3 adapter=$4 sub=$5
    shift 5
    from=$sources/$name
    if [ -z "$sources" ]; then
        from=$out/src/$name
        [ -d "$from/.git" ] || git clone -q "$url" "$from"
        git -C "$from" checkout -q "$commit"
    fi
    objects=$out/obj/$name
    mkdir -p "$objects"
    # Theirs in the dialect of their own makefiles, and its warnings are theirs.
    for file in "$@"; do
        compile -std=gnu99 -w -c "$from/$sub/$file" -o "$objects/${file%.c}.o"
    done
    compile -std=c17 -D_GNU_SOURCE -Wall -Wextra -I"$here/.." -I"$here/../../include" \
        -isystem "$from/$sub" -c "$here/$adapter" -o "$objects/adapter.o"
    "${CC:-cc}" -shared -Wl,-Bsymbolic "$objects"/*.o -lm -o "$out/$name.so"
    echo "$out/$name.so"
}

peer rax https://github.com/antirez/rax 1927550cb218ec3c3dda8b39d82d1d019bf0476d rax.c . rax.c
peer libart https://github.com/armon/libart 301046804af165269e37da6725f5a4aec9ecc881 libart.c src art.c
peer qp https://github.com/fanf2/qp 90fc7de8d0b3c9c1aaa5cd9d7b1765b122fad2e5 qp.c . qp.c Tbl.c
peer hat-trie https://github.com/dcjones/hat-trie 2f4192bb3f6110e95cab676c1910b2b95f837499 hat_trie.c src \
    hat-trie.c ahtable.c misc.c murmurhash3.c
