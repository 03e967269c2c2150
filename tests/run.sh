#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests: all that fit a CI machine, or those of some labels.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'EOF'
Usage: tests/run.sh [--preset PRESET] [LABEL...]

Installs what is missing, builds PRESET [release] and runs the tests: those of the labels named, or without a label all
but the long ones (label soak). A failing test's output is printed; the last lines are CTest's summary.

  unit      one library, one process          mpi       one library on 1, 2 and 4 ranks
  parity    against Hugging Face's and the    pipeline  the programs and scripts, from files to files
            official implementations          fault     ranks really killed, signalled, cut short
  slurm     jobs under a real Slurm of two    gpu       needs a GPU
            nodes, brought up for it; as root  soak      longer than CI allows

  --preset asan   with address and undefined-behaviour sanitizers; its labels are unit and mpi unless named

Examples:
  tests/run.sh
  tests/run.sh unit mpi
  tests/run.sh soak
  tests/run.sh --preset asan

Environment: as tools/build.sh.
EOF
}

preset=release
labels=()
while (($#)); do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --preset) preset=${2:?--preset wants a name} && shift 2 ;;
        unit | mpi | fault | parity | pipeline | slurm | gpu | soak) labels+=("$1") && shift ;;
        *) echo "error: run.sh: unknown label '$1'; see tests/run.sh --help" >&2 && exit 2 ;;
    esac
done
if [[ $preset == asan ]]; then
    ((${#labels[@]})) || labels=(unit mpi)
    # Open MPI and its plugins leak by design until the process ends.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
fi

tools/build.sh "$preset" >/dev/null

if ((${#labels[@]})); then
    selected=(-L "^($(IFS='|' && echo "${labels[*]}"))\$")
else
    selected=(-LE '^soak$')
fi
exec ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${selected[@]}" </dev/null
