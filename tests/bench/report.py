# SPDX-License-Identifier: LGPL-2.1-or-later
"""What compare.py measured, as Markdown."""
import math
import os
import statistics
import sys

BEGIN, END = "<!-- compare.py begins -->", "<!-- compare.py ends -->"

# What is wanted of ours, in times the other's speed, by length.
ROWS = [
    ("forward, transformers' Reformer", "lsh forward", "transformers forward", {1024: 1.8, 4096: 2.3, 16384: 3.2, 65536: 4.3}),
    ("training step, `keep` nothing, transformers' Reformer", "lsh nothing", "transformers step", {1024: 1.5, 4096: 1.4, 16384: 2.3, 65536: 3.6}),
    ("training step, `keep` everything, transformers' Reformer", "lsh everything", "transformers step", {1024: 2.0, 4096: 1.9, 16384: 3.0}),
    ("forward, reformer-pytorch", "lsh forward", "reformer-pytorch forward", {1024: 3.5, 4096: 2.7, 16384: 3.5}),
    ("training step, `keep` nothing, reformer-pytorch", "lsh nothing", "reformer-pytorch step", {1024: 2.8, 4096: 1.8, 16384: 2.7}),
    ("forward, PyTorch's full attention (flash)", "lsh forward", "pytorch forward", {1024: 1.2, 4096: 2.0, 16384: 5.5, 65536: 18}),
    ("training step, `keep` everything, PyTorch's full attention", "lsh everything", "pytorch step", {1024: 1.1, 4096: 2.0, 16384: 6}),
]
LAYER, FLAT, CORES = 1.0, 0.85, 1.85

NAMES = {
    "lsh forward": "ours, forward", "lsh nothing": "ours, training step, `keep` nothing", "lsh everything": "ours, training step, `keep` everything",
    "full forward": "our full attention, forward", "full everything": "our full attention, training step, `keep` everything",
    "transformers forward": "transformers' Reformer, forward", "transformers step": "transformers' Reformer, training step",
    "reformer-pytorch forward": "reformer-pytorch, forward", "reformer-pytorch step": "reformer-pytorch, training step",
    "pytorch forward": "PyTorch's full attention, forward", "pytorch step": "PyTorch's full attention, training step",
}

median = statistics.median


def find(points, section, what, length, threads=None):
    """The point, if it was measured."""
    return next((point for point in points if point["section"] == section and point["what"] == what and point["length"] == length and point["seconds"] and
                 threads in (None, point["threads"])), None)


def ratios_of(ours, theirs):
    """How many times as fast as theirs ours is, in each turn."""
    return sorted(b / a for a, b in zip(ours["seconds"], theirs["seconds"])) if ours and theirs else []


def spread(ratios):
    return "%.2f (%.2f to %.2f)" % (median(ratios), ratios[0], ratios[-1]) if ratios else ""


def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "".join("| %s |\n" % " | ".join(cells) for cells in lines) + "\n"


def number(n):
    return format(int(n), ",d")


def lengths_of(points, section):
    return sorted({point["length"] for point in points if point["section"] == section and point["seconds"]})


class Marks:
    """Which of the figures that were wanted are missed."""

    def __init__(self):
        self.missed = []

    def look(self, what, value, wanted):
        if value < wanted:
            self.missed.append("%s: %.2f, wanted %g" % (what, value, wanted))


def write_ratios(points, marks):
    lengths, rows = lengths_of(points, "peers"), []
    for name, ours, theirs, wanted in ROWS:
        cells = []
        for length in lengths:
            ratios = ratios_of(find(points, "peers", ours, length), find(points, "peers", theirs, length))
            cells.append(spread(ratios))
            if ratios and length in wanted:
                cells[-1] += ", wanted %g" % wanted[length]
                marks.look("%s, %s tokens" % (name, number(length)), median(ratios), wanted[length])
        if any(cells):
            rows.append([name] + cells)
    if not rows:
        return ""
    return "How many times as fast as the other library ours is. At 1,024 tokens a Reformer is near full attention, because there is little to save.\n\n" + \
        table([""] + [number(length) for length in lengths], rows)


