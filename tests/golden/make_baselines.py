#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes golden answers of the two systems that a Reformer is compared with.

usage: make_baselines.py OUT        needs: torch, transformers (made with 2.13.0 and 5.23.0), safetensors, numpy

OUT/transformer/weights.safetensors, io.safetensors   torch.nn.TransformerEncoder (post-norm, relu, biases), its own names; input and
                                                      output [B, T, H], loss = mean of output * probe, grad.NAME and grad.input
OUT/transformer/expected.json                         parameter count of the encoder with d_model 512, nhead 8, 6 layers, feed-forward 2048
OUT/longformer/...                                    one LongformerSelfAttention: sliding window of `attention_window` (half before, half
                                                      after) and global tokens with projections of their own; input [B, T, H], global [B, T]
                                                      (1 where global), mask [B, T] (0 where padding), output [B, T, H], gradients as above

Float64 answers from float32 weights; dropout 0. Where mask is 0 the output is of no use and is not compared."""
import json, os, sys
import numpy as np
import torch
from safetensors.numpy import save_file


def write(d, weights, io, extra):
    os.makedirs(d, exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, os.path.join(d, "weights.safetensors"))
    save_file({k: np.ascontiguousarray(v) for k, v in io.items()}, os.path.join(d, "io.safetensors"))
    json.dump(extra, open(os.path.join(d, "expected.json"), "w"), indent=1)
    print(os.path.basename(d), {k: v.shape for k, v in io.items() if not k.startswith("grad")}, extra)


def finish(module, x, y, io):
    probe = torch.randn(y.shape, dtype=torch.float64).float().double()
    keep = io.pop("_keep", None)
    if keep is not None:
        probe = probe * keep
    loss = (y * probe).mean()
    loss.backward()
    io.update(input=x.detach().numpy(), output=y.detach().numpy(), probe=probe.numpy(), loss=loss.detach().reshape(1).numpy())
    io["grad.input"] = x.grad.numpy()
    for n, p in module.named_parameters():
        if p.grad is not None:
            io["grad." + n] = p.grad.numpy()


def transformer(out, seed=7):
    torch.manual_seed(seed)
    big = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(512, 8), 6)
    m = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False)
    with torch.no_grad():
        for n, p in m.named_parameters():
            p.add_(torch.randn_like(p) * 0.1)
    m = m.double()
    x = torch.randn(2, 48, 32, dtype=torch.float64).float().double().requires_grad_()
    io = {}
    finish(m, x, m(x), io)
    write(os.path.join(out, "transformer"), {n: p.detach().float().numpy() for n, p in m.named_parameters()}, io,
          {"parameters_512_8_6": sum(p.numel() for p in big.parameters()), "nhead": 4, "dim_feedforward": 64, "num_layers": 2})


def longformer(out, seed=8):
    from transformers import LongformerConfig
    from transformers.models.longformer.modeling_longformer import LongformerSelfAttention
    torch.manual_seed(seed)
    c = LongformerConfig(hidden_size=32, num_attention_heads=2, attention_window=[8], num_hidden_layers=1, attention_probs_dropout_prob=0.0)
    m = LongformerSelfAttention(c, 0)
    with torch.no_grad():
        for n, p in m.named_parameters():
            p.add_(torch.randn_like(p) * 0.15)
    m = m.double()
    B, T = 2, 64
    x = torch.randn(B, T, 32, dtype=torch.float64).float().double().requires_grad_()
    mask = torch.ones(B, T, dtype=torch.long)
    mask[1, 57:] = 0
    glob = torch.zeros(B, T, dtype=torch.long)
    glob[0, [0, 30]] = 1
    glob[1, [0]] = 1
    a = torch.zeros(B, T, dtype=torch.float64)
    a[mask == 0] = -10000.0
    a[glob == 1] = 10000.0
    softmax = torch.nn.functional.softmax  # transformers asks for a float32 softmax; the answer wanted is the exact one
    torch.nn.functional.softmax = lambda x, dim, dtype=None: softmax(x, dim)
    y = m(x, attention_mask=a, is_index_masked=a < 0, is_index_global_attn=a > 0, is_global_attn=True, output_attentions=False)[0]
    io = {"mask": mask.int().numpy(), "global": glob.int().numpy(), "_keep": mask[:, :, None].double()}
    finish(m, x, y, io)
    write(os.path.join(out, "longformer"), {n: p.detach().float().numpy() for n, p in m.named_parameters()}, io,
          {"attention_window": 8, "num_attention_heads": 2})


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformer(sys.argv[1])
    longformer(sys.argv[1])
