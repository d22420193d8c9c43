#!/bin/bash
# A run file on a Slurm cluster. Adapt the lines with #SBATCH, then:
#
#   sbatch examples/slurm.sh examples/phase_diagram.toml phase_diagram
#
# Slurm sends SIGTERM before the time limit: finished blocks are kept, and sending the same line again goes
# on from there, with any number of tasks, to the same bits. cpu-hours: dmft run FILE --dry-run says how many.

#SBATCH --job-name=dmft
#SBATCH --ntasks=64            # MPI ranks: one deals, the others compute
#SBATCH --cpus-per-task=1      # more: threads of each rank, with --threads below
#SBATCH --mem-per-cpu=1G
#SBATCH --time=01:00:00
#SBATCH --signal=TERM@60       # a minute to end in good order
#SBATCH --output=%x-%j.log

set -euo pipefail
file=$1
out=$2

# module load openmpi          # the cluster's own MPI, which pip install -e ".[mpi]" was built for
# source venv/bin/activate

resume=()
if [ -e "$out/manifest.json" ]; then resume=(--resume); fi
srun python -m mpi4py -m dmft run "$file" --out "$out" --threads "${SLURM_CPUS_PER_TASK:-1}" "${resume[@]}"