def exponent(points, section, what):
    """The slope of log time over log length."""
    found = [(math.log(point["length"]), math.log(median(point["seconds"]))) for point in points if point["section"] == section and point["what"] == what and point["seconds"]]
    if len(found) < 2:
        return ""
    x, y = statistics.mean(a for a, _ in found), statistics.mean(b for _, b in found)
    return "%.2f" % (sum((a - x) * (b - y) for a, b in found) / sum((a - x) ** 2 for a, _ in found))


def write_speeds(points):
    lengths, rows = lengths_of(points, "peers"), []
    for what, name in NAMES.items():
        cells = []
        for length in lengths:
            point = find(points, "peers", what, length)
            cells.append("%s / %s" % (number(round(length / median(point["seconds"]))), number(round(point["mib"]))) if point else "")
        if any(cells):
            rows.append([name] + cells + [exponent(points, "peers", what)])
    if not rows:
        return ""
    return "Tokens/s, and the peak of the process's resident memory in MiB; the last column is the exponent of time against length, fitted to the row.\n\n" + \
        table([""] + [number(length) for length in lengths] + ["exponent"], rows)


def crossing(found):
    """Where the ratio passes 1 for good: pairs (length, ratio), ascending."""
    if not found:
        return ""
    below = [i for i, (_, ratio) in enumerate(found) if ratio < 1]
    if not below:
        return "below %s" % number(found[0][0])
    if below[-1] == len(found) - 1:
        return "beyond %s" % number(found[-1][0])
    (n0, r0), (n1, r1) = found[below[-1]], found[below[-1] + 1]
    share = -math.log(r0) / (math.log(r1) - math.log(r0))
    return "about %s" % number(round(n0 * (n1 / n0) ** share, -1))


def write_crossover(points):
    lengths, rows = lengths_of(points, "crossover"), []
    if not lengths:
        return ""
    for name, mode in (("forward", "forward"), ("training step, `keep` everything", "everything")):
        found = [(length, ratios_of(find(points, "crossover", "lsh " + mode, length), find(points, "crossover", "full " + mode, length))) for length in lengths]
        if any(ratios for _, ratios in found):
            rows.append([name] + [spread(ratios) for _, ratios in found] + [crossing([(length, median(ratios)) for length, ratios in found if ratios])])
    return "Our LSH attention in times the speed of our own full attention, in the same model, and the length from which it is faster.\n\n" + \
        table([""] + [number(length) for length in lengths] + ["faster from"], rows)


def write_layer(points, marks):
    lengths, rows, all_ratios = lengths_of(points, "layer"), [], []
    for name, mode in (("forward", "forward"), ("forward and backward", "step")):
        ratios = [ratios_of(find(points, "layer", "layer " + mode, length), find(points, "layer", "pytorch-layer " + mode, length)) for length in lengths]
        all_ratios += [median(r) for r in ratios if r]
        if any(ratios):
            rows.append([name] + [spread(r) for r in ratios])
    if not rows:
        return ""
    mean = math.exp(statistics.mean(math.log(ratio) for ratio in all_ratios))
    marks.look("our full attention layer against PyTorch's, geometric mean", mean, LAYER)
    return "One layer of full attention with its norm and projections, in times the speed of PyTorch's (flash); geometric mean %.2f, wanted %g.\n\n" % (mean, LAYER) + \
        table([""] + [number(length) for length in lengths], rows)


def write_flat(points, marks):
    lengths, rows = lengths_of(points, "flat"), []
    for what in ("lsh forward", "lsh nothing"):
        first = find(points, "flat", what, lengths[0]) if lengths else None
        cells = []
        for length in lengths[1:]:
            point = find(points, "flat", what, length)
            ratios = [ratio * length / lengths[0] for ratio in ratios_of(point, first)]
            cells.append("%s; %s / %s" % (spread(ratios), number(round(length / median(point["seconds"]))), number(round(point["mib"]))) if ratios else "")
            if ratios and lengths[0] >= 16384:
                marks.look("%s, tokens/s at %s against %s tokens" % (NAMES[what], number(length), number(lengths[0])), median(ratios), FLAT)
        if any(cells):
            rows.append([NAMES[what]] + cells)
    if not rows:
        return ""
    return "Tokens/s in times those at %s tokens, wanted %g; then tokens/s and MiB.\n\n" % (number(lengths[0]), FLAT) + \
        table([""] + [number(length) for length in lengths[1:]], rows)


