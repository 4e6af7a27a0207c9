"""Which parts of an image speak for a class: Grad-CAM and integrated gradients, by captum."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.extras import extra
from cnnlab.models.module import NetworkModule
from cnnlab.training.filters import as_array, convolved

Floats = NDArray[np.float32]
EXTRA = "explain"
STEPS = 50  # of the path from black to the image
STEPS_AT_ONCE = 10


def attributions(model: NetworkModule, raw: Tensor, label: int) -> Mapping[str, Floats]:
    """Map the parts of one image that speak for a class.

    - Grad-CAM, of networks with convolutions: where the last one answers with what raises the class.
      Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks, 2017.
    - Integrated gradients: what each pixel adds to the output on the way from a black image to this one; they
      sum up to the difference of the two outputs. Sundararajan et al., Axiomatic Attribution for Deep
      Networks, 2017.

    Args:
        model: in evaluation, of classes on images.
        raw: uint8 ``(channels, height, width)``.
        label: the class.

    Returns:
        Maps float32 (height, width) by method; Grad-CAM is nowhere negative.

    Raises:
        UserError: where captum is missing.
    """
    captum = extra("captum.attr", EXTRA)

    def score(batch: Tensor) -> Tensor:
        # Of the image alone, where the model takes the mean with its mirror image.
        outputs: Tensor = model.network(model.preprocess(batch))
        if outputs.shape[1] == 1:  # of two classes: its sign speaks for the second or for the first
            return outputs[:, 0] * (1 if label == 1 else -1)
        return outputs[:, label]

    image = raw[None].float().to(model.device).requires_grad_()
    maps: dict[str, Floats] = {}
    found = convolved(model, raw[None])
    with torch.enable_grad():
        if found:
            cam = captum.LayerGradCam(score, found[-1][0]).attribute(image, relu_attributions=True)
            large = F.interpolate(cam, image.shape[2:], mode="bilinear", align_corners=False)
            maps["Grad-CAM"] = as_array(large[0].mean(0))
        integrated = captum.IntegratedGradients(score).attribute(
            image, torch.zeros_like(image), n_steps=STEPS, internal_batch_size=STEPS_AT_ONCE
        )
    maps["integrated gradients"] = as_array(integrated[0].sum(0))
    return maps
