#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ours and other libraries on the same work, by turns in one run: how many times as fast, in how much memory. Writes Markdown and a plot.

Every point (a library, forward or a training step, a length) is a process of its own, so that the peak of its memory is the point's. The processes of one
length live side by side and are asked in turn; what else the machine does then hits all of them. A ratio is the median of the turns' ratios, with the
smallest and the largest. The others get a Python of their own in build/peers. Nothing else should run meanwhile.

    tests/bench/compare.py --output docs/performance.md --plot docs/performance-tokens.svg      about 40 minutes on two cores
    tests/bench/compare.py --quick                                                              about 5 minutes
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time

import report
from worker import Lost, Worker

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PACKAGES = ["torch==2.13.0", "transformers==5.23.0", "reformer-pytorch==1.4.4", "safetensors", "sentencepiece==0.2.3", "numpy", "matplotlib", "scikit-learn"]
PEERS = ["transformers", "reformer-pytorch", "pytorch"]
SECTIONS = ["peers", "crossover", "layer", "flat", "cores"]
PLOTTED = ["peers", "crossover", "flat"]
MODES = ["forward", "step"]

# The longest sequence that a library is asked for: beyond, it is too slow or too large. In --quick the second number.
LONGEST = {
    "lsh forward": (1 << 20, 16384), "lsh nothing": (1 << 20, 16384), "lsh everything": (16384, 16384),
    "full forward": (16384, 4096), "full everything": (16384, 4096),
    "transformers forward": (262144, 16384), "transformers step": (65536, 16384),
    "reformer-pytorch forward": (16384, 4096), "reformer-pytorch step": (16384, 4096),
    "pytorch forward": (65536, 16384), "pytorch step": (16384, 4096),
}
PAUSE = 0.3  # seconds; threads that wait for work spin for a while


def note(text):
    print("%s %s" % (time.strftime("%H:%M:%S"), text), file=sys.stderr, flush=True)


def measure(options, section, entries):
    """Asks the entries (what, length, threads) by turns; returns what became of each: the result for the report."""
    workers, points = {}, {}
    begin = time.monotonic()
    for entry in entries:
        points[entry] = {"section": section, "what": entry[0], "length": entry[1], "threads": entry[2], "seconds": []}
    try:
        def lose(entry, error):
            points[entry]["lost"] = str(error)
            points[entry]["seconds"] = []
            note("%s, %d tokens: left out: %s" % (entry[0], entry[1], error))
            if entry in workers:
                workers.pop(entry).end()

        for entry in entries:
            try:
                workers[entry] = Worker(options.build, options.python, *entry)
                points[entry].update(workers[entry].about, threads=entry[2])
            except Lost as error:
                lose(entry, error)
        repeats = options.repeats or options.turns.get(section, options.turns["others"])
        for turn in range(repeats + 1):
            took = time.monotonic()
            for entry in list(workers)[::-1 if turn % 2 else 1]:
                time.sleep(PAUSE)
                try:
                    answer = workers[entry].ask("turn")
                except Lost as error:
                    lose(entry, error)
                    continue
                points[entry]["seconds"].append(answer["seconds"])
                if answer["loss"] is not None and not 0 < answer["loss"] < 8:
                    sys.exit("compare: the loss of %s is %g; an untrained model of 256 bytes has about 5.6" % (entry[0], answer["loss"]))
            took = time.monotonic() - took
            if turn == 0 and took < options.long:
                # the first turn compiles, and gets memory; where a turn is long that does not matter
                for point in points.values():
                    point["seconds"] = []
            done = max((len(point["seconds"]) for point in points.values()), default=0)
            if done >= repeats or (done >= min(repeats, options.least) and time.monotonic() - begin > options.seconds):
                break
        for entry in list(workers):
            try:
                points[entry].update(workers[entry].ask("end"))
            except Lost as error:
                lose(entry, error)
    finally:
        for worker in workers.values():
            worker.end()
    for entry, point in points.items():
        if point["seconds"]:
            note("%s, %d tokens: %.0f tokens/s, %.0f MiB, %d turns" % (entry[0], entry[1], entry[1] / report.median(point["seconds"]), point["mib"], len(point["seconds"])))
            if entry[0].split()[1] in ("nothing", "everything", "step") and point["with_gradients"] < point["tensors"] - 1:
                sys.exit("compare: %s computed %d of %d gradients" % (entry[0], point["with_gradients"], point["tensors"]))
    return list(points.values())


def plan(options):
    """The lists of entries that are measured side by side: (section, entries)."""
    threads = options.threads
    kinds = {"forward": ["lsh forward", "full forward"], "step": ["lsh nothing", "lsh everything", "full everything"]}
    limit = 1 if options.quick else 0

    def fits(key, length):
        return length <= LONGEST[key][limit]

    for mode in options.modes:
        for length in options.lengths if "peers" in options.sections else []:
            keys = kinds[mode] + ["%s %s" % (peer, mode) for peer in options.peers]
            yield "peers", [(key, length, threads) for key in keys if fits(key, length)]
        if "crossover" in options.sections:
            for length in [256, 512, 1024, 2048] + ([] if options.quick else [4096, 8192]):
                keys = ["lsh " + ("forward" if mode == "forward" else "everything"), "full " + ("forward" if mode == "forward" else "everything")]
                yield "crossover", [(key, length, threads) for key in keys]
        if "layer" in options.sections:
            for length in [1024, 4096] if options.quick else [1024, 2048, 4096, 8192, 16384]:
                yield "layer", [("layer " + mode, length, threads), ("pytorch-layer " + mode, length, threads)]
        key = "lsh forward" if mode == "forward" else "lsh nothing"
        if "flat" in options.sections:
            lengths = [4096, 16384] if options.quick else [16384, 65536]
            if options.million:
                lengths = [16384, 65536, 1 << 20]
            yield "flat", [(key, length, threads) for length in lengths]
        if "cores" in options.sections and threads > 1:
            length = 4096 if options.quick else 16384
            yield "cores", [(key, length, threads), (key, length, 1)]


