#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the examples of the reference's classes, each after BEFORE, in a folder of their own. TAP.

usage: check-examples.py GIR
"""
import contextlib
import io
import os
import sys
import tempfile
import traceback
import xml.etree.ElementTree as ElementTree

CORE = "{http://www.gtk.org/introspection/core/1.0}"

# Classes that a program uses directly, and that therefore have an example.
WANTED = set("""Config Dataset Device DeviceList Evaluation Generator LabelledDataset Layer LshAttention MaskedDataset MemoryPlan Model Optimizer Parameter Schedule Session Stack Tape Tensor TextDataset Tokenizer
Trainer TrainingRecord""".split())

BEFORE = """
import gi
import numpy
gi.require_version("Reformer", "1.0")
from gi.repository import Gio, GLib, Reformer

GLib.file_set_contents("book.txt", b"A quick brown fox jumps over the lazy dog.\\n" * 100)
device = Reformer.Device.get_default()
model = Reformer.Model(device=device, config=Reformer.Config(
    vocab_size=258, is_decoder=True, hidden_size=32, num_attention_heads=2, attention_head_size=16, feed_forward_size=64, attn_layers=["local", "lsh"],
    axial_pos_shape=[16, 16], axial_pos_embds_dim=[8, 24]))
dataset = Reformer.TextDataset(file=Gio.File.new_for_path("book.txt"))
trainer = Reformer.Trainer(model=model, dataset=dataset, sequence_length=64)
tokens = numpy.arange(64, dtype="int32").reshape(1, 64)
layer = Reformer.FeedForward(device=device, hidden_size=32, feed_forward_size=64)
x = dy = numpy.ones((1, 64, 32), "float32")
"""


def examples_of(gir):
    for each in ElementTree.parse(gir).getroot().find(CORE + "namespace").findall(CORE + "class"):
        for part in each.find(CORE + "doc").text.split("```python\n")[1:]:
            yield each.get("name"), part.split("```")[0]


def run(code):
    """What went wrong, or None; an example that writes prints something."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(BEFORE + code, "example", "exec"), {"__name__": "example"})  # pylint: disable=exec-used
    except Exception:  # pylint: disable=broad-exception-caught
        return traceback.format_exc()
    return "it printed nothing" if "print(" in code and not output.getvalue() else None


def main(gir):
    examples = list(examples_of(os.path.abspath(gir)))
    missing = sorted(WANTED - {name for name, _ in examples})
    failed = 0
    print("1..%d" % (len(examples) + 1))
    print("%sok 1 /examples/all%s" % ("not " if missing else "", " # without: " + " ".join(missing) if missing else ""))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number, (name, code) in enumerate(examples, 2):
            problem = run(code)
            failed += problem is not None
            print("%sok %d /examples/%s" % ("not " if problem else "", number, name), flush=True)
            for line in (problem or "").splitlines():
                print("# " + line)
        os.chdir("/")
    return 1 if failed or missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
