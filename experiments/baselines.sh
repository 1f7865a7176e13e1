#!/usr/bin/env bash
# Train and measure what the model that ships is compared with: HDAE, the thesis's recipe at a size for two
# cores, and the default recipe, each from nothing for 3 000 steps of 32 clips of the same data. One core
# trains for an hour, then measures; started again, it continues.
set -euo pipefail
cd "$(dirname "$0")/.."
configs=experiments/configs
mel=(--set model.mel.n_fft=2048)  # that of the data
steps=(--set "steps=[450,450,2100]")
for stage in 1 2 3; do
    accelerate launch experiments/train_stage.py --stage "$stage" --run runs/default "${steps[@]}"
    accelerate launch experiments/train_stage.py --stage "$stage" \
        --config "$configs/thesis-small.yaml" --run runs/thesis "${mel[@]}" "${steps[@]}"
done
accelerate launch experiments/train_stage.py --stage 1 \
    --config "$configs/hdae.yaml" --run runs/hdae "${mel[@]}" --set "steps=[3000]"
models=(default=runs/default/stage3 hdae=runs/hdae/stage1 thesis=runs/thesis/stage3)
python experiments/evaluate.py --checkpoint "${models[@]}" --split test --cases 100 --out runs/baselines
python probes/measure_leakage.py --checkpoint "${models[@]}" --out runs/baselines-leakage.json
