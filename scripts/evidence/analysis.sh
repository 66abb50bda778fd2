#!/bin/bash
# Makes the tables and figures of docs/lab/analysis.md from the samples, in out/analysis. A quarter of an hour on two cores.
#
#     scripts/evidence/analysis.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
out=out/analysis
mkdir -p $out
cli() { node dist/cli/main.js "$@" --cache out/cache; }

cli retrieve samples/manifest.tsv --set intro --all-pairs --csv $out/retrieval.csv --html $out/retrieval.html \
  --metrics seqsim,seqsim+csls,seqsim+centre,seqsim+centre+csls,mean-pool,mean-pool+csls,mean-pool+centre,mean-pool+centre+csls,length
cli retrieve samples/manifest.tsv --set intro --from ca --to en --csv $out/metrics.csv \
  --metrics seqsim,seqsim+weights,seqsim+voiced,dtw,ot
cli analyse samples/manifest.tsv --set intro --sentences 60 --layers --metrics mean-pool --output $out/layers
cli analyse samples/manifest.tsv --set intro --sentences 60 --phonetic --metrics seqsim,mean-pool --output $out/phonetic
cli analyse samples/manifest.tsv --set intro --sentences 40 --project --pair ca:algebra_by,en:algebra_by \
  --neighbours ca:algebra_by --output $out/pictures
cli analyse samples/manifest.tsv --set new --metrics length --early-exit 3,4,5,6 --early-exit-clips 15 --output $out/early-exit
