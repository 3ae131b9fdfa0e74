"""What scripts/coverage measured, as Markdown."""
import networks

COMPETITORS = {"onnxruntime": "ONNX Runtime", "openvino": "NNCF"}


def table(header, rows):
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [header, ["---"] * len(header), *rows])


def number(figures, key, form):
    if key not in figures:
        return "error" if "error" in figures else ""
    return format(figures[key], form)


def forms(results):
    def cell(figures):
        if not figures.get("read"):
            return "no"
        error = figures.get("float_error")
        return ("yes" if error is None else f"{error:.1e}") + (", another embedding" if "error" in figures else "")
    rows = [[result["name"], *(cell(result["forms"][form]) for form in networks.FORMS)] for result in results if "forms" in result]
    return table(["float error of logits", *networks.FORMS], rows)


def int8(results):
    measures = [("mean drift", "mean_drift", ".5f", 1), ("p99", "p99_drift", ".5f", 1), ("agreement, %", "agreement", ".1f", 100),
                ("decisive, %", "decisive_agreement", ".1f", 100), ("top-1, %", "top1", ".1f", 100), ("MB", "package_bytes", ".2f", 1e-6)]
    rows, labelled = [], any("float_top1" in result for result in results)
    measures = [measure for measure in measures if labelled or measure[1] != "top1"]
    for result in results:
        for index, (name, figures) in enumerate(result.get("int8", {}).items()):
            cells = ["error" if "error" in figures else format(figures[key] * factor, form) if key in figures else ""
                     for _, key, form, factor in measures]
            title = result["name"] + (f" (float top-1 {100 * result['float_top1']:.1f} %)" if "float_top1" in result else "")
            rows.append([title if index == 0 else "", COMPETITORS.get(name, f"Quern, {name}"), *cells])
    return table(["network", "int8 by", *(title for title, *_ in measures)], rows)


def export(results):
    rows = []
    for result in results:
        for variant, figures in result.get("export", {}).items():
            equal = "yes" if figures.get("equal") else "no"
            rows.append([result["name"], variant, equal, number(figures, "largest_difference", ".1e")])
    return table(["network", "variant", "export equals the package", "largest difference"], rows)


def time(results):
    rows = []
    for result in results:
        for figures in result.get("time", []):
            if "error" in figures:
                rows.append([result["name"], "", "", "", "error", "", ""])
            else:
                cells = " / ".join(f"{figures[name]:.2f}" for name in ("quern", *COMPETITORS))
                rows.append([result["name"], figures["variant"], figures["threads"], figures["batch"], cells, f"{figures['ratio']:.2f}",
                             f"{figures['spread']:.2f}"])
    return table(["network", "variant", "threads", "batch", "int8 ms per image, Quern / ONNX Runtime / OpenVINO", "ratio", "spread"], rows)


def errors(value, path=()):
    """Every message in the results, with where it is."""
    if isinstance(value, dict):
        if "error" in value:
            yield " ".join(map(str, path)), value["error"]
        for key, child in value.items():
            yield from errors(child, (*path, key))
    elif isinstance(value, list):
        for child in value:
            yield from errors(child, path)


def markdown(report):
    results = report["networks"]
    parts = [report["about"]]
    parts += [make(results) for key, make in (("forms", forms), ("int8", int8), ("export", export), ("time", time))
              if any(key in result for result in results)]
    messages = [f"- {result['name']}, {where}: {message}" for result in results for where, message in errors(
        {key: value for key, value in result.items() if key != "name"})]
    return "\n\n".join(parts + (["\n".join(["Errors:", "", *dict.fromkeys(messages)])] if messages else [])) + "\n"
