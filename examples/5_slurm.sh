#!/usr/bin/env bash
# A map by an array job of Slurm: sbatch --array=1-4 examples/5_slurm.sh S2 S1 MODEL OUTPUT.tif
# Each task computes a part. When all are finished, join them: bdgf mosaic OUTPUT.tif.*-of-4.partial -o OUTPUT.tif
# A task that failed: sbatch --array=2 --export=ALL,PARTS=4 examples/5_slurm.sh S2 S1 MODEL OUTPUT.tif
#SBATCH --job-name=bdgf
#SBATCH --cpus-per-task=8
#SBATCH --mem=8G
#SBATCH --requeue
set -euo pipefail

PARTS=${PARTS:-$SLURM_ARRAY_TASK_COUNT}
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
bdgf map "$1" "$2" --model "$3" -o "$4" --shard "$SLURM_ARRAY_TASK_ID/$PARTS" --resume
