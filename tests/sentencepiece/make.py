#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the models of this folder and what PyPI's sentencepiece (0.2.3) makes of texts with them: expected.json. They differ in what the models' options can be.

usage: make.py [FOLDER]
needs: sentencepiece
"""

import json
import os
import random
import sys

import models
import sentencepiece

# Small rules, so that the models stay small: what nmt_nfkc does to these
RULES = ["9\t20", "a\t20", "3000\t20", "a0\t20", "1\t", "200b\t20", "fb01\t66 69", "ff21\t41", "2167\t56 49 49 49", "bd\t31 2044 32", "65 301\te9", "41 30a\tc5", "212b\tc5", "fdfa\t635 644 649 20 627"]

TEXTS = ["", " ", "a", "It is a nice day today , I want to go to the park !", "  two  spaces \t and a tab\n", "\ufb01ne \uff21\u2167 \u00bd cafe\u0301 A\u030a\u212b", "\u2581x \u2581", "a\x00b\x01c",
         "<s> </s> <unk> <sep>the<sep> <mask>", "the 3.14 and the rest of it", "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", "\u65e5\u672c\u8a9e\u306e\u6587", "\U0001f44d\U0001f3fd ok \U0001f44d",
         "\ufdfa", "\x01", "a" * 50, "aaab abab", " \u3000\u200b", "q\u0308\u0323 \u0915\u094d\u0937", "\ufffd"]


def some_lines():
    """English enough: this folder has no text of its own."""
    draw = random.Random(3)
    words = ("the a of and to in is it day nice today want go park they were there then time rest that this with some thing other one two three spaces after before "
             "caf\u00e9 fine mir \u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u65e5\u672c\u8a9e 3.14 2026").split()
    return [" ".join(draw.choices(words, k=9)) + draw.choice([".", " !", " ,", ""]) for _ in range(400)]


def make_all():
    lines = some_lines()
    plain = models.train(lines, RULES, vocab_size=160, user_defined_symbols=["<sep>", "the", "th"], control_symbols=["<mask>"], character_coverage=1.0)
    whole = models.train(lines, None, vocab_size=400, byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False, character_coverage=0.99)
    suffix = models.train(lines, RULES, vocab_size=120, treat_whitespace_as_suffix=True, unk_surface="??", unk_id=3, bos_id=0, eos_id=1, pad_id=2)
    # pieces that are made but not used, equal scores, and a control symbol of one letter
    unused = models.make_model([models.make_piece("<unk>", 0, 2), models.make_piece("a", -9), models.make_piece("b", -9), models.make_piece("\u2581", -9), models.make_piece("ab", -1, 5),
                                models.make_piece("aa", -1), models.make_piece("aba", -2, 5), models.make_piece("abab", -3, 5), models.make_piece("\u2581a", -4, 5), models.make_piece("c", -9, 5)],
                               normalizer=[[4, 0, 0]])
    return {"plain": plain, "bytes": whole, "suffix": suffix, "unused": unused}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    expected = {"sentencepiece": sentencepiece.__version__, "models": {}}
    for name, model in make_all().items():
        with open(os.path.join(folder, name + ".model"), "wb") as file:
            file.write(model)
        reference = sentencepiece.SentencePieceProcessor(model_proto=model)
        texts = []
        for text in TEXTS:
            ids = reference.encode(text)
            texts.append({"text": text.replace("\x00", "\\0"), "ids": ids, "decoded": reference.decode(ids).replace("\x00", "\\0")})
        expected["models"][name] = {"pieces": reference.get_piece_size(), "texts": texts}
        print(name, len(model), "bytes")
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file, ensure_ascii=True, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
