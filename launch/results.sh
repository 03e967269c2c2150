# shellcheck shell=bash disable=SC2006,SC2154
# Names the results of a study, as patterns of paths. road.sh sources it.

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

# All variants in which the study trains heads, one on each line. The first line is empty: without a variant.
study_variants() {
    echo
    ((${#study_shares[@]} == 0)) || printf -- '-share-%s\n' "${study_shares[@]}"
    ((${#study_layer_subsets[@]} == 0)) || printf -- '-layers-%s\n' "${study_layer_subsets[@]}"
    [[ ! $study_shuffled_labels ]] || echo -shuffled-labels
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

# The number of hidden states in the stores of the study. Jobs that read stores need no --model, so $model may be another one than the
# run's: it counts only if the run has neither checkpoints, of which the given one counts first, nor a recorded model.
stored_layers() {
    local file layers recorded=''
    [[ ! $study_stored_layers ]] || { echo "$study_stored_layers" && return; }
    [[ ! -e $run/inputs.txt ]] || recorded=`sed -n 's/^model //p' "$run/inputs.txt"`
    for file in ${1:+"$1/config.json"} "$run"/*/seed-*/checkpoints/*/config.json ${recorded:+"$recorded/config.json"} \
        "$model/config.json"; do
        layers=`sed -nE 's/.*"num_hidden_layers": *([0-9]+).*/\1/p' "$file" 2>/dev/null` || true
        [[ ! $layers ]] || { echo $((layers + 1)) && return; } # the embedding output is one
    done
    fail "the number of hidden states is unknown: neither a checkpoint of $run nor $model has a config.json that says it"
}

# wanted_number PATTERN [CHECKPOINT]: the number of results that match a pattern: one, or one for each layer.
wanted_number() { if [[ $1 == *"$any_layer"* ]]; then stored_layers "${@:2}"; else echo 1; fi; }

# Prints all results of the study. Tools that watch a run read them in RUN/wanted.txt. A line has words with tabs between them: a
# pattern below RUN, the number of results that match it and, if these are comparisons, patterns of the folders of their heads. If a
# head is worthless, its comparison is not made.
wanted_results() {
    local pattern heads number
    wanted_patterns | while IFS=$'\t' read -r pattern heads; do
        number=`wanted_number "$pattern"` || exit 2
        echo "$pattern"$'\t'"$number${heads:+$'\t'$heads}"
    done
}
wanted_patterns() {
    local task seed epoch head variant rate output heads _
    for task in "${study_tasks[@]}"; do
        for seed in "${study_seeds[@]}"; do
            echo "$task/seed-$seed/metrics/finetune.jsonl"
            for epoch in ${study_states_at[@]+"${study_states_at[@]}"}; do
                study_variants | while read -r variant; do
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
