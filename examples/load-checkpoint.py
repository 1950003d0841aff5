# SPDX-License-Identifier: LGPL-2.1-or-later
"""How well a byte model that transformers saved foretells a text: python3 load-checkpoint.py [FOLDER [FILE]]"""
import math
import sys

import gi

gi.require_version("Reformer", "1.0")
from gi.repository import Gio, Reformer  # noqa: E402

folder, path = sys.argv[1:] + ["model", "book.txt"][len(sys.argv) - 1:]
model = Reformer.Model.load(None, Gio.File.new_for_path(folder), None)
with open(path, "rb") as file:
    ids = Reformer.ByteTokenizer().encode(file.read())
tokens = Reformer.Tensor.new_from_bytes(model.device, Reformer.DType.INT32, [1, ids.get_size() // 4], ids)
loss = model.compute_loss(tokens, None, tokens)  # each token foretells the next
print("%d parameters, %d tokens" % (model.get_n_parameters(), tokens.n_elements))
print("loss %.6f, %.6f bits per byte" % (loss, loss / math.log(2)))