def write_cores(points, marks):
    lines = []
    for what in ("lsh forward", "lsh nothing"):
        for length in lengths_of(points, "cores"):
            several = next((point for point in points if point["section"] == "cores" and point["what"] == what and point["threads"] > 1), None)
            ratios = ratios_of(several, find(points, "cores", what, length, 1))
            if ratios:
                lines.append("%s: %s" % (NAMES[what], spread(ratios)))
                if several["threads"] == 2:
                    marks.look("%s, two cores against one" % NAMES[what], median(ratios), CORES)
    return "Two cores in times the speed of one at %s tokens, wanted %g: %s.\n\n" % (number(lengths_of(points, "cores")[0]), CORES, "; ".join(lines)) if lines else ""


def write_models(points):
    """What was compared: sizes, and gradients of all parameters."""
    rows, seen = [], set()
    for point in points:
        kind = point["what"].split()[0]
        if point["section"] == "peers" and point["seconds"] and kind not in seen and (point["with_gradients"] > 0 or not any(
                other["what"].split()[0] == kind and other.get("with_gradients") for other in points)):
            seen.add(kind)
            rows.append("%s: %s, %s" % (NAMES[kind + " forward"].split(", forward")[0], number(point["parameters"] - point["positions"]),
                                        "%d of %d tensors had a gradient" % (point["with_gradients"], point["tensors"]) if point["with_gradients"] else "forward only"))
    text = "Parameters without those of positions: %s.\n\n" % "; ".join(rows) if rows else ""
    buckets = []
    for length in lengths_of(points, "peers"):
        found = [next((" x ".join(map(str, point["buckets"])) for point in points if point["section"] == "peers" and point["length"] == length and point["seconds"] and
                       point["what"].split()[0] == kind), None) for kind in ("lsh", "transformers")]
        if None not in found:
            buckets.append("%s at %s" % (found[0] if found[0] == found[1] else "%s and %s" % tuple(found), number(length)))
    if buckets:
        text += "Buckets of ours and, where they differ, of transformers: %s.\n\n" % "; ".join(buckets)
    return text


def check_parameters(points):
    """The two Reformers of one configuration have the same number of parameters."""
    counts = {}
    for point in points:
        if point["what"].split()[0] in ("lsh", "transformers") and point["seconds"]:
            counts.setdefault(point["length"], set()).add(point["parameters"])
    for length, different in counts.items():
        if len(different) > 1:
            sys.exit("compare: at %d tokens ours and transformers' Reformer have %s parameters" % (length, " and ".join(map(str, sorted(different)))))


def write(run, plot):
    """The Markdown, and the marks that are missed."""
    points, marks = run["points"], Marks()
    runtimes = sorted({point["runtime"] for point in points if point["seconds"]})
    text = "%s, on %s; %s. %d threads each, %d minutes%s.\n`%s`\n\n" % (
        run["date"], run["machine"], "; ".join(runtimes), run["threads"], round(run["minutes"]),
        ", version " + run["commit"] if run["commit"] else "", run["command"].strip())
    text += "The work: `bench-lsh` (a causal model of bytes, hidden size 256, 4 heads of 64, feed-forward 1024, 6 layers, 2 rounds, chunks of 64), one sequence of random " \
        "bytes, float32, no dropout. A training step is loss, all gradients and Adam. Every figure is a median over turns; in brackets the least and the greatest.\n\n"
    text += write_models(points) + write_ratios(points, marks) + write_speeds(points)
    if plot:
        text += "![tokens/s against length](%s)\n\n" % plot
    text += write_crossover(points) + write_layer(points, marks) + write_flat(points, marks) + write_cores(points, marks)
    lost = ["%s at %s (%s)" % (point["what"], number(point["length"]), point["lost"]) for point in points if "lost" in point]
    if lost:
        text += "Left out: %s.\n\n" % "; ".join(lost)
    if marks.missed:
        text += "Missed:\n\n" + "".join("* %s\n" % line for line in marks.missed)
    return text.rstrip() + "\n", marks.missed


def put(path, text):
    """Writes the file, or, where it has the marks, what stands between them."""
    old = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            old = file.read()
    if BEGIN in old and END in old:
        text = old[:old.index(BEGIN)] + BEGIN + "\n\n" + text + "\n" + old[old.index(END):]
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
