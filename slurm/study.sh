#!/usr/bin/env bash
# shellcheck disable=SC2031  # a subshell prepares the text for another $run
# Submits a whole study as one graph of jobs. If it runs again, it submits only the missing jobs.
set -euo pipefail
here=$PWD
cd "$(dirname "$(realpath "$0")")/.."
# shellcheck disable=SC2034  # road.sh reads it
me=slurm/study.sh
. launch/road.sh
. launch/stages.sh

usage() {
    cat <<'END'
Usage: slurm/study.sh [FLAGS]

Submits a study's jobs with their dependencies and prints them as a tree:

  prepare                            turns the text into features
    finetune, each task and seed     makes checkpoints at fractions of an epoch
      extract, a job array           makes a store for each wanted checkpoint (states_at) and split
        train, a job array           trains the heads of each of these checkpoints
      eval                           scores every checkpoint; waits for the heads if the study compares them
  report                             makes the page when all other jobs have ended, even if some of them failed

Run it again after a failure, or for more seeds, heads or checkpoints: it submits only those jobs whose results are not made and
which are not in the queue.

END
    road_flags | grep -v -e '--force' -e '--split' -e 'only these'
    cat <<'END'
  --task, --seed, --epoch LIST
                  only these parts of the study: span,classification; 1,2,3; 0.3,1
  --job STAGE FLAGS   sbatch's flags for the jobs of a stage; may be repeated
  --dry-run       print the commands instead of running them

First it prints how much disk space the study needs (bv_plan), counted from the text, for the ranks of the finetune jobs. If
BV_PLAN_FLAGS of the site file has rates, it prints time and GPU hours too. If the text is not prepared yet, it is prepared in
a temporary folder first, which takes some seconds. The study's file is copied to RUN/study.toml, which the jobs read. Logs
are in RUN/jobs/.

Examples:
  . ~/site.sh     # your copy of slurm/site.sh
  slurm/study.sh --config configs/minilm.toml --squad ~/squad --model ~/MiniLM --run ~/runs/minilm --dry-run
  slurm/study.sh --config configs/minilm.toml --squad ~/squad --model ~/MiniLM --run ~/runs/minilm \
      --job finetune '--nodes=2 --time=8:00:00' --job extract '--nodes=1'
END
}

declare -A job_flags=()
dry_run=''
while (($#)); do
    if read_flag "$here" "$@"; then
        [[ $1 != --force && $1 != --split && $1 != --ranks ]] || fail "unknown argument '$1'; see $me --help"
        shift "$taken"
        continue
    fi
    case $1 in
        --job)
            [[ " ${all_stages[*]} " == *" ${2:-} "* ]] || fail "--job '${2:-}' is not one of: ${all_stages[*]}"
            [[ ${3:-} ]] || fail "--job $2 wants sbatch's flags"
            job_flags[$2]=$3
            shift 3
            ;;
        --dry-run) dry_run=1 && shift ;;
        -h | --help) usage || exit 2; exit 0 ;;
        *) fail "unknown argument '$1'; see $me --help" ;;
    esac
done
command -v sbatch >/dev/null || fail "there is no sbatch here; launch/debug.sh runs a study without Slurm"
. slurm/use_site.sh
use_build
check_flags
read_study
run=$(realpath -m "$run")
for stage in "${all_stages[@]}"; do check_settings "$stage"; done
export BV_HOME=$PWD

# --- The jobs in the queue ---

# For each unit and array index ("finetune span 1", "extract span 1 3") the job that makes it.
declare -A queued=()
queue=$(queued_jobs) || fail "squeue failed, so the jobs in the queue are unknown; nothing is submitted"
while IFS='|' read -r id index unit; do
    [[ $id ]] || continue
    [[ $index =~ ^[0-9]+$ ]] || index=''
    queued[$unit${index:+ $index}]=$id
done <<<"$queue"

