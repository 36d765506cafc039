#!/bin/sh
# The test command: installs what is missing, builds, and runs every test: a plain build,
# the same under ASan and UBSan, and a short fuzz.
#
#     sh tests/run.sh            everything
#     sh tests/run.sh plain      only the plain build's tests   (also: tour, sanitized, fuzz, lint)
#
# Builds stand in build/; the last line is "N passed, N failed". 0: none failed.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
what=${1:-all}
case $what in
all | lint | plain | tour | sanitized | fuzz) ;;
*)
    echo "usage: sh tests/run.sh [lint | plain | tour | sanitized | fuzz]" >&2
    exit 2
    ;;
esac
jobs=$(nproc)
passed=0
failed=0
failures=""

# note NAME STATUS: counts one result
note() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures="$failures $1"
        echo "FAILED: $1"
    fi
}

# configure_and_build DIR OPTION…: quiet, unless it fails
configure_and_build() {
    dir=$1
    shift
    if ! cmake -S "$root" -B "$dir" -G Ninja "$@" >"$dir.build.log" 2>&1; then
        cat "$dir.build.log"
        return 1
    fi
    if ! ninja -C "$dir" -j "$jobs" >"$dir.build.log" 2>&1; then
        tail -n 60 "$dir.build.log"
        return 1
    fi
}

# run_ctest DIR ARG…: counts every test of the build
run_ctest() {
    dir=$1
    shift
    rc=0
    ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$jobs" "$@" >"$dir.ctest.log" 2>&1 || rc=$?
    grep -E '% tests passed|Total Test time' "$dir.ctest.log" || true
    total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$dir.ctest.log" | tail -n 1)
    bad=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$dir.ctest.log" | tail -n 1)
    if [ -z "$total" ]; then
        cat "$dir.ctest.log"
        note "ctest in $dir" 1
        return 0
    fi
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    if [ "$rc" -ne 0 ]; then
        cat "$dir.ctest.log"
        failures="$failures ctest:$dir"
    fi
}

# suite NAME DIR LABEL CMAKE-OPTION… : builds one configuration and runs its tests (of that label;
# not:LABELS: without them; -: all)
suite() {
    name=$1
    dir=$2
    label=$3
    shift 3
    echo "== $name"
    rc=0
    configure_and_build "$dir" "$@" || rc=$?
    note "build of $name" "$rc"
    if [ "$rc" -ne 0 ]; then
        return 0
    fi
    case $label in
    -) run_ctest "$dir" ;;
    not:*) run_ctest "$dir" -LE "${label#not:}" ;;
    *) run_ctest "$dir" -L "$label" ;;
    esac
}

# check NAME COMMAND…: one test that is a command
check() {
    name=$1
    shift
    rc=0
    "$@" || rc=$?
    note "$name" "$rc"
}

# types FOLDER: type-checks the Python programs of a folder
types() {
    (cd "$1" && mypy --strict --python-executable /usr/bin/python3 --cache-dir="$root/build/mypy" ./*.py)
}

# tour: the other command of the README; its output only when it fails
tour() {
    if ! sh src/run.sh >build/tour.log 2>&1; then
        cat build/tour.log
        return 1
    fi
}

sh tests/setup.sh build test
mkdir -p build

if [ "$what" = all ] || [ "$what" = lint ]; then
    echo "== lint"
    check "shellcheck" shellcheck src/run.sh tests/run.sh tests/setup.sh tests/soak.sh bench/peers/build.sh .ci/run
    for folder in gen bench fuzz; do
        check "mypy in $folder" types "$folder"
    done
fi
if [ "$what" = all ] || [ "$what" = plain ]; then
    suite "plain" build/plain - -DCAUDEX_BENCH=ON
fi
if [ "$what" = all ] || [ "$what" = tour ]; then
    echo "== tour"
    check "sh src/run.sh" tour
fi
if [ "$what" = all ] || [ "$what" = sanitized ]; then
    # Python alone is the same with and without
    suite "sanitized" build/sanitized "not:gen|python" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
        -DCAUDEX_SANITIZE=address,undefined -DCAUDEX_BENCH=OFF
fi
if [ "$what" = all ] || [ "$what" = fuzz ]; then
    suite "fuzz" build/fuzz fuzz -DCMAKE_C_COMPILER=clang -DCAUDEX_FUZZ=ON -DCAUDEX_BENCH=OFF
fi

if [ -n "$failures" ]; then
    echo "failed:$failures"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
