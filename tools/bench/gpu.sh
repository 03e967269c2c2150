#!/usr/bin/env bash
# Checks a machine with GPUs by one command, from the repository or from a bundle (tools/bundle.sh).
set -euo pipefail
here=${BASH_SOURCE[0]%"${BASH_SOURCE[0]##*/}"}
unset CDPATH # with it `cd` may go elsewhere, and prints where
root=$(cd "${here:-.}/../.." && pwd)

usage() {
    local text
    IFS= read -r -d '' text <<'END' || true
Usage: tools/bench/gpu.sh OUT [FLAGS OF gpu.py]

Builds what is missing, then checks the GPUs of this machine item by item, in nine minutes if no flag says otherwise: tests of
label gpu, equal results on all GPUs and against transformers, equal bits, speed. Numbers (summary.json) and logs
(results.tar.gz) go to the folder OUT, all else to a folder for temporary files. In a bundle it builds nothing: run-here.sh
gpu.sh OUT. tools/bench/gpu.py --help names the items and the flags (--items, --total-minutes N, --work DIR, --squad DIR, ...).

Environment: the variables of tools/build.sh. If BV_BIN (a folder of programs) and BV_PYTHON (a Python) are both set, these
are used and nothing is built. run-here.sh sets both.

Example:
  tools/bench/gpu.sh results --items tests,self-test,speed --squad ~/squad
END
    printf '%s' "$text"
}

fail() {
    echo "error: gpu.sh: $*" >&2
    exit 2
}

case ${1:-} in
    -h | --help) usage || exit 2; exit 0 ;;
    '' | -*) fail "the folder for results is missing; see --help" ;;
esac
nvidia-smi --list-gpus >/dev/null 2>&1 || fail "nvidia-smi lists no GPU on this machine"
if [[ ! ${BV_BIN:-} || ! ${BV_PYTHON:-} ]]; then
    BV_PYTHON=$("$root/tools/build.sh")/bin/python
    export BV_BIN=$root/build/release/bin
fi
exec "$BV_PYTHON" "$root/tools/bench/gpu.py" "$@"
