"""An overlay figure as PNG."""

from napari_instseg.exchange.figures import write_figure
from napari_instseg.exchange.format import Format

FORMAT = Format(name="figure", title="Overlay figure, PNG", ending="_figure.png", write=write_figure)
