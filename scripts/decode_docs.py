"""Write the tables of docs/decode.md from the rows that `instseg benchmark decode --json FILE` measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from napari_instseg.benchmarks.decode import Row, read_rows

PAGE = Path(__file__).resolve().parent.parent / "docs" / "decode.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
SAMPLES_BEGIN, SAMPLES_END = "<!-- samples -->", "<!-- end of samples -->"
SAMPLE_COLUMNS = (
    *("model", "sample", "objects", "dimensions", "cold, median ms", "95 % ms"),
    *("slowest slider", "median ms", "95 % ms"),
)
COLUMNS = ("decoder", "what", "median ms", "95 % ms", "processor ms", "found", "ARI", "MiB")


def tables(rows: Sequence[Row]) -> str:
    """Return one table for each size, number of objects and number of dimensions."""
    text = []
    by_case = sorted((row for row in rows if not row.sample), key=_case)
    for (size, objects, dims), group in groupby(by_case, _case):
        text.append(f"### {size} x {size} pixels, {objects} objects, {dims} dimensions\n")
        text.append(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        before = ""
        for row in group:
            name = "" if row.subject == before else f"`{row.subject}`"
            before = row.subject
            text.append(f"| {' | '.join((name, row.what, *_numbers(row)))} |")
        text.append("")
    return "\n".join(text)


def samples(rows: Sequence[Row]) -> str:
    """Return one table of the shipped models on samples, a line each."""
    lines = [f"| {' | '.join(SAMPLE_COLUMNS)} |\n|{'---|' * len(SAMPLE_COLUMNS)}"]
    by_model = groupby((row for row in rows if row.sample), lambda row: row.subject)
    return "\n".join(lines + [_of_sample(list(group)) for _, group in by_model])


def _of_sample(rows: Sequence[Row]) -> str:
    """Return a line of a model: cold, and the slider that takes longest."""
    cold = next(row for row in rows if row.what == "cold")
    slowest = max((row for row in rows if row.what != "cold"), key=lambda row: row.median)
    about = (f"`{cold.subject}`", f"`{cold.sample}`, {cold.size} px", str(cold.objects), str(cold.dims or ""))
    times = [_brief(1000 * value) for value in (cold.median, cold.p95, slowest.median, slowest.p95)]
    return f"| {' | '.join((*about, *times[:2], f'`{slowest.what}`', *times[2:]))} |"


def _case(row: Row) -> tuple[int, int, int]:
    return row.size, row.objects, row.dims


def _numbers(row: Row) -> tuple[str, ...]:
    times = tuple(_brief(1000 * value) if value is not None else "" for value in (row.median, row.p95, row.cpu))
    found = "" if row.found is None else str(row.found)
    agreement = "" if row.agreement is None else f"{row.agreement:.4f}"
    return (*times, found, agreement, "" if row.mebibytes is None else _brief(row.mebibytes))


def _brief(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def main() -> None:
    """Put the tables between their marks of the page; those that the file has no rows of stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path)
    rows = read_rows(parser.parse_args().json)
    page = PAGE.read_text("utf-8")
    if any(not row.sample for row in rows):
        page = _between(page, BEGIN, END, tables(rows))
    if any(row.sample for row in rows):
        page = _between(page, SAMPLES_BEGIN, SAMPLES_END, samples(rows))
    PAGE.write_text(page, "utf-8")


def _between(page: str, begin: str, end: str, made: str) -> str:
    head, rest = page.split(begin)
    return f"{head}{begin}\n\n{made}\n{end}{rest.split(end)[1]}"


if __name__ == "__main__":
    main()
