# shellcheck shell=bash disable=SC2006,SC2034,SC2154,SC2086,SC2206
# The common part of all job scripts of this folder, which set $home (the repository), $stage and $about, and source this
# file. It runs one stage of launch/stages.sh on the ranks that Slurm gave the job, records where they run, and requeues the job
# if it is cut short.
set -euo pipefail
told=''
trap 'told=1' USR1 TERM
here=$PWD
me=slurm/$script
unset CDPATH # with it `cd` may go elsewhere
cd "$home"
. launch/road.sh
. launch/stages.sh

usage() {
    cat <<END
Usage: sbatch [SBATCH FLAGS] $me [FLAGS]

$about
Results that are already made are skipped. If the time limit or a preemption cuts the job short, it saves its work, is requeued
and goes on. It is not requeued if it made no progress, or if it crashed.

END
    road_flags
    case $stage in # stages without ranks
        prepare) example="$me --squad DIR --config configs/minilm.toml --run runs/minilm" ;;
        report) example="$me --config configs/minilm.toml --run runs/minilm" ;;
        *)
            example="--nodes=2 --ntasks-per-node=4 $me --config configs/minilm.toml --run runs/minilm --task span --seed 1"
            cat <<END

Number of ranks: the number of sbatch's --ntasks; without this flag one rank for each GPU of the job's nodes; without GPUs
\$BV_RANKS_PER_NODE ranks on each node. In a job array each array task does one combination of --task, --seed, --epoch and
--split; the last of these changes fastest.
END
            ;;
    esac
    cat <<END

Each start writes RUN/jobs/<stage>-<job>.json: hosts, GPUs, driver, library versions, commit, environment. A stage reads the
results of the stages before it. The order is prepare, finetune, extract, train, evaluate, report.

Environment: source your copy of slurm/site.sh first. Set BV_HOME to the repository if you submit from another folder.

Example:
  sbatch $example
END
}

for argument in "$@"; do
    [[ $argument != --help && $argument != -h ]] || { usage || exit 2; exit 0; }
