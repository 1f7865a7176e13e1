#!/usr/bin/env bash
# Train what the model that ships is compared with: the thesis's wiring and HDAE at the size of `small`, on the same
# data for the same number of steps. About two hours on two cores; started again, it continues.
set -euo pipefail
cd "$(dirname "$0")/.."
for stage in 1 2 3; do
    accelerate launch experiments/train_stage.py --stage "$stage" --config experiments/configs/thesis-small.yaml
done
accelerate launch experiments/train_stage.py --model hdae --stage 1
