# shellcheck shell=bash
# The facts of your cluster, all of them. Copy this file, fill in the copy, and source it before sbatch or slurm/study.sh:
#   cp slurm/site.sh ~/my-site.sh && $EDITOR ~/my-site.sh && . ~/my-site.sh
# Jobs source it again, for the modules. As it stands it asks for nothing: CPUs of the default partition, by mpirun.
BV_SITE=$(realpath "${BASH_SOURCE[0]}") && export BV_SITE

# --- What sbatch asks for: SBATCH_* variables stand above the #SBATCH lines of slurm/*.sh and below flags. ---
# export SBATCH_ACCOUNT=my-project
# export SBATCH_PARTITION=gpu
# export SBATCH_QOS=normal
# export SBATCH_CONSTRAINT=a100
# export SBATCH_TIMELIMIT=8:00:00
# export SBATCH_GPUS_PER_NODE=4        # a rank each; jobs without ranks (prepare, report) do not ask for them
# export SBATCH_CPUS_PER_GPU=16
# export SBATCH_HINT=nomultithread     # hardware threads of one core are one rank's
# export BV_SERIAL_JOB_FLAGS="--partition=cpu"   # of jobs without ranks
# export BV_RANKS_PER_NODE=2           # without GPUs and without sbatch's --ntasks; one a socket is a good start [1]

# --- What slurm/study.sh plans with: see bv_plan --help ---
# export BV_PLAN_FLAGS="--train-rate 55000 --encode-rate 160000 --write-rate 2000 --read-rate 3000"

# --- Where software comes from: modules ... ---
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel cuda/13.0   # for GPUs: also where you build (slurm/README.md)
# export BV_BIN=$HOME/bertvision/build/release/bin   # programs built elsewhere [build/release/bin of the repository]
# export BV_PYTHON=/opt/venv/bin/python   # with tools/requirements.txt [the build's]
# --- ... or a container, of tools/bertvision.def: words before every program. Ranks start by srun then. ---
# export BV_PREFIX="apptainer exec --nv --bind /scratch $HOME/bertvision.sif"
# export BV_BIN=/opt/bertvision/build/release/bin BV_PYTHON=/opt/venv/bin/python
# --- ... or a bundle of tools/bundle.sh: set nothing here; jobs inherit it from ./run-here.sh slurm/study.sh ..., or sbatch ... ---

# --- How ranks start: mpirun, or srun where Slurm's and MPI's PMIx fit (srun --mpi=list): its ranks save where Slurm itself
# preempts a job, mpirun's go on from their last state ---
export BV_LAUNCHER=mpirun
# export BV_LAUNCHER_FLAGS="--mca coll ^hcoll"

# --- The network, where the automatic choice is wrong (ip -brief address; ucx_info -d) ---
# export NCCL_SOCKET_IFNAME=ib0 OMPI_MCA_btl_tcp_if_include=ib0 OMPI_MCA_oob_tcp_if_include=ib0
# export OMPI_MCA_pml=ucx UCX_NET_DEVICES=mlx5_0:1
# export NCCL_IB_HCA=mlx5

# --- Scratch: Open MPI keeps sockets and shared memory here; it must be of the node itself ---
# export TMPDIR=/local/$USER && mkdir -p "$TMPDIR"
