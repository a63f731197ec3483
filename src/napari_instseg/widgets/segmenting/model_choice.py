"""The part of the Segment section in which the model is chosen, with its card."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_instseg.io.models import ModelSpec
from napari_instseg.methods import get_method
from napari_instseg.widgets.parts import Choice, Note, button, column, labelled, row


class ModelChoice(QWidget):
    """Which model; what it was made for and how well it does."""

    chosen = Signal(object)
    """Name of a shipped model, or a folder."""

    def __init__(self) -> None:
        super().__init__()
        self._choice = Choice("What looks for the objects: a trained network and its method.")
        self._folder = button("Open…", "Choose the folder of a model of your own, as instseg train writes it.")
        self._more = button("Card", "What the model was trained on, and how well it does.")
        self._more.setCheckable(True)
        self._use = Note()
        self._card = Note()
        self._card.hide()
        self.setLayout(
            # the buttons have a row of their own, so that the name of the model is not cut
            column(
                labelled("Model", self._choice),
                self._use,
                row(QWidget(), self._folder, self._more, stretch=0),
                self._card,
            )
        )
        self._choice.chosen.connect(self.chosen)
        self._folder.clicked.connect(self._ask_folder)
        self._more.toggled.connect(self._card.setVisible)

    def show_models(self, models: Mapping[str, ModelSpec], name: str) -> None:
        """Offer the models and show the one that was chosen."""
        self._choice.offer([(spec.name, key) for key, spec in models.items()], name)
        self._choice.setPlaceholderText("suits the image" if models else "no model is installed")
        spec = models.get(name)
        self._more.setEnabled(spec is not None)
        self._use.say(headline(spec) if spec is not None else "")
        self._card.setText(card(spec) if spec is not None else "")

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a model folder")
        if folder:
            self.chosen.emit(folder)


def headline(spec: ModelSpec) -> str:
    """Say in a line what a model finds, and how well on images such as it is made for, or else on others."""
    words = spec.title or spec.name
    if spec.scores:
        score = next((one for one in spec.scores if set(one.modality) & set(spec.modality)), spec.scores[0])
        words += f". Mean AP {score.mean_ap:.2f} on {score.data}"
    return f"{words}."


def card(spec: ModelSpec) -> str:
    """Return a model's card as rich text for a narrow column."""
    method = get_method(spec.method)
    facts = {
        "Made for": spec.intended_use,
        "Method": f"{method.title} ({method.reference}). {method.summary}",
        "Objects": f"about {spec.presumed_diameter:g} px across"
        + (f"; classes {', '.join(spec.classes)}" if spec.classes else ""),
        "Image": "colour or 3 channels, or grey" if spec.in_channels == 3 else f"{spec.in_channels} channel(s)",
        **{key.replace("_", " ").capitalize(): str(value) for key, value in spec.training.items()},
    }
    lines = [f"<b>{escape(name)}</b>: {escape(text)}" for name, text in facts.items() if text]
    for score in spec.scores:
        at = ", ".join(f"{value:.2f} at {threshold}" for threshold, value in score.ap.items())
        lines.append(
            f"<b>{escape(score.data)}</b> ({score.images} images): AP {escape(at)}; mean {score.mean_ap:.2f}; "
            f"PQ {score.pq:.2f}, SBD {score.sbd:.2f}"
        )
    return "".join(f"<p style='margin:0 0 4px 0'>{line}</p>" for line in lines)
