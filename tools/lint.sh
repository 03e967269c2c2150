#!/usr/bin/env bash
# Checks format (clang-format), C++ (clang-tidy) and shell scripts (shellcheck).
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'EOF'
Usage: tools/lint.sh [--all | FILE...]

Checks the format of all C++ files and all shell scripts, and runs clang-tidy (slow) over the C++ sources that differ from
the last commit; over all of them with --all; over the FILEs named otherwise. clang-tidy takes its flags from the release
build (tools/build.sh). Uses clang-format 14, clang-tidy 16 (older ones do not know std::source_location) and shellcheck of
the system.
EOF
}

build=build/release
case ${1:-} in
    -h | --help) usage && exit 0 ;;
    --all) mapfile -t tidied < <(find src tests -name '*.cpp') ;;
    '') mapfile -t tidied < <(git status --porcelain --untracked-files=all -- src tests | sed 's/^...//; s/.* -> //') ;;
    *) tidied=("$@") ;;
esac
for tool in clang-format clang-tidy-16 shellcheck; do
    command -v "$tool" >/dev/null || { echo "error: lint.sh: $tool is missing: apt-get install $tool" >&2 && exit 2; }
done

failed=0
mapfile -t formatted < <(find src tests -name '*.cpp' -o -name '*.hpp' -o -name '*.cu')
for file in "${formatted[@]}"; do
    clang-format --dry-run -Werror "$file" 2>/dev/null || { echo "not formatted: clang-format -i $file" && failed=1; }
done
find launch slurm tests tools .ci \( -name '*.sh' -o -path .ci/run \) -print0 | xargs -0r shellcheck -x -s bash || failed=1
# A precompiled header is of no use to another compiler, nor has it this one's omp.h: flags without them.
flags=$(mktemp -d)
trap 'rm -r "$flags"' EXIT
sed -E 's/ -Winvalid-pch -include [^ "]*cmake_pch\.hxx| -fopenmp//g' "$build/compile_commands.json" >"$flags/compile_commands.json"
for source in "${tidied[@]}"; do
    [[ $source == *.cpp && -e $source ]] || continue
    echo "clang-tidy $source"
    clang-tidy-16 -p "$flags" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-unknown-pragmas \
        "$source" 2>/dev/null || failed=1
done
exit "$failed"
