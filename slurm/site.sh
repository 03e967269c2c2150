# shellcheck shell=bash
# Everything that is special to your cluster. Copy this file, fill in the copy, and source it before sbatch or slurm/study.sh:
#   cp slurm/site.sh ~/my-site.sh && $EDITOR ~/my-site.sh && . ~/my-site.sh
# Jobs source it again, for the modules. Unchanged, it sets nothing special: jobs run on CPUs of the default partition, by mpirun.
BV_SITE=$(realpath "${BASH_SOURCE[0]}") && export BV_SITE

# --- What sbatch asks for. SBATCH_* variables override the #SBATCH lines of slurm/*.sh, and flags override both. ---
# export SBATCH_ACCOUNT=my-project
# export SBATCH_PARTITION=gpu
# export SBATCH_QOS=normal
# export SBATCH_CONSTRAINT=a100
# export SBATCH_TIMELIMIT=8:00:00
# export SBATCH_GPUS_PER_NODE=4        # one rank for each; jobs without ranks (prepare, report) ask for no GPU
# export SBATCH_CPUS_PER_GPU=16
# export SBATCH_HINT=nomultithread     # all hardware threads of a core belong to one rank
# export BV_SERIAL_JOB_FLAGS="--partition=cpu"   # sbatch's flags for jobs without ranks
# export BV_RANKS_PER_NODE=2           # used without GPUs and without sbatch's --ntasks; try one for each socket [1]

# --- The rates with which slurm/study.sh plans: see bv_plan --help ---
# export BV_PLAN_FLAGS="--train-rate 55000 --encode-rate 160000 --write-rate 2000 --read-rate 3000"

# --- Where software comes from: modules ... ---
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel
# module load gcc/12 openmpi/4.1 hdf5/1.14-parallel cuda/13.0   # for GPUs; also when you build (slurm/README.md)
# export BV_BIN=$HOME/bertvision/build/release/bin   # programs built elsewhere [build/release/bin of the repository]
# export BV_PYTHON=/opt/venv/bin/python   # a Python with tools/requirements.txt [the Python of the build]
# --- ... or a container made from tools/bertvision.def: these words stand before every program, and srun starts the ranks ---
# export BV_PREFIX="apptainer exec --nv --bind /scratch $HOME/bertvision.sif"
# export BV_BIN=/opt/bertvision/build/release/bin BV_PYTHON=/opt/venv/bin/python
# --- ... or a bundle of tools/bundle.sh: set nothing here. Jobs inherit the settings from ./run-here.sh slurm/study.sh ...
# or ./run-here.sh sbatch ... ---

# --- How ranks start: by mpirun, or by srun if Slurm and MPI have PMIx versions that fit each other (srun --mpi=list). When
# Slurm itself preempts a job, ranks of srun save a state; ranks of mpirun go on from their last saved state. ---
export BV_LAUNCHER=mpirun
# export BV_LAUNCHER_FLAGS="--mca coll ^hcoll"

# --- The network, if the automatic choice is wrong (ip -brief address; ucx_info -d) ---
# export NCCL_SOCKET_IFNAME=ib0 OMPI_MCA_btl_tcp_if_include=ib0 OMPI_MCA_oob_tcp_if_include=ib0
# export OMPI_MCA_pml=ucx UCX_NET_DEVICES=mlx5_0:1
# export NCCL_IB_HCA=mlx5

# --- Scratch: Open MPI keeps sockets and shared memory here. The folder must be on a disk of the node itself. ---
# export TMPDIR=/local/$USER && mkdir -p "$TMPDIR"