done
[[ ${SLURM_JOB_ID:-} ]] || fail "this is a job: sbatch $me ...; see $me --help"
while (($#)); do
    read_flag "$here" "$@" || fail "unknown argument '$1'; see $me --help"
    shift "$taken"
done

# A site file may use $(..), and `module load` does so too: meanwhile no trap may run (see road.sh). A signal that comes now is lost,
# before anything is made that it could save.
trap '' USR1 TERM
. slurm/use_site.sh
trap 'told=1' USR1 TERM
use_build
check_flags
read_study

# For scontrol the plain id of an array's last task means the whole array.
job=$SLURM_JOB_ID
[[ ! ${SLURM_ARRAY_TASK_ID:-} ]] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID

if [[ $force ]]; then # the time of this file is that of the job's first start
    forced_at=$run/jobs/force-$job
    [[ ${SLURM_RESTART_COUNT:-} && -e $forced_at ]] || { mkdir -p "$run/jobs" && touch "$forced_at"; }
fi

# Reduces each list to the value that belongs to this array task.
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

check_settings "$stage"

# --- What Slurm says ---

# ask_slurm COMMAND...: sets $said to the standard output of one of Slurm's commands or, if it fails, to its errors. Slurm's controller may be
# busy or may be starting again, so a command that fails is tried five times in 40 seconds.
ask_slurm() {
    local tries lines
    for tries in 1 2 3 4 5; do
        ((tries == 1)) || sleep 10
        if lines=`{ "$@" 2>&3 | sed 's/^/out:/'; } 3>&1`; then
            said=`sed -n 's/^out://p' <<<"$lines"`
            return 0
        fi
        said=`sed '/^out:/d' <<<"$lines"`
        [[ $said != *"Invalid job id"* ]] || break
    done
    return 1
}

# find_state JOB: sets $state to Slurm's state of the job; it is empty if the job has ended. Fails if Slurm does not answer.
find_state() {
    state=''
    if ask_slurm squeue --noheader --jobs="$1" --format=%T; then state=${said##*$'\n'}; else [[ $said == *"Invalid job id"* ]]; fi
}

# --- Only one job makes an output: the link OUTPUT.job names this job ---

claims=()

claim() {
    local link=$1.job owner left='' why tries=0 state said
    mkdir -p "${link%/*}"
    while true; do
        why=`ln -s "$job" "$link" 2>&1` || true
        [[ -w ${link%/*} ]] || fail "no right to write to ${link%/*}"
        if ! owner=`readlink "$link"`; then # the link's job has just ended, or no link can be made, as on a full disk
            [[ ! $told ]] || exit 85
            ((++tries < 5)) || fail "$why"
            sleep 1
            continue
        fi
        if [[ $owner == "$job" ]]; then
            [[ $left ]] || break
            sleep 1 # another job may be claiming the same unfinished output
            owner=`readlink "$link"` || continue
            [[ $owner != "$job" ]] || break
        fi
        find_state "$owner" ||
            fail "$1 belongs to job $owner, and squeue does not say whether this job has ended: $said; submit this job again later"
        [[ ! $state ]] || fail "$1 is being made by job $owner; wait for it, or scancel $owner"
        say "job $owner left $1 unfinished"
        left=1
        rm -f "$link"
    done
    claims+=("$link")
}

release() { rm -f "$1.job"; }

# --- After the stage has ended ---

# Whether one of several nodes has died. A launcher notices that and ends long before Slurm notices it.
lost_node() { ! timeout 60 srun --overlap --ntasks="$nodes" --ntasks-per-node=1 true 2>/dev/null; }

finish() {
    local code=$? why='' state='' said now owner
    trap '' USR1 TERM
    trap - EXIT
    ((code != 85)) || why='told to stop'
    if ((code == 85 || (code != 0 && code != 2 && nodes > 1))); then
        if ! find_state "$job"; then
            why=${why:-ended with exit code $code} state=unknown
        elif [[ ! $why && $state == RUNNING ]] && lost_node; then
            why='a node is lost'
        fi
    fi
    if [[ $why ]]; then
        now=`how_far "$stage"`
        if [[ $state == unknown ]]; then
            echo "error: $me: $why; how far: $now. Not requeued, because squeue does not say whether the job was cancelled: $said." \
                "To go on, submit it again, or run slurm/study.sh again" >&2
        elif [[ $state != RUNNING ]]; then
            say "$why; how far: $now. Slurm's state of the job is ${state:-ended}, so this script does not requeue it"
        elif [[ $now == "$began" ]]; then
            echo "error: $me: $why, and no progress since this start, so not requeued; how far: $now. It needs more" \
                "time (--time), or an earlier signal (--signal=B:USR1@SECONDS)" >&2
            code=1
        else
            say "$why; how far: $now. Requeued"
            ! ask_slurm scontrol requeue "$job" || exit 85
            echo "error: $me: Slurm does not requeue it: $said. To go on, submit it again, or run slurm/study.sh again" >&2
        fi
    fi
    for link in ${claims[@]+"${claims[@]}"}; do
        owner=`readlink "$link" 2>/dev/null` || continue
        [[ $owner != "$job" ]] || rm -f "$link"
    done
    ((code)) || rm -f ${forced_at:+"$forced_at"}
    exit "$code"
}

# --- The ranks and their places ---

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
if [[ $launcher == mpirun ]]; then # mpirun counts cores, Slurm counts hardware threads
    per_core=`LC_ALL=C lscpu | sed -n 's/^Thread(s) per core: *//p'` || true
    threads=$((threads / ${per_core:-1}))
fi
((threads > 0)) || threads=1
launch_flags=(--launcher "$launcher" --threads "$threads" ${BV_LAUNCHER_FLAGS:-})
program_flags=(--threads "$threads")
((ranks % nodes)) || launch_flags+=(--per-node "$per_node")
((gpus == 0)) || launch_flags+=(--gpus)

record=$run/jobs/$stage-$job${SLURM_RESTART_COUNT:+-restart-$SLURM_RESTART_COUNT}.json
first_launch_flags=(--preflight --record "$record")
case $stage in # stages without ranks: no launcher records them
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
