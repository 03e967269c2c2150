#!/usr/bin/env bash
# All scripts start programs on several ranks by this script. Without --preflight, --gpus, --gdb and --instead it needs only bash
# and the launcher, because a bundle (tools/bundle.sh) runs on machines that have nothing else.
set -euo pipefail
{ # The braces make bash read the whole script before it runs a line. This shell itself makes no $(..), <(..) or >(..): if a
# signal comes while bash 5.2 parses one of these, the trap fails, and the script ends with exit code 2.
shopt -s lastpipe
told=''
trap 'told=1' USR1 # as early as possible; no program to pass it on to has been started yet

usage() {
    cat <<'EOF'
Usage: launch/run_ranks.sh --ranks N [FLAGS] [LAUNCHER'S FLAGS] -- PROGRAM [ARGUMENTS]

Starts PROGRAM on N ranks, by Open MPI's mpirun or by Slurm's srun, each bound to T cores of its own.

  --ranks N          number of ranks
  --threads T        cores of each rank [this machine's cores / N, at least 1; in a Slurm job or with a hostfile:
                     $SLURM_CPUS_PER_TASK, or 1 if it is not set]
  --launcher L       mpirun, or srun (which speaks PMIx) [mpirun]
  --per-node K       number of ranks on each node, in order [as the launcher places them]
  --gpus             each rank gets the GPU with its number on its node, or the only GPU that it sees, and is bound to the
                     cores nearest to this GPU
  --oversubscribe    let ranks share cores, without binding; this is the default if N x T exceeds this machine's cores
  --preflight        first ask every rank: does it see its GPU (--gpus), the files among the arguments, the same PROGRAM?
                     If not, ends with exit code 2; otherwise prints where each rank will run
  --record FILE      with --preflight: write its findings, and versions, commit and environment, as JSON
  --gdb R            rank R runs under gdb, which reads standard input
  --instead R DIR    rank R runs the program of the same name in DIR (for example one built with a sanitizer)
  LAUNCHER'S FLAGS   anything else before -- goes to the launcher: --hostfile FILE, --mca KEY VALUE, ...

The exit code is the exit code of PROGRAM, or 128 + S if a rank was killed by signal S. Open MPI's banners are left out of
standard error. The line "rank N killed by signal S" replaces the banner about a killed rank. SIGUSR1 (stop: save and end) is
passed on to all ranks. It is repeated each second until they end, because mpirun and srun do not keep it for ranks that are
still starting. If it comes before any program can take it, the exit code is 85. SIGTERM and SIGINT are passed on once; under
mpirun the ranks then have one second to end.

Environment: BV_MPIRUN names another mpirun.

Examples:
  launch/run_ranks.sh --ranks 2 -- build/release/bin/bv_finetune --config configs/minilm.toml
  launch/run_ranks.sh --ranks 8 --threads 4 --hostfile hosts -- build/release/bin/bv_extract --help
  launch/run_ranks.sh --ranks 8 --per-node 4 --gpus --launcher srun --preflight -- build/release/bin/bv_finetune ...
EOF
}

fail() {
    echo "error: run_ranks.sh: $*" >&2
    exit 2
}

is_count() { [[ $1 =~ ^[1-9][0-9]*$ ]]; }

# Sets $cores to the number of cores that this process may use. Hardware threads of one core count once, as mpirun counts
# slots.
count_cores() {
    local name list part file siblings allowed=0
    local -A physical=()
    while IFS=$':\t' read -r name list; do [[ $name != Cpus_allowed_list ]] || break; done </proc/self/status
    for part in ${list//,/ }; do allowed=$((allowed + ${part#*-} - ${part%-*} + 1)); done
    for file in /sys/devices/system/cpu/cpu*/topology/thread_siblings_list; do
        [[ -r $file ]] && read -r siblings <"$file" && physical[$siblings]=1
    done
    cores=$((${#physical[@]} > 0 && ${#physical[@]} < allowed ? ${#physical[@]} : allowed))
}

# Leaves out Open MPI's banners: the lines of the ranks have the same information, except the number of a killed rank. Lines are
# matched one by one, because lines of ranks may stand between them. Succeeds if a line named a killed rank.
killed='^(mpirun|mpiexec) noticed that process rank ([0-9]+) with PID [0-9]+ on node ([^ ]+) exited on signal ([0-9]+) \((.*)\)\.$'
banners=(
    '-{74}' ''
    '(mpirun|mpiexec): Forwarding signal [0-9]+ to job'
    'Primary job +terminated normally, but [0-9]+ process(es)? returned'
    'a non-zero exit code\. Per user-direction, the job has been aborted\.'
    '(mpirun|mpiexec) detected that one or more processes exited with non-zero status, thus causing'
    'the job to be terminated\. The first process to do so was:'
    '  Process name: \[\[.*' '  Exit code: +[0-9]+'
    'MPI_ABORT was invoked on rank [0-9]+ in communicator .*' 'with errorcode -?[0-9]+\.'
    'NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes\.'
    'You may or may not see output from other processes, depending on'
    'exactly when Open MPI kills them\.'
    '[0-9]+ total processes killed \(some possibly by (mpirun|mpiexec) during cleanup\)'
    '\[[^]]*\] [0-9]+ more process(es)? (has|have) sent help message .*'
    '\[[^]]*\] Set MCA parameter "orte_base_help_aggregate" to 0 to see all help.*'
)
without_banners() {
    local line named=1 banner
    banner="^($(IFS='|' && echo "${banners[*]}"))\$"
    while IFS= read -r line || [[ $line ]]; do
        if [[ $line =~ $killed ]]; then
            line="rank ${BASH_REMATCH[2]} killed by signal ${BASH_REMATCH[4]} (${BASH_REMATCH[5]}) on ${BASH_REMATCH[3]}"
            named=0
        elif [[ $line =~ $banner ]]; then
            continue
        fi
        printf '%s\n' "$line"
    done
    return "$named"
}

# The files that the arguments name. For a file that is not made yet: the folder in which it will be made.
given_files() {
    local word
    for word in "$@"; do
        word=${word#--*=} # --output=FOLDER
        if [[ $word == */* ]]; then
            while [[ ! -e $word ]]; do word=$(dirname -- "$word"); done
        fi
        [[ ! -e $word ]] || echo "$word"
    done | sort -u
}

ranks='' threads='' launcher=mpirun per_node='' gpus='' oversubscribe='' preflight='' record='' gdb='' input=/dev/null
elsewhere=${SLURM_JOB_ID:-}
flags=() rank_flags=()
while (($#)); do
    case $1 in
        --ranks | --threads | --per-node)
            is_count "${2:-}" || fail "$1 is '${2:-}', not a positive whole number"
            name=${1#--}
            declare "${name//-/_}=$2"
            shift 2
            ;;
        --launcher)
            [[ ${2:-} == mpirun || ${2:-} == srun ]] || fail "--launcher is '${2:-}', neither mpirun nor srun"
            launcher=$2 && shift 2
            ;;
        --gpus) gpus=1 && shift ;;
        --oversubscribe) oversubscribe=1 && shift ;;
        --preflight) preflight=1 && shift ;;
        --record) (($# > 1)) || fail "$1 wants a file"; record=$2 && shift 2 ;;
        --gdb) (($# > 1)) || fail "$1 wants a rank"; rank_flags+=("$1" "$2") gdb=$2 input=/dev/stdin && shift 2 ;;
        --instead) (($# > 2)) || fail "$1 wants a rank and a folder"; rank_flags+=("$1" "$2" "$3") && shift 3 ;;
        -h | --help) usage || exit 2; exit 0 ;;
        --) shift && break ;;
        *)
            [[ $1 =~ ^--?(host|hostfile|machinefile|H)$ ]] && elsewhere=1
            flags+=("$1")
            shift
            ;;
    esac
done
[[ $ranks ]] || fail "--ranks is missing; see --help"
(($#)) || fail "no program after --; see --help"
command -v "$1" >/dev/null || fail "$1 is no program"

if [[ $elsewhere ]]; then
    threads=${threads:-${SLURM_CPUS_PER_TASK:-1}}
else
    count_cores
    threads=${threads:-$((cores / ranks > 1 ? cores / ranks : 1))}
    ((ranks * threads <= cores)) || oversubscribe=1
fi
[[ ! $gpus ]] || rank_flags+=(--gpus "${per_node:-$ranks}")

if [[ $launcher == mpirun ]]; then
    start=("${BV_MPIRUN:-mpirun}" -n "$ranks")
    map=slot
    if [[ $per_node ]]; then
        map=ppr:$per_node:node
        # mpirun counts tasks, but the job may have been given its resources as cores or GPUs.
        [[ ! ${SLURM_JOB_NUM_NODES:-} ]] || export SLURM_TASKS_PER_NODE="$per_node(x$SLURM_JOB_NUM_NODES)"
    fi
    if [[ $oversubscribe ]]; then
        start+=(--oversubscribe --bind-to none --mca mpi_yield_when_idle 1 ${per_node:+--map-by "$map"})
    elif [[ $gpus ]]; then # launch/rank.sh binds
        start+=(--bind-to none ${per_node:+--map-by "$map"})
    else
        start+=(--map-by "$map:PE=$threads" --bind-to core)
    fi
    ((EUID != 0)) || start+=(--allow-run-as-root)
    [[ ! $gdb ]] || start+=(--stdin "$gdb")
else
    # If a rank dies, the others would wait for it. --wait ends them soon after it; a rank's exit code alone ends no other
    # rank.
    start=(srun --mpi=pmix --ntasks="$ranks" ${per_node:+--ntasks-per-node="$per_node"} --cpus-per-task="$threads" --wait=20
        --kill-on-bad-exit=0)
    if [[ $oversubscribe ]]; then
        start+=(--overcommit --cpu-bind=none)
    elif [[ $gpus ]]; then
        start+=(--cpu-bind=none --gpu-bind=none)
    else
        start+=(--cpu-bind=cores)
    fi
fi
start+=(${flags[@]+"${flags[@]}"})
here=${BASH_SOURCE[0]%"${BASH_SOURCE[0]##*/}"}
[[ $here == /* ]] || here=$PWD/$here
here=${here%/}

if [[ $preflight ]]; then
    given_files "$@" | mapfile -t given
    timeout --foreground 180 "${start[@]}" "$here/rank.sh" ${rank_flags[@]+"${rank_flags[@]}"} \
        --check ${given[@]+"${given[@]}"} -- "$@" </dev/null | { IFS= read -r -d '' said || true; } || {
        code=$?
        [[ ! $told ]] || exit 85
        within=''
        ((code != 124)) || within=' within 180 s' # timeout ended it
        echo "failure: run_ranks.sh: $launcher did not start $ranks ranks$within; its own words are above" >&2
        exit 1
    }
    python3 "$here/preflight.py" --ranks "$ranks" --launcher "$launcher" --threads "$threads" ${gpus:+--gpus} \
        ${given[@]+"${given[@]/#/--given=}"} ${record:+--record "$record"} -- "$@" <<<"${said%$'\n'}" || exit 2
fi
if ((${#rank_flags[@]})); then
    set -- "$here/rank.sh" "${rank_flags[@]}" "$@"
fi

if [[ $told ]]; then
    echo "told to stop before anything was started" >&2
    exit 85
fi

# A signal to all processes of a terminal or a job must not end the filter before the ranks.
coproc filtering {
    trap '' USR1 TERM INT
    without_banners >&2
}
filter=$!
exec {errors}>&"${filtering[1]}"
eval "exec ${filtering[0]}<&- ${filtering[1]}>&-"
# The launcher starts with SIGUSR1 ignored, until it installs a handler of its own.
(
    trap '' USR1
    exec "${start[@]}" "$@"
) <"$input" 2>&"$errors" {errors}>&- &
job=$!
exec {errors}>&-

teller=''
tell() {
    told=1 waiting=1
    [[ ! $teller ]] || return 0
    (
        trap '' USR1 TERM INT
        exec {silence}<> <(:)
        while kill -USR1 "$job"; do read -r -t 1 -u "$silence" || true; done
    ) <&- &>/dev/null &
    teller=$!
}

# A trapped signal interrupts `wait`: only a wait that no signal interrupts returns the job's exit code, and bash 5.2 may lose
# it if the job ends at the moment of a signal.
trap tell USR1
trap 'waiting=1; kill -TERM "$job"' TERM INT
[[ ! $told ]] || tell
waiting=1
while [[ $waiting ]]; do
    waiting='' code=0
    wait "$job" || code=$?
done
trap '' USR1 TERM INT
if [[ $teller ]]; then
    { kill -KILL "$teller" && wait "$teller"; } 2>/dev/null || true
fi
named=''
! wait "$filter" || named=1
if [[ $told ]] && ((code < 0 || code == 128 + 10)); then
    echo "told to stop before every rank could take the signal, or while the ranks were ending; what was saved remains" >&2
    exit 85
fi
# On a busy machine Open MPI now and then ends without its closing message; srun names the rank in its own words.
if ((code > 128 && code <= 192)) && [[ $launcher == mpirun && ! $named ]]; then
    echo "a rank was killed by signal $((code - 128)); mpirun did not say which" >&2
fi
exit "$code"
}
