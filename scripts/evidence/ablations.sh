#!/bin/bash
# Trains recipes/laptop.json and every recipe in recipes/ablations on the samples, as they are there, and evaluates what
# comes out on English that was held out (test) and on new sentences in three languages (new). An hour and a half on two
# cores. Goes on where it was stopped.
#
#     scripts/evidence/ablations.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
cli() { node dist/cli/main.js "$@"; }

# recipe file, output, flags
train() {
  local recipe=$1 output=$2
  shift 2
  local resume=()
  [ -d "$output/checkpoints" ] && resume=(--resume)
  [ -f "$output/config.json" ] || cli train "$recipe" --output "$output" "${resume[@]}" "$@"
}
out=out/ablations
train recipes/laptop.json out/laptop
models=(out/laptop)
for file in recipes/ablations/*.json; do
  name=$(basename "$file" .json)
  train "$file" "$out/$name"
  models+=("$out/$name")
done
# What dq-whisper is compared with: a student as small without a teacher.
train recipes/laptop.json $out/three-layers --tune.decoderLayers 3
models+=($out/three-layers)
# What training for int8 is compared with: rounding afterwards.
for of in out/laptop $out/int8 $out/three-layers $out/dq-whisper; do
  rounded=$out/$(basename "$of")-rounded
  [ -d "$rounded" ] || cli quantize "$of" "$rounded"
  models+=("$rounded")
done
flags=(--model models/whisper-base-int8)
for model in "${models[@]}"; do flags+=(--model "$model"); done
for set in test new; do
  cli evaluate samples/manifest.tsv --set $set "${flags[@]}" --cache out/cache --output-dir "$out/evaluation-$set" --resume
done
# What experts and a tuned encoder do to what the model could do before.
cli evaluate samples/manifest.tsv --set new --forgetting --cache out/cache --output-dir "$out/forgetting" --resume \
  --model models/whisper-base-int8 --model out/laptop --model $out/tune-all --model $out/tune-encoder \
  --model $out/experts --model $out/lora-64
