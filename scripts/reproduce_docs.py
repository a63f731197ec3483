"""Put tables and pictures that `instseg reproduce NAME --out FOLDER` wrote into docs/reproduce.md and docs/images.

Run as `python scripts/reproduce_docs.py FOLDER`. What stands between `<!-- NAME -->` and `<!-- end -->` is replaced for
each experiment that the folder holds; all else in the page is left as it is.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"
LARGEST = 300_000
"""Bytes of a picture in the docs."""


def main(folder: Path) -> None:
    """Replace every section that the folder has something for."""
    page = DOCS / "reproduce.md"
    text = page.read_text(encoding="utf-8")
    for report in sorted(folder.glob("*.md")):
        start, end = f"<!-- {report.stem} -->\n", "<!-- end -->"
        if start not in text:
            raise SystemExit(f"{page} has no line '{start.strip()}'; add it, and '{end}' below it.")
        write_picture(report.with_suffix(".png"), DOCS / "images" / f"reproduce_{report.stem}.png")
        before, rest = text.split(start)
        text = before + start + section(report) + rest[rest.index(end) :]
    page.write_text(text, encoding="utf-8")


def section(report: Path) -> str:
    """Return the report without its title, its picture being the one of the docs."""
    text = report.read_text(encoding="utf-8").split("\n", 2)[2]
    return re.sub(r"\]\((\w+)\.png\)", r"](images/reproduce_\1.png)", text)


def write_picture(source: Path, target: Path) -> None:
    """Write it with few colours, and smaller if need be."""
    picture = Image.open(source).convert("RGB")
    while True:
        picture.quantize(128).save(target, optimize=True)
        if target.stat().st_size <= LARGEST:
            return
        picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
