# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws tokens/s against length from the JSON of compare.py on standard input.

usage: plot.py FILE.svg     needs matplotlib
"""
import json
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402

LINES = {
    "forward": [("lsh forward", "ours", "#c01c28", "-"), ("full forward", "our full attention", "#c01c28", ":"),
                ("transformers forward", "transformers' Reformer", "#1c71d8", "-"), ("reformer-pytorch forward", "reformer-pytorch", "#26a269", "-"),
                ("pytorch forward", "PyTorch's full attention", "#77767b", "-")],
    "training step": [("lsh nothing", "ours, keep nothing", "#c01c28", "-"), ("lsh everything", "ours, keep everything", "#e66100", "-"),
                      ("full everything", "our full attention, keep everything", "#e66100", ":"), ("transformers step", "transformers' Reformer", "#1c71d8", "-"),
                      ("reformer-pytorch step", "reformer-pytorch", "#26a269", "-"), ("pytorch step", "PyTorch's full attention", "#77767b", "-")],
}

SECTIONS = ["crossover", "flat", "peers"]  # of two with the same point the later one counts: what was measured beside the others


def draw(run, path):
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "reformer", "font.size": 9, "font.family": "sans-serif"})
    measured = {point["what"] for point in run["points"] if point["seconds"] and point["section"] in SECTIONS}
    shown = {title: lines for title, lines in LINES.items() if any(line[0] in measured for line in lines)}
    if not shown:
        sys.exit("plot: nothing to draw; wanted points of the sections %s" % ", ".join(SECTIONS))
    figure, panels = plt.subplots(1, len(shown), figsize=(5 * len(shown), 4.2), layout="constrained", squeeze=False)
    for panel, (title, lines) in zip(panels[0], shown.items()):
        lengths, speeds = set(), []
        for what, name, color, style in lines:
            found = {}
            for section in SECTIONS:
                found.update((point["length"], point["length"] / statistics.median(point["seconds"])) for point in run["points"]
                             if point["what"] == what and point["section"] == section and point["seconds"])
            if found:
                lengths |= set(found)
                speeds += found.values()
                panel.plot(sorted(found), [found[length] for length in sorted(found)], style, marker="o", markersize=3, color=color, label=name)
        panel.set(title=title, xlabel="tokens in the sequence", ylabel="tokens/s", xscale="log", yscale="log")
        panel.xaxis.set_major_locator(FixedLocator(sorted(lengths)[::-2] if len(lengths) > 7 else sorted(lengths)))
        panel.xaxis.set_minor_locator(NullLocator())
        ticks = [digit * 10 ** power for power in range(1, 7) for digit in (1, 2, 5)]
        panel.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if min(speeds) / 2 < tick < max(speeds) * 2]))
        panel.yaxis.set_minor_locator(NullLocator())
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: format(int(value), ",d")))
        panel.set_ylim(bottom=min(speeds) / 3)  # room for the legend
        panel.grid(True, color="#deddda", linewidth=0.6)
        panel.legend(fontsize=8, frameon=False, loc="lower left", ncols=2)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
