#!/bin/sh
# Installs what is missing of the named groups of tests/apt.txt, and nothing twice.
#
#     sh tests/setup.sh build test
#
# When all is there it needs neither network nor root. 0: all is there; 1: something
# is missing and could not be installed; 2: usage.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if [ $# -eq 0 ]; then
    echo "usage: sh tests/setup.sh GROUP …   (groups: build test campaign bench)" >&2
    exit 2
fi

wanted=""
for group in "$@"; do
    packages=$(sed -n "s/^$group //p" "$here/apt.txt")
    if [ -z "$packages" ]; then
        echo "setup: there is no group '$group' in tests/apt.txt" >&2
        exit 2
    fi
    wanted="$wanted $packages"
done

missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    if [ "$status" != installed ]; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: this is no Debian; install what corresponds to:$missing" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: missing:$missing" >&2
        echo "setup: run as root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    sudo="sudo"
fi

echo "setup: installing$missing"
# Installed servers are for the benchmarks: they must not start by themselves.
policy=/usr/sbin/policy-rc.d
made_policy=""
remove_policy() {
    if [ -n "$made_policy" ]; then
        $sudo rm -f "$policy"
        made_policy=""
    fi
}
trap remove_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod +x "$policy"
fi
apt="env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"
# A list that cannot be fetched, of somebody else's archive perhaps, is no reason to give up yet.
# shellcheck disable=SC2086 # the words are options and packages
$sudo $apt update || echo "setup: the list of packages could not be updated; trying with the one there is" >&2
rc=0
# shellcheck disable=SC2086
$sudo $apt install -y --no-install-recommends $missing >/dev/null || rc=$?
if [ "$rc" -ne 0 ]; then
    echo "setup: apt-get failed; missing were:$missing" >&2
    exit 1
fi
