#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mutated files through our reader and through PyPI safetensors: what ours accepts the other must accept, with equal tensors.

usage: safetensors-differential.py DRIVER [--files N] [--seed N] [--keep FOLDER]
needs: safetensors (compared with 0.8.0)        DRIVER: the built safetensors-driver.c

Ends with status 1 where ours is looser or reads something else; the files go to FOLDER. Where ours is stricter, the messages are counted."""
import argparse
import collections
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import sys

import safetensors

BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
        "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64}
NUMBERS = ["0", "1", "2", "3", "4", "7", "8", "12", "16", "24", "-1", "-0", "00", "02", "1.0", "2e0", "-0.0", "0e0", "1e400", "0x8", "+1", "null",
           "true", '"8"', "[]", "{}", "NaN", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615",
           "18446744073709551616", "100000000000000000000"]
PIECES = ["{", "}", "[", "]", ",", ":", '"', " ", "\n", "\t", "\r", "\0", "\\", "\\u0000", "\\u0061", "\\ud800", "\\ud83d\\ude00", "\\/", "\\q", "/", "a",
          "\ufeff", "\u00e4", "-", "e", ".", '"x":1,', '"x":{"y":[{}]},', '"__metadata__":{},', '"__metadata__":null,', '"shape":[],', '"dtype":"F32",',
          '"data_offsets":[0,0],', '"z":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},', "[[[[[[[[", "{\"a\":" * 6, "[" * 200, "//", "/**/"]


def member(draw, name, dtype, shape, begin, end):
    fields = [("dtype", dtype), ("shape", shape), ("data_offsets", [begin, end])]
    if draw.random() < 0.2:
        fields.append((draw.choice(["x", "stride", "quant"]), draw.choice([1, -1, 0.5, None, "text", [1, [2]], {"a": {"b": -0.0}}])))
    draw.shuffle(fields)
    return name, dict(fields)


def valid(draw):
    """A file that both should accept, as its header and its data."""
    members, at = [], 0
    for i in range(draw.randrange(5)):
        dtype = draw.choice(list(BITS))
        shape = [draw.choice([0, 1, 2, 2, 3, 4, 8]) for _ in range(draw.randrange(4))]
        count = 1
        for dimension in shape:
            count *= dimension
        if count * BITS[dtype] % 8:
            shape, count = shape + [4], count * 4
        end = at + count * BITS[dtype] // 8
        members.append(member(draw, draw.choice(["w", "layer.weight", "../x", "\u00e4", "a b", "emoji \U0001f600"]) + str(i), dtype, shape, at, end))
        at = end
    if draw.random() < 0.4:
        members.append(("__metadata__", draw.choice([{"format": "pt"}, {}, None, {"": ""}, {"k": "\u00e4\n\"", "l": "\U0001f600"}])))
    draw.shuffle(members)
    separators = draw.choice([(",", ":"), (", ", ": "), (" ,\t", "\n:\r")])
    header = json.dumps(dict(members), ensure_ascii=draw.random() < 0.5, separators=separators)
    return header + " " * draw.randrange(9), draw.randbytes(at)


def mutate(draw, header, data):
    """One small change."""
    kind = draw.randrange(14)
    place = draw.randrange(len(header) + 1)
    numbers = list(re.finditer(r"-?\d+", header))
    members = list(re.finditer(r'"[^"]*"\s*:\s*(\{[^{}]*\}|\[[^][]*\]|"[^"]*"|-?[\d.]+|null)', header))
    if kind <= 3 and numbers:
        found = draw.choice(numbers)
        near = str(int(found.group()) + draw.choice([-8, -4, -2, -1, 1, 2, 4, 8]))
        header = header[:found.start()] + draw.choice(NUMBERS + [near] * 12) + header[found.end():]
    elif kind <= 5:
        header = header[:place] + draw.choice(PIECES) + header[place:]
    elif kind == 6:
        header = header[:place] + header[place + draw.randrange(1, 4):]
    elif kind == 7 and members:
        found = draw.choice(members)
        header = header[:found.start()] + found.group() + draw.choice([",", ", ", "", ",,"]) + header[found.start():]
    elif kind == 8 and members:
        found = draw.choice(members)
        header = header[:found.start()] + header[found.end():].lstrip(",")
    elif kind == 9:
        old = draw.choice(list(BITS))
        header = header.replace(f'"{old}"', f'"{draw.choice(list(BITS) + ["f32", "Q4", "F31", ""])}"', 1)
    elif kind == 10:
        data = draw.choice([data[:-1], data + b"\0", data[1:], b"", data + data])
    elif kind == 11:
        header = draw.choice([" " + header, header + "\n", header + "\0", header + "x", header + "{}", "\ufeff" + header, header.replace(" ", "\n"),
                              header.replace('"', "'"), header.upper(), "[" + header + "]", header + "\t "])
    elif kind == 12 and len(numbers) > 1:
        a, b = sorted(draw.sample(numbers, 2), key=lambda found: found.start())
        header = header[:a.start()] + b.group() + header[a.end():b.start()] + a.group() + header[b.end():]
    return header, data


def build(draw):
    header, data = valid(draw)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 2, 3])):
        header, data = mutate(draw, header, data)
    text = header.encode("utf-8", "surrogatepass")
    if draw.random() < 0.1 and text:  # a bit, anywhere in the header
        place = draw.randrange(len(text))
        text = text[:place] + bytes([text[place] ^ 1 << draw.randrange(8)]) + text[place + 1:]
    length = len(text)
    if draw.random() < 0.03:
        length = draw.choice([0, 1, length - 1, length + 1, length + len(data), 100000000, 100000001, 2**63, 2**64 - 1, 2**64 - 8]) % 2**64
    content = struct.pack("<Q", length) + text + data
    if draw.random() < 0.03:
        content = content[:draw.randrange(len(content) + 1)]
    return content


def theirs(content):
    try:
        tensors = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        return None, str(error)
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors, key=lambda item: item[0].encode()):
        shape = ", ".join(str(dimension) for dimension in tensor["shape"])
        digest.update(name.encode() + b"\0" + f"{tensor['dtype']} [{shape}]".encode() + b"\0" + bytes(tensor["data"]))
    return digest.hexdigest(), ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver")
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="differential-failures")
    options = parser.parse_args()

    draw = random.Random(options.seed)
    counts, stricter, failures = collections.Counter(), collections.Counter(), 0
    with subprocess.Popen([options.driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        for i in range(options.files):
            content = build(draw)
            driver.stdin.write(struct.pack("<Q", len(content)) + content)
            driver.stdin.flush()
            line = driver.stdout.readline().decode().rstrip("\n")
            if not line:
                sys.exit(f"file {i}: the driver ended with status {driver.wait()}")
            ours, _, rest = line.partition(" ")
            digest, message = theirs(content)
            counts[ours == "accept", digest is not None] += 1
            if ours == "accept" and digest != rest:
                failures += 1
                os.makedirs(options.keep, exist_ok=True)
                with open(os.path.join(options.keep, f"{i}.safetensors"), "wb") as file:
                    file.write(content)
                print(f"file {i}: ours accepts, theirs {'reads something else' if digest else 'says ' + message}")
            elif ours != "accept" and digest is not None:
                message = rest.split(": ", 1)[-1]
                stricter[re.sub(r"\d+|near '.*|^.*?(?=given|metadata|\"data)", "", message)] += 1
        driver.stdin.close()

    print(f"{options.files} files, seed {options.seed}, safetensors {safetensors.__version__}: both accept {counts[True, True]}, "
          f"both refuse {counts[False, False]}, only ours refuses {counts[False, True]}, only theirs refuses {counts[True, False]}; "
          f"{failures} failures")
    for message, count in stricter.most_common(12):
        print(f"  stricter {count:6}: {message}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
