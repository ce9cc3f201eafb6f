"""Checks a GPU: runs the steps of `cargo xtask gpu check`, each with a time limit of its own.

    python3 gpu_check.py --out FOLDER

Needs no network and nothing but Python's standard library; the comparison needs PyTorch,
Transformers, Sentence Transformers and onnx and is left out, which is said, where they are
missing. Every figure is written to FOLDER/figures.jsonl as soon as it is known and what the
programs say to FOLDER/log.txt; FOLDER/report.txt and FOLDER/report.json are written anew after
each step. The essentials run first, so that a check that is cut short has lost little.
"""

import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import gpu_report

HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = "128 tokens"
OTHERS = ["64 tokens", "256 tokens", "real lengths"]


def main():
    options = arguments()
    os.makedirs(options.out, exist_ok=True)
    scratch = None
    try:
        if options.contents:
            contents = os.path.abspath(options.contents)
        else:
            scratch = contents = tempfile.mkdtemp()
            with tarfile.open(os.path.join(HERE, "contents.tar.xz")) as archive:
                archive.extractall(contents, filter="data")
        cut_model(contents)
        check = Check(options, contents)
        for name, seconds, command in steps(options, contents):
            check.run(name, options.patience * seconds, command)
        print(check.report())
        if check.failed:
            sys.exit(f"these steps failed: {', '.join(check.failed)}; {options.out}/log.txt says why")
    finally:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--contents", help="folder with program, models and work.json [default: unpacked]")
    parser.add_argument("--devices", default="cuda:bf16,cuda", help="devices of Treffer, the most important first")
    parser.add_argument("--reference", default="cpu:candle", help="device whose results are right")
    parser.add_argument("--seconds", type=float, default=460.0, help="for all steps together")
    parser.add_argument("--quick", action="store_true", help="a second for each figure")
    options = parser.parse_args()
    # On a CPU, where the check is only tried, steps take as long as they take.
    options.patience = 10.0 if options.devices.startswith("cpu") else 1.0
    return options


def cut_model(contents):
    """Makes a model of half the layers; the weights of the others stay in its file, unread."""
    cross = os.path.join(contents, "models", "cross")
    half = os.path.join(contents, "models", "cross-6")
    if os.path.isdir(half):
        return
    shutil.copytree(cross, half)
    path = os.path.join(half, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["num_hidden_layers"] = min(6, config["num_hidden_layers"])
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)


def steps(options, contents):
    """Name, limit in seconds and command of each step, the essentials first."""
    seconds = 1.0 if options.quick else 4.0
    devices = options.devices.split(",")
    is_cpu = devices[0].startswith("cpu")
    ours = os.path.join(contents, "treffer-gpu")

    def treffer(device, step, budget=seconds):
        return [ours, json.dumps({"work": contents, "device": device, "seconds": budget, "step": step})]

    def speed(device, model, *sets):
        return treffer(device, {"speed": {"model": model, "sets": list(sets), "callers": 16}})

    def parity(device):
        pairs = 8 if options.quick else 100
        return treffer(device, {"parity": {"reference": options.reference, "pairs": pairs}})

    def shares(device):
        return treffer(device, {"shares": {"model": "cross"}})

    def torch(*words):
        script = [sys.executable, "-E", "-s", "-B", os.path.join(HERE, "gpu_torch.py")]
        common = ["--work", contents, "--device", "cpu" if is_cpu else "cuda", "--seconds", str(seconds)]
        return [*script, *words, *common, *(["--queries", "2"] if options.quick else [])]

    first = devices[0]
    essential = [(f"parity {device}", 60, parity(device)) for device in devices]
    for device in devices:
        for model in ["cross-6", "cross"]:
            essential.append((f"speed {model} {device}", 30, speed(device, model, SHORT)))
    rerank = {"rerank": {"reference": options.reference}}
    essential += [
        ("torch cross-6", 70, torch("--model", "cross-6", "--sets", SHORT)),
        (f"documents {first}", 30, treffer(first, "documents")),
        ("torch cross", 60, torch("--model", "cross", "--sets", SHORT)),
    ]
    more = [
        (f"rerank {first}", 80, treffer(first, rerank, 2.0 if options.quick else 30.0)),
        (f"shares {first}", 30, shares(first)),
        (f"others {first}", 60, speed(first, "cross", *OTHERS)),
        ("torch documents", 70, torch("--only", "documents")),
        ("torch others", 90, torch("--model", "cross", "--sets", ",".join(OTHERS))),
    ]
    for device in devices[1:]:
        more += [(f"shares {device}", 30, shares(device)), (f"documents {device}", 30, treffer(device, "documents"))]
    return [("what the machine is", 10, ["nvidia-smi"])] * (not is_cpu) + essential + more


