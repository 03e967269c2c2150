# shellcheck shell=bash disable=SC2006,SC2030,SC2031,SC2154,SC2086,SC2206
# Finds out which results of a study are made, and which are missing. road.sh sources it.

# Whether a file is there, and --force does not ask to make it again. What a job has made since its first start is newer than
# $forced_at, and stays if Slurm starts the job again.
exists() { [[ -e $1 && (! $force || ($forced_at && $1 -nt $forced_at)) ]]; }

# Whether a fine-tuning has made all checkpoints of the study, or has ended earlier by --patience and would end there again.
finished_tuning() {
    local last epoch wanted had
    exists "$1/metrics/finetune.jsonl" || return 1
    last=`tail -n 1 "$1/metrics/finetune.jsonl"`
    [[ $last == *'"done":true'* ]] || return 1
    if [[ $last == *'"stopped_early":true'* ]]; then
        [[ -e $1/finetune.toml ]] || return 0
        $prefix "$python" launch/settings.py patience "$config" "$1" | read -r wanted had || exit 2
        ((wanted > 0 && wanted <= had)) || return 1
        return 0
    fi
    for epoch in "${study_checkpoints[@]}"; do
        [[ -e $1/checkpoints/epoch-$epoch/checkpoint.json ]] || return 1
    done
}

