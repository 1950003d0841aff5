# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes that compare.py asks by turns; turns.py is their other side."""
import json
import os
import select
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PRESET = os.path.join(TOP, "libreformer", "models", "presets", "bench-lsh.json")
TOO_LONG = 1800  # seconds for one answer


class Lost(Exception):
    """A process ended, or did not answer in time."""


class Worker:
    def __init__(self, build, python, key, length, threads):
        kind, mode = key.split()
        environment = dict(os.environ)
        cores = sorted(os.sched_getaffinity(0))[:threads]
        if kind in ("lsh", "full", "layer"):
            library = os.path.join(os.path.abspath(build), "libreformer")
            environment.update(
                GI_TYPELIB_PATH=library, LD_LIBRARY_PATH=library,
                PYTHONPATH=os.path.join(TOP, "bindings", "python"), POCL_MAX_PTHREAD_COUNT=str(threads), POCL_CPU_MAX_CU_COUNT=str(threads))
            command = ["/usr/bin/python3", os.path.join(HERE, "ours.py"), kind, "nothing" if mode == "step" else mode, str(length)]
        else:
            for name in ("PYTHONPATH", "LD_LIBRARY_PATH"):
                environment.pop(name, None)
            command = [python, os.path.join(HERE, "peers.py"), kind, mode, str(length), str(threads), PRESET]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.about = self.read()

    def read(self):
        if not select.select([self.process.stdout], [], [], TOO_LONG)[0]:
            self.process.kill()
            raise Lost("no answer in %d s" % TOO_LONG)
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.errors.seek(0)
            lines = self.errors.read().decode(errors="replace").strip().splitlines()
            raise Lost("ended with status %d%s" % (status, ": " + lines[-1] if lines else ""))
        return json.loads(line)

    def ask(self, what):
        try:
            self.process.stdin.write(what.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.read()

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self.errors.close()
