"""`python -m napari_instseg` is `instseg`."""

from napari_instseg.cli.main import main

main()