if [[ ! $dry_run ]]; then
    check_inputs
    mkdir -p "$run/jobs"
    if changes_study && ((${#queued[@]})); then refuse_study; fi
    [[ $config -ef $run/study.toml ]] || cp "$config" "$run/study.toml"
    config=$run/study.toml
    wanted_results >"$run/wanted.txt"
fi

# --- Submitting ---

new_jobs=0
after=() # ids of the jobs that the next one waits for

# submit KIND UNIT INDEXES FLAGS...: submits the stage of a unit, and sets $id. The job waits for the jobs $after; KIND is the
# kind of this dependency. It is a job array if INDEXES is not empty ("0,2").
submit() {
    local kind=$1 unit=$2 indexes=$3 stage=${2%% *} script serial='' command
    shift 3
    script=slurm/$stage.sh
    [[ $stage != eval ]] || script=slurm/evaluate.sh
    [[ $stage != prepare && $stage != report ]] || serial=1
    # shellcheck disable=SC2206  # flags are words
    command=(sbatch --parsable --job-name="bv-${unit// /-}" --comment="$run: $unit" --kill-on-invalid-dep=yes
        --output="$run/jobs/%x-$([[ $indexes ]] && echo %A_%a || echo %j).log"
        ${indexes:+--array="$indexes"} ${serial:+${BV_SERIAL_JOB_FLAGS:-}} ${job_flags[$stage]:-})
    ((${#after[@]} == 0)) || command+=("--dependency=$kind:$(IFS=: && echo "${after[*]}")")
    command+=("$BV_HOME/$script" --config "$config" --model "$model" --run "$run" ${squad:+--squad "$squad"} "$@")
    [[ ! $serial ]] || command=(env -u SBATCH_GPUS_PER_NODE -u SBATCH_CPUS_PER_GPU "${command[@]}")
    new_jobs=$((new_jobs + 1))
    if [[ $dry_run ]]; then
        printf '%q ' "${command[@]}" && printf '\n'
        id="<${unit// /-}>"
    else
        id=$("${command[@]}")
        id=${id%%;*} # the rest is the name of the cluster
    fi
}

# One line of the tree.
line() { printf '%*s%-34s %s\n' "$(($1 * 2))" '' "$2" "$3"; }

state_of() { [[ ${after[*]} ]] && echo "job $id, after ${after[*]}" || echo "job $id"; }

# unit DEPTH MADE UNIT FLAGS...: submits a unit unless it is made (MADE is not empty) or queued. $ids gets its job, or is
# empty if the unit is made.
unit() {
    local depth=$1 made=$2 name=$3
    shift 3
    ids=()
    if [[ ${queued[$name]:-} ]]; then
        ids=("${queued[$name]}")
        line "$depth" "$name" "in the queue: ${ids[*]}"
    elif [[ $made ]]; then
        line "$depth" "$name" made
    else
        submit afterok "$name" '' "$@"
        ids=("$id")
        line "$depth" "$name" "$(state_of)"
    fi
}

# array DEPTH UNIT "INDEX..." COUNT FLAGS...: submits an array job for a unit with COUNT array tasks: those that are wanted
# (INDEX...) and not queued. $ids gets the jobs of all array tasks that are not made.
array() {
    local depth=$1 name=$2 index wanted=()
    local -i count=$4
    ids=()
    for ((index = 0; index < count; ++index)); do
        if [[ ${queued[$name $index]:-} ]]; then
            ids+=("${queued[$name $index]}")
        elif [[ " $3 " == *" $index "* ]]; then
            wanted+=("$index")
        fi
    done
    if ((${#wanted[@]})); then
        submit afterok "$name" "$(IFS=, && echo "${wanted[*]}")" "${@:5}"
        line "$depth" "$name" "$(state_of): ${#wanted[@]} of $count${ids[*]:+; in the queue: ${ids[*]}}"
        for index in "${wanted[@]}"; do ids+=("${id}_$index"); done
    elif ((${#ids[@]})); then
        line "$depth" "$name" "in the queue: ${ids[*]}"
    else
        line "$depth" "$name" made
    fi
}

made() { if "$@"; then echo made; fi; }

all_features() {
    [[ -e $run/features/train.h5 && -e $run/features/dev.h5 ]] && { ! holds_out || [[ -e $run/features/held-out.h5 ]]; }
}

all_scored() {
    local folder=$1 task=$2 seed=$3 checkpoint
    finished_tuning "$folder" || return
    for checkpoint in "$folder"/checkpoints/epoch-*; do
        scored "$folder/evaluations/${checkpoint##*/}" || return
        ! chooses_thresholds "$task" || scored "$folder/evaluations/held-out-threshold/${checkpoint##*/}" || return
    done
    [[ $task != span ]] || scored_never_none "$folder/evaluations/never-none" || return
    compared "$task" "$seed"
}

# Whether the scores of a task need its heads.
compares() {
    local -n ensembles=study_$1_ensembles
    ((${#study_mixed[@]} + ${#ensembles[@]}))
}

# The indexes of extraction and heads that are not made, in the order of slurm/job.sh.
missing_stores() {
    local task=$1 seed=$2 epoch split index=0
    for epoch in "${epochs[@]}"; do
        for split in "${splits[@]}"; do
            served_store "$task" "$seed" "$epoch" "$split" || echo "$index"
            index=$((index + 1))
        done
    done
}
epochs_without_heads() {
    local task=$1 seed=$2 index
    for index in "${!epochs[@]}"; do
        [[ ! $(missing_trainings "$task" "$seed" "${epochs[index]}") ]] || echo "$index"
    done
}

# --- The disk space and time that the study needs ---

# The number of GPUs in sbatch's list of them, such as "4" or "a100:2,h100:2"; nothing if there are none. With "gres" the list has
# other resources too: "gpu:h100:4,lscratch:100".
gpus_in() {
    local word sum=0
    for word in ${1//,/ }; do
        [[ ${2:-} != gres || $word == gpu || $word == gpu:* ]] || continue
        word=${word##*:}
        [[ $word =~ ^[0-9]+$ ]] || word=1 # "gpu" and "gpu:h100" mean one
        sum=$((sum + 10#$word))
    done
    ((sum == 0)) || echo "$sum"
}

# The number of ranks of a stage's jobs, counted as in slurm/job.sh from sbatch's flags and the site's variables.
ranks_of() {
    local nodes=1 all='' per_node='' gpus gpus_per_node of_gres word flag='' value count
    gpus=$(gpus_in "${SBATCH_GPUS:-}")
    gpus_per_node=$(gpus_in "${SBATCH_GPUS_PER_NODE:-}")
    of_gres=$(gpus_in "${SBATCH_GRES:-}" gres)
    for word in ${job_flags[$1]:-}; do
        case $word in
            --*=*) flag=${word%%=*} value=${word#*=} ;;
            -[NnG]?*) flag=${word:0:2} value=${word:2} ;;
            -*) flag=$word && continue ;;
            *) value=$word ;;
        esac
        count=${value##*-} # the last number of "1-2"
        [[ $count =~ ^[1-9][0-9]*$ ]] || count=''
        case $flag in
            -N | --nodes) nodes=${count:-$nodes} ;;
            -n | --ntasks) all=${count:-$all} ;;
            --ntasks-per-node) per_node=${count:-$per_node} ;;
            -G | --gpus) gpus=$(gpus_in "$value") ;;
            --gpus-per-node) gpus_per_node=$(gpus_in "$value") ;;
            --gres) of_gres=$(gpus_in "$value" gres) ;;
        esac
    done
    gpus_per_node=${gpus_per_node:-${of_gres:-${gpus:+$(((gpus + nodes - 1) / nodes))}}}
    per_node=${per_node:-${gpus_per_node:-${BV_RANKS_PER_NODE:-1}}}
    echo "${all:-$((nodes * per_node))}"
}

line 0 "study $config" "$run"
counted=$run/features code=0
if ! all_features; then # the same features are made in another folder
    elsewhere=$(mktemp -d)
    trap 'rm -rf "$elsewhere"' EXIT
    counted=$elsewhere/features
    set +e
    # shellcheck disable=SC2030
    (
        set -e
        run=$elsewhere
        stage_prepare >/dev/null
    )
    code=$?
    set -e
fi
# shellcheck disable=SC2206  # flags are words
plan=($prefix "$bin/bv_plan" --config "$config" --model "$model" --features "$counted/train.h5"
    --dev-features "$counted/dev.h5" --task "$(IFS=, && echo "${tasks[*]}")" --seed "$(IFS=, && echo "${seeds[*]}")" ${BV_PLAN_FLAGS:-})
fractions=$(IFS=, && echo "${epochs[*]-}")
plan+=(--epoch "${fractions//_//}") # folders have "_" in place of "/"
[[ " ${BV_PLAN_FLAGS:-} " == *' --ranks'[\ =]* ]] || plan+=(--ranks "$(ranks_of finetune)")
((code)) || "${plan[@]}" >&2 || code=$?
((code != 2)) || exit 2
((code == 0)) || say "the needed disk space and time are unknown: bv_prepare or bv_plan does not run here" >&2

unit 0 "$(made all_features)" prepare
features=(${ids[@]+"${ids[@]}"})
ends=(${ids[@]+"${ids[@]}"})
epoch_list=$(IFS=, && echo "${epochs[*]}")
for task in "${tasks[@]}"; do
    for seed in "${seeds[@]}"; do
        folder=$run/$task/seed-$seed
        flags=(--task "$task" --seed "$seed")
        after=(${features[@]+"${features[@]}"})
        unit 1 "$(made finished_tuning "$folder")" "finetune $task $seed" "${flags[@]}"
        ends+=(${ids[@]+"${ids[@]}"})
        ((${#ids[@]} == 0)) || after=("${ids[@]}")
        tuned=(${after[@]+"${after[@]}"})
        if ((${#epochs[@]})); then
            array 2 "extract $task $seed" "$(missing_stores "$task" "$seed" | tr '\n' ' ')" "$((${#splits[@]} * ${#epochs[@]}))" \
                "${flags[@]}" --epoch "$epoch_list"
            ends+=(${ids[@]+"${ids[@]}"})
            after=(${ids[@]+"${ids[@]}"})
            array 3 "train $task $seed" "$(epochs_without_heads "$task" "$seed" | tr '\n' ' ')" "${#epochs[@]}" \
                "${flags[@]}" --epoch "$epoch_list"
            ends+=(${ids[@]+"${ids[@]}"})
            ! compares "$task" || tuned+=(${ids[@]+"${ids[@]}"})
        fi
        after=(${tuned[@]+"${tuned[@]}"})
        unit 2 "$(made all_scored "$folder" "$task" "$seed")" "eval $task $seed" "${flags[@]}"
        ends+=(${ids[@]+"${ids[@]}"})
    done
done
if ((new_jobs)) || [[ ! -e $run/report/index.html && ! ${queued[report]:-} ]]; then
    after=(${ends[@]+"${ends[@]}"} ${queued[report]:+"${queued[report]}"})
    submit afterany report ''
    line 0 report "job $id, when all have ended"
elif [[ ${queued[report]:-} ]]; then
    line 0 report "in the queue: ${queued[report]}"
else
    line 0 report made
fi
