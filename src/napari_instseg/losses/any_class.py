"""Objects of unknown class: they teach that they are of some class, and nothing of which."""

from __future__ import annotations

from torch import Tensor


def log_any(logits: Tensor, axis: int, right: Tensor | None = None) -> Tensor:
    """Return the logarithm of the sum of exponentials along an axis; its gradient is alike for all that are right.

    The plain sum would move each logit by its own share, and so make what is probable already more probable. Here all
    move together, and the odds between them stay.

    Parameters
    ----------
    logits : Tensor
    axis : int
    right : bool Tensor of the same shape, optional
        Which of them count, at least one along the axis; all when left out.
    """
    if right is None:
        centre = logits.mean(axis, keepdim=True)
        return (logits - centre).detach().logsumexp(axis) + centre.squeeze(axis)
    number = right.sum(axis, keepdim=True)
    centre = logits.masked_fill(~right, 0).sum(axis, keepdim=True) / number
    apart = (logits - centre).detach().masked_fill(~right, -float("inf"))
    return apart.logsumexp(axis) + centre.squeeze(axis)
