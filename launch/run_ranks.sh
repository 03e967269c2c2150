#!/usr/bin/env bash
# The one way scripts start a program on several ranks.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: launch/run_ranks.sh --ranks N [--threads T] [--oversubscribe] [MPIRUN FLAGS] -- PROGRAM [ARGUMENTS]

Starts PROGRAM on N ranks under Open MPI's mpirun, each bound to T cores of its own.

  --ranks N          number of ranks
  --threads T        cores of each rank [this machine's cores / N, at least 1; within a Slurm job or with a
                     hostfile $SLURM_CPUS_PER_TASK, else 1]
  --oversubscribe    let ranks share cores, unbound; chosen by itself where N x T exceeds this machine's cores
  MPIRUN FLAGS       anything else before -- goes to mpirun: --hostfile FILE, --mca KEY VALUE, ...

The exit code is mpirun's: PROGRAM's own, 128 + S where a rank was killed by signal S. Open MPI's banners are left out of
standard error; of the one about a killed rank the line "rank N killed by signal S" remains. SIGUSR1 (stop: save and end)
is passed on to all ranks, as are SIGTERM and SIGINT, which leave them one second.

Environment: BV_MPIRUN names another mpirun.

Examples:
  launch/run_ranks.sh --ranks 2 -- build/release/bin/bv_finetune --config configs/minilm.toml
  launch/run_ranks.sh --ranks 8 --threads 4 --hostfile hosts -- build/release/bin/bv_extract --help
EOF
}

fail() {
    echo "error: run_ranks.sh: $*" >&2
    exit 2
}

is_count() { [[ $1 =~ ^[1-9][0-9]*$ ]]; }

# Cores this process may use; hardware threads of one core count once, as mpirun counts slots.
own_cores() {
    local allowed physical
    allowed=$(env -u OMP_NUM_THREADS nproc)
    physical=$(lscpu -p=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
    echo $((physical < allowed ? physical : allowed))
}

# Open MPI's banners say nothing that the ranks' own lines do not, but for the name of a killed rank. Lines are matched
# singly, because those of ranks may come between them. The line that names a rank also goes to the file $named.
without_banners() {
    sed -u -E \
        -e 's/^(mpirun|mpiexec) noticed that process rank ([0-9]+) with PID [0-9]+ on node (\S+) exited on signal ([0-9]+) \((.*)\)\.$/rank \2 killed by signal \4 (\5) on \3/w '"$named" \
        -e '/^-{74}$/d; /^$/d' \
        -e '/^Primary job +terminated normally, but [0-9]+ process(es)? returned$/d' \
        -e '/^a non-zero exit code\. Per user-direction, the job has been aborted\.$/d' \
        -e '/^(mpirun|mpiexec) detected that one or more processes exited with non-zero status, thus causing$/d' \
        -e '/^the job to be terminated\. The first process to do so was:$/d' \
        -e '/^  Process name: \[\[/d; /^  Exit code: +[0-9]+$/d' \
        -e '/^MPI_ABORT was invoked on rank [0-9]+ in communicator /d; /^with errorcode -?[0-9]+\.$/d' \
        -e '/^NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes\.$/d' \
        -e '/^You may or may not see output from other processes, depending on$/d' \
        -e '/^exactly when Open MPI kills them\.$/d' \
        -e '/^[0-9]+ total processes killed \(some possibly by (mpirun|mpiexec) during cleanup\)$/d' \
        -e '/^\[[^]]*\] [0-9]+ more process(es)? (has|have) sent help message /d' \
        -e '/^\[[^]]*\] Set MCA parameter "orte_base_help_aggregate" to 0 to see all help/d'
}

ranks='' threads='' oversubscribe='' elsewhere=${SLURM_JOB_ID:-}
flags=()
while (($#)); do
    case $1 in
        --ranks | --threads)
            is_count "${2:-}" || fail "$1 is '${2:-}', not a positive whole number"
            declare "${1#--}=$2"
            shift 2
            ;;
        --oversubscribe) oversubscribe=1 && shift ;;
        -h | --help) usage && exit 0 ;;
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
    cores=$(own_cores)
    threads=${threads:-$((cores / ranks > 1 ? cores / ranks : 1))}
    ((ranks * threads <= cores)) || oversubscribe=1
fi
if [[ $oversubscribe ]]; then
    flags+=(--oversubscribe --bind-to none --mca mpi_yield_when_idle 1)
else
    flags+=(--map-by "slot:PE=$threads" --bind-to core)
fi
((EUID != 0)) || flags+=(--allow-run-as-root)

named=$(mktemp)
trap 'rm -f "$named"' EXIT
exec {errors}> >(without_banners >&2)
filter=$!
"${BV_MPIRUN:-mpirun}" -n "$ranks" "${flags[@]}" "$@" 2>&"$errors" {errors}>&- &
job=$!
exec {errors}>&-

# A trapped signal interrupts `wait`: only the wait that no signal interrupted tells the job's exit code.
trap 'waiting=1; kill -USR1 "$job"' USR1
trap 'waiting=1; kill -TERM "$job"' TERM INT
waiting=1
while [[ $waiting ]]; do
    waiting='' code=0
    wait "$job" || code=$?
done
trap '' USR1 TERM INT
wait "$filter" || true
# On a busy machine Open MPI now and then ends without its closing message.
((code <= 128)) || [[ -s $named ]] || echo "a rank was killed by signal $((code - 128)); mpirun did not say which" >&2
exit "$code"
