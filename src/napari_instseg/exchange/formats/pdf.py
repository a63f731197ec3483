"""An overlay figure as PDF."""

from napari_instseg.exchange.figures import write_figure
from napari_instseg.exchange.format import Format

FORMAT = Format(name="pdf", title="Overlay figure, PDF", ending="_figure.pdf", write=write_figure)
