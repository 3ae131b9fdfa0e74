#!/usr/bin/env python3
"""Builds random small ONNX models and compares quern with ONNX Runtime: the float network, the package, and both exports.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/fuzz_graphs.py --count 300
    venv/bin/python scripts/differential/fuzz_graphs.py --seed 7 --count 10000 --save failures
    venv/bin/python scripts/differential/fuzz_graphs.py --seed 7 --only 4711 --save failures    # repeats one model

Needs a release build. quern must compute the same outputs as ONNX Runtime (equal), or refuse the model with a message and exit
status 64 or 65. Everything else is a failure: WRONG if outputs differ, CRASH if quern exits with another status or exports an
invalid model. A model that fails is simplified as long as it fails in the same way; --save stores the simplest one and the
command that reproduces the failure. A model is determined by the seed and its number. Exit status: 1 if any model failed.
"""
import argparse
import collections
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time

import onnx

from graphs.choices import Choices, shrink
from graphs.judge import Bench, judge
from graphs.network import random_network

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
QUERN = os.path.join(ROOT, ".build", "release", "quern")


def trial(seed, number, bench, replay=None):
    """Builds one model and returns the verdict on it. Equal arguments give equal results."""
    choices = Choices(seed=f"{seed}/{number}", replay=replay)
    plan = choices.pick(["fast", "fast", "fast", "balanced", "balanced", "thorough", "strict"])
    network = random_network(choices, number)
    return choices, network, judge(network, bench, plan), plan


def start(quern, parent):
    """Creates the folder of a process of the pool."""
    global bench
    bench = Bench(quern, tempfile.mkdtemp(dir=parent))


def work(job):
    seed, number = job
    _, network, verdict, _ = trial(seed, number, bench)
    return number, verdict, network.exotic


def simplify(job):
    """Simplifies a failing model; returns the simplest one, its verdict, and how to run it."""
    seed, number, signature = job
    choices, network, verdict, plan = trial(seed, number, bench)
    found = {tuple(choices.made): (network, verdict, plan)}

    def attempt(sequence):
        choices, network, verdict, plan = trial(seed, number, bench, replay=sequence)
        if not verdict.failed or verdict.signature != signature:
            return None
        found[tuple(choices.made)] = (network, verdict, plan)
        return choices

    best = shrink(choices, attempt)
    network, verdict, plan = found[tuple(best.made)]
    return number, network, verdict, plan, best.made


def describe(network, verdict, plan, seed, number, made):
    nodes = [f"{node.op_type} {node.name!r} {list(node.input)} -> {list(node.output)} "
             + " ".join(f"{a.name}={onnx.helper.get_attribute_value(a)}" for a in node.attribute if a.name != "value")
             for node in network.model.graph.node]
    return {"verdict": verdict.kind, "stage": verdict.stage, "detail": verdict.detail, "seed": seed, "number": number,
            "opset": network.model.opset_import[0].version, "options": network.options, "plan": plan,
            "images": "x".join(map(str, network.extent)), "embedding": network.embedding, "logits": network.logits,
            "outputs": [output.name for output in network.model.graph.output], "nodes": nodes, "exotic": network.exotic,
            "choices": made}


def save(folder, name, network, description):
    os.makedirs(folder, exist_ok=True)
    onnx.save(network.model, os.path.join(folder, f"{name}.onnx"))
    with open(os.path.join(folder, f"{name}.json"), "w") as file:
        json.dump(description, file, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quern", default=QUERN)
    parser.add_argument("--seed", type=int, help="(default: a random one, which is printed)")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--only", type=int, metavar="N", help="run model number N alone")
    parser.add_argument("--save", metavar="FOLDER", help="for the models that fail")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shrinks", type=int, default=2, metavar="N", help="of failures of one kind, simplify N")
    parser.add_argument("--refusals", type=int, default=12, metavar="N", help="print the N most frequent refusals")
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    numbers = range(options.count) if options.only is None else [options.only]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quern-fuzz-") as parent:
        with multiprocessing.Pool(options.processes, start, [os.path.abspath(options.quern), parent]) as pool:
            failures = run_all(pool, seed, numbers, options, begun)
    sys.exit(1 if failures else 0)


def run_all(pool, seed, numbers, options, begun):
    kinds, refusals, discards, failures = (collections.Counter(), collections.Counter(), collections.Counter(),
                                           collections.defaultdict(list))
    drifts, examples, exotic_equal = [], {}, 0
    for number, verdict, exotic in pool.imap_unordered(work, [(seed, number) for number in numbers]):
        kind = "refused, and may be" if verdict.kind == "refused" and exotic else verdict.kind
        kinds[kind] += 1
        exotic_equal += bool(exotic) and kind == "equal"
        if kind == "refused":
            refusals[verdict.signature[1:]] += 1
            examples.setdefault(verdict.signature[1:], number)
        if kind == "discarded":
            discards[verdict.signature[1:]] += 1
        if verdict.drift > 0.05:
            drifts.append((verdict.drift, number))
        if verdict.failed:
            failures[verdict.signature].append((number, verdict))
    total = sum(kinds.values()) - kinds["discarded"]
    for (stage, message), count in refusals.most_common(options.refusals):
        print(f"  refused {count:5} ({count / max(total, 1):.1%}), first model {examples[stage, message]}, {stage}: "
              f"{message[:150]}")
    for (stage, message), count in discards.most_common(3):
        print(f"  discarded {count:3}  {stage}: {message[:150]}")
    if drifts:
        print(f"  drift above 0.05: {len(drifts)} packages, the largest of models "
              + ", ".join(f"{number} ({drift:.2f})" for drift, number in sorted(drifts, reverse=True)[:8]))
    jobs = []
    print(f"  steps that may be refused: {kinds['refused, and may be']} refused, {exotic_equal} read")
    for signature, found in sorted(failures.items(), key=lambda item: -len(item[1])):
        print(f"{signature[0]} {len(found):4}  {signature[1]}: {signature[2][:200]}; models "
              + ", ".join(str(number) for number, _ in sorted(found)[:8]))
        jobs += [(seed, number, signature) for number, _ in sorted(found)[:options.shrinks]]
    sys.stdout.flush()
    seen = {}
    for number, network, verdict, plan, made in pool.imap_unordered(simplify, jobs):
        form = verdict.signature, tuple((node.op_type, tuple(sorted(a.name for a in node.attribute)))
                                        for node in network.model.graph.node)
        if form in seen:
            print(f"\nmodel {number} is simplified to the form of model {seen[form]}")
            continue
        seen[form] = number
        description = describe(network, verdict, plan, seed, number, made)
        print(f"\n{verdict.kind} {verdict.stage}: {verdict.detail}")
        print(f"  model {number} simplified, opset {description['opset']}, "
              f"{' '.join(network.options)}, {plan}, images {description['images']}")
        for node in description["nodes"]:
            print(f"    {node}")
        print(f"    outputs {description['outputs']}; embedding {network.embedding}, logits {network.logits}", flush=True)
        if options.save:
            save(options.save, f"{verdict.kind}-{verdict.stage.replace(' ', '-')}-{seed}-{number}", network, description)
    print("; ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) +
          f"; {time.monotonic() - begun:.0f} s; refused {kinds['refused'] / max(total, 1):.1%} of what may not be")
    return failures


if __name__ == "__main__":
    main()
