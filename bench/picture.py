"""The report as a picture: CPU per call and added latency as multiples of nginx, from the JSON of one run.

`python -m bench.picture bench/results/STAMP.json docs/benchmark.svg`
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

_NGINX, _OURS, _LIMIT = "#94a3b8", "#7c3aed", "#dc2626"


def draw(result: dict[str, Any], file: Path) -> None:
    rows = {(row["scenario"], row["system"]): row["figures"] for row in result["rows"]}
    names = [name for name in dict.fromkeys(row["scenario"] for row in result["rows"]) if (name, "nginx") in rows]
    matplotlib.rcParams["svg.hashsalt"] = "medusa"  # the same figures make the same file
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.9 + 0.75 * len(names)), layout="constrained")
    places = range(len(names))
    for offset, system, colour in ((0.2, "nginx", _NGINX), (-0.2, "medusa", _OURS)):
        cpu = [rows[name, system]["cpu_us"] for name in names]
        p50 = [rows[name, system]["p50_ms"] for name in names]
        for axis, values, unit in ((left, cpu, "µs"), (right, p50, "ms")):
            bars = axis.barh([place + offset for place in places], values, 0.36, color=colour, label=system)
            axis.bar_label(
                bars,
                labels=[f"{value:,.1f}" if value < 10 else f"{value:,.0f} {unit}" for value in values],
                padding=3,
                fontsize=8,
            )
    limits = result.get("limits", {})
    for place, name in enumerate(names):
        if name in limits:
            at = limits[name] * rows[name, "nginx"]["cpu_us"]
            left.plot([at, at], [place - 0.42, place + 0.05], color=_LIMIT, linewidth=1.5)
            left.annotate(f"goal {limits[name]:g} ×", (at, place + 0.07), color=_LIMIT, fontsize=7, ha="center")
    for axis, title in ((left, "CPU per call, all processes (µs)"), (right, "latency, median (ms)")):
        axis.set_yticks(list(places), names if axis is left else [""] * len(names), fontsize=9)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.18)
    left.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("picture", type=Path)
    wish = parser.parse_args()
    draw(json.loads(wish.result.read_text()), wish.picture)


if __name__ == "__main__":
    main()
