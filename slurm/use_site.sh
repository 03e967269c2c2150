# shellcheck shell=bash
# Sources the site file, whose commands may fail and may use variables that are not set. The jobs and study.sh source this file.
site=${BV_SITE:-slurm/site.sh}
[[ -r $site ]] || fail "BV_SITE: cannot read $site"
set +eu
# shellcheck source=slurm/site.sh
. "$site"
set -eu
