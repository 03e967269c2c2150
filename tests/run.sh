#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests: all that fit a CI machine, or those of some labels.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'EOF'
Usage: tests/run.sh [--preset PRESET] [LABEL...]

Installs what is missing, builds PRESET [release] and runs the tests of the labels named. A failing test's output is
printed; the last lines are CTest's summary.

  unit      one library, one process          mpi       one library on 1, 2 and 4 ranks
  parity    against Hugging Face's and the    pipeline  the programs and scripts, from files to files
            official implementations          fault     ranks really killed, signalled, cut short
  slurm     jobs under a real Slurm of two    gpu       needs a GPU
            nodes, brought up for it; as root  fuzz      parsers under mutated input; preset asan alone
  browser   the report's page in a headless Chromium
  lint      format, rules for Python and shell scripts, clang-tidy on changed C++ sources; see tools/lint.sh --help
  soak      longer than CI allows, clang-tidy on all sources too; with --preset asan an hour of fuzzing

Presets:
  release   all labels but fuzz; labels [all but soak]
  asan      address and undefined-behaviour sanitizers, clang 16; labels [unit fuzz] and soak
  tsan      thread sanitizer, clang 16; label [unit]

Examples:
  tests/run.sh
  tests/run.sh unit mpi
  tests/run.sh soak
  tests/run.sh --preset asan

Environment: as tools/build.sh.
EOF
}

# Builds a preset, and runs its tests of the labels given; without labels all but soak.
stage() {
    local preset=$1 targets=() selected=(-LE '^soak$')
    shift
    if (($#)); then
        selected=(-L "^($(IFS='|' && echo "$*"))\$")
    fi
    case $preset in
        # Other tests of label soak run programs, which are not built here.
        asan) targets=(unit_tests fuzz_targets) selected+=(-E '^soak_') ;;
        tsan) targets=(unit_tests) ;;
    esac
    tools/build.sh "$preset" ${targets[@]+"${targets[@]}"} >/dev/null &&
        ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${selected[@]}" </dev/null
}

preset=release
labels=()
while (($#)); do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --preset) preset=${2:?--preset wants a name} && shift 2 ;;
        unit | mpi | fault | parity | pipeline | browser | slurm | gpu | lint | fuzz | soak) labels+=("$1") && shift ;;
        *) echo "error: run.sh: unknown label '$1'; see tests/run.sh --help" >&2 && exit 2 ;;
    esac
done
case $preset in
    asan) ((${#labels[@]})) || labels=(unit fuzz) ;;
    tsan) ((${#labels[@]})) || labels=(unit) ;;
esac
stage "$preset" ${labels[@]+"${labels[@]}"}
