#!/bin/sh
# The run command: installs what is missing, builds, starts a server, stores the real file
# paths of this machine, asks for the longest stored prefix of some, and stops.
#
#     sh src/run.sh                  the whole tour; 0: everything answered as it must
#     sh src/run.sh serve [ARG …]    builds and stays in the foreground; ARGs go to caudexd
#
# The build stands in build/run.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
build=$root/build/run

case ${1:-} in
"" | serve) ;;
*)
    echo "usage: sh src/run.sh [serve [CAUDEXD-ARGUMENT …]]" >&2
    exit 2
    ;;
esac

sh tests/setup.sh build
mkdir -p "$build"
log=$build/build.log
if ! cmake -S "$root" -B "$build" -G Ninja -DBUILD_TESTING=OFF -DCAUDEX_BENCH=OFF >"$log" 2>&1; then
    cat "$log" >&2
    echo "run: the configuration failed; the lines above say why" >&2
    exit 1
fi
if ! ninja -C "$build" caudexd caudex >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "run: the build failed; the whole log is $log" >&2
    exit 1
fi
caudexd=$build/src/control/caudexd
caudex=$build/src/cli/caudex

if [ "${1:-}" = serve ]; then
    shift
    exec "$caudexd" "$@"
fi

work=$(mktemp -d)
pid=""
cleanup() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "run: $1" >&2
    if [ -s "$work/server.log" ]; then
        echo "run: the server said:" >&2
        tail -n 20 "$work/server.log" >&2
    fi
    exit 1
}

"$caudexd" --listen=127.0.0.1:0 --ready-file="$work/ready" >"$work/server.log" 2>&1 &
pid=$!
tries=0
until [ -s "$work/ready" ]; do
    kill -0 "$pid" 2>/dev/null || fail "the server did not start"
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "the server was not ready within 20 s"
    sleep 0.1
done
CAUDEX_SERVER=$(head -n 1 "$work/ready")
export CAUDEX_SERVER
echo "serving on $CAUDEX_SERVER"

echo
echo "\$ find /usr -xdev | caudex load --keys --value \"a file of $(uname -n)\" -"
find /usr -xdev >"$work/paths" 2>/dev/null || true
"$caudex" load --keys --value "a file of $(uname -n)" "$work/paths" || fail "loading the paths failed"
"$caudex" count /usr >"$work/count" || fail "count failed"
echo "stored keys below /usr: $(cat "$work/count")"

# ask PATH EXPECTED-KEY: the answer must be that key, or none when it is empty
ask() {
    echo "\$ caudex match $1"
    rc=0
    answer=$("$caudex" match "$1") || rc=$?
    key=$(printf '%s' "$answer" | cut -f 1)
    if [ -z "$2" ]; then
        [ "$rc" -eq 1 ] || fail "match $1: expected no answer, got '$answer' (status $rc)"
        echo "(no stored path is a prefix of it)"
        return 0
    fi
    [ "$rc" -eq 0 ] || fail "match $1: expected $2, got status $rc"
    [ "$key" = "$2" ] || fail "match $1: expected $2, got '$key'"
    echo "$answer"
}

echo
deep=$(awk 'length($0) > n && !/[^ -~]|\t|\\/ { n = length($0); p = $0 } END { print p }' "$work/paths")
ask /usr/bin/env /usr/bin/env
ask /usr/bin/env/some/thing/else /usr/bin/env
ask /usr/share/no-such-package/doc/README /usr/share
ask "$deep/one/level/deeper" "$deep"
ask /usrx ""
ask /etc/passwd ""

echo
echo "\$ caudex bench --ratio match=1 --pipeline 100 --duration 3s --keys …"
"$caudex" bench --ratio match=1 --pipeline 100 --duration 3s --keys "$work/paths" || fail "the load failed"

kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
pid=""
[ "$rc" -eq 0 ] || fail "the server ended with status $rc"
echo
echo "stopped cleanly"
