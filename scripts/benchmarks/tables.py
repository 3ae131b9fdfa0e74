"""Figures of Quern and its peers as Markdown."""
import statistics
import sys


class Table:
    """A row for each setting; for each measure a column of medians, Quern / ONNX Runtime / OpenVINO, and one of the ratio to the
    better peer."""

    def __init__(self, keys, measures, digits):
        self.keys, self.measures, self.digits, self.rows = keys, measures, digits, []

    def add(self, keys, samples):
        """`samples`: for each competitor, Quern first, a dictionary of measures for each round."""
        cells = [str(key) for key in keys]
        for measure in self.measures:
            values = [[figures[measure] for figures in rounds] for rounds in samples.values()]
            ratio = statistics.median(ours / min(theirs) for ours, *theirs in zip(*values))
            cells += [" / ".join(f"{statistics.median(v):.{self.digits}f}" for v in values), f"{ratio:.2f}"]
        self.rows.append(cells)
        # Progress.
        print(*self.measures.values(), *cells, sep=" | ", file=sys.stderr, flush=True)

    def markdown(self):
        header = self.keys + [cell for title in self.measures.values() for cell in (title, "ratio")]
        lines = [header, ["---"] * len(header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
