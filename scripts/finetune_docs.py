"""Put what `instseg benchmark finetune --json FILE` measured into docs/notebook/retraining.md: a table and its curves.

Run as `python scripts/finetune_docs.py NAME FILE...`; the rows of all files are taken together, of a later file in the
place of the same ones of an earlier one. What stands between `<!-- NAME -->` and `<!-- end -->` is replaced. The rows
that the page shows are kept in `docs/measured`, with the day of each, which names the rules by which it learnt.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"

Rows = dict[tuple[str, str, int, int, int], dict[float, dict[str, Any]]]
"""By model, what it learnt from, number of objects, goes and seed: the rows by minutes."""


def read(files: list[str]) -> tuple[dict[str, dict[str, Any]], Rows]:
    """Return the rows before learning, by model, and all others."""
    before: dict[str, dict[str, Any]] = {}
    rows: Rows = defaultdict(dict)
    for path in files:
        for row in json.loads(Path(path).read_text(encoding="utf-8")):
            if row["objects"]:
                kind = (row["model"], row["start"], row["objects"], row.get("goes", 1), row.get("seed", 0))
                rows[kind][row["minutes"]] = row
            else:
                before[row["model"]] = row
    return before, dict(sorted(rows.items()))


def table(before: dict[str, dict[str, Any]], rows: Rows) -> str:
    """Write all as a table of Markdown."""
    times = sorted({minutes for of in rows.values() for minutes in of})
    lines = [
        "| learnt from | objects | "
        + " | ".join(f"{m:g} min" for m in times)
        + " | old kind before | lowest after | measured |",
        "|---|---|" + "---|" * (len(times) + 3),
    ]
    for model, row in before.items():
        lines.append(f"| `{model}`, as it is | 0 |{f' {_both(row)} |' * len(times)} {_score(row, 'old_before')} | | |")
    for (model, start, objects, goes, seed), of in rows.items():
        last = of[max(of)]
        cells = [_both(of[m]) if m in of else "" for m in times]
        source = f"`{model}`" if start == "the model" else f"random weights of `{model}`"
        lowest = min(of.values(), key=lambda row: row["old_after"] or 0.0)
        kept = f"{_score(last, 'old_before')} | {_score(lowest, 'old_after')}"
        count = _how(objects, goes, seed)
        lines.append(f"| {source} | {count} | {' | '.join(cells)} | {kept} | {last.get('day', '')} |")
    return "\n".join(lines)


def _how(objects: int, goes: int, seed: int) -> str:
    return f"{objects}" + (f" in {goes} goes" if goes > 1 else "") + (f", seed {seed}" if seed else "")


def _both(row: dict[str, Any]) -> str:
    return f"{row['mean_ap']:.3f} ({row['ap_50']:.3f})"


def _score(row: dict[str, Any], name: str) -> str:
    return "" if row[name] is None else f"{row[name]:.3f}"


def draw(before: dict[str, dict[str, Any]], rows: Rows, path: Path) -> None:
    """Draw mean AP over the minutes, one curve for each number of objects."""
    known = any(row["old_before"] is not None for row in before.values())
    lines = 0.2 * -(-len(rows) // 2) if len(rows) > 1 else 0
    figure = Figure(figsize=(7.5 if known else 4.0, 3.2 + lines), layout="constrained")
    FigureCanvasAgg(figure)
    left, *others = figure.subplots(1, 2 if known else 1, squeeze=False)[0]
    for (model, start, objects, goes, seed), of in rows.items():
        times = sorted(of)
        look = {"marker": "o", "markersize": 3, "linestyle": "-" if start == "the model" else "--"}
        begin = before[model] if start == "the model" else {"mean_ap": 0.0, "old_before": None}
        name = _how(objects, goes, seed) + ("" if start == "the model" else ", from nothing")
        name += f", {model.split('-')[0]}" if len(before) > 1 else ""
        (line,) = left.plot([0, *times], [begin["mean_ap"], *(of[m]["mean_ap"] for m in times)], label=name, **look)
        if of[times[-1]]["old_after"] is not None:
            lost = [0, *(of[m]["old_after"] - begin["old_before"] for m in times)]
            others[0].plot([0, *times], lost, color=line.get_color(), **look)
    left.set(xlabel="minutes", ylabel="mean AP", title="new kind, held out")
    left.set_ylim(bottom=0)
    if lines:
        figure.legend(
            loc="outside lower center", ncols=2, fontsize=7, title="corrected objects, method", title_fontsize=7
        )
    for right in others:
        right.axhline(-0.02, color="grey", linewidth=0.8, linestyle=":")
        right.set(xlabel="minutes", title="old kind, held out: change of mean AP")
    figure.savefig(path, dpi=110)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def main(name: str, files: list[str]) -> None:
    """Replace the section."""
    page, start, end = DOCS / "notebook" / "retraining.md", f"<!-- {name} -->\n", "<!-- end -->"
    text = page.read_text(encoding="utf-8")
    if start not in text:
        raise SystemExit(f"{page} has no line '{start.strip()}'; add it, and '{end}' below it.")
    before, rows = read(files)
    draw(before, rows, DOCS / "images" / f"retrain-{name}.png")
    head, rest = text.split(start)
    section = f"{table(before, rows)}\n\n![Mean AP over the minutes](../images/retrain-{name}.png)\n"
    page.write_text(head + start + section + rest[rest.index(end) :], encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
