# shellcheck shell=bash disable=SC2006,SC2030,SC2031,SC2034,SC2154,SC2086
# Makes the results of each stage, with the settings that road.sh has read. launch/debug.sh and the jobs of slurm/ source this
# file after road.sh.

# claim OUTPUT is called before OUTPUT is made, and release OUTPUT after it. The jobs of slurm/ replace both.
claim() { :; }
release() { :; }

# once DONE OUTPUT COMMAND...: runs COMMAND, which makes OUTPUT, unless the test DONE succeeds for it. Unfinished output of an
# interrupted run is replaced, or finished if the program can resume. Programs that can resume do so with --force too: it
# replaces only what is finished.
once() {
    local done_test=$1 output=$2 flags=()
    shift 2
    claim "$output"
    if "$done_test" "$output"; then
        say "made: $output"
    else
        if [[ -e $output ]] && [[ $force || ! ${resumes:-} ]]; then flags=(--force); fi
        say "$output"
        "$@" ${flags[@]+"${flags[@]}"}
    fi
    release "$output"
}

# Flags of launch/run_ranks.sh and of the programs on ranks. The script that sources this file sets them.
launch_flags=() program_flags=() first_launch_flags=()

# on_ranks PROGRAM ARGUMENT...: runs one of the programs on all ranks. USR1 and TERM are passed on as USR1, the stop signal.
# When one comes, $told is set, and nothing more is started.
told=${told:-}
on_ranks() {
    local code=0 job='' waiting=1
    [[ ! $told ]] || return 85
    trap 'told=1 waiting=1; [[ ! $job ]] || kill -USR1 "$job"' USR1 TERM
    trap 'told=1 waiting=1; [[ ! $job ]] || kill -TERM "$job"' INT
    launch/run_ranks.sh --ranks "$ranks" ${launch_flags[@]+"${launch_flags[@]}"} \
        ${first_launch_flags[@]+"${first_launch_flags[@]}"} -- $prefix "$bin/$1" "${@:2}" \
        ${program_flags[@]+"${program_flags[@]}"} <&0 &
    job=$!
    first_launch_flags=()
    [[ ! $told ]] || kill -USR1 "$job" # the signal came while the job was being started
    while [[ $waiting ]]; do # only a wait that no signal interrupts returns the exit code
        waiting='' code=0
        wait "$job" || code=$?
    done
    trap 'told=1' USR1 TERM
    trap - INT
    # The signal came before the job could take it, or at the moment of its end, when bash 5.2 loses its exit code.
    if [[ $told ]] && ((code < 0 || code == 128 + 10)); then code=85; fi
    return "$code"
}

alone() {
    [[ ! $told ]] || return 85
    $prefix "$bin/$1" "${@:2}"
}

stage_prepare() {
    if [[ ! $squad ]]; then
        train_text=$run/corpus/train.json dev_text=$run/corpus/dev.json
        [[ -e $dev_text ]] || $prefix "$python" tools/make_corpus.py --output "$run/corpus" \
            --train "$study_corpus_train" --dev "$study_corpus_dev" --seed "$study_seed"
    fi
    local prepare=(alone bv_prepare --config "$config" --model "$model") aside=()
    if [[ $study_hold_out ]]; then
        aside=(--hold-out "$study_hold_out" --hold-out-output "$run/features/held-out.h5")
        # bv_prepare writes train.h5 last. A held-out file without it is left from a run that was killed between the two.
        [[ -e $run/features/train.h5 || ! -e $run/features/held-out.h5 ]] || aside+=(--force)
    fi
    once exists "$run/features/train.h5" \
        "${prepare[@]}" --squad "$train_text" --output "$run/features/train.h5" ${aside[@]+"${aside[@]}"}
    # The training features leave out questions whose answers are not found. The dev features keep all questions, to score them.
    once exists "$run/features/dev.h5" \
        "${prepare[@]}" --squad "$dev_text" --unfound keep --output "$run/features/dev.h5"
}

stage_finetune() {
    local task seed watched=()
    ! holds_out || watched=(--eval-features "$run/features/held-out.h5")
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            resumes=1 once finished_tuning "$run/$task/seed-$seed" \
                on_ranks bv_finetune --config "$config" --model "$model" --task "$task" --seed "$seed" \
                --features "$run/features/train.h5" --output "$run/$task/seed-$seed" ${watched[@]+"${watched[@]}"}
        done
    done
}

stage_extract() {
    local task seed epoch split folder store
    # shellcheck disable=SC2317,SC2329  # `once` calls it
    served() { [[ ! $force ]] || exists "$store" && served_store "$task" "$seed" "$epoch" "$split"; }
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$run/$task/seed-$seed
            for epoch in "${epochs[@]}"; do
                for split in "${splits[@]}"; do
                    store=$folder/stores/epoch-$epoch-$split.h5
                    resumes=1 once served "$store" on_ranks bv_extract --config "$config" --task "$task" \
                        --checkpoint "$folder/checkpoints/epoch-$epoch" --features "$run/features/$split.h5" \
                        --store "$store"
                done
            done
        done
    done
}