def prepare(options):
    """The Python of the others, with a venv where there is none."""
    if not os.path.exists(options.python):
        subprocess.run(["/usr/bin/python3", "-m", "venv", os.path.dirname(os.path.dirname(options.python))], check=True)
    frozen = subprocess.run([options.python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    have = dict(line.lower().replace("_", "-").split("+")[0].split("==") for line in frozen.splitlines() if line.count("==") == 1)
    missing = [package for package in PACKAGES if have.get(package.split("==")[0], "") != (package.split("==") + [have.get(package, "none")])[1]]
    if missing:
        note("installing %s" % ", ".join(missing))
        subprocess.run([options.python, "-m", "pip", "install", "-q"] + missing, check=True)


def describe_machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(next(line for line in file if line.startswith("MemTotal")).split()[1])
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "")
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return "%s, %d cores with %s, %.0f GiB, %s %s" % (names[0] if names else platform.machine(), os.cpu_count(), vectors, memory / 2 ** 20,
                                                      platform.system(), platform.release().split("-")[0])


def describe_commit():
    try:
        return subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def choose(text, allowed, what):
    chosen = text.split(",")
    for one in chosen:
        if one not in allowed:
            raise argparse.ArgumentTypeError("%s “%s”; wanted one of %s" % (what, one, ", ".join(allowed)))
    return chosen


def length_list(text):
    try:
        lengths = sorted({int(length) for length in text.split(",")})
    except ValueError:
        lengths = [0]
    if lengths[0] < 256 or any(length & (length - 1) for length in lengths):
        raise argparse.ArgumentTypeError("lengths “%s”; wanted powers of two from 256 on, with commas" % text)
    return lengths


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short lengths and few turns")
    parser.add_argument("--lengths", type=length_list, help="of the comparison with the others (default: 1024,4096,16384,65536)")
    parser.add_argument("--sections", type=lambda text: choose(text, SECTIONS, "section"), default=SECTIONS, help="of " + ", ".join(SECTIONS))
    parser.add_argument("--modes", type=lambda text: choose(text, MODES, "mode"), default=MODES, help="of " + ", ".join(MODES))
    parser.add_argument("--peers", type=lambda text: choose(text, PEERS, "library"), default=PEERS, help="of " + ", ".join(PEERS))
    parser.add_argument("--repeats", type=int, help="turns of every point (default: 5, one core against several 9; 3 where they take long)")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))), help="cores for each (default: 2)")
    parser.add_argument("--million", action="store_true", help="also 1,048,576 tokens, ours alone: half an hour more")
    parser.add_argument("--check", action="store_true", help="exit status 1 where a mark is missed")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help="build folder of ours")
    parser.add_argument("--python", default=os.path.join(TOP, "build", "peers", "bin", "python"), help="Python of the others")
    parser.add_argument("--output", metavar="FILE.md", help="where the Markdown goes, besides standard output: between the marks if the file has them")
    parser.add_argument("--plot", metavar="FILE.svg", help="tokens/s against length")
    parser.add_argument("--json", metavar="FILE", help="where every turn of every point goes (default: compare.json in the build folder)")
    parser.add_argument("--prepare", action="store_true", help="measure nothing, install the other libraries")
    parser.add_argument("--again", action="store_true", help="measure nothing, write what is in the file of --json")
    options = parser.parse_args()
    options.lengths = options.lengths or ([1024, 4096, 16384] if options.quick else [1024, 4096, 16384, 65536])
    options.long = 10 if options.quick else 40
    options.seconds = 10 if options.quick else 150
    options.least = 2 if options.quick else 3
    # one core against several is wanted within a few per cent, and a turn is short
    options.turns = {"others": 2} if options.quick else {"others": 5, "cores": 9}
    if options.plot and not options.again and not set(options.sections) & set(PLOTTED):
        parser.error("--plot draws the sections %s; --sections has none of them" % ", ".join(PLOTTED))
    options.json = options.json or os.path.join(options.build, "compare.json")
    return options


def run_all(options):
    """Measures all points; what there is after each goes to the file, so that nothing is lost with a run that is cut short."""
    prepare(options)
    started = time.monotonic()
    for key in ("lsh forward", "lsh everything", "full everything", "layer step"):
        # kernels are compiled here, not in a process whose memory counts
        worker = Worker(options.build, options.python, key, 1024, options.threads)
        worker.ask("turn")
        worker.end()
    run = {"date": datetime.date.today().isoformat(), "machine": describe_machine(), "commit": describe_commit(), "threads": options.threads,
           "command": "tests/bench/compare.py " + " ".join(sys.argv[1:]), "points": []}
    for section, entries in plan(options):
        run["points"] += measure(options, section, entries)
        run["minutes"] = (time.monotonic() - started) / 60
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(run, file, indent=1)
    return run


def main():
    options = parse()
    if options.prepare:
        prepare(options)
        return 0
    if options.again:
        with open(options.json, encoding="utf-8") as file:
            run = json.load(file)
    else:
        run = run_all(options)
    report.check_parameters(run["points"])
    text, missed = report.write(run, os.path.basename(options.plot) if options.plot else None)
    print(text)
    if options.output:
        report.put(options.output, text)
    if options.plot:
        subprocess.run([options.python, os.path.join(HERE, "plot.py"), options.plot], input=json.dumps(run), text=True, check=True)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
