"""Binary masks: cross-entropy in which the inside counts more (Jaffe, Ben-Moshe 2019, section 4.4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from napari_instseg.losses.params import MaskLoss


def mask_loss(logits: Tensor, truth: Tensor, params: MaskLoss) -> dict[str, Tensor]:
    """Score drawn masks.

    Parameters
    ----------
    logits : Tensor (M, 1, *S)
    truth : Tensor (M, *S), int64
        1 inside, 0 outside, -1 unknown.
    params : MaskLoss

    Returns
    -------
    dict
        ``mask``: weighted binary cross-entropy over the known pixels of all masks, times its weight.
    """
    known = truth >= 0
    logit = logits[:, 0].float()
    inside = logit.new_tensor(params.inside_weight)
    entropy = functional.binary_cross_entropy_with_logits(
        logit, (truth > 0).to(logit.dtype), pos_weight=inside, reduction="none"
    )
    return {"mask": params.mask_weight * (entropy * known).sum() / known.sum().clamp(min=1)}
