# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains a small model on a text and saves it: python3 train-text.py [FILE [STEPS [FOLDER]]]"""
import sys

import gi

gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402

path, steps, folder = sys.argv[1:] + ["book.txt", "200", "model"][len(sys.argv) - 1:]
text = Reformer.TextDataset(file=Gio.File.new_for_path(path))  # its last tenth is held out
model = Reformer.Model(config=Reformer.Config.new_preset("small"))
trainer = Reformer.Trainer(model=model, dataset=text, sequence_length=1024, evaluation_interval=20)
trainer.connect("evaluated", lambda _, evaluation: print("step %d: %.4f bits per byte" % (evaluation.step, evaluation.bits)))
trainer.train(int(steps), None)
print("held-out text: %.4f bits per byte" % trainer.evaluate(None, None).bits)
model.save(Gio.File.new_for_path(folder), None)
