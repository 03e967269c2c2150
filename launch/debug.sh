#!/usr/bin/env bash
# shellcheck disable=SC2006  # see road.sh
# Installs, builds, and runs all stages of a study on one machine.
set -euo pipefail
told=''
trap 'told=1' USR1
here=$PWD
me_at=`realpath "$0"`
cd "${me_at%/*}/.."
. launch/road.sh
. launch/stages.sh

usage() {
    cat <<'END'
Usage: launch/debug.sh [FLAGS] [STAGE...]

Installs what is missing, builds, and runs a small study from text to report on this machine, in these stages: prepare,
finetune, extract, train, eval, report. At the end it prints the path of the report, an HTML page. Results that are already
made are skipped, so the same command goes on after an interruption. If you name STAGEs, only these run, in the order above.
A stage reads the results of the stages before it, so run these first, beginning with prepare.

END
    road_flags
    cat <<'END'
  --ranks N       ranks of finetune, extract, train and eval [one for each visible GPU; without a GPU 2]

To look into it:
  --preset P      run the programs of this preset of CMakePresets.json (debug, asan ...) [release]; builds them if needed
  --sanitizer R   rank R runs the programs of preset asan; the other ranks run the programs of --preset
  --gdb R         rank R runs under gdb, which reads this terminal: type run
  --hang-timeout S   name ranks that give no sign for S seconds, and print the work of each of them; 0 means never
                     [120; together with --gdb 0]
  --verbose       every rank prints each collective call it enters

Examples:
  launch/debug.sh
  launch/debug.sh --squad ~/squad --model ~/bert-large-uncased --run ~/runs/large --config configs/minilm.toml
  launch/debug.sh --squad ~/squad --config configs/experiments.toml    # with the experiments of the reference
  launch/debug.sh eval report --force                    # makes these two stages of the run again
  launch/debug.sh prepare                                # before a first single stage
  launch/debug.sh finetune --task span --ranks 4 --gdb 1
  launch/debug.sh finetune --run runs/hang --ranks 2 --verbose --hang-timeout 5

Environment: the variables of tools/build.sh. BV_BIN names a folder of programs, which then run, and nothing is built.
BV_PYTHON names a Python with the packages of tools/requirements.txt, which is used with these programs. In a bundle
(tools/bundle.sh) "run-here.sh launch/debug.sh" sets both.
END
}

stages=() preset=release sanitizer='' gdb='' hang_timeout=''
while (($#)); do
    if read_flag "$here" "$@"; then
        shift "$taken"
        continue
    fi
    case $1 in
        --preset)
            [[ -n ${2:-} ]] || fail "$1 wants a value"
            preset=$2 && shift 2
            ;;
        --sanitizer | --gdb | --hang-timeout)
            [[ ${2:-} =~ ^[0-9]+$ ]] || fail "$1 is '${2:-}', not a whole number"
            name=${1#--}
            declare "${name/-/_}=$2"
            shift 2
            ;;
        --verbose) export BV_LOG=debug NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=COLL && shift ;;
        -h | --help) usage || exit 2; exit 0 ;;
        prepare | finetune | extract | train | eval | report) stages+=("$1") && shift ;;
        *) fail "unknown argument '$1'; see launch/debug.sh --help" ;;
    esac
done
((${#stages[@]})) || stages=("${all_stages[@]}")
check_flags

count_ranks() {
    local gpus=0 visible device
    if [[ ${CUDA_VISIBLE_DEVICES+set} ]]; then
        IFS=', ' read -ra visible <<<"$CUDA_VISIBLE_DEVICES"
        for device in ${visible[@]+"${visible[@]}"}; do # CUDA reads up to the first word that names no device
            [[ $device =~ ^([0-9]+$|GPU-|MIG-) ]] || break
            gpus=$((gpus + 1))
        done
    elif command -v nvidia-smi >/dev/null; then
        gpus=`nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU'` || true
    fi
    echo $((gpus > 0 ? gpus : 2))
}
[[ $ranks ]] || ranks=`count_ranks`
for rank in $gdb $sanitizer; do
    ((rank < ranks)) || fail "there is no rank $rank: $ranks ranks are numbered from 0"
done

prefix=''
name_from_here
if [[ ${BV_BIN:-} ]]; then
    bin=$BV_BIN
    python=${BV_PYTHON:-}
    [[ $python ]] || python=`tools/install.sh`/bin/python
else
    python=`tools/build.sh "$preset" programs`/bin/python
    bin=build/$preset/bin
fi
if [[ $sanitizer ]]; then
    tools/build.sh asan programs >/dev/null
    launch_flags+=(--instead "$sanitizer" build/asan/bin)
fi
if [[ $gdb ]]; then
    command -v gdb >/dev/null || fail "--gdb needs gdb: apt-get install gdb"
    launch_flags+=(--gdb "$gdb")
    hang_timeout=${hang_timeout:-0}
fi
if [[ $preset == asan || $sanitizer ]]; then
    # Open MPI and its plugins keep some memory until the process ends; that is no fault.
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
fi
[[ ! $hang_timeout ]] || program_flags+=(--hang-timeout "$hang_timeout")
read_study
for stage in "${stages[@]}"; do check_settings "$stage"; done
if changes_study && command -v squeue >/dev/null; then
    queue=`queued_jobs` || echo "warning: debug.sh: squeue failed; jobs in the queue, if there are any, will read the changed study" >&2
    [[ ! $queue ]] || refuse_study
fi
check_inputs
[[ $config -ef $run/study.toml ]] || cp "$config" "$run/study.toml"
wanted_results >"$run/wanted.txt"
# The commit, host and versions behind the results, for the report.
record=$run/jobs/debug-`date +%Y%m%d-%H%M%S`.json
launch/rank.sh --check -- "$bin/bv_plan" |
    python3 launch/preflight.py --ranks 1 --threads 1 --record "$record" -- "$bin/bv_plan"

began=$SECONDS
for stage in "${all_stages[@]}"; do
    [[ " ${stages[*]} " == *" $stage "* ]] || continue
    if [[ ! $study_keep_stores && " ${stages[*]} " == *" extract "* && " ${stages[*]} " == *" train "* ]]; then
        case $stage in
            extract) continue ;;
            train) stage=extract_and_train ;;
        esac
    fi
    "stage_$stage"
done
say "done in $((SECONDS - began)) s"
[[ ! -e $run/report/index.html ]] || realpath "$run/report/index.html"
