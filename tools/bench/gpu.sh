#!/usr/bin/env bash
# The whole check of a machine with GPUs in one command: build, tests, self-test, speed.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'EOF'
Usage: tools/bench/gpu.sh [FLAGS OF gpu.py]

Builds, runs the tests of label gpu, then tools/bench/gpu.py: shows that all GPUs together train what one of them trains,
and prints how fast one and all fine-tune BERT-Large. Takes --squad DIR, --model DIR, --batch N, --steps N, --gpus N,
--output DIR.

Environment: as tools/build.sh.
EOF
}

case ${1:-} in -h | --help) usage && exit 0 ;; esac
if ! nvidia-smi --list-gpus >/dev/null 2>&1; then
    echo "error: gpu.sh: nvidia-smi lists no GPU on this machine" >&2
    exit 2
fi
tests/run.sh gpu
python=$(tools/build.sh)/bin/python
exec "$python" tools/bench/gpu.py "$@"
