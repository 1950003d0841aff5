# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libraries beside which compare.py measures ours; it says how its processes talk.

usage: peers.py transformers|reformer-pytorch|pytorch|pytorch-layer forward|step LENGTH THREADS PRESET

All are byte models that predict the next byte: hidden size 256, 4 heads of 64, feed-forward 1024, 6 layers, no dropout; the two Reformers have 2 rounds and
chunks of 64. `pytorch` is an ordinary transformer with PyTorch's flash attention, `pytorch-layer` one attention layer of it without biases. A training step
is loss, gradients and Adam. PRESET: bench-lsh.json.
"""
import json
import sys

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from turns import serve

VOCABULARY, HIDDEN, HEADS, INNER, LAYERS = 256, 256, 4, 1024, 6


class Attention(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.norm = nn.LayerNorm(HIDDEN)
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN, bias=bias)
        self.output = nn.Linear(HIDDEN, HIDDEN, bias=bias)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(y.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention(bias=True)
        self.norm = nn.LayerNorm(HIDDEN)
        self.up = nn.Linear(HIDDEN, INNER)
        self.down = nn.Linear(INNER, HIDDEN)

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Transformer(nn.Module):
    def __init__(self, length):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, HIDDEN)
        self.position_embedding = nn.Parameter(torch.randn(length, HIDDEN) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(HIDDEN)
        self.head = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, ids):
        x = self.embedding(ids) + self.position_embedding
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def loss_of(logits, ids):
    return F.cross_entropy(logits[:, :-1].reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))


def build(kind, length, preset):
    """The model, what gives logits and what gives a loss."""
    if kind == "transformers":
        from transformers import ReformerConfig, ReformerModelWithLMHead

        with open(preset, encoding="utf-8") as file:
            settings = json.load(file)
        first = 1
        while first * first < length:
            first *= 2
        settings.update(axial_pos_shape=[first, length // first], max_position_embeddings=length, use_cache=False)
        for name in ("architectures", "model_type"):
            settings.pop(name)
        model = ReformerModelWithLMHead(ReformerConfig(**settings))
        return model, lambda ids: model(input_ids=ids).logits, lambda ids: model(input_ids=ids, labels=ids).loss
    if kind == "reformer-pytorch":
        from reformer_pytorch import ReformerLM

        model = ReformerLM(num_tokens=VOCABULARY, dim=HIDDEN, depth=LAYERS, heads=HEADS, max_seq_len=length, bucket_size=64, n_hashes=2, causal=True,
                           ff_mult=INNER // HIDDEN)
    else:
        model = Transformer(length)
    return model, model, lambda ids: loss_of(model(ids), ids)


def main(kind, mode, length, threads, preset):
    length = int(length)
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    if kind == "pytorch-layer":
        model = Attention(bias=False)
        x, dy = torch.randn(1, length, HIDDEN, requires_grad=mode == "step"), torch.randn(1, length, HIDDEN)

        def forward():
            model(x)

        def step():
            model.zero_grad(set_to_none=True)
            x.grad = None
            model(x).backward(dy)
    else:
        model, logits, loss = build(kind, length, preset)
        ids = torch.randint(3, VOCABULARY, (1, length))
        adam = torch.optim.Adam(model.parameters(), lr=1e-4)

        def forward():
            logits(ids)

        def step():
            adam.zero_grad(set_to_none=True)
            value = loss(ids)
            value.backward()
            adam.step()
            return value

    def forward_alone():
        with torch.inference_mode():
            forward()

    model.train(mode == "step")
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    about = {"runtime": "torch %s" % torch.__version__, "threads": torch.get_num_threads(), "tensors": len(sizes), "parameters": sum(sizes.values()),
             "positions": sum(size for name, size in sizes.items() if "position" in name)}
    if kind in ("transformers", "reformer-pytorch"):
        from importlib.metadata import version
        about["runtime"] = "%s %s, %s" % (kind, version(kind), about["runtime"])

    def at_end():
        found = {"with_gradients": sum(parameter.grad is not None and bool(parameter.grad.any()) for parameter in model.parameters())}
        if kind == "transformers":
            buckets = model.config.num_buckets
            found["buckets"] = buckets if isinstance(buckets, list) else [buckets]
        return found

    serve(about, step if mode == "step" else forward_alone, at_end)


if __name__ == "__main__":
    main(*sys.argv[1:])
