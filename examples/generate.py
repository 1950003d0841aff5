# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes on from a prompt, piece by piece, as a trained model would: python3 generate.py [FOLDER [PROMPT [TOKENS]]]"""
import sys

import gi

gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402

folder, prompt, tokens = sys.argv[1:] + ["model", "In the beginning ", "200"][len(sys.argv) - 1:]
model = Reformer.Model.load(None, Gio.File.new_for_path(folder), None)
generator = Reformer.Generator(model=model, prompt=prompt, max_tokens=int(tokens), temperature=0.8, seed=1)
print(prompt, end="")
for piece in generator:
    print(piece, end="", flush=True)
print()
