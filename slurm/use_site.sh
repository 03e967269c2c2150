# shellcheck shell=bash disable=SC2154
# Sources the site file, whose commands may fail and may use variables that are not set. The jobs and study.sh source this file.
site=${BV_SITE:-slurm/site.sh}
[[ -r $site ]] || fail "BV_SITE: cannot read $site"
# A variable that no script reads is misspelled, or comes from a site.sh of an earlier version.
sed 's/#.*//' "$site" | { grep -noE '\bBV_\w+=' || true; } | while IFS=:= read -r number name; do
    grep -qwF "$name" slurm/{job,study,use_site}.sh launch/*.sh tools/*.sh ||
        echo "warning: $me: $site, line $number: $name has no effect; slurm/site.sh shows all settings" >&2
done
chosen=${BV_LAUNCHER:-}
set +eu
# shellcheck source=slurm/site.sh
. "$site"
set -eu
[[ ${BV_LAUNCHER:-mpirun} =~ ^(mpirun|srun)$ ]] || fail "BV_LAUNCHER is '$BV_LAUNCHER', neither mpirun nor srun"
[[ ${BV_RANKS_PER_NODE:-1} =~ ^[1-9][0-9]*$ ]] || fail "BV_RANKS_PER_NODE is '$BV_RANKS_PER_NODE', not a positive whole number"
[[ ! $chosen || ${BV_LAUNCHER:-} == "$chosen" ]] || # as a site.sh of an earlier version does
    echo "warning: $me: $site sets BV_LAUNCHER to '${BV_LAUNCHER:-}', although it was '$chosen'; slurm/site.sh shows how to keep it" >&2