# The heads that are trained, of those that the study wants for a task, a seed and an epoch: their folders.
made_heads() {
    local task=$1 seed=$2 epoch=$3 folder=$run/$1/seed-$2 variant head pattern place
    study_variants | while read -r variant; do
        trained_heads "$task" "$variant" | while read -r head; do head_scores . "$head" "$epoch" "$seed" "$variant"; done
    done | while read -r pattern; do
        for place in "$folder"/${pattern%/*}; do
            [[ ! -e $place/metrics.json ]] || echo "$place"
        done
    done
}

# The results of a stage that are made, as launch/settings.py wants them. The settings of a file that was removed stay beside its place.
made_file() { [[ ! -e $1 ]] || echo "$1"; }
made_results() {
    local task seed epoch split place
    if [[ $1 == prepare ]]; then
        for split in train dev; do made_file "$run/features/$split.h5"; done
        return 0
    fi
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            place=$run/$task/seed-$seed
            if [[ $1 == finetune ]]; then
                ! finished_tuning "$place" || echo "$place"
                continue
            fi
            for epoch in ${epochs[@]+"${epochs[@]}"}; do
                case $1 in
                    extract) for split in "${splits[@]}"; do made_file "$place/stores/epoch-$epoch-$split.h5"; done ;;
                    train) made_heads "$task" "$seed" "$epoch" ;;
                esac
            done
        done
    done
}

# Ends with an error if results of a stage were made with other settings than the study has.
check_settings() {
    local changed
    [[ ! $force && $1 != eval && $1 != report ]] || return 0
    changed=`made_results "$1" | $prefix "$python" launch/settings.py changed "$1" "$config"` || exit 2
    [[ ! $changed ]] || fail "$changed"
}

scored() { exists "$1/metrics.json"; }

# The name of the last checkpoint of the study that has scores in a folder "evaluations"; nothing if none has.
last_scored() {
    local epoch last=''
    for epoch in "${study_checkpoints[@]}"; do # in the order of training
        [[ ! -e $1/epoch-$epoch/metrics.json ]] || last=epoch-$epoch
    done
    echo "$last"
}

# Whether evaluations/never-none has scores, and they are those of the last checkpoint.
scored_never_none() {
    local last
    last=`last_scored "${1%/*}"`
    scored "$1" && grep -qF "/evaluations/$last/logits.safetensors\"" "$1/metrics.json"
}

# The number of written blocks of a store, and the number of all its blocks: "3 8".
store_blocks() { $prefix "$python" tools/read_store.py --blocks "$1"; }
complete_store() {
    local blocks
    [[ -e $1 ]] && blocks=`store_blocks "$1"` && [[ ${blocks% *} == "${blocks#* }" ]]
}

# Whether a head is trained in a variant: with each learning rate and, if each layer has a head, for each layer.
finished_head() {
    local folder=$1 patterns pattern place count wanted
    head_scores . "${@:2}" | mapfile -t patterns
    for pattern in "${patterns[@]}"; do
        count=0
        for place in "$folder"/$pattern; do # no pattern in the folder's own name
            ! exists "$place" || count=$((count + 1))
        done
        wanted=`wanted_number "$pattern" "$folder/checkpoints/epoch-$3"` || exit 2
        ((count >= wanted)) || return 1
    done
}

unfinished_head() { ! finished_head "$@"; }

# Whether --force must replace a training of a head in a variant, finished or not: it was begun before $forced_at.
begun_before() {
    local folder=$1 patterns pattern file
    head_scores . "${@:2}" | mapfile -t patterns
    for pattern in "${patterns[@]}"; do
        for file in "$folder"/${pattern%/*}/metrics.json "$folder"/${pattern%/*}/resume/recipe.json; do
            [[ -e $file ]] && ! exists "$file" && return 0
        done
    done
    return 1
}

# any_variant TEST FOLDER HEAD EPOCH SEED VARIANT...: whether the test succeeds for one of the variants.
any_variant() {
    local variant
    for variant in "${@:6}"; do
        ! "${@:1:5}" "$variant" || return 0
    done
    return 1
}

# trainings TASK SEED EPOCH FLAGS VARIANT...: the runs of bv_train for the heads that lack one of the variants, one on each line: the
# heads and, after a tab, more flags. What a job has begun since its first start goes on without --force, because with it bv_train
# would train finished variants and layers of these heads again.
trainings() {
    local task=$1 seed=$2 epoch=$3 flags=$4 head own heads='' replaced=''
    trained_heads "$task" "$5" | while read -r head; do
        own=("$run/$task/seed-$seed" "$head" "$epoch" "$seed" "${@:5}")
        any_variant unfinished_head "${own[@]}" || continue
        if [[ $force ]] && any_variant begun_before "${own[@]}"; then replaced+=,$head; else heads+=,$head; fi
    done
    [[ ! $heads ]] || echo "${heads#,}${flags:+$'\t'$flags}"
    [[ ! $replaced ]] || echo "${replaced#,}"$'\t'"${flags:+$flags }--force"
}

# The runs of bv_train that still need the states of a checkpoint, as lines of `trainings`.
missing_trainings() {
    local subset shares="${study_shares[*]-}"
    trainings "$@" '' ''
    [[ ! $study_shuffled_labels ]] || trainings "$@" --shuffle-labels -shuffled-labels
    [[ ! $shares ]] || trainings "$@" "--share ${shares// /,}" "${study_shares[@]/#/-share-}"
    for subset in ${study_layer_subsets[@]+"${study_layer_subsets[@]}"}; do
        trainings "$@" "--layers $subset" "-layers-$subset"
    done
}

# Whether a store is complete, or is no longer needed: all its heads are trained, and the study does not keep stores.
served_store() {
    local task=$1 seed=$2 epoch=$3 split=$4 missing
    ! complete_store "$run/$task/seed-$seed/stores/epoch-$epoch-$split.h5" || return 0
    [[ ! $study_keep_stores ]] || return 1
    missing=`missing_trainings "$task" "$seed" "$epoch"` || exit 2
    [[ ! $missing ]]
}

# Whether a head's training diverged before the first epoch that it could keep. Then its training is over, and there is
# nothing to score.
worthless_head() { [[ -e $1/metrics.json && ! -e $1/head.json ]]; }

# The comparisons to score when a task's heads are trained: the first four words of `comparison_patterns`, for each learning rate and
# each layer that has a head. If a layer's head is not begun yet, the pattern stays in the paths once, and matches no file.
comparisons() {
    local task=$1 seed=$2 rate own words places place wanted head filled
    for rate in "${study_learning_rates[@]}"; do
        comparison_patterns "$task" "$seed" "$run/$task/seed-$seed" "$rate" ${epochs[@]+"${epochs[@]}"}
    done | while IFS=$'\t' read -ra words; do
        own=${words[4]##*/}
        places=("${words[4]%/*}/"$own)
        places=("${places[@]##*/}")
        wanted=`wanted_number "$own"` || exit 2
        ((${#places[@]} >= wanted)) || [[ ${places[0]} == "$own" ]] || places+=("$own")
        for place in "${places[@]}"; do
            for head in "${words[@]:4}"; do
                ! worthless_head "${head%/*}/$place" || continue 2
            done
            filled=("${words[@]//"$own"/"$place"}")
            printf '%s\t%s\t%s\t%s\n' "${filled[@]:0:4}"
        done
    done
}

# Whether all comparisons of a task are scored.
compared() {
    local output _ missing=''
    comparisons "$@" | while IFS=$'\t' read -r _ output _; do scored "$output" || missing=1; done
    [[ ! $missing ]]
}

# Whether the run has held-out questions, or will have them. The stages after prepare go on without them if it was begun without.
holds_out() { [[ $study_hold_out && (-e $run/features/held-out.h5 || ! -e $run/features/train.h5) ]]; }

# Whether heads are scored on held-out questions too. A run whose heads were trained without these goes on without them, so that
# its heads can be compared.
heads_hold_out() {
    local without
    holds_out || return 1
    [[ ! $force ]] || return 0
    without=`find "$run"/*/seed-*/heads '(' -name head.json -o -name recipe.json ')' \
        -exec grep -LE '"held_out_features": ?"[0-9a-f]' {} + 2>/dev/null | head -n 1` || true
    [[ ! $without ]]
}

# Whether the thresholds of a task's checkpoints are chosen on held-out questions.
chooses_thresholds() { [[ $1 == span ]] && holds_out; }

# The number of files with a given name in a folder and the folders below it.
count_files() { find "$1" -name "$2" 2>/dev/null | wc -l || true; }

# A text that says how far a stage is. It is printed, and compared with an earlier one to see progress.
how_far() {
    local task seed epoch split folder store blocks state count held tuned='' made=0 all=0
    case $1 in
        prepare)
            count=`count_files "$run/features" '*.h5'`
            echo "$count features files"
            return 0 # in the trap of an ending job, `return` alone gives the exit code of the job
            ;;
        report) return 0 ;;
    esac
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$run/$task/seed-$seed
            case $1 in
                finetune)
                    state=`find "$folder/resume" -name 'step-*[0-9]' 2>/dev/null | sort -V | tail -n 1`
                    count=`count_files "$folder/checkpoints" checkpoint.json`
                    tuned+="${tuned:+; }$task seed $seed: $count checkpoints${state:+, state after ${state##*/step-} steps}"
                    ;;
                extract)
                    for epoch in "${epochs[@]}"; do
                        for split in "${splits[@]}"; do
                            store=$folder/stores/epoch-$epoch-$split.h5
                            blocks=`store_blocks "$store" 2>/dev/null` || continue
                            made=$((made + ${blocks% *})) all=$((all + ${blocks#* }))
                        done
                    done
                    ;;
                train)
                    count=`count_files "$folder/heads" metrics.json`
                    made=$((made + count))
                    # The sum of the steps in the saved states of unfinished heads.
                    count=`find "$folder/heads" -path '*/resume/step-*[0-9]' 2>/dev/null |
                        awk -F/step- '{ steps += $NF } END { print steps + 0 }'`
                    all=$((all + count))
                    ;;
                eval)
                    for held in "$folder/evaluations" "$folder/held-out"; do
                        count=`count_files "$held" metrics.json`
                        made=$((made + count))
                    done
                    ;;
            esac
        done
    done
    case $1 in
        finetune) echo "$tuned" ;;
        extract) echo "$made of $all blocks" ;;
        train) echo "$made heads; $all steps in saved states of the others" ;;
        eval) echo "$made evaluations" ;;
    esac
}
