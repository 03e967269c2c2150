#!/usr/bin/env bash
# Asks the BERT and the heads of a run questions of one's own.
set -euo pipefail
here=$PWD
cd "$(dirname "$(realpath "$0")")/.."
. launch/road.sh

usage() {
    cat <<'END'
Usage: launch/ask.sh RUN [FLAGS]

Shows the answers of a fine-tuned BERT and of heads that were trained over it side by side: the answer and its probability (among
the 20 likeliest), the probability that the question has no answer, the next best answer, and the hidden states on which a head
leans most, if it has learned a weight for each. RUN is the folder of a run (launch/debug.sh, or the jobs of slurm/). Nothing is
written.

Without a question on the command line it asks for a context, on one line, and for a question, again and again, until Ctrl-D.
An empty line keeps the last context.

  --question TEXT --context TEXT   one question
  --id ID               one of the dev questions of RUN, with its gold answers
  --task TASK           span finds the answer; classification says whether there is one [span, if RUN has it]
  --seed S              the fine-tuning with this seed [the first one]
  --epoch E             the checkpoint at this epoch, such as 0.3 or 1 [the last one that is evaluated]
  --heads A,B           these heads over the checkpoint; none for BERT alone [the three heads with the best F1 among all that
                        read all hidden states and were trained on all questions]. If a head was trained only in other
                        variants (--share, --layers of bv_train), its variant with the best F1 answers, and its name is shown
  --json                prints one JSON object for each question, and nothing else. It has what bv_eval --serve gives, and
                        question, context, gold (with --id), checkpoint and seconds

Examples:
  launch/ask.sh runs/debug
  launch/ask.sh runs/debug --question "Who wrote it?" --context "Ada wrote it in 1843."
  launch/ask.sh runs/debug --id 56ddde6b9a695914005b9628 --heads learned_pooling,adapter_64_shared
  launch/ask.sh runs/debug --task classification --epoch 0.3 --json --question "Who?" --context "$(cat text.txt)"

Environment: BV_BIN and BV_PYTHON, as for launch/debug.sh; CUDA_VISIBLE_DEVICES= computes on the CPU.
END
}

for argument in "$@"; do
    case $argument in -h | --help) usage || exit 2; exit 0 ;; esac
done
use_build
exec $prefix "$python" launch/ask.py "$bin/bv_eval" "$here" "$@"
