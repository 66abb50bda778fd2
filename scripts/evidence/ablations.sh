#!/bin/bash
# Trains recipes/laptop.json and every recipe in recipes/ablations on the samples, as they are there, and evaluates what
# comes out on English that was held out (test) and on new sentences in three languages (new). All take an hour and a half
# on two cores. Goes on where it was stopped.
#
#     scripts/evidence/ablations.sh [name ...]     # such as int8 dq-whisper; default: all
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
names=("$@")
[ $# -gt 0 ] || names=($(cd recipes/ablations && basename -s .json *.json))
for name in "${names[@]}"; do
  train "recipes/ablations/$name.json" "$out/$name"
  models+=("$out/$name")
done
# What dq-whisper is compared with: a student as small without a teacher.
train recipes/laptop.json $out/three-layers --tune.decoderLayers 3
models+=($out/three-layers)
# What training for int8 is compared with: rounding afterwards.
for of in out/laptop $out/three-layers $out/int8 $out/dq-whisper; do
  rounded=$out/$(basename "$of")-rounded
  [ -f "$of/config.json" ] || continue
  [ -d "$rounded" ] || cli quantize "$of" "$rounded"
  models+=("$rounded")
done
flags=(--model models/whisper-base-int8)
for model in "${models[@]}"; do flags+=(--model "$model"); done
for set in test new; do
  cli evaluate samples/manifest.tsv --set $set "${flags[@]}" --cache out/cache --output "$out/evaluation-$set" --resume
done
# What is forgotten.
flags=(--model models/whisper-base-int8 --model out/laptop)
for name in tune-all tune-encoder experts lora-64; do
  [ -f "$out/$name/config.json" ] && flags+=(--model "$out/$name")
done
cli evaluate samples/manifest.tsv --set new --forgetting "${flags[@]}" --cache out/cache --output "$out/forgetting" --resume
