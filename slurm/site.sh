# shellcheck shell=bash
# Everything that is special to your cluster. Copy this file, fill in the copy, and source it before sbatch or slurm/study.sh:
#   cp slurm/site.sh ~/site.sh && $EDITOR ~/site.sh && . ~/site.sh
# The copy may have any name and stand in any folder that all nodes see. Jobs source it again, because they need its modules. It may
# use $(..), because a job ignores the stop signal while it sources this file.
# If you change nothing, jobs run on CPUs of the default partition, and mpirun starts the ranks.
BV_SITE=$(realpath "${BASH_SOURCE[0]}") && export BV_SITE

# --- What sbatch asks for. SBATCH_* variables override the #SBATCH lines of slurm/*.sh, and flags override both. ---
# export SBATCH_ACCOUNT=my-project
# export SBATCH_PARTITION=gpu
# export SBATCH_QOS=normal
# export SBATCH_CONSTRAINT=a100
# export SBATCH_TIMELIMIT=8:00:00
# export SBATCH_GPUS_PER_NODE=4        # one rank for each GPU; jobs without ranks (prepare, report) ask for no GPU
# export SBATCH_CPUS_PER_GPU=16
# export SBATCH_HINT=nomultithread     # all hardware threads of a core belong to one rank
# export BV_SERIAL_JOB_FLAGS="--partition=cpu"   # sbatch's flags for jobs without ranks
# export BV_RANKS_PER_NODE=2           # used without GPUs and without sbatch's --ntasks; try one rank for each socket [1]

# --- Flags of bv_plan for slurm/study.sh. With rates it prints time and GPU hours too (configs/README.md, "What a study costs");
# bv_plan --measure finds the rates of your nodes ---
# export BV_PLAN_FLAGS="--train-rate 55000 --encode-rate 160000 --write-rate 2000 --read-rate 3000"

# --- Where software comes from. First way: modules ---
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel cuda/13.0   # for GPUs; also when you build (slurm/README.md)
# export BV_BIN=$HOME/bertvision/build/release/bin   # programs built elsewhere [build/release/bin of the repository]
# export BV_PYTHON=/opt/venv/bin/python   # a Python with tools/requirements.txt [the Python of the build]
# --- Second way: a container made from tools/bertvision.def. The words of BV_PREFIX stand before every program, and srun starts
# the ranks ---
# export BV_PREFIX="apptainer exec --nv --bind /scratch $HOME/bertvision.sif"
# export BV_BIN=/opt/bertvision/build/release/bin BV_PYTHON=/opt/venv/bin/python
# --- Third way: a bundle of tools/bundle.sh. Set nothing here: jobs inherit the settings from "./run-here.sh slurm/study.sh ..."
# or "./run-here.sh sbatch ..." ---

# --- How ranks start: by mpirun, or by srun if Slurm and MPI have PMIx versions that fit each other (srun --mpi=list). If
# Slurm itself preempts a job, ranks of srun save a state first; ranks of mpirun later go on from their last saved state. ---
export BV_LAUNCHER=${BV_LAUNCHER:-mpirun}
# export BV_LAUNCHER_FLAGS="--mca coll ^hcoll"

# --- The network, if the automatic choice is wrong (ip -brief address; ucx_info -d) ---
# export NCCL_SOCKET_IFNAME=ib0 OMPI_MCA_btl_tcp_if_include=ib0 OMPI_MCA_oob_tcp_if_include=ib0
# export OMPI_MCA_pml=ucx UCX_NET_DEVICES=mlx5_0:1
# export NCCL_IB_HCA=mlx5

# --- Scratch: Open MPI keeps sockets and shared memory here. The folder must be on a disk of the node itself. ---
# export TMPDIR=/local/$USER && mkdir -p "$TMPDIR"
