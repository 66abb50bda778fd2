#!/usr/bin/env bash
# Prepares the Python peers of the benchmarks: an environment with pinned versions, and the model in CTranslate2's form
# and in whisper.cpp's (8-bit matrices).
#
#   bench/peers/setup.sh <Hugging Face model folder> [<CTranslate2 output folder> [<whisper.cpp output file>]]
#
# PEERS_PYTHON names an interpreter that already has the packages of requirements.txt; without it bench/peers/venv is
# made (Python 3.10 or newer, from PyPI). The outputs default to bench/peers/venv/whisper-ct2 and whisper-q8_0.bin there.
# The last line printed is the interpreter to use.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ]; then
  echo "usage: $0 <Hugging Face model folder> [<CTranslate2 output folder> [<whisper.cpp output file>]]" >&2
  exit 2
fi
model=$1
converted=${2:-$here/venv/whisper-ct2}
ggml=${3:-$here/venv/whisper-q8_0.bin}

if [ -n "${PEERS_PYTHON:-}" ]; then
  python=$PEERS_PYTHON
else
  python=$here/venv/bin/python
  [ -x "$python" ] || python3 -m venv "$here/venv"
  "$python" -m pip install --quiet --requirement "$here/requirements.txt" >&2
fi
"$python" "$here/peer.py" >&2
if [ ! -f "$converted/model.bin" ]; then
  mkdir -p "$(dirname "$converted")"
  # ct2-transformers-converter, also where it is not on the PATH. The type to compute in is chosen on loading.
  "$python" -c 'from ctranslate2.converters.transformers import main; main()' --model "$model" \
    --output_dir "$converted" --force --copy_files tokenizer.json preprocessor_config.json >&2
fi
if [ ! -f "$ggml" ]; then
  "$python" "$here/whisper_cpp_model.py" "$model" "$ggml" >&2
fi
echo "$python"
