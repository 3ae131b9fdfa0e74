#!/usr/bin/env python3
"""Prints a GitHub annotation for each failed gate of a fidelity report, or for the error if there is no report, and appends the
figures to the file of a step's outputs."""
import argparse
import json
import os
import sys

# GitHub shows ten annotations of a kind for a step.
MAX_ANNOTATIONS = 10
TITLES = {"mean_drift": "mean drift", "max_drift": "max drift", "top1_agreement": "top-1 agreement",
          "decisive_agreement": "decisive agreement", "top1_drop": "top-1 drop", "float_top1": "float top-1",
          "neighbour_agreement": "neighbour agreement", "non_finite_images": "non-finite images",
          "package_bytes": "package bytes", "reference": "reference", "regression": "regression"}
MINIMUMS = {"top1_agreement", "decisive_agreement", "float_top1", "neighbour_agreement"}


def escaped(text, is_property=False):
    """Text for a workflow command, which ends at a line break, and whose properties end at a comma or a colon."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text


def annotation(kind, title, message):
    return f"::{kind} title={escaped(title, True)}::{escaped(message)}"


def gates(report):
    """Pairs of a size, or None, and a gate, each gate once."""
    if not report.get("sizes"):
        return [(None, gate) for gate in report["gates"]]
    common = [(None, gate) for gate in report["gates"] if gate["name"] in ("reference", "regression", "package_bytes")]
    return common + [(size["size"], gate) for size in report["sizes"] for gate in size["gates"]]


def message(report, gate):
    if gate["name"] == "regression" and report.get("baseline"):
        changes = [change for change in report["baseline"]["changes"] if is_regression(change)]
        names = [f"{TITLES[change['figure']]} {change['baseline']:.6g} to {change['value']:.6g}" for change in changes]
        return "worse than in the baseline: " + ", ".join(names) if names else "nothing could be compared with the baseline"
    if gate["name"] == "reference":
        check = report.get("reference_check") or {}
        return " ".join(check.get("findings", [])) or "the float network does not match its framework"
    if gate["value"] is None:
        return "not measured"
    relation = "at least" if gate["name"] in MINIMUMS else "at most"
    return f"{gate['value']:.6g}, must be {relation} {gate['limit']:.6g}"


def is_regression(change):
    interval = change.get("interval")
    if not interval:
        return False
    return interval["high"] < 0 if change["figure"] in MINIMUMS else interval["low"] > 0


def annotations(report):
    for size, gate in gates(report):
        if not gate["passed"]:
            at = f" at {size} px" if size else ""
            yield annotation("error", f"quern: {TITLES.get(gate['name'], gate['name'])}{at}", message(report, gate))
    if report["passed"] and report["verdict"] == "inconclusive":
        yield annotation("warning", "quern: inconclusive", "other images may give another answer; see the summary")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", required=True, help="the fidelity report in JSON, which may not exist")
    parser.add_argument("--log", required=True, help="what the command printed on stderr")
    parser.add_argument("--status", required=True, type=int, help="the command's exit status")
    parser.add_argument("--outputs", required=True, help="the file of outputs, which is appended to")
    options = parser.parse_args()
    outputs = {"verdict": "", "passed": "false", "package-sha256": "", "mean-drift": "", "report": "", "junit": ""}
    if os.path.exists(options.report) and os.path.getsize(options.report):
        with open(options.report, encoding="utf-8") as file:
            report = json.load(file)
        for line in list(annotations(report))[:MAX_ANNOTATIONS]:
            print(line)
        outputs.update({
            "verdict": report["verdict"], "passed": "true" if report["passed"] else "false",
            "package-sha256": (report.get("package") or {}).get("sha256", ""),
            "mean-drift": "" if report["drift"]["mean"] is None else f"{report['drift']['mean']:.9g}",
            "report": options.report, "junit": os.path.splitext(options.report)[0] + ".xml"})
    elif options.status:
        with open(options.log, encoding="utf-8", errors="replace") as file:
            errors = [line.split("rror: ", 1)[1].strip() for line in file if line.startswith(("quern: error: ", "Error: "))]
        print(annotation("error", "quern", errors[-1] if errors else f"quern ended with status {options.status}"))
    with open(options.outputs, "a", encoding="utf-8") as file:
        for name, value in outputs.items():
            file.write(f"{name}={value}\n".replace("\r", ""))


if __name__ == "__main__":
    sys.exit(main())
