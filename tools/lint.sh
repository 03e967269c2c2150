#!/usr/bin/env bash
# Checks C++ (clang-format, clang-tidy), Python (ruff) and shell scripts (shellcheck).
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

usage() {
    cat <<'EOF'
Usage: tools/lint.sh [--quick | --changed | --all | FILE...]

Checks the format of all C++ files (clang-format), all Python files (ruff, rules in .ruff.toml) and all shell scripts
(shellcheck), which takes seconds. Then checks the C++ sources that changed by clang-tidy (rules in .clang-tidy), which takes
half a minute for each file. The flags change that:

  --quick    without clang-tidy
  --changed  only clang-tidy, over the sources that the last commit and the work tree changed. In a clone without the parent of
             that commit it checks only the sources that the work tree changed; in a tarball without git it checks no
             source. After BV_TIDY_SECONDS [240] it begins no other file, and names the files that are left.
  --all      only clang-tidy, over every source
  FILE...    only clang-tidy, over these files
  (nothing)  --quick, then --changed

clang-tidy takes its flags from the release build (tools/build.sh). Missing tools are installed by tools/install.sh --lint.
EOF
}

fail() {
    echo "error: lint.sh: $*" >&2
    exit 2
}

check_quickly() {
    local failed=0 formatted
    mapfile -t formatted < <(find src tests -name '*.cpp' -o -name '*.hpp' -o -name '*.cu')
    clang-format --dry-run -Werror "${formatted[@]}" || failed=1
    ruff check --no-cache --quiet . || failed=1
    find launch slurm tests tools .ci \( -name '*.sh' -o -path .ci/run \) -print0 | xargs -0r shellcheck -x -s bash || failed=1
    return "$failed"
}

changed_sources() {
    local since
    if ! git rev-parse --verify --quiet HEAD >/dev/null 2>&1; then
        echo "lint: no git history here: no changed files" >&2
        return
    fi
    since=$(git rev-parse --verify --quiet HEAD~1) || since=HEAD
    { git diff --name-only "$since" -- src tests && git ls-files --others --exclude-standard -- src tests; } | sort -u
}

# shellcheck disable=SC2329  # xargs calls it
tidy() {
    local file=$1
    if (($(date +%s) >= deadline)); then
        echo "not checked, because the time is over: $file"
        return
    fi
    echo "clang-tidy $file"
    clang-tidy -p "$flags" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-unknown-pragmas "$file" 2>/dev/null |
        sed '/^Resource filename:/d'
}

# Those of the given files that the release build compiles.
check_deeply() {
    local database=build/release/compile_commands.json file compiled=()
    for file in "$@"; do
        [[ $file == *.cpp && -e $file ]] || continue
        [[ -e $database ]] || fail "$database is missing: tools/build.sh release"
        if grep -qF "\"$PWD/$file\"" "$database"; then
            compiled+=("$file")
        else
            echo "not checked, because the release build does not compile it: $file"
        fi
    done
    ((${#compiled[@]})) || return 0
    # clang-tidy cannot read another compiler's precompiled header, and lacks its omp.h: both are left out of the flags.
    flags=$(mktemp -d)
    trap 'rm -r "$flags"' EXIT
    sed -E 's/ -Winvalid-pch -include [^ "]*cmake_pch\.hxx| -fopenmp//g' "$database" >"$flags/compile_commands.json"
    export flags deadline
    export -f tidy
    # shellcheck disable=SC2016  # the inner bash expands it
    printf '%s\0' "${compiled[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -o pipefail -c 'tidy "$1"' tidy
}

what=${1:-}
[[ $what != -h && $what != --help ]] || { usage || exit 2; exit 0; }
[[ $what != -* || $what == --quick || $what == --changed || $what == --all ]] || fail "unknown argument '$what'; see --help"
environment=$(tools/install.sh --lint)
PATH=$environment/bin:$PATH
for tool in clang-format clang-tidy ruff shellcheck; do
    command -v "$tool" >/dev/null || fail "$tool is missing in $environment (tools/requirements-lint.txt)"
done

failed=0
deadline=$(($(date +%s) + ${BV_TIDY_SECONDS:-240}))
[[ -n $what && $what != --quick ]] || check_quickly || failed=1
case $what in
    --quick) ;;
    '' | --changed) mapfile -t files < <(changed_sources) && { check_deeply ${files[@]+"${files[@]}"} || failed=1; } ;;
    --all) mapfile -t files < <(find src tests -name '*.cpp') && deadline=$((deadline + 1000000)) && { check_deeply "${files[@]}" || failed=1; } ;;
    *) deadline=$((deadline + 1000000)) && { check_deeply "$@" || failed=1; } ;;
esac
exit "$failed"
