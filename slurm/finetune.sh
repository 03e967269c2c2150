#!/usr/bin/env bash
#SBATCH --job-name=bv-finetune
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --nodes=1
#SBATCH --time=4:00:00
# shellcheck disable=SC2034  # job.sh reads these
script=finetune.sh stage=finetune
about='Fine-tunes BERT on RUN/features/train.h5: checkpoints in RUN/<task>/seed-<s>/checkpoints.'
# Slurm runs a copy of this file from its spool.
home=${BV_HOME:-${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}}
[[ -e $home/slurm/job.sh ]] || {
    echo "error: slurm/$script: $home is not BERTVision's folder; submit from there, or set BV_HOME to it" >&2
    exit 2
}
# shellcheck source=slurm/job.sh
. "$home/slurm/job.sh"
