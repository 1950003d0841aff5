#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our SentencePiece models and PyPI's sentencepiece: the same ids and the same text for 10,000 lines in five scripts, with models trained here; what ours reads of mutated
models the other reads, with the same ids; and which is faster.

usage: sentencepiece-differential.py DRIVER [--lines N] [--files N] [--seed N] [--keep FOLDER]
needs: sentencepiece (compared with 0.2.3)        DRIVER: the built sentencepiece-driver.c

Ends with status 1 where they differ, or ours is looser; such files go to FOLDER. Where ours is stricter, the messages are counted."""
import argparse
import collections
import os
import random
import re
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sentencepiece"))
import models  # noqa: E402
import sentencepiece  # noqa: E402

# A crafted model and a text of some bytes take ours no longer than this.
MOST_SECONDS = 2
NUMBERS = [0, 1, 2, 3, 4, 5, 6, 7, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1]
SCORES = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e38, -1e38, 1e-45]
TEXTS = ["", " ", "the fox  ate\ta b\u00e4r ", "\ufb01ne \uff21\u2167 \u00bd cafe\u0301", "\u2581x \u2581\u2581 abab", "<sep>the<s> </s><unk><0x41>", "\u043f\u0440\u0438\u0432\u0435\u0442 \u65e5\u672c",
         "\U0001f44d\U0001f3fd ok", "a\x00b\x01"]


class Driver:
    """Ours, in a process of its own."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, letter, content):
        self.process.stdin.write(letter + struct.pack("<Q", len(content)) + content)
        self.process.stdin.flush()
        head = self.process.stdout.read(9)
        if len(head) < 9:
            sys.exit("the driver ended with status %d" % self.process.wait())
        return head[:1] == b"a", self.process.stdout.read(struct.unpack("<Q", head[1:])[0])

    def encode(self, text):
        fine, answer = self.ask(b"E", text.encode())
        return list(struct.unpack("<%di" % (len(answer) // 4), answer)) if fine else answer.decode()

    def decode(self, ids):
        fine, answer = self.ask(b"D", struct.pack("<%di" % len(ids), *ids))
        return answer.decode("utf-8", "replace")


# ---- Lines ----


def compare_lines(driver, lines, name, model):
    """How many lines differ."""
    reference = sentencepiece.SentencePieceProcessor(model_proto=model)
    fine, answer = driver.ask(b"M", model)
    if not fine:
        print(f"{name}: ours says {answer.decode()}")
        return 1
    differ = 0
    for line, wanted in zip(lines, reference.encode(lines)):
        ids = driver.encode(line)
        if ids != wanted or driver.decode(wanted) != reference.decode(wanted):
            differ += 1
            if differ <= 3:
                print(f"  {line!r}: {ids} is {wanted} in the other; {driver.decode(wanted)!r} {reference.decode(wanted)!r}")
    text = "\n".join(lines)
    seconds = float(driver.ask(b"T", text.encode())[1])
    start = time.perf_counter()
    reference.encode(lines)
    theirs = time.perf_counter() - start
    size = len(text.encode()) / 1e6
    print(f"{name}: {len(lines)} lines, {differ} differ; ours encodes {size / seconds:.1f} MB/s, as one text, the other {size / theirs:.1f}, line by line")
    return differ


def compare_all(driver, count):
    lines = models.make_lines(count)
    differ = 0
    for name, options in models.OPTIONS.items():
        differ += compare_lines(driver, lines, name, models.train(lines, **options))
    small = models.train(lines[:500], model_type="unigram", vocab_size=1200)
    fine, answer = driver.ask(b"M", small)
    if fine or "UNIGRAM" not in answer.decode():
        print("a unigram model is not refused by name")
        differ += 1
    return differ


# ---- Mutated models ----


def mutate_piece(draw, field):
    fields = models.read_fields(field[2])
    kind = draw.randrange(4)
    chosen = draw.choice(fields)
    if chosen[1] == 5:
        chosen[2] = struct.pack("<f", draw.choice(SCORES + [draw.uniform(-9, 9)] * 8))
    elif chosen[1] == 0:
        chosen[2] = draw.choice(NUMBERS[:8])
    elif kind == 0:
        chosen[2] = draw.choice([b"", b"\0", b"a", b"\xff", b"x" * draw.choice([1023, 1025, 8001]), chosen[2] + b"\xe2", b"<unk>", b"<0x41>", "\u2581".encode(), "\u2581a".encode()])
    else:
        chosen[2] = chosen[2][:draw.randrange(len(chosen[2]) + 1)] + draw.choice([b"", b"a", b"e", b"\xcc\x81"])
    field[2] = models.write_fields(fields)


def mutate_map(draw, charsmap):
    content = bytearray(charsmap)
    size = struct.unpack_from("<I", content)[0]
    kind = draw.randrange(5)
    if kind == 0:
        struct.pack_into("<I", content, 0, draw.choice([0, 1, 3, size - 4, size + 1, size + 4, len(content) - 4, len(content), 2**32 - 1]) % 2**32)
    elif kind == 1 and size >= 4:
        at = 4 + 4 * draw.randrange(min(size, len(content) - 7) // 4)
        struct.pack_into("<I", content, at, struct.unpack_from("<I", content, at)[0] ^ 1 << draw.randrange(32))
    elif kind == 2:
        at = draw.randrange(4 + size, len(content)) if 4 + size < len(content) else len(content) - 1
        content[at] = draw.choice([0, 32, 97, 0xe2, 0xff])
    elif kind == 3:
        del content[draw.randrange(len(content)):]
    else:
        content += draw.choice([b"\0", b"x", b"\0\0\0\0"])
    return bytes(content)


def mutate_fields(draw, fields, depth=0):
    """One small change of a model, or of a specification in it."""
    kind = draw.randrange(10)
    at = draw.randrange(len(fields)) if fields else 0
    if not fields or kind == 0:
        fields.insert(at, [draw.randrange(1, 60), 0, draw.choice(NUMBERS)])
    elif kind == 1:
        del fields[at]
    elif kind == 2:
        fields.insert(draw.randrange(len(fields)), list(fields[at]))
    elif kind == 3:
        fields[at][0] = draw.randrange(1, 60)
    elif kind == 4 and fields[at][1] == 2:
        fields[at] = [fields[at][0], draw.choice([0]), draw.choice(NUMBERS)]
    elif fields[at][1] == 0:
        fields[at][2] = draw.choice(NUMBERS)
    elif depth == 0 and fields[at][0] == 1:
        mutate_piece(draw, fields[at])
    elif depth == 0 and fields[at][1] == 2:
        inner = models.read_fields(fields[at][2])
        mutate_fields(draw, inner, depth + 1)
        fields[at][2] = models.write_fields(inner)
    elif depth == 1 and fields[at][:2] == [2, 2] and len(fields[at][2]) > 8:
        fields[at][2] = mutate_map(draw, fields[at][2])


def mutate(draw, model):
    fields = models.read_fields(model)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        # the specifications are two fields of many
        special = [field for field in fields if field[0] != 1 and field[1] == 2]
        if special and draw.random() < 0.5:
            chosen = draw.choice(special)
            inner = models.read_fields(chosen[2])
            mutate_fields(draw, inner, 1)
            chosen[2] = models.write_fields(inner)
        else:
            mutate_fields(draw, fields)
    content = models.write_fields(fields)
    kind = draw.random()
    if kind < 0.15:
        at = draw.randrange(len(content))
        content = content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1:]
    elif kind < 0.2:
        content = content[:draw.randrange(len(content))]
    return content


def theirs(path):
    """For a process of its own: a line for each model, whose bytes come after their length."""
    del path
    while True:
        head = sys.stdin.buffer.read(8)
        if len(head) < 8:
            return
        content = sys.stdin.buffer.read(struct.unpack("<Q", head)[0])
        try:
            with models.quiet():
                processor = sentencepiece.SentencePieceProcessor(model_proto=content)
                ids = []
                for text in TEXTS:
                    try:
                        ids.append(processor.encode(text))
                    except RuntimeError:  # a control symbol of one letter: the other cannot go on
                        ids.append(None)
            line = repr(("accept", ids))
        except (RuntimeError, ValueError, OSError) as error:
            line = repr(("reject", str(error)))
        print(line.replace("\n", " "), flush=True)


class Reference:
    """The other, which a crafted model may end."""

    def __init__(self):
        self.process = None

    def ask(self, content):
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--reference", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdin.write(struct.pack("<Q", len(content)) + content)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if line:
            return eval(line, {"__builtins__": {}})
        self.process.wait()
        self.process = None
        return "crash", ""


def fuzz(driver, count, seed, keep):
    draw = random.Random(seed)
    lines = models.make_lines(300, 9)
    rules = ["9\t20", "3000\t20", "1\t", "fb01\t66 69", "ff21\t41", "2167\t56 49 49 49", "bd\t31 2044 32", "65 301\te9"]
    seeds = [models.train(lines, rules, vocab_size=700, user_defined_symbols=["<sep>", "the"], character_coverage=0.98),
             models.train(lines, rules, vocab_size=900, byte_fallback=True, character_coverage=0.98, remove_extra_whitespaces=False),
             models.train(lines, None, vocab_size=700, normalization_rule_name="identity", add_dummy_prefix=False, treat_whitespace_as_suffix=True, character_coverage=0.98)]
    reference, counts, stricter, looser, failures, slowest = Reference(), collections.Counter(), collections.Counter(), collections.Counter(), 0, 0
    for i in range(count):
        content = mutate(draw, draw.choice(seeds))
        start = time.perf_counter()
        fine, answer = driver.ask(b"M", content)
        ids = [driver.encode(text) for text in TEXTS] if fine else []
        slowest = max(slowest, time.perf_counter() - start)
        kind, other = reference.ask(content)
        counts[fine, kind] += 1
        wrong = None
        if fine and kind == "reject" and "elf-test" not in other:  # sentences for testing itself are not read by ours
            looser[re.sub(r"\d+", "N", other)[:100]] += 1
            wrong = "ours reads it, the other says " + other
        elif fine and kind == "accept":
            wrong = next((f"{text!r}: {ours} is {wanted} in the other" for text, ours, wanted in zip(TEXTS, ids, other) if wanted is not None and ours != wanted), None)
        elif not fine and kind == "accept":
            stricter[re.sub(r'"[^"]*"|\d+', "N", answer.decode().split(": ", 1)[-1])] += 1
        if wrong is not None:
            failures += 1
            os.makedirs(keep, exist_ok=True)
            with open(os.path.join(keep, f"{i}.model"), "wb") as file:
                file.write(content)
            if failures <= 20:
                print(f"file {i}: {wrong[:300]}")
    print(f"{count} mutated models, seed {seed}, sentencepiece {sentencepiece.__version__}: both read {counts[True, 'accept']}, both refuse {counts[False, 'reject']}, only ours refuses "
          f"{counts[False, 'accept']}, only the other {counts[True, 'reject']}; the other crashed {counts[False, 'crash']} times, {counts[True, 'crash']} of what ours reads; "
          f"{failures} failures; the slowest took ours {slowest:.2f} s")
    for message, number in stricter.most_common(16):
        print(f"  stricter {number:6}: {message[:160]}")
    return failures + (slowest > MOST_SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver")
    parser.add_argument("--lines", type=int, default=10000)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", default="differential-failures")
    parser.add_argument("--reference", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reference:
        theirs(options.driver)
        return
    driver = Driver(options.driver)
    wrong = compare_all(driver, options.lines) if options.lines > 0 else 0
    wrong += fuzz(driver, options.files, options.seed, options.keep)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
