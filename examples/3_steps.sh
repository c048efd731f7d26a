#!/usr/bin/env bash
# From images and labels to a map, step by step: examples/3_steps.sh FOLDER [options for pretrain and train]
set -euo pipefail
cd "$1"
shift

bdgf check    msi.tif sar_db.tif --labels labels.gpkg --field class
bdgf align    msi.tif sar_db.tif -o sar_on_grid.tif
bdgf sample   msi.tif sar_on_grid.tif --labels labels.gpkg --field class -o samples.gpkg
bdgf pretrain msi.tif sar_on_grid.tif --samples samples.gpkg -o denoiser.safetensors "$@"
bdgf train    msi.tif sar_on_grid.tif --samples samples.gpkg --denoiser denoiser.safetensors -o steps.safetensors "$@"
bdgf map      msi.tif sar_on_grid.tif --model steps.safetensors -o steps.tif --confidence
bdgf assess   steps.tif --reference steps.safetensors -o steps_report
bdgf info     steps.tif
