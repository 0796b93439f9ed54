#!/bin/sh
# Make .venv from constraints.txt, unless it is up to date. Usage: make_venv.sh [PYTHON]
# The stamp is written last: an installation that failed is done again.
set -eu
cd "$(dirname "$0")/.."

needed_gb=6
stamp=.venv/.voxray-stamp

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

find_python() {
    old=""
    for candidate in ${1:-python3 python3.13 python3.12 python3.11}; do
        if is_new_enough "$candidate"; then
            python=$candidate
            return
        fi
        [ -n "$old" ] || old=$(version_of "$candidate") || old=""
    done
    remedy="install one, or name it: make install PYTHON=/path/to/python3.11"
    [ -z "$old" ] || fail "Python $old is too old, voxray needs 3.11 or newer; $remedy"
    fail "no Python was found (tried: ${1:-python3, python3.11 to 3.13}), voxray needs 3.11 or newer; $remedy"
}

check_venv_module() {
    "$python" -c 'import venv, ensurepip' 2>/dev/null || fail \
        "Python $(version_of "$python") has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)"
}

check_disk() {
    free_gb=$(df -Pk . | awk 'NR == 2 { printf "%d", $4 / 1048576 }')
    [ "$free_gb" -ge "$needed_gb" ] || fail \
        "only $free_gb GB are free in $PWD, the libraries need $needed_gb GB; free some disk"
}

fingerprint() {
    { pwd; cat pyproject.toml constraints.txt; } | cksum
}

wanted=$(fingerprint)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && [ -x .venv/bin/voxray ]; then
    exit 0
fi
find_python "${1:-}"
check_venv_module
check_disk

rm -f "$stamp"
if ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! is_new_enough .venv/bin/python; then
    echo "making .venv with Python $(version_of "$python")"
    "$python" -m venv --clear .venv || fail "Python could not make .venv; see the lines above"
fi
echo "installing $(grep -c '==' constraints.txt) packages into .venv, pinned in constraints.txt: some minutes the first time"
{
    .venv/bin/python -m pip install --disable-pip-version-check --requirement constraints.txt &&
        .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --editable .
} || fail "the installation failed, see the lines above; check the network, then run the same command again"
printf '%s\n' "$wanted" >"$stamp"
echo "voxray is installed: .venv/bin/voxray"
