#!/usr/bin/env bash
# launch/run_ranks.sh starts this script on every rank. It binds the rank to its cores, then becomes the program.
set -euo pipefail
trap '' USR1 # the program takes the signal itself; the launcher sends it again until then

usage() {
    cat <<'END'
Usage: launch/rank.sh [--gpus PER_NODE] [--gdb RANK] [--instead RANK FOLDER] [--check GIVEN... --] PROGRAM [ARGUMENTS]

  --gpus PER_NODE        a node has PER_NODE ranks; each gets the GPU with its number on the node, or the only GPU that it sees,
                         and is bound to the cores nearest to this GPU; ranks whose GPUs are near to the same cores get
                         equal parts of these cores
  --gdb RANK             rank RANK runs under gdb
  --instead RANK FOLDER  rank RANK runs the program of the same name in FOLDER
  --check GIVEN... --    does not run PROGRAM, but prints, with tabs between them: "rank", its number, host, GPU, driver, the
                         GPU's UUID, cores, PROGRAM's checksum, and the size of each file GIVEN, or - if it does not exist
END
}

rank=${OMPI_COMM_WORLD_RANK:-${SLURM_PROCID:-0}}
local_rank=${OMPI_COMM_WORLD_LOCAL_RANK:-${SLURM_LOCALID:-0}}

# visible: nvidia-smi's names of the GPUs that this rank sees, in CUDA's order. own_gpu: CUDA's number of the rank's own GPU.
# If the rank sees several GPUs, that is the rank's number on its node, as in the programs. With Slurm's --gpus-per-task and
# --gpu-bind=single every rank sees only its own GPU, which has the number 0.
see_gpus() {
    if [[ ${CUDA_VISIBLE_DEVICES+set} ]]; then
        IFS=, read -ra visible <<<"$CUDA_VISIBLE_DEVICES"
    else
        mapfile -t visible < <(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null)
    fi
    own_gpu=$local_rank
    ((${#visible[@]} != 1)) || own_gpu=0
}

# query GPU FIELDS: prints nvidia-smi's FIELDS for the GPU with CUDA's number GPU; nothing if there is none.
query() {
    local name=${visible[$1]:-}
    [[ ! $name ]] || nvidia-smi --id="$name" --query-gpu="$2" --format=csv,noheader 2>/dev/null || true
}

# The cores of a list such as 0-3,8, one on each line.
expand() {
    local part
    for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}

allowed() { sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status; }

near() {
    local bus
    bus=$(query "$1" pci.bus_id)
    bus=${bus,,}
    cat "/sys/bus/pci/devices/${bus: -12}/local_cpulist" 2>/dev/null || true
}

# Cores are sorted so that the hardware threads of one core stand together: then ranks do not share a core.
bind_near_gpu() {
    local mine sharers=0 place=0 other cores share
    mine=$(near "$own_gpu")
    [[ $mine ]] || return 0
    ((${#visible[@]} > 1)) || per_node=1 local_rank=0  # the GPUs of other ranks are not visible here
    for ((other = 0; other < per_node; ++other)); do
        [[ $(near "$other") == "$mine" ]] || continue
        ((other >= local_rank)) || place=$((place + 1))
        sharers=$((sharers + 1))
    done
    mapfile -t cores < <(lscpu -p=CPU,CORE | grep -v '^#' | sort -t, -k2,2n -k1,1n | cut -d, -f1 |
        grep -xFf <(expand "$mine") | grep -xFf <(expand "$(allowed)"))
    share=$((${#cores[@]} / sharers))
    ((share > 0)) || return 0
    taskset -cp "$(IFS=, && echo "${cores[*]:place*share:share}")" $$ >/dev/null
}

# Everything is printed by one write, so that the lines of different ranks do not mix.
check() {
    local path line
    line=$(printf 'rank\t%s\t%s\t%s\t%s\t%s\t%s\t%s' "$rank" "${SLURMD_NODENAME:-$(hostname -s)}" \
        "$(query "$own_gpu" name)" "$(query "$own_gpu" driver_version)" "$(query "$own_gpu" uuid)" "$(allowed)" \
        "$(sha256sum "$(type -P "$1")" | cut -c 1-12)")
    for path in ${given[@]+"${given[@]}"}; do
        line+=$'\t'$(stat -L -c '%s' "$path" 2>/dev/null || echo -)
    done
    echo "$line"
}

per_node='' gdb='' checking='' given=()
instead=() debugger=()
while (($#)); do
    case $1 in
        --gpus) per_node=$2 && shift 2 ;;
        --gdb) gdb=$2 && shift 2 ;;
        --instead) instead=("$2" "$3") && shift 3 ;;
        --check)
            checking=1 && shift
            while [[ $1 != -- ]]; do given+=("$1") && shift; done
            shift
            ;;
        -h | --help) usage || exit 2; exit 0 ;;
        *) break ;;
    esac
done

[[ ! $per_node$checking ]] || see_gpus
[[ ! $per_node ]] || bind_near_gpu
if [[ $checking ]]; then
    check "$@"
    exit
fi
if ((${#instead[@]})) && [[ ${instead[0]} == "$rank" ]]; then
    program=${instead[1]}/$(basename "$1")
    shift
    set -- "$program" "$@"
fi
[[ $gdb != "$rank" ]] || debugger=(gdb --quiet --args)
exec "${debugger[@]}" "$@"
