#!/usr/bin/env bash
# Train what the model that ships is compared with: the thesis's recipe and HDAE, at a size for two cores, on
# rendered notes and pieces. About two hours on two cores; started again, it continues.
set -euo pipefail
cd "$(dirname "$0")/.."
config=experiments/configs/thesis-small.yaml
python experiments/prepare_data.py --dataset synth --mel-of "$config" --out data/thesis
for stage in 1 2 3; do
    accelerate launch experiments/train_stage.py --stage "$stage" --config "$config" --data data/thesis
done
accelerate launch experiments/train_stage.py --model hdae --stage 1 --data data/thesis
