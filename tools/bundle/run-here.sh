#!/bin/bash
# Runs a program of this folder on this machine. Uses only bash and Python: a machine may have nothing else.
set -euo pipefail

usage() {
    local text
    IFS= read -r -d '' text <<'END' || true
Usage: run-here.sh [--python PYTHON] [--ranks N [FLAGS]] [--] PROGRAM [ARGUMENTS]

Runs PROGRAM of this folder, on one process or on N ranks, with the torch of a Python environment of this machine. The
folder may lie anywhere, also on a read-only disk. Nothing is installed, and no network is used.

  --python PYTHON   the environment's Python: 3.11 to 3.13 with torch 2.11 as PyPI has it
                    [the first of these that fits: $BV_PYTHON, an active environment's, python3, python, python3.13 to 3.11]
  --ranks N         on N ranks of this machine by launch/run_ranks.sh, with this folder's Open MPI; FLAGS are its flags
                    (--threads T, --gpus, --hostfile FILE, ...)
  PROGRAM           a program of bin/ (each explains itself by --help); gpu.sh, which checks a machine with GPUs;
                    python, the Python of the environment; or any other program, run with the same environment

Examples:
  run-here.sh bv_prepare --help
  run-here.sh --python ~/venv/bin/python -- bv_prepare --squad train-v2.0.json --model $M --output train.h5
  run-here.sh --ranks 2 -- bv_finetune --model $M --features train.h5 --task span --checkpoints 1 --output run
  run-here.sh gpu.sh results --squad ~/squad                  # needs the packages of tools/requirements.txt
  run-here.sh python tools/make_corpus.py --output corpus
  run-here.sh launch/debug.sh --squad ~/squad --run ~/run     # needs the packages of tools/requirements.txt
  . ~/site.sh && run-here.sh slurm/study.sh --config configs/reference.toml ...    # jobs inherit the environment
END
    printf '%s' "$text"
}

fail() {
    echo "error: run-here.sh: $*" >&2
    exit 2
}

here=${BASH_SOURCE[0]%"${BASH_SOURCE[0]##*/}"}
unset CDPATH # with it `cd` may go elsewhere, and prints where
here=$(cd -- "${here:-.}" && pwd -P)

python='' ranks='' flags=()
while (($#)); do
    case $1 in
        -h | --help) usage || exit 2; exit 0 ;;
        --python) (($# > 1)) || fail "--python wants the name of a Python" && python=$2 && shift 2 ;;
        --ranks) (($# > 1)) || fail "--ranks wants a number" && ranks=$2 && shift 2 ;;
        --) shift && break ;;
        -*)
            [[ $ranks ]] || fail "unknown flag '$1'; see --help"
            while (($#)) && [[ $1 != -- ]]; do flags+=("$1") && shift; done
            ;;
        *) break ;;
    esac
done
(($#)) || fail "no program to run; see --help"

# Takes the first Python whose torch fits.
find_torch() {
    local candidates=(${BV_PYTHON:+"$BV_PYTHON"} ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"}
        ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} python3 python python3.13 python3.12 python3.11)
    local candidate said found=''
    [[ ! $python ]] || candidates=("$python")
    for candidate in "${candidates[@]}"; do
        candidate=$(type -P "$candidate") || continue
        # A message of Python's own has several lines: the last one names the error.
        if said=$("$candidate" -S -c pass 2>&1) && said=$("$candidate" "$here/tools/bundle/torch_here.py" "$here/VERSION" 2>&1); then
            python=$candidate torch=$said
            return
        fi
        [[ $found == *"$candidate: "* ]] || found+="; $candidate: ${said##*$'\n'}"
    done
    [[ $found ]] || fail "no Python found${python:+ named $python}; --python names one that has torch"
    fail "no Python here has a torch that fits${found}"
}

find_torch
export BV_PYTHON=$python BV_BIN=$here/bin BV_MPIRUN=$here/bin/mpirun
export PATH=$here/bin:${PATH:-/usr/bin:/bin}
export LD_LIBRARY_PATH=$torch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# Without these variables Open MPI and PMIx look for their files at the places where they were built.
export OPAL_PREFIX=$here OPAL_SYSCONFDIR=$here/etc/openmpi
export PMIX_LIBDIR=$here/lib PMIX_DATADIR=$here/share
# If a machine lacks the libraries of a network, the plugins for it are no error. Ranks on other hosts need these variables
# too.
export OMPI_MCA_mca_base_component_show_load_errors=${OMPI_MCA_mca_base_component_show_load_errors:-0}
export OMPI_MCA_mca_base_env_list=${OMPI_MCA_mca_base_env_list:-LD_LIBRARY_PATH}
# PMIx crashes for a user without a home and without an entry in /etc/passwd.
export HOME=${HOME:-/}
# If there is no ssh, mpirun works only if it is told not to use it.
type -P ssh >/dev/null || type -P rsh >/dev/null || export OMPI_MCA_plm=${OMPI_MCA_plm:-^rsh}

case $1 in
    gpu.sh) set -- "$BASH" "$here/tools/bench/gpu.sh" "${@:2}" ;;
    python) set -- "$python" "${@:2}" ;;
    */*) ;;
    *) [[ ! -x $here/bin/$1 ]] || set -- "$here/bin/$1" "${@:2}" ;;
esac
type -P "$1" >/dev/null || fail "$1 is no program; those of this folder are in $here/bin"
[[ ! $ranks ]] || set -- "$BASH" "$here/launch/run_ranks.sh" --ranks "$ranks" ${flags[@]+"${flags[@]}"} -- "$@"
exec "$@"
