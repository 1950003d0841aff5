#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics of evaluations against scikit-learn: for each head a model with random weights says what it says of random labels, with and without labels that are no targets, of one class alone, and of
classes that nobody chooses.

usage: metrics.py PYTHON      in `meson devenv -C build`; PYTHON is one with scikit-learn, as build/peers/bin/python

Exit status 1 where one differs by more than 1e-6 (1e-5 of errors, which are sums of float32 outputs).
"""
import json
import math
import subprocess
import sys

LENGTH, SAMPLES, VOCABULARY = 24, 40, 60


def compare():
    """The other side, with scikit-learn: cases from standard input, and whether all agree."""
    import numpy
    from sklearn import metrics

    failed = False
    for case in json.load(sys.stdin):
        wanted, said = numpy.array(case["wanted"]), numpy.array(case["said"])
        seen = {
            "accuracy": lambda: metrics.accuracy_score(wanted.ravel(), said.ravel()),
            "macro_f1": lambda: metrics.f1_score(wanted, said, average="macro", zero_division=0),
            "matthews": lambda: metrics.matthews_corrcoef(wanted, said),
            "mean_squared_error": lambda: metrics.mean_squared_error(wanted, said),
            "mean_absolute_error": lambda: metrics.mean_absolute_error(wanted, said),
            "exact_match": lambda: metrics.accuracy_score(wanted, said),
        }
        for name, value in case["metrics"].items():
            right = float(seen[name]())
            fine = math.isclose(value, right, rel_tol=1e-5 if "error" in name else 1e-6, abs_tol=1e-6)
            failed = failed or not fine
            print("%-32s %-20s %.9f  scikit-learn %.9f%s" % (case["name"], name, value, right, "" if fine else "  DIFFERS"))
    sys.exit(1 if failed else 0)


def run(python):
    import gi
    import numpy
    gi.require_version("Reformer", "1.0")
    from gi.repository import Reformer

    class Labelled(Reformer.Dataset):
        def __init__(self, labels, draw):
            super().__init__()
            self.labels, self.tokens = labels, draw.integers(1, VOCABULARY, (SAMPLES, LENGTH)).astype(numpy.int32)

        def do_count_samples(self, length):
            return SAMPLES

        def do_read_sample(self, index, length):
            return Reformer.Sample(tokens=self.tokens[index], labels=self.labels[index])

    def evaluate(head, n_labels, labels, draw):
        """An evaluation, and the outputs of the same model, all samples at once."""
        config = Reformer.Config(vocab_size=VOCABULARY, head=head, is_decoder=False, num_labels=n_labels, hidden_size=32, num_attention_heads=2, attention_head_size=16,
                                 feed_forward_size=32, attn_layers=["local"], local_attn_chunk_length=8, axial_pos_embds=False, max_position_embeddings=LENGTH,
                                 hidden_dropout_prob=0, initializer_range=0.3)
        model = Reformer.Model(config=config, seed=int(draw.integers(1000)))
        dataset = Labelled(labels, draw)
        evaluation = Reformer.Trainer(model=model, dataset=dataset, sequence_length=LENGTH, batch_size=7).evaluate(dataset, None)
        return evaluation, numpy.asarray(model.forward(dataset.tokens, None)).astype(float)

    def case(name, evaluation, names, wanted, said):
        return {"name": name, "metrics": {name: evaluation.get_property(name.replace("_", "-")) for name in names}, "wanted": wanted.tolist(), "said": said.tolist()}

    cases = []
    draw = numpy.random.default_rng(1)
    some = draw.random((SAMPLES, 1)) < 0.8
    for name, n, labels in (("classification", 4, draw.integers(0, 4, (SAMPLES, 1))), ("classification, two", 2, draw.integers(0, 2, (SAMPLES, 1))),
                            ("classification, some", 5, numpy.where(some, draw.integers(0, 3, (SAMPLES, 1)), -100)), ("classification, one class", 3, numpy.full((SAMPLES, 1), 1)),
                            ("classification, many", 50, draw.integers(0, 50, (SAMPLES, 1)))):
        evaluation, outputs = evaluate(Reformer.Head.CLASSIFICATION, n, labels.astype(numpy.int32), draw)
        kept = labels[:, 0] != -100
        cases.append(case(name, evaluation, ["accuracy", "macro_f1", "matthews"], labels[kept, 0], outputs.argmax(-1)[kept]))
    labels = numpy.where(draw.random((SAMPLES, LENGTH)) < 0.6, draw.integers(0, 3, (SAMPLES, LENGTH)), -100).astype(numpy.int32)
    evaluation, outputs = evaluate(Reformer.Head.TOKENS, 3, labels, draw)
    cases.append(case("tokens", evaluation, ["accuracy", "macro_f1", "matthews"], labels[labels != -100], outputs.argmax(-1)[labels != -100]))
    labels = numpy.where(draw.random((SAMPLES, LENGTH)) < 0.15, draw.integers(0, VOCABULARY, (SAMPLES, LENGTH)), -100).astype(numpy.int32)
    evaluation, outputs = evaluate(Reformer.Head.MASKED_LANGUAGE, 2, labels, draw)
    cases.append(case("masked language", evaluation, ["accuracy"], labels[labels != -100], outputs.argmax(-1)[labels != -100]))
    labels = (draw.random((SAMPLES, 4)) < [0.5, 0.3, 0.9, 0]).astype(numpy.float32)
    evaluation, outputs = evaluate(Reformer.Head.MULTI_LABEL, 4, labels, draw)
    cases.append(case("multi-label", evaluation, ["accuracy", "macro_f1", "exact_match"], labels.astype(int), (outputs > 0).astype(int)))
    for name, head, shape in (("regression", Reformer.Head.REGRESSION, (SAMPLES, 3)), ("values", Reformer.Head.VALUES, (SAMPLES, LENGTH, 2))):
        labels = numpy.where(draw.random(shape) < 0.9, draw.normal(size=shape), numpy.nan).astype(numpy.float32)
        evaluation, outputs = evaluate(head, shape[-1], labels, draw)
        kept = ~numpy.isnan(labels)
        cases.append(case(name, evaluation, ["mean_squared_error", "mean_absolute_error"], labels[kept].astype(float), outputs.reshape(shape)[kept]))
    # what the model says is wanted of every other sample, so that some are right
    labels = numpy.zeros((SAMPLES, 2), numpy.int32)
    for _ in range(2):
        evaluation, outputs = evaluate(Reformer.Head.SPANS, 2, labels, numpy.random.default_rng(2))
        sums = outputs[:, :, None, 0] + outputs[:, None, :, 1] + numpy.where(numpy.tri(LENGTH, k=-1) > 0, -numpy.inf, 0)
        said, wanted = sums.reshape(SAMPLES, -1).argmax(-1), labels[:, 0] * LENGTH + labels[:, 1]
        labels = numpy.where(numpy.arange(SAMPLES)[:, None] % 2 == 0, numpy.stack([said // LENGTH, said % LENGTH], 1), LENGTH - 1).astype(numpy.int32)
    cases.append(case("spans", evaluation, ["exact_match"], wanted, said))
    sys.exit(subprocess.run([python, __file__, "--compare"], input=json.dumps(cases), text=True, check=False).returncode)


if sys.argv[1:] == ["--compare"]:
    compare()
elif len(sys.argv) == 2:
    run(sys.argv[1])
else:
    sys.exit(__doc__)
