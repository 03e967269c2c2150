# shellcheck shell=bash disable=SC2006,SC2030,SC2031,SC2154,SC2086
# Finds out which results of a study are made, and which are missing. road.sh sources it.

# Whether a file is there, and --force does not ask to make it again. What a job has made since its first start is newer than
# $forced_at, and stays if Slurm starts the job again.
exists() { [[ -e $1 && (! $force || ($forced_at && $1 -nt $forced_at)) ]]; }

# Whether a fine-tuning has made all checkpoints of the study, or has ended earlier by --patience.
finished_tuning() {
    local last epoch
    exists "$1/metrics/finetune.jsonl" || return 1
    last=`tail -n 1 "$1/metrics/finetune.jsonl"`
    [[ $last == *'"done":true'* ]] || return 1
    [[ $last != *'"stopped_early":true'* ]] || return 0
    for epoch in "${study_checkpoints[@]}"; do
        [[ -e $1/checkpoints/epoch-$epoch/checkpoint.json ]] || return 1
    done
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

# The heads that a study wants for a task.
heads_of() {
    local -n list=study_$1_heads
    ((${#list[@]} == 0)) || printf '%s\n' "${list[@]}"
}

# Whether each hidden state gets a head of its own, as that of a probe. The head may be given as a file.
each_layer() {
    local file=$1 line
    [[ $file == *.toml ]] || file=configs/heads/$file.toml
    [[ -e $file ]] || return 1
    while read -r line || [[ $line ]]; do
        [[ ! $line =~ ^\ *each_layer\ *=\ *true ]] || return 0
    done <"$file"
    return 1
}

# The heads that a study trains in a variant ("-share-0.1", "-layers-0,2", "-shuffled-labels") or without one (""). The layer atlas
# is one more head. A layer's own head is the same in each choice of layers.
trained_heads() {
    local variant=$2 head name probe=''
    local -n list=study_$1_heads
    [[ ! $study_layer_atlas || ($variant && $variant != -shuffled-labels) ]] || probe=$1_probe
    for head in ${list[@]+"${list[@]}"}; do
        name=${head##*/}
        [[ ${name%.toml} != "$probe" ]] || probe=''
        if [[ $variant == -layers-* ]] && each_layer "$head"; then continue; fi
        echo "$head"
    done
    [[ ! $probe ]] || echo "$probe"
}

# The last folder of a head, which names a learning rate, the seed and the variant. It is a pattern if each layer has a head.
any_layer='-layer-[0-9][0-9]'
head_folder() {
    local head=$1 rate=$2 seed=$3 variant=$4 layer=''
    ! each_layer "$head" || layer=$any_layer
    echo "lr-$rate-seed-$seed$layer$variant"
}

# Patterns that match the scores of a trained head in a variant, one for each learning rate of the study.
head_scores() {
    local folder=$1 head=$2 epoch=$3 seed=$4 variant=$5 name=${2##*/} rate
    for rate in "${study_learning_rates[@]}"; do
        echo "$folder/heads/${name%.toml}/epoch-$epoch/`head_folder "$head" "$rate" "$seed" "$variant"`/metrics.json"
    done
}

# The number of hidden states in the stores of the study.
stored_layers() {
    local layers
    if [[ $study_stored_layers ]]; then
        echo "$study_stored_layers"
    else
        layers=`sed -nE 's/.*"num_hidden_layers": *([0-9]*).*/\1/p' "$model/config.json" 2>/dev/null` || true
        echo $((${layers:-0} + 1)) # the embedding output is one
    fi
}

# The number of results that match a pattern: one, or one for each layer.
wanted_number() { if [[ $1 == *"$any_layer"* ]]; then stored_layers; else echo 1; fi; }

# Whether a head is trained in a variant: with each learning rate and, if each layer has a head, for each layer.
finished_head() {
    local folder=$1 patterns pattern place count wanted
    head_scores . "${@:2}" | mapfile -t patterns
    for pattern in "${patterns[@]}"; do
        count=0
        for place in "$folder"/$pattern; do # no pattern in the folder's own name
            ! exists "$place" || count=$((count + 1))
        done
        wanted=`wanted_number "$pattern"`
        ((count >= wanted)) || return 1
    done
}

# Prints all results of the study. Tools that watch a run read them in RUN/wanted.txt. A line has words with tabs between them: a
# pattern below RUN, the number of results that match it and, if these are comparisons, patterns of the folders of their heads. If a
# head is worthless, its comparison is not made.
wanted_results() {
    local pattern heads number
    wanted_patterns | while IFS=$'\t' read -r pattern heads; do
        number=`wanted_number "$pattern"`
        echo "$pattern"$'\t'"$number${heads:+$'\t'$heads}"
    done
}
wanted_patterns() {
    local task seed epoch head variant rate output heads _
    local variants=('' ${study_shares[@]+"${study_shares[@]/#/-share-}"})
    variants+=(${study_layer_subsets[@]+"${study_layer_subsets[@]/#/-layers-}"})
    [[ ! $study_shuffled_labels ]] || variants+=(-shuffled-labels)
    for task in "${study_tasks[@]}"; do
        for seed in "${study_seeds[@]}"; do
            echo "$task/seed-$seed/metrics/finetune.jsonl"
            for epoch in ${study_states_at[@]+"${study_states_at[@]}"}; do
                for variant in "${variants[@]}"; do
                    trained_heads "$task" "$variant" |
                        while read -r head; do head_scores "$task/seed-$seed" "$head" "$epoch" "$seed" "$variant"; done
                done
                echo "$task/seed-$seed/evaluations/epoch-$epoch/metrics.json"
            done
            [[ $task != span ]] || echo "$task/seed-$seed/evaluations/never-none/metrics.json"
            for rate in "${study_learning_rates[@]}"; do
                comparison_patterns "$task" "$seed" "$task/seed-$seed" "$rate" ${study_states_at[@]+"${study_states_at[@]}"} |
                    while IFS=$'\t' read -r _ output _ _ heads; do echo "$output/metrics.json"$'\t'"$heads"; done
            done
        done
    done
}

# All comparisons of a task with a learning rate and with checkpoints at the given epochs. Each is a line of words with tabs between
# them: "mixed OUTPUT HEAD EPOCH" scores a head on the states of another checkpoint; "ensemble OUTPUT HOW LOGITS,LOGITS" joins
# models. The rest of the line has the folders of the heads that it needs. All paths lie in FOLDER. OUTPUT and the folders of heads
# end in a name of `head_folder`.
comparison_patterns() {
    local task=$1 seed=$2 folder=$3 rate=$4 epochs=" ${*:5} " own pair epoch head ensemble member logits heads how
    local -n ensembles=study_$1_ensembles
    for pair in ${study_mixed[@]+"${study_mixed[@]}"}; do
        epoch=${pair%:*}
        [[ $epochs == *" $epoch "* ]] || continue
        heads_of "$task" | while read -r head; do
            own=`head_folder "$head" "$rate" "$seed" ''`
            head=${head##*/} head=${head%.toml}
            printf 'mixed\t%s\t' "$folder/evaluations/mixed/$head/epoch-$epoch-on-${pair#*:}/$own"
            printf '%s\t%s\t%s\n' "$folder/heads/$head/epoch-$epoch/$own" "${pair#*:}" "$folder/heads/$head/epoch-$epoch/$own"
        done
    done
    own=lr-$rate-seed-$seed
    for ensemble in ${ensembles[@]+"${ensembles[@]}"}; do
        for epoch in $epochs; do
            logits='' heads=''
            for member in ${ensemble//+/ }; do
                head=$folder/heads/$member/epoch-$epoch/$own
                [[ $member == BERT ]] && head=$folder/evaluations/epoch-$epoch || heads+=$'\t'$head
                logits+=${logits:+,}$head/logits.safetensors
            done
            for how in max mean; do
                printf 'ensemble\t%s\t' "$folder/evaluations/ensembles/$ensemble/epoch-$epoch/$own-$how"
                printf '%s\t%s%s\n' "$how" "$logits" "$heads"
            done
        done
    done
}

# The heads for which at least one of the given variants is not trained yet, one on each line.
missing_heads() {
    local task=$1 seed=$2 epoch=$3 head variant
    trained_heads "$task" "$4" | while read -r head; do
        for variant in "${@:4}"; do
            finished_head "$run/$task/seed-$seed" "$head" "$epoch" "$seed" "$variant" && continue
            echo "$head"
            break
        done
    done
}

# The runs of bv_train that still need the states of a checkpoint, one on each line: the heads and, after a tab, more flags.
missing_trainings() {
    local heads subset shares
    heads=`missing_heads "$@" '' | paste -sd, -`
    [[ ! $heads ]] || echo "$heads"
    if [[ $study_shuffled_labels ]]; then
        heads=`missing_heads "$@" -shuffled-labels | paste -sd, -`
        [[ ! $heads ]] || echo "$heads"$'\t'--shuffle-labels
    fi
    if ((${#study_shares[@]})); then
        heads=`missing_heads "$@" "${study_shares[@]/#/-share-}" | paste -sd, -`
        shares=${study_shares[*]}
        [[ ! $heads ]] || echo "$heads"$'\t'"--share ${shares// /,}"
    fi
    for subset in ${study_layer_subsets[@]+"${study_layer_subsets[@]}"}; do
        heads=`missing_heads "$@" "-layers-$subset" | paste -sd, -`
        [[ ! $heads ]] || echo "$heads"$'\t'"--layers $subset"
    done
}

# Whether a store is complete, or is no longer needed: all its heads are trained, and the study does not keep stores.
served_store() {
    local task=$1 seed=$2 epoch=$3 split=$4 missing
    ! complete_store "$run/$task/seed-$seed/stores/epoch-$epoch-$split.h5" || return 0
    [[ ! $study_keep_stores ]] || return 1
    missing=`missing_trainings "$task" "$seed" "$epoch"`
    [[ ! $missing ]]
}

# Whether a head's training diverged before the first epoch that it could keep. Then its training is over, and there is
# nothing to score.
worthless_head() { [[ -e $1/metrics.json && ! -e $1/head.json ]]; }

# The comparisons to score when a task's heads are trained: the first four words of `comparison_patterns`, for each learning rate and
# each layer that has a head. If no layer's head is trained yet, the pattern stays in the paths, and matches no file.
comparisons() {
    local task=$1 seed=$2 rate own words place head filled
    for rate in "${study_learning_rates[@]}"; do
        comparison_patterns "$task" "$seed" "$run/$task/seed-$seed" "$rate" ${epochs[@]+"${epochs[@]}"}
    done | while IFS=$'\t' read -ra words; do
        own=${words[4]##*/}
        for place in "${words[4]%/*}/"$own; do
            place=${place##*/}
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

# Whether the run has held-out questions, or will have them. A run that was begun without these goes on without them.
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
