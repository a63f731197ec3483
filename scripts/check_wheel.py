"""Check what a wheel holds: all of the package with its models and samples, and nothing of the repository beside it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "napari_instseg"
NEEDED = ("napari.yaml", "py.typed", "zoo/models/discriminative-nuclei/weights.safetensors", "sample_data/")
"""Files, or beginnings of their names, without which the package would not work."""


def problems(wheel: Path) -> list[str]:
    """Say what is wrong with a wheel; nothing if it is as it should be."""
    with ZipFile(wheel) as file:
        names = file.namelist()
        sizes = Counter({name: file.getinfo(name).compress_size for name in names})
    found = [f"{name} is not of the package" for name in names if not name.startswith((f"{PACKAGE}/", f"{PACKAGE}-"))
             and ".dist-info/" not in name]  # fmt: skip
    held = {name.removeprefix(f"{PACKAGE}/") for name in names}
    found += [f"{need} is missing" for need in NEEDED if not any(name.startswith(need) for name in held)]
    source = ROOT / "src" / PACKAGE
    wanted = {str(path.relative_to(source).as_posix()) for path in source.rglob("*.py")}
    found += [f"{name} is missing" for name in sorted(wanted - held)]
    found += [
        f"{name} should not be in it" for name in names if "__pycache__" in name or name.endswith((".nbc", ".nbi"))
    ]
    rooms: Counter[str] = Counter()
    for name, size in sizes.items():
        rooms[name.removeprefix(f"{PACKAGE}/").split("/")[0]] += size
    print(f"{wheel.name}: {sum(sizes.values()) / 2**20:.1f} MiB in {len(names)} files; "
          + ", ".join(f"{room} {size / 2**10:.0f} KiB" for room, size in rooms.most_common(6)))  # fmt: skip
    return found


if __name__ == "__main__":
    wrong = [problem for wheel in sys.argv[1:] for problem in problems(Path(wheel))]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    sys.exit(bool(wrong))
