# shellcheck shell=bash disable=SC2006,SC2030,SC2031,SC2154,SC2086
# Finds out which results of a study are made, and which are missing. road.sh sources it.

exists() { [[ -e $1 ]]; }
finished_tuning() { [[ -e $1/metrics/finetune.jsonl ]] && tail -n 1 "$1/metrics/finetune.jsonl" | grep -q '"done":true'; }
scored() { [[ -e $1/metrics.json ]]; }

# The name of the last checkpoint of the study that has scores in a folder "evaluations"; nothing if none has.
last_scored() {
    local epoch last=''
    for epoch in "${study_checkpoints[@]}"; do # in the order of training
        ! scored "$1/epoch-$epoch" || last=epoch-$epoch
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

# A pattern that matches the scores of a trained head, in a variant ("-share-0.1", "-shuffled-labels") or without one ("").
# The head may be given as a file.
head_scores() {
    local folder=$1 head=${2##*/} epoch=$3 seed=$4 variant=$5
    echo "$folder/heads/${head%.toml}/epoch-$epoch/*-seed-$seed$variant/metrics.json"
}
finished_head() { compgen -G "`head_scores "$@"`" >/dev/null; }

# What the whole study makes: a pattern below RUN on each line. The tools that watch a run read it in RUN/wanted.txt. After the
# pattern of a comparison come, each after a tab, patterns of the folders of its heads: it is not made if one of them is a
# worthless head.
wanted_results() {
    local task seed epoch head variant output heads _
    local variants=('' ${study_shares[@]+"${study_shares[@]/#/-share-}"})
    variants+=(${study_layer_subsets[@]+"${study_layer_subsets[@]/#/-layers-}"})
    [[ ! $study_layer_atlas ]] || variants+=('-layer-[0-9][0-9]')
    [[ ! $study_shuffled_labels ]] || variants+=(-shuffled-labels)
    [[ ! $study_shuffled_labels || ! $study_layer_atlas ]] || variants+=('-layer-[0-9][0-9]-shuffled-labels')
    for task in "${study_tasks[@]}"; do
        for seed in "${study_seeds[@]}"; do
            echo "$task/seed-$seed/metrics/finetune.jsonl"
            for epoch in ${study_states_at[@]+"${study_states_at[@]}"}; do
                for variant in "${variants[@]}"; do
                    if [[ $variant == -layer-* ]]; then echo "${task}_probe"; else heads_of "$task"; fi |
                        while read -r head; do head_scores "$task/seed-$seed" "$head" "$epoch" "$seed" "$variant"; done
                done
                echo "$task/seed-$seed/evaluations/epoch-$epoch/metrics.json"
            done
            [[ $task != span ]] || echo "$task/seed-$seed/evaluations/never-none/metrics.json"
            comparison_patterns "$task" "$seed" "$task/seed-$seed" ${study_states_at[@]+"${study_states_at[@]}"} |
                while IFS=$'\t' read -r _ output _ _ heads; do echo "$output/metrics.json"$'\t'"$heads"; done
        done
    done
}

# All comparisons of a task, with checkpoints at the given epochs. Each is a line of words with tabs between them: "mixed OUTPUT
# HEAD EPOCH" scores a head on the states of another checkpoint; "ensemble OUTPUT HOW LOGITS,LOGITS" joins models. The rest of
# the line has the folders of the heads that it needs. All paths lie in FOLDER, and have "*-seed-SEED" for the last folder of a head.
comparison_patterns() {
    local task=$1 seed=$2 folder=$3 own="*-seed-$2" epochs=" ${*:4} " pair epoch head ensemble member logits heads how
    local -n ensembles=study_$1_ensembles
    for pair in ${study_mixed[@]+"${study_mixed[@]}"}; do
        epoch=${pair%:*}
        [[ $epochs == *" $epoch "* ]] || continue
        heads_of "$task" | while read -r head; do
            head=${head##*/} head=${head%.toml}
            printf 'mixed\t%s\t' "$folder/evaluations/mixed/$head/epoch-$epoch-on-${pair#*:}/$own"
            printf '%s\t%s\t%s\n' "$folder/heads/$head/epoch-$epoch/$own" "${pair#*:}" "$folder/heads/$head/epoch-$epoch/$own"
        done
    done
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

# The heads for which at least one of the given variants is not trained yet, one on each line; with --force all heads.
missing_heads() {
    local task=$1 seed=$2 epoch=$3 head variant
    heads_of "$task" | while read -r head; do
        for variant in "${@:4}"; do
            [[ ! $force ]] && finished_head "$run/$task/seed-$seed" "$head" "$epoch" "$seed" "$variant" && continue
            echo "$head"
            break
        done
    done
}

# The head of the layer atlas, if the study wants it and the probe of at least one layer is not trained yet; in the given variant
# ("-shuffled-labels") or without one ("").
missing_probe() {
    local task=$1 seed=$2 epoch=$3 variant=$4 layers=$study_stored_layers folder=$run/$1/seed-$2 made
    [[ $study_layer_atlas ]] || return 0
    made=`find "$folder/heads/${task}_probe/epoch-$epoch" -regextype posix-extended \
        -regex ".*-seed-$seed-layer-[0-9]+$variant/metrics\.json" 2>/dev/null | wc -l` || true
    if ((made > 0)) && [[ ! $layers ]]; then
        layers=`sed -nE 's/.*"num_hidden_layers": *([0-9]*).*/\1/p' "$folder/checkpoints/epoch-$epoch/config.json"`
        layers=$((layers + 1)) # the embedding output is one
    fi
    if [[ $force ]] || ((made == 0 || made < layers)); then echo "${task}_probe"; fi
}

# The runs of bv_train that still need the states of a checkpoint, one on each line: the heads and, after a tab, more flags.
missing_trainings() {
    local heads subset shares
    heads=`{ missing_heads "$@" ''; missing_probe "$@" ''; } | paste -sd, -`
    [[ ! $heads ]] || echo "$heads"
    if [[ $study_shuffled_labels ]]; then
        heads=`{ missing_heads "$@" -shuffled-labels; missing_probe "$@" -shuffled-labels; } | paste -sd, -`
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

# The comparisons to score when a task's heads are trained: the first four words of `comparison_patterns`, for each variant of
# their heads. If a head is not trained yet, the pattern stays in the paths, and matches no file.
comparisons() {
    local task=$1 seed=$2 own="*-seed-$2" words place head filled
    comparison_patterns "$task" "$seed" "$run/$task/seed-$seed" ${epochs[@]+"${epochs[@]}"} | while IFS=$'\t' read -ra words; do
        for place in "${words[4]%/*}/"*-seed-"$seed"; do
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
    without=`find "$run" -path '*/heads/*' '(' -name head.json -o -name recipe.json ')' \
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
            echo "$count features files" && return
            ;;
        report) return ;;
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
