#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests: all that fit a CI machine, or those of some labels.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

usage() {
    cat <<'EOF'
Usage: tests/run.sh [--preset PRESET]... [LABEL...]

Installs what is missing, builds each PRESET and runs its tests of the LABELs. Without presets and labels it does what CI
does: all tests of release, asan and tsan. With labels alone it takes the preset release. The output of a failing test is
printed. If a preset fails, the next preset runs all the same; the last line names the presets that failed.

  unit      one library, one process          mpi       one library on 1, 2 and 4 ranks
  parity    against Hugging Face's and the    pipeline  the programs and scripts, from files to files
            official implementations          fault     ranks really killed, signalled, cut short
  slurm     jobs under a real Slurm of two    gpu       needs a GPU
            nodes, brought up for it; as root  fuzz      parsers under mutated input; preset asan alone
  browser   the report's page in a headless Chromium
  lint      format, rules for Python and shell scripts, clang-tidy on changed C++ sources; see tools/lint.sh --help
  soak      longer than CI allows, clang-tidy on all sources too; with --preset asan an hour of fuzzing

Presets, with the labels that they run if you name no label:
  release   all labels but fuzz and soak
  asan      address and undefined-behaviour sanitizers, clang 16: unit fuzz; the label soak is possible too
  tsan      thread sanitizer, clang 16: unit
  clang     as release, by clang 16: unit

Examples:
  tests/run.sh
  tests/run.sh unit mpi
  tests/run.sh --preset release
  tests/run.sh soak
  tests/run.sh --preset asan --preset tsan

Environment: as tools/build.sh.
EOF
}

# Builds a preset, and runs its tests of the labels given; without labels those that the help names.
stage() {
    local preset=$1 targets=() selected=(-LE '^soak$')
    shift
    case $preset in
        asan) (($#)) || set -- unit fuzz ;;
        tsan | clang) (($#)) || set -- unit ;;
    esac
    if (($#)); then
        selected=(-L "^($(IFS='|' && echo "$*"))\$")
    fi
    case $preset in
        # Other tests of label soak run programs, which are not built here.
        asan) targets=(programs unit_tests fuzz_targets) selected+=(-E '^soak_') ;;
        tsan) targets=(unit_tests) ;;
    esac
    tools/build.sh "$preset" ${targets[@]+"${targets[@]}"} >/dev/null &&
        ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${selected[@]}" </dev/null
}

presets=()
labels=()
while (($#)); do
    case $1 in
        -h | --help) usage || exit 2; exit 0 ;;
        --preset) presets+=("${2:?--preset wants a name}") && shift 2 ;;
        unit | mpi | fault | parity | pipeline | browser | slurm | gpu | lint | fuzz | soak) labels+=("$1") && shift ;;
        *) echo "error: run.sh: unknown label '$1'; see tests/run.sh --help" >&2 && exit 2 ;;
    esac
done
if ((${#presets[@]} == 0)); then
    presets=(release)
    ((${#labels[@]})) || presets+=(asan tsan)
fi

failed=()
for preset in "${presets[@]}"; do
    SECONDS=0
    stage "$preset" ${labels[@]+"${labels[@]}"} || failed+=("$preset")
    echo "run.sh: preset $preset took $SECONDS s"
done
if ((${#failed[@]})); then
    echo "error: run.sh: these presets failed: ${failed[*]}" >&2
    exit 1
fi
