#!/bin/sh
# A server under every kind of load for a long time: it must answer to the end, give back what
# it used, and stop in order. The target `soak` runs it; CAUDEX_SOAK_SECONDS says how long.
#
#     sh tests/soak.sh CAUDEXD CAUDEX SECONDS
#
# A round opens connections, fills, reads, writes, lists and deletes, and drops what it stored.
# Memory after a round may not grow beyond that after the sixth one: by then the allocator has
# kept what it will keep. 0: it did not.
set -eu
caudexd=$1
caudex=$2
seconds=$3
round_s=10
first_rounds=6
# What the allocator may keep that an earlier round did not need.
slack_kib=16384
mix=get=40,match=20,match_all=5,put=20,put_if=5,delete=10,list=1,children=1,count=1

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
    echo "soak: $1" >&2
    tail -n 20 "$work/server.log" >&2
    exit 1
}

"$caudexd" --listen=127.0.0.1:0 --ready-file="$work/ready" >"$work/server.log" 2>&1 &
pid=$!
tries=0
until [ -s "$work/ready" ]; do
    kill -0 "$pid" 2>/dev/null || fail "the server did not start"
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "the server was not ready within a minute"
    sleep 0.1
done
CAUDEX_SERVER=$(head -n 1 "$work/ready")
export CAUDEX_SERVER

round=0
limit_kib=0
end=$(($(date +%s) + seconds))
while [ "$(date +%s)" -lt "$end" ] || [ "$round" -le "$first_rounds" ]; do
    round=$((round + 1))
    "$caudex" bench --fill --keyspace 100000 --ratio "$mix" --connections 200 --duration "${round_s}s" \
        --seed "$round" >"$work/bench.log" 2>&1 || fail "round $round: $(cat "$work/bench.log")"
    "$caudex" drop /bench >"$work/drop.log" 2>&1 || fail "round $round: $(cat "$work/drop.log")"
    kept=$("$caudex" count /)
    [ "$kept" -eq 0 ] || fail "round $round: $kept keys are left after the drop"
    rss_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
    echo "round $round: $((rss_kib / 1024)) MiB"
    if [ "$round" -eq "$first_rounds" ]; then
        limit_kib=$((rss_kib + rss_kib / 4 + slack_kib))
    elif [ "$round" -gt "$first_rounds" ] && [ "$rss_kib" -gt "$limit_kib" ]; then
        fail "round $round: $rss_kib KiB of memory; after round $first_rounds a limit of $limit_kib was set"
    fi
done

kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
pid=""
[ "$rc" -eq 0 ] || fail "the server ended with status $rc"
echo "soak: $round rounds, no growth, stopped in order"
