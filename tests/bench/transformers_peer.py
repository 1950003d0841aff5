#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times transformers' Reformer on the same work as ours.py; prints one JSON line.

usage: transformers_peer.py CONFIG LENGTH forward|gradients [REPEATS]     needs torch, transformers
"""
import json
import resource
import sys
import time

import torch
from transformers import ReformerConfig, ReformerModelWithLMHead


def main(path, length, mode, repeats=3):
    torch.set_num_threads(2)
    torch.manual_seed(0)
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    first = 1
    while first * first < length:
        first *= 2
    settings.update(axial_pos_shape=[first, length // first], max_position_embeddings=length, use_cache=False)
    settings.pop("architectures", None)
    settings.pop("model_type", None)
    model = ReformerModelWithLMHead(ReformerConfig(**settings))
    ids = torch.randint(3, settings["vocab_size"], (1, length))
    seconds = []
    model.train(mode == "gradients")
    for _ in range(repeats):
        start = time.perf_counter()
        if mode == "forward":
            with torch.inference_mode():
                model(input_ids=ids)
        else:
            model.zero_grad(set_to_none=True)
            model(input_ids=ids, labels=ids).loss.backward()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds), "tokens_per_second": length / min(seconds),
                      "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else 3)