class Check:
    """The figures so far, and how more are made."""

    def __init__(self, options, contents):
        self.out, self.quick = options.out, options.quick
        self.end = time.monotonic() + options.patience * options.seconds
        self.environment = environment()
        self.figures, self.failed = [], []
        self.log = open(os.path.join(options.out, "log.txt"), "w", encoding="utf-8")
        self.lines = open(os.path.join(options.out, "figures.jsonl"), "w", encoding="utf-8")

    def run(self, name, seconds, command):
        """Runs a step and keeps what it printed."""
        left = self.end - time.monotonic()
        if left < 5:
            self.keep({"step": "left out", "name": name})
            return
        print(f"== {name}", flush=True)
        self.log.write(f"== {name}: {' '.join(command)}\n")
        self.log.flush()
        begin = time.monotonic()
        memory = Memory()
        try:
            ended = self.follow(command, min(seconds, left))
        except FileNotFoundError as error:
            ended = str(error)
        figure = {"step": "done", "name": name, "seconds": round(time.monotonic() - begin, 1), "ended": ended}
        peak = memory.stop()
        if peak:
            figure |= peak
        self.keep(figure)
        if ended != "well":
            self.failed.append(name)
            print(f"   {ended}", flush=True)
        self.report()

    def follow(self, command, seconds):
        """Reads a program's output until it ends or its time is up; says how it ended."""
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment, start_new_session=True
        )
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        begin = time.monotonic()
        try:
            for line in process.stdout:
                self.understand(line)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
        if code == 0:
            return "well"
        if code == -9 and time.monotonic() - begin >= seconds - 0.5:
            return f"its time was up after {seconds:.0f} s"
        return f"exit code {code}"

    def understand(self, line):
        try:
            figure = json.loads(line)
        except ValueError:
            figure = None
        if not isinstance(figure, dict):
            self.log.write(line)
            return
        self.keep(figure)
        print("   " + gpu_report.line(figure), flush=True)

    def keep(self, figure):
        self.figures.append(figure)
        self.lines.write(json.dumps(figure) + "\n")
        self.lines.flush()
        self.log.flush()

    def report(self):
        """Writes the reports and returns the one for people."""
        text = gpu_report.report(self.figures, self.quick)
        with open(os.path.join(self.out, "report.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(self.out, "report.json"), "w", encoding="utf-8") as file:
            json.dump(self.figures, file, indent=1)
        return text


def environment():
    """Where the libraries of CUDA may lie: Python's packages, the driver's and a toolkit's folders."""
    packages = [os.path.join(entry, "nvidia", "cu13", "lib") for entry in sys.path if entry]
    folders = [*packages, "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/local/cuda/lib64"]
    folders += glob.glob("/usr/local/cuda-13*/lib64")
    known = os.environ.get("LD_LIBRARY_PATH")
    found = [folder for folder in folders if os.path.isdir(folder)] + ([known] if known else [])
    return os.environ | {"LD_LIBRARY_PATH": ":".join(found)}


class Memory:
    """Most memory of the first GPU in use while a step runs, and how busy it was, from nvidia-smi."""

    QUERY = ["--query-gpu=memory.used,utilization.gpu,power.draw", "--format=csv,noheader,nounits"]

    def __init__(self):
        self.peak = []
        try:
            self.process = subprocess.Popen(
                ["nvidia-smi", "--id=0", *self.QUERY, "--loop-ms=250"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError:
            self.process = None
            return
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            try:
                self.peak.append([float(value) for value in line.split(",")])
            except ValueError:  # such as [N/A]
                continue

    def stop(self):
        if not self.process:
            return None
        self.process.kill()
        self.process.wait()
        self.thread.join(2)
        if not self.peak:
            return None
        most = [max(column) for column in zip(*self.peak)]
        return dict(zip(["gpu_mib", "gpu_percent", "gpu_watt"], most))


if __name__ == "__main__":
    main()
