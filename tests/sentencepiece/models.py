# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts in five scripts, SentencePiece models trained on them, and models taken apart and put together again: for make.py and ../fuzz/sentencepiece-differential.py."""

import contextlib
import io
import os
import random
import struct
import sys
import tempfile
import unicodedata

import sentencepiece

SCRIPTS = {
    "Latin": [(0x61, 0x7a), (0x61, 0x7a), (0x61, 0x7a), (0xdf, 0x17f)],
    "Cyrillic": [(0x430, 0x44f), (0x450, 0x45f)],
    "Arabic": [(0x621, 0x64a)],
    "Devanagari": [(0x905, 0x939), (0x93e, 0x94d)],
    "Han": [(0x4e00, 0x4fff), (0x3041, 0x3096), (0xac00, 0xac80)],
}
SPACES = [" "] * 60 + ["  ", "   ", "\t", "\u00a0", "\u3000", "\u200b", "\u2009", "\u2581", " \u2581", "\u200d"]
ODD = ["\u0301", "\u0308\u0323", "\ufb01", "\uff21\uff42\uff43", "\u2167", "\u00bd", "\u2460", "\u212b", "\uff9e\uff76\uff9e", "\U0001f44d\U0001f3fd",
       "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\ufe0f", "\u202e", "\ufeff", "\x01", "\x7f", "\u2028", "\ufffd", "\U0010ffff", "<s>", "</s>", "<unk>",
       "<sep>", "<0x41>", "1234567890", "3.14", "http://a.b/c?d=e", "\u1e9b\u0323", "\u0130", "\ufdfa", "\u0958", "\uac01\u1100\u1161"]


def characters(script):
    return [chr(code) for first, last in SCRIPTS[script] for code in range(first, last + 1) if unicodedata.category(chr(code))[0] in "LM"]


def make_lines(count, seed=7):
    """Lines of words that come again and again, as in a language, with all that is odd between."""
    draw = random.Random(seed)
    words = {}
    for script in SCRIPTS:
        letters = characters(script)
        draw.shuffle(letters)
        rare, letters = letters, letters[:60]
        syllables = ["".join(draw.choices(letters, k=draw.randrange(1, 4))) for _ in range(60)]
        words[script] = ["".join(draw.choices(syllables, k=draw.randrange(1, 4))) for _ in range(700)] + rare
    lines = []
    for i in range(count):
        line = []
        scripts = [list(SCRIPTS)[i % len(SCRIPTS)]] * 5 + list(SCRIPTS)
        for _ in range(draw.randrange(0, 18)):
            vocabulary = words[draw.choice(scripts)]
            word = vocabulary[min(int(draw.expovariate(1 / 80)), len(vocabulary) - 1)] if draw.random() < 0.95 else draw.choice(vocabulary)
            kind = draw.random()
            word = word.capitalize() if kind < 0.1 else word.upper() if kind < 0.13 else unicodedata.normalize("NFD", word) if kind < 0.16 else word
            if kind > 0.93:
                word = draw.choice([word + draw.choice(ODD), draw.choice(ODD) + word, draw.choice(ODD)])
            line.append(word + draw.choice(["", "", "", "", ",", ".", "!", "?", ";", ")"]) + draw.choice(SPACES))
        lines.append("".join(line) if draw.random() < 0.5 else "".join(line).strip())
    return lines


OPTIONS = {
    "nmt_nfkc": {"vocab_size": 3000},
    "nfkc_cf, bytes for what is rare": {"vocab_size": 2500, "normalization_rule_name": "nfkc_cf", "byte_fallback": True, "character_coverage": 0.98},
    "identity, all spaces, no space before": {"vocab_size": 2500, "normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
    "all spaces, a space before, bytes": {"vocab_size": 2500, "normalization_rule_name": "nmt_nfkc_cf", "remove_extra_whitespaces": False, "byte_fallback": True, "character_coverage": 0.99},
    "symbols of a user": {"vocab_size": 2500, "user_defined_symbols": ["<sep>", "<0x41>x", "\u2581\u2581", "th", "the", "\u0301", "3.1"], "control_symbols": ["<mask>", "<cls>"]},
    "spaces after words": {"vocab_size": 2000, "treat_whitespace_as_suffix": True, "unk_surface": " ?? "},
    "pieces across words": {"vocab_size": 4000, "split_by_whitespace": False, "split_by_unicode_script": False, "max_sentencepiece_length": 32, "character_coverage": 1.0},
    "digits alone, pieces of spaces": {"vocab_size": 2000, "split_digits": True, "allow_whitespace_only_pieces": True, "remove_extra_whitespaces": False},
}


@contextlib.contextmanager
def quiet():
    """What the trainer writes to the descriptor itself goes nowhere."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def train(lines, rules=None, **options):
    """A model as bytes; `rules` are lines of a table of what becomes what, in hexadecimal code points."""
    output = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, quiet():
        if rules is not None:
            options["normalization_rule_tsv"] = os.path.join(folder, "rules.tsv")
            with open(options["normalization_rule_tsv"], "w", encoding="ascii") as file:
                file.write("".join(line + "\n" for line in rules))
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(line for line in lines if line), model_writer=output, model_type=options.pop("model_type", "bpe"), minloglevel=2,
                                                 num_threads=1, **options)
    return output.getvalue()


# ---- The wire format of protobuf ----


def read_number(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def write_number(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def read_fields(data):
    """[number, wire type, value] for each field."""
    fields, at = [], 0
    while at < len(data):
        tag, at = read_number(data, at)
        if tag & 7 == 0:
            value, at = read_number(data, at)
        elif tag & 7 == 2:
            n, at = read_number(data, at)
            value, at = data[at:at + n], at + n
        else:
            n = {1: 8, 5: 4}[tag & 7]
            value, at = data[at:at + n], at + n
        fields.append([tag >> 3, tag & 7, value])
    return fields


def write_fields(fields):
    out = []
    for number, kind, value in fields:
        out.append(write_number(number << 3 | kind))
        if kind == 0:
            out.append(write_number(value))
        else:
            out.append((write_number(len(value)) if kind == 2 else b"") + value)
    return b"".join(out)


def make_piece(text, score=0.0, kind=1):
    return [1, 2, write_fields([[1, 2, text.encode()], [2, 5, struct.pack("<f", score)], [3, 0, kind]])]


def make_model(pieces, trainer=(), normalizer=()):
    """A model of pieces, and fields of its two specifications."""
    return write_fields([*pieces, [2, 2, write_fields([[3, 0, 2], *trainer])], [3, 2, write_fields(list(normalizer))]])