stage_train() {
    local task seed epoch folder stores training trainings heads more
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$run/$task/seed-$seed
            for epoch in "${epochs[@]}"; do
                claim "$folder/heads-epoch-$epoch"
                missing_trainings "$task" "$seed" "$epoch" | mapfile -t trainings
                ((${#trainings[@]})) || say "made: $task heads of seed $seed at epoch $epoch"
                stores=(--store "$folder/stores/epoch-$epoch-train.h5" --dev-store "$folder/stores/epoch-$epoch-dev.h5")
                [[ ! $heads_held_out ]] || stores+=(--held-out-store "$folder/stores/epoch-$epoch-held-out.h5")
                for training in ${trainings[@]+"${trainings[@]}"}; do
                    IFS=$'\t' read -r heads more <<<"$training"
                    say "$task heads of seed $seed at epoch $epoch: ${heads//,/ }${more:+ ($more)}"
                    on_ranks bv_train --config "$config" --heads "$heads" --seed "$seed" $more \
                        "${stores[@]}" --output "$folder/heads"
                done
                [[ $study_keep_stores ]] || rm -f "$folder/stores/epoch-$epoch-"{train,dev,held-out}.h5{,.toml}
                release "$folder/heads-epoch-$epoch"
            done
        done
    done
}

# Makes stores and trains heads with only the stores of one checkpoint on the disk at a time.
stage_extract_and_train() {
    local task seed epoch all_tasks=("${tasks[@]}") all_seeds=("${seeds[@]}") all_epochs=(${epochs[@]+"${epochs[@]}"})
    for task in "${all_tasks[@]}"; do
        for seed in "${all_seeds[@]}"; do
            for epoch in ${all_epochs[@]+"${all_epochs[@]}"}; do
                tasks=("$task") seeds=("$seed") epochs=("$epoch")
                stage_extract
                stage_train
            done
        done
    done
    tasks=("${all_tasks[@]}") seeds=("${all_seeds[@]}") epochs=(${all_epochs[@]+"${all_epochs[@]}"})
}

# Scores a head on the states of another checkpoint than its own. It reads the dev store of that checkpoint, if there is one.
score_mixed() {
    local folder=$1 output=$2 head=$3 epoch=$4 store=$1/stores/epoch-$4-dev.h5
    local states=(--checkpoint "$folder/checkpoints/epoch-$epoch" --features "$run/features/dev.h5")
    ! complete_store "$store" || states=(--store "$store")
    once scored "$output" on_ranks bv_eval --config "$config" --head "$head" --allow-other-checkpoint "${states[@]}" \
        --output "$output"
}

# Makes the comparisons, which need trained heads.
score_comparisons() {
    local task=$1 seed=$2 folder=$run/$1/seed-$2 line lines kind output first second files file
    comparisons "$task" "$seed" | mapfile -t lines
    for line in ${lines[@]+"${lines[@]}"}; do
        IFS=$'\t' read -r kind output first second <<<"$line"
        files=("$first/metrics.json")
        [[ $kind == mixed ]] || IFS=, read -ra files <<<"$second"
        for file in "${files[@]}"; do
            [[ -e $file ]] || { say "left out, because $file is not made: $output" && continue 2; }
        done
        case $kind in
            mixed) score_mixed "$folder" "$output" "$first" "$second" ;;
            ensemble)
                once scored "$output" alone bv_eval --config "$config" --logits "$second" --combine "$first" \
                    --features "$run/features/dev.h5" --output "$output"
                ;;
        esac
    done
}

# Scores a checkpoint on held-out training questions, and its answers to the dev questions once more, with the threshold that is
# best there.
score_with_threshold() {
    local folder=$1 checkpoint=$2 epoch=${2##*/}
    once scored "$folder/held-out/$epoch" on_ranks bv_eval --config "$config" --checkpoint "$checkpoint" \
        --features "$run/features/held-out.h5" --output "$folder/held-out/$epoch"
    once scored "$folder/evaluations/held-out-threshold/$epoch" alone bv_eval --config "$config" \
        --logits "$folder/evaluations/$epoch/logits.safetensors" --features "$run/features/dev.h5" \
        --threshold-from "$folder/held-out/$epoch" --output "$folder/evaluations/held-out-threshold/$epoch"
}

# Scores the best spans of the last checkpoint as if it never answered "none".
score_never_none() {
    local evaluations=$1/evaluations last
    last=`last_scored "$evaluations"`
    [[ ! $last ]] || once scored_never_none "$evaluations/never-none" alone bv_eval --config "$config" \
        --logits "$evaluations/$last/logits.safetensors" --features "$run/features/dev.h5" --null-threshold 1e9 \
        --output "$evaluations/never-none"
}

stage_eval() {
    local task seed folder checkpoint output
    for task in "${tasks[@]}"; do
        for seed in "${seeds[@]}"; do
            folder=$run/$task/seed-$seed
            for checkpoint in "$folder"/checkpoints/epoch-*; do
                [[ -e $checkpoint/checkpoint.json ]] || fail "$folder/checkpoints holds nothing to evaluate"
                output=$folder/evaluations/${checkpoint##*/}
                once scored "$output" on_ranks bv_eval --config "$config" --checkpoint "$checkpoint" \
                    --features "$run/features/dev.h5" --output "$output"
                ! chooses_thresholds "$task" || score_with_threshold "$folder" "$checkpoint"
            done
            [[ $task != span ]] || score_never_none "$folder"
            score_comparisons "$task" "$seed"
        done
    done
}

stage_report() {
    say "$run/report/index.html"
    $prefix "$python" tools/report/report.py --run "$run" >/dev/null
}
