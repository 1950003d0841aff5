#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of the exact attention of a trained model its LSH layers would see with N hash buckets, drawn as one factor or as two.

usage: buckets.py MODEL TEXT [LENGTH [BUCKETS...]]     defaults: 4096, then 64 128 256 512

MODEL is a folder of this library for bytes, TEXT a file that it has not seen. A query's share is the sum of its exact softmax weights over the keys that
lie in the window of its chunk in at least one round. Printed for each number of rounds: the mean over queries, heads, layers and three drawings, in per
cent, for one factor and for two, and the mean difference with its standard error over layers, heads and drawings.
"""
import sys

import gi
gi.require_version('Reformer', '1.0')
from gi.repository import Gio, Reformer
import numpy

ROUNDS = (1, 2, 4)
DRAWINGS = 3


def embed(weights, ids):
    shape = [weights['reformer.embeddings.position_embeddings.weights.%d' % i].shape for i in (0, 1)]
    first, second = (weights['reformer.embeddings.position_embeddings.weights.%d' % i] for i in (0, 1))
    n, m = shape[0][0], shape[1][1]
    grid = numpy.concatenate([numpy.broadcast_to(first, (n, m, first.shape[2])), numpy.broadcast_to(second, (n, m, second.shape[2]))], axis=2)
    return weights['reformer.embeddings.word_embeddings.weight'][ids] + grid.reshape(n * m, -1)[None, :ids.shape[1]]


def normalize(x, scale, shift, eps):
    x = x - x.mean(-1, keepdims=True)
    return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + eps) * scale + shift


def query_keys(model, weights, ids):
    """Of each LSH layer, each head: [T, d]."""
    config = model.get_config()
    heads = config.props.num_attention_heads
    one = two = embed(weights, ids).astype(numpy.float32)
    tape = Reformer.Tape(device=model.get_device())
    found = []
    for i, branch in enumerate(model.get_stack()):
        read = two if i % 2 == 0 else one
        if isinstance(branch, Reformer.LshAttention):
            name = 'reformer.encoder.layers.%d.attention.' % (i // 2)
            u = normalize(read[0], weights[name + 'layer_norm.weight'], weights[name + 'layer_norm.bias'], config.props.layer_norm_eps)
            qk = u @ weights[name + 'self_attention.query_key.weight'].T
            found += list(qk.reshape(len(qk), heads, -1).transpose(1, 0, 2))
        out = numpy.array(branch.forward(read, tape))
        if i % 2 == 0:
            one = one + out
        else:
            two = two + out
    return found


def exact_weights(qk):
    keys = qk / numpy.sqrt((qk * qk).mean(-1, keepdims=True) + 1e-6) / numpy.sqrt(qk.shape[1])
    scores = qk @ keys.T
    scores[numpy.triu_indices(len(qk), 1)] = -1e9
    numpy.fill_diagonal(scores, -1e5)
    scores = numpy.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


def draw_buckets(qk, factors, random):
    bucket, base = 0, 1
    for factor in factors:
        r = qk @ random.standard_normal((qk.shape[1], factor // 2), dtype=numpy.float32)
        bucket = bucket + base * numpy.argmax(numpy.concatenate([r, -r], axis=1), axis=1)
        base *= factor
    return bucket


def seen(buckets, chunk):
    """[T, T]: whether a query's chunk or the one before it has the key."""
    place = numpy.empty(len(buckets), numpy.int64)
    place[numpy.argsort(buckets, kind='stable')] = numpy.arange(len(buckets))
    number = place // chunk
    behind = (number[:, None] - number[None, :]) % (len(buckets) // chunk)
    return behind <= 1


def main():
    folder, text = sys.argv[1:3]
    length = int(sys.argv[3]) if len(sys.argv) > 3 else 4096
    counts = [int(n) for n in sys.argv[4:]] or [64, 128, 256, 512]
    model = Reformer.Model.load(Reformer.Device.get_default(), Gio.File.new_for_path(folder), None)
    model.prepare()
    weights = {p.props.name: numpy.array(p.props.value) for p in model.get_parameters()}
    with open(text, 'rb') as file:
        data = file.read()[-length:]
    ids = Reformer.ByteTokenizer().encode(data)
    ids = numpy.frombuffer(ids.get_data(), numpy.int32)[None, :length]
    heads = query_keys(model, weights, ids)
    chunk = model.get_config().props.lsh_attn_chunk_length
    shares = {}
    for i, qk in enumerate(heads):
        exact = exact_weights(qk)
        for n in counts:
            small = 2 ** ((n.bit_length() - 1) // 2)
            for factors in ((n,), (small, n // small)):
                for drawing in range(DRAWINGS):
                    random = numpy.random.default_rng([i, n, drawing])
                    union = numpy.zeros(exact.shape, bool)
                    for r in range(1, max(ROUNDS) + 1):
                        union |= seen(draw_buckets(qk, factors, random), chunk)
                        if r in ROUNDS:
                            shares.setdefault((n, r, len(factors)), []).append(100 * (exact * union).sum(-1).mean())
    print('| buckets | rounds | one factor | two factors | difference |\n|---|---|---|---|---|')
    for n in counts:
        for r in ROUNDS:
            one, two = (numpy.array(shares[n, r, k]) for k in (1, 2))
            more = two - one
            print('| %d | %d | %.1f %% | %.1f %% | %+.1f ± %.1f |' % (n, r, one.mean(), two.mean(), more.mean(), more.std() / numpy.sqrt(len(more))))


main()
