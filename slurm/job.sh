# shellcheck shell=bash disable=SC2006,SC2034,SC2154,SC2086,SC2206
# What all job scripts of this folder do; they set $home (the repository), $stage and $about, and source it. Runs one stage
# of launch/road.sh on the ranks that Slurm gave the job, records where, and has the job requeued when it is cut short.
set -euo pipefail
told=''
trap 'told=1' USR1 TERM
here=$PWD
me=slurm/$script
cd "$home"
. launch/road.sh
. launch/stages.sh

usage() {
    cat <<END
Usage: sbatch [SBATCH FLAGS] $me [FLAGS]

$about
What is made already is skipped. Cut short by its time limit or a preemption the job saves, is requeued and goes on; it is
not where it made no progress, nor after a crash.

END
    road_flags
    cat <<END

Ranks: sbatch's --ntasks; else one per GPU of the job's nodes; else \$BV_RANKS_PER_NODE a node. A job array does one of the
combinations of --task, --seed, --epoch and --split a task, the last changing fastest. In RUN/jobs/ each start leaves
<stage>-<job>.json: hosts, GPUs, driver, library versions, commit, environment.

Environment: your copy of slurm/site.sh, sourced; BV_HOME, the repository, where you submit from another folder.

Example:
  sbatch --nodes=2 --ntasks-per-node=4 $me --config configs/minilm.toml --run runs/minilm --task span --seed 1
END
}

for argument in "$@"; do
    [[ $argument != --help && $argument != -h ]] || { usage && exit 0; }
done
[[ ${SLURM_JOB_ID:-} ]] || fail "this is a job: sbatch $me ...; see $me --help"
while (($#)); do
    read_flag "$here" "$@" || fail "unknown argument '$1'; see $me --help"
    shift "$taken"
done

# shellcheck source=slurm/site.sh
. "${BV_SITE:-slurm/site.sh}"
use_build
check_flags
[[ ! ${SLURM_RESTART_COUNT:-} ]] || force='' # what the first start made is this job's own
read_study

# scontrol takes the last task of an array by its plain id for all of them.
job=$SLURM_JOB_ID
[[ ! ${SLURM_ARRAY_TASK_ID:-} ]] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

# Narrows the lists to the combination that is this array task's.
pick() {
    local n=$SLURM_ARRAY_TASK_ID name
    for name in "$@"; do
        local -n list=$name
        local count=${#list[@]}
        ((count > 0)) || fail "the study names no $name"
        list=("${list[n % count]}")
        n=$((n / count))
    done
    ((n == 0)) || fail "array task $SLURM_ARRAY_TASK_ID is beyond the combinations of --task, --seed, --epoch and --split"
}
if [[ ${SLURM_ARRAY_TASK_ID:-} ]]; then
    case $stage in
        extract) pick splits epochs seeds tasks ;;
        train) pick epochs seeds tasks ;;
        *) pick seeds tasks ;;
    esac
fi

# --- One job makes one thing: OUTPUT.job, a link, names the job that does ---

claims=()

active() {
    local said
    said=`squeue --noheader --jobs="$1" --format=%T 2>&1` || true
    [[ $said && $said != *"Invalid job id"* ]]
}

claim() {
    local link=$1.job owner left=''
    mkdir -p "${link%/*}"
    while true; do
        ln -s "$job" "$link" 2>/dev/null || true
        [[ -w ${link%/*} ]] || fail "no right to write to ${link%/*}"
        owner=`readlink "$link"` || continue # its job has just ended
        if [[ $owner == "$job" ]]; then
            [[ $left ]] || break
            sleep 1 # another job may take over the same left one
            owner=`readlink "$link"` || continue
            [[ $owner != "$job" ]] || break
        fi
        ! active "$owner" || fail "$1 is being made by job $owner; wait for it, or scancel $owner"
        say "job $owner left $1 unfinished"
        left=1
        rm -f "$link"
    done
    claims+=("$link")
}

release() { rm -f "$1.job"; }

# --- What comes after ---

# Launchers see a node die, and end, long before Slurm does.
lost_node() { ((nodes > 1)) && ! timeout 60 srun --overlap --ntasks="$nodes" --ntasks-per-node=1 true 2>/dev/null; }

finish() {
    local code=$? why='' state='' now owner
    trap '' USR1 TERM
    trap - EXIT
    if ((code != 0 && code != 2)); then
        state=`squeue --noheader --jobs="$job" --format=%T 2>/dev/null` || true
        if ((code == 85)); then
            why='told to stop'
        elif ((code == 128 + 10)) && [[ $told ]]; then # a program without a state; what it has made remains
            why='told to stop'
        elif [[ $state == RUNNING ]] && lost_node; then
            why='a node is lost'
        fi
    fi
    if [[ $why ]]; then
        now=`how_far "$stage"`
        if [[ $state != RUNNING ]]; then
            say "$why; how far: $now. Slurm has the job as ${state:-ended}, so it is not requeued from here"
        elif [[ $now == "$began" ]]; then
            echo "error: $me: $why, and no progress since this start, so not requeued; how far: $now. It needs more" \
                "time (--time), or an earlier signal (--signal=B:USR1@SECONDS)" >&2
            code=1
        else
            say "$why; how far: $now. Requeued"
            ! scontrol requeue "$job" || exit 85
            echo "error: $me: Slurm does not requeue it; submit it again to go on" >&2
        fi
    fi
    for link in ${claims[@]+"${claims[@]}"}; do
        owner=`readlink "$link" 2>/dev/null` || continue
        [[ $owner != "$job" ]] || rm -f "$link"
    done
    exit "$code"
}

# --- Where ranks go ---

nodes=$SLURM_JOB_NUM_NODES
gpus=${SLURM_GPUS_ON_NODE:-0}
launcher=${BV_LAUNCHER:-mpirun}
if [[ ${SLURM_NTASKS:-} ]]; then
    ranks=$SLURM_NTASKS
else
    ranks=$((nodes * (gpus > 0 ? gpus : ${BV_RANKS_PER_NODE:-1})))
fi
per_node=$(((ranks + nodes - 1) / nodes))
threads=${SLURM_CPUS_PER_TASK:-$((SLURM_CPUS_ON_NODE / per_node))}
if [[ $launcher == mpirun ]]; then # counts cores, Slurm hardware threads
    per_core=`lscpu | sed -n 's/^Thread(s) per core: *//p'`
    threads=$((threads / per_core))
fi
((threads > 0)) || threads=1
launch_flags=(--launcher "$launcher" --threads "$threads" ${BV_LAUNCHER_FLAGS:-})
program_flags=(--threads "$threads")
((ranks % nodes)) || launch_flags+=(--per-node "$per_node")
((gpus == 0)) || launch_flags+=(--gpus)

record=$run/jobs/$stage-$job${SLURM_RESTART_COUNT:+-restart-$SLURM_RESTART_COUNT}.json
first_launch_flags=(--preflight --record "$record")
case $stage in # alone, without a launcher to record it
    prepare) alone=($prefix "$bin/bv_prepare") ;;
    report) alone=($prefix "$python" tools/report/report.py) ;;
    *) alone=() ;;
esac
if ((${#alone[@]})); then
    launch/rank.sh --check -- "${alone[@]}" |
        python3 launch/preflight.py --ranks 1 --threads 1 --record "$record" -- "${alone[@]}"
fi

began=`how_far "$stage"`
say "job $job ($me, start $((${SLURM_RESTART_COUNT:-0} + 1))) on $SLURM_JOB_NODELIST${began:+; how far: $began}"
trap finish EXIT
"stage_$stage"
