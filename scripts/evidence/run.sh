#!/bin/bash
# Trains and evaluates what docs/lab/results.md compares. Goes on where it was stopped.
#
#     scripts/evidence/run.sh <tatoeba_en/manifest.tsv> <gcompris/manifest.tsv> [steps]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=out/evidence
steps=${3:-400}
node scripts/evidence/manifest.mjs "$1" "$2" $out/manifest.tsv
cli() { node dist/cli/main.js "$@"; }

train() {
  local name=$1
  shift
  local resume=()
  [ -d "$out/$name/checkpoints" ] && resume=(--resume)
  [ -f "$out/$name/config.json" ] ||
    cli train $out/manifest.tsv --set train --from en --steps "$steps" --checkpoint-every 200 \
      --cache $out/cache --output "$out/$name" "${resume[@]}" "$@"
}
train decoder
train target-translate --prompt-kind target-translate
train source-translate --prompt-kind source-translate
train lora --lora 64 --learning-rate 5e-4
train cross-attention --tune cross-attention --learning-rate 2e-4
train all --tune all --learning-rate 3e-5
train encoder --tune encoder --learning-rate 3e-5

models=(--model models/whisper-base-int8)
for name in decoder target-translate source-translate lora cross-attention all encoder; do models+=(--model "$out/$name"); done
for set in test known new; do
  forgetting=()
  [ $set = new ] && forgetting=(--forgetting)
  cli evaluate $out/manifest.tsv --set $set "${models[@]}" "${forgetting[@]}" --cache $out/cache \
    --output "$out/evaluation-$set" --resume
done
