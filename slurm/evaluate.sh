#!/usr/bin/env bash
#SBATCH --job-name=bv-evaluate
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --nodes=1
#SBATCH --time=2:00:00
# shellcheck disable=SC2034  # job.sh reads these
script=evaluate.sh stage=eval
about='Scores every checkpoint, and the comparisons of the study, on the dev features: RUN/<task>/seed-<s>/evaluations.'
# Slurm runs a copy of this file from its spool.
home=${BV_HOME:-${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}}
[[ -e $home/slurm/job.sh ]] || {
    echo "error: slurm/$script: $home is not BERTVision's folder; submit from there, or set BV_HOME to it" >&2
    exit 2
}
# shellcheck source=slurm/job.sh
. "$home/slurm/job.sh"
