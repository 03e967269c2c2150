#!/usr/bin/env bash
# A real Slurm of two nodes on one machine, for tests.
set -euo pipefail

usage() {
    cat <<'END'
Usage: tests/slurm/cluster.sh start FOLDER
       tests/slurm/cluster.sh stop FOLDER
       tests/slurm/cluster.sh kill-node|start-node FOLDER NODE

start brings up munged, slurmctld and a slurmd each for the nodes n1 and n2 (4 CPUs each, whatever this machine has), all
their files in FOLDER; use it with SLURM_CONF=FOLDER/slurm.conf. It needs root, no systemd, and Debian's packages slurm-wlm
and munge: where these are missing, or a daemon does not come up, it says why and ends with exit code 77.
stop ends every daemon, job and step of it, and removes FOLDER. kill-node is a node's sudden death: its slurmd and
everything it started; start-node brings it back.

Example:
  tests/slurm/cluster.sh start /tmp/slurm && SLURM_CONF=/tmp/slurm/slurm.conf sinfo; tests/slurm/cluster.sh stop /tmp/slurm
END
}

fail() {
    echo "error: cluster.sh: $*" >&2
    exit 2
}

impossible() {
    echo "cluster.sh: no Slurm for tests here: $*" >&2
    exit 77
}

nodes=(n1 n2)

# Ports nobody listens at.
free_ports() {
    python3 - "$1" <<'END'
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
END
}

write_configuration() {
    local ports host
    read -ra ports < <(free_ports $((1 + ${#nodes[@]})))
    host=$(hostname -s)
    # A job requeued waits until credentials of its first start have expired.
    cat >"$folder/slurm.conf" <<END
ClusterName=bertvision
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdSpoolDir=$folder/%n/spool
SlurmdPidFile=$folder/%n/slurmd.pid
SlurmdLogFile=$folder/%n/slurmd.log
TmpFS=$folder/%n/tmp
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,defer_batch
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
KillWait=5
MinJobAge=3600
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=4 State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=4 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
}

# Waits up to so many seconds for a command to succeed.
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || return 1
        sleep 0.1
    done
}

# Daemons have a mark in their environment, by which `processes` knows them and the steps they start.
start_daemon() { env BV_TEST_SLURM="$folder" SLURM_CONF="$folder/slurm.conf" "$@"; }

all_idle() { [[ $(sinfo --noheader --format=%T --nodes="$(IFS=, && echo "${nodes[*]}")" | sort -u) == idle ]]; }

start() {
    ((EUID == 0)) || impossible "it needs root"
    [[ ! -d /run/systemd/system ]] || impossible "systemd runs this machine: it would take the jobs' processes for its own"
    local program node
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null || impossible "$program is missing: apt-get install slurm-wlm munge"
    done
    [[ ! -e $folder ]] || fail "$folder exists"
    mkdir -p "$folder/state"
    for node in "${nodes[@]}"; do mkdir -p "$folder/$node/spool" "$folder/$node/tmp"; done
    head -c 128 /dev/urandom >"$folder/munge.key"
    chmod 400 "$folder/munge.key"
    write_configuration
    export SLURM_CONF=$folder/slurm.conf
    start_daemon munged --socket="$folder/munge.socket" --key-file="$folder/munge.key" --pid-file="$folder/munge.pid" \
        --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" || impossible "munged does not start: $(tail -n 1 "$folder/munge.log")"
    start_daemon slurmctld || impossible "slurmctld does not start: $(tail -n 1 "$folder/slurmctld.log")"
    within 15 scontrol ping || impossible "slurmctld does not answer: $(tail -n 1 "$folder/slurmctld.log")"
    for node in "${nodes[@]}"; do
        start_daemon slurmd -N "$node" || impossible "slurmd of $node does not start: $(tail -n 1 "$folder/$node/slurmd.log")"
    done
    within 20 all_idle || impossible "the nodes do not come up: $(sinfo --noheader --Node --long | tr '\n' ';')"
}

# Process ids of daemons, their steps, and jobs, which know a job's number and this cluster; of one node only.
processes() {
    local entry pid variables
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        variables=$'\n'$({ tr '\0' '\n' <"$entry/environ"; } 2>/dev/null || true)$'\n'
        [[ $variables == *$'\n'"BV_TEST_SLURM=$folder"$'\n'* ]] ||
            [[ $variables == *$'\n'"SLURM_CONF=$folder/slurm.conf"$'\n'* && $variables == *$'\n'SLURM_JOB_ID=* ]] || continue
        [[ ! ${1:-} ]] || of_node "$pid" "$1" || continue
        echo "$pid"
    done
}

# Whether a process is a node's slurmd or below it.
of_node() {
    local pid=$1 daemon
    daemon=$(cat "$folder/$2/slurmd.pid" 2>/dev/null) || return 1
    [[ $pid != "$daemon" ]] || return 0
    { tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -qxF "SLURMD_NODENAME=$2" && return 0
    # A step's own daemon names neither node nor job in its environment, but holds its node's spool open.
    grep -qF slurmstepd "/proc/$pid/cmdline" 2>/dev/null &&
        { find "/proc/$pid/fd" -lname "$folder/$2/*" -print -quit 2>/dev/null | grep -q . ; }
}

kill_all() {
    local pids
    for _ in 1 2 3 4 5; do
        mapfile -t pids < <(processes "$@")
        ((${#pids[@]})) || return 0
        kill -KILL "${pids[@]}" 2>/dev/null || true
        sleep 0.1
    done
    fail "processes of the cluster do not end: ${pids[*]}"
}

stop() {
    [[ -e $folder/slurm.conf ]] || fail "$folder holds no cluster"
    kill_all
    rm -rf "$folder"
}

command=${1:-}
case $command in -h | --help) usage || exit 2; exit 0 ;; esac
[[ ${2:-} ]] || fail "wants a command and a folder; see --help"
folder=$(realpath -m -- "$2")
case $command in
    start) start ;;
    stop) stop ;;
    kill-node) kill_all "${3:?wants a node}" ;;
    start-node) start_daemon slurmd -N "${3:?wants a node}" ;;
    *) fail "unknown command '$command'; see --help" ;;
esac
