"""DenseEncoder: one text-aligned feature map a picture, any names.

C joint dimension, h w patch grid, H W picture, K classes, R regions.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..declip_vit import DeCLIPViT
from ..pixels import match_pixels, normalise
from ..regions import box_features, mask_features
from ..text.embedder import TextEmbedder
from ..text.prompts import Prompts, get_prompts
from ..text.vocabulary import Source, Vocabulary
from .encoded import EncodedImage, picture_digest
from .inputs import ImageLike, as_tensor, checked_boxes, checked_masks
from .naming import Segmented, name_pixels, text_rows_of
from .resizing import check_sides, resize_image, short_side_size
from .text_tower import TextTower, find_text_tower, text_config
from .windows import ImageFeatures, check_windows, encode_windows

__all__ = ['DenseEncoder', 'RegionNames']

#: Training side of a CLIP that says none, in native sides.
_NATIVE_SIDES = 2


class RegionNames(NamedTuple):
    """Regions by names.

    Attributes:
        labels: (R,) int64, positions in ``names``.
        scores: (R, K) float32, softmax probabilities.
        names: K class names.
    """

    labels: Tensor
    scores: Tensor
    names: tuple[str, ...]


class DenseEncoder:
    """A DeCLIP backbone and its text tower, for programs that ask by name.

    Needs neither mmcv nor mmseg. Deterministic: the same picture and names
    give the same result, alone or in a batch, to rounding.

    Args:
        weights: Exported backbone, folder or hub repository (see
            :meth:`DeCLIPViT.from_pretrained`), or a built backbone.
        text: Text tower: its weight file or open_clip tag, a config, or a
            built one. None takes what the weights name. The weights' own
            record of the text tower they were measured with is compared.
        short_side: Pixels that the short side of a picture is resized to;
            None takes the side that the weights were trained at, else twice
            the native one.
        long_side: The long side gets no longer than this.
        window, stride: Side and step of sliding windows in pixels, whose
            scores are averaged; None is one pass over the whole picture.
        prompts: Prompt set or own templates; None takes the set that the
            weights were measured with, else ``'openai'``.
        logit_scale: Factor before the softmax over names.
        device: None takes a GPU where there is one.
        dtype: Of the image tower; features are float32.
        batch: Windows of a picture at a time.
        memory: MiB of working space for scores.
        options: Of :meth:`DeCLIPViT.from_pretrained`, such as ``affinity``
            for files that do not say.

    Raises:
        ValueError: The file does not say what it is or which text tower
            belongs to it, and nor does the call.
        FingerprintError: The text tower is another CLIP's.

    Example:
        >>> encoder = DenseEncoder('declip.pth')
        >>> labels, scores, names = encoder.segment(rgb, 'cat,dog,grass')
        >>> encoder.encode_image(rgb).shape  # (C, h, w), to be kept
    """

    def __init__(
        self,
        weights: str | DeCLIPViT,
        text: TextTower = None,
        *,
        short_side: int | None = None,
        long_side: int = 2048,
        window: int | None = None,
        stride: int | None = None,
        prompts: Prompts | None = None,
        logit_scale: float = 40.0,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        batch: int = 8,
        memory: int = 256,
        **options: Any,
    ) -> None:
        if not isinstance(weights, nn.Module):
            origin = str(weights)
            backbone: DeCLIPViT = DeCLIPViT.from_pretrained(weights, **options)
        elif (weights.pretrained or weights.init_cfg) and not weights._is_init:
            raise ValueError(
                'the backbone has not been filled: call its init_weights() '
                'before, or give the weight file instead.'
            )
        else:
            backbone, origin = weights, type(weights).__name__
        check_sides(short_side, long_side)
        check_windows(window, stride)
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.device, self.dtype = torch.device(device), dtype
        encoder = find_text_tower(text, backbone, origin).to(self.device)
        says = backbone.file_says.get('text_source') or {}
        self._text_source = text_config(text, says, backbone.model, origin)
        self.backbone = backbone.eval().to(self.device, dtype)
        native = backbone.visual.native_size
        self.short_side = short_side or backbone.file_says.get(
            'resolution', _NATIVE_SIDES * native
        )
        self.long_side = long_side
        self.window, self.stride = window, stride or (window or 0) // 3 or 1
        self.embedder = TextEmbedder(
            encoder, prompts=prompts or says.get('prompts', 'openai')
        )
        self.logit_scale = logit_scale
        self.batch, self.memory = batch, memory
        self._mean, self._std = (
            torch.tensor(match_pixels(name, None, backbone))
            .view(3, 1, 1)
            .to(self.device)
            for name in ('mean', 'std')
        )

    # ------------------------------------------------------------- pictures

    @torch.no_grad()
    def encode_image(
        self,
        image: ImageLike | Sequence[ImageLike],
        normalize: bool = True,
    ) -> Tensor | list[Tensor]:
        """The dense map of a picture, or of each of several.

        One pass over the whole picture, whatever ``window`` is. The map
        covers the resized picture, padded at the right and below to whole
        patches.

        Args:
            image: One picture, or a list of any sizes.
            normalize: Whether to give unit vectors.

        Returns:
            (C, h, w) float32 on the encoder's device, or a list of such.
        """
        if isinstance(image, Sequence):
            return [self._encode(one, normalize) for one in image]
        return self._encode(image, normalize)

    def _encode(self, image: ImageLike, normalize: bool) -> Tensor:
        prepared = self._prepare(image)
        patch = self.backbone.visual.patch_size
        height, width = prepared.shape[-2:]
        padded = F.pad(prepared, (0, -width % patch, 0, -height % patch))
        content = self._content(padded[None])[0]
        return F.normalize(content, dim=0) if normalize else content

    def _content(self, inputs: Tensor) -> Tensor:
        dense = self.backbone.forward_dense(inputs.to(self.dtype))
        return dense.content.float()

    def _prepare(self, image: ImageLike) -> Tensor:
        """(3, h, w) float32, resized and normalised as the backbone wants."""
        pixels = as_tensor(image).to(self.device)
        height, width = pixels.shape[-2:]
        size = short_side_size(height, width, self.short_side, self.long_side)
        return normalise(resize_image(pixels, size), self._mean, self._std)

    # ---------------------------------------------------------------- names

    def encode_names(self, names: Source) -> Tensor:
        """(K, C) unit rows; a class of several texts has their mean."""
        return self.embedder.class_rows(Vocabulary.of(names), self.device)

    # ---------------------------------------------------------------- tasks

    @torch.no_grad()
    def encode_dense(self, image: ImageLike) -> EncodedImage:
        """What the image tower says of a picture, to be kept in a file.

        In windows where ``window`` is given, else in one pass.

        Args:
            image: See :data:`ImageLike`.
        """
        height, width = as_tensor(image).shape[-2:]
        return EncodedImage(
            self._features(image),
            (height, width),
            self.logit_scale,
            self.backbone.fingerprint,
            self.embedder.encoder.fingerprint,
            self._text_source,
            get_prompts(self.embedder.prompts),
            picture_digest(image),
        )

    def _features(self, image: ImageLike) -> ImageFeatures:
        (features,) = encode_windows(
            [self._prepare(image)],
            self._content,
            self.window,
            self.stride,
            self.backbone.visual.patch_size,
            self.batch,
        )
        return features

    @torch.no_grad()
    def segment(
        self,
        image: ImageLike,
        names: Source,
        threshold: float = 0.0,
        with_scores: bool = True,
    ) -> Segmented:
        """Name every pixel.

        With one name every pixel is it: give it something to be told from.

        Args:
            image: See :data:`ImageLike`.
            names: What :meth:`Vocabulary.of` reads.
            threshold: Probability below which a pixel has no class.
            with_scores: Whether probabilities are wanted; labels alone take
                about half the time.
        """
        height, width = as_tensor(image).shape[-2:]
        features = self._features(image)
        return self._name(
            features, (height, width), names, threshold, with_scores
        )

    @torch.no_grad()
    def segment_map(
        self,
        content: Tensor,
        names: Source,
        size: tuple[int, int],
        threshold: float = 0.0,
        with_scores: bool = True,
    ) -> Segmented:
        """Name every pixel of a picture whose map was kept.

        Args:
            content: What :meth:`encode_image` gave, (C, h, w).
            names: What :meth:`Vocabulary.of` reads.
            size: (H, W) of the picture.
            threshold: Probability below which a pixel has no class.
            with_scores: See :meth:`segment`.
        """
        patch = self.backbone.visual.patch_size
        shown = short_side_size(*size, self.short_side, self.long_side)
        grid = tuple(-(-side // patch) for side in shown)
        if content.ndim != 3 or tuple(content.shape[-2:]) != grid:
            raise ValueError(
                f'a picture of {size[0]} x {size[1]} has a map of '
                f'{grid[0]} x {grid[1]} patches here, got '
                f'{tuple(content.shape)}. Give the size of the picture that '
                'the map was made of, and the same short_side.'
            )
        unit = F.normalize(content.to(self.device).float(), dim=0)
        whole = ImageFeatures.of_whole(unit, shown, patch)
        return self._name(whole, size, names, threshold, with_scores)

    def _name(
        self,
        features: ImageFeatures,
        size: tuple[int, int],
        names: Source,
        threshold: float,
        with_scores: bool,
    ) -> Segmented:
        return name_pixels(
            features,
            size,
            names,
            self.embedder,
            logit_scale=self.logit_scale,
            threshold=threshold,
            with_scores=with_scores,
            memory=self.memory,
        )

    @torch.no_grad()
    def classify_regions(
        self,
        image: ImageLike,
        names: Source,
        *,
        boxes: Any = None,
        masks: Any = None,
    ) -> RegionNames:
        """Name regions, such as those of a detector or of SAM.

        Args:
            image: See :data:`ImageLike`.
            names: What :meth:`Vocabulary.of` reads.
            boxes: (R, 4) x0 y0 x1 y1 in pixels of the picture, or
            masks: (R, H, W) bool of the picture's size; give one of the two.
        """
        features = self.encode_regions(image, boxes=boxes, masks=masks)
        vocabulary = Vocabulary.of(names)
        rows, owner = text_rows_of(vocabulary, self.embedder, self.device)
        cosines = F.normalize(features, dim=1) @ rows.t()
        scores = (self.logit_scale * cosines).softmax(dim=1)
        best = scores.new_zeros(len(scores), len(vocabulary.classes))
        best.scatter_reduce_(1, owner.expand_as(scores), scores, 'amax')
        return RegionNames(best.argmax(dim=1), best, vocabulary.classes)

    @torch.no_grad()
    def encode_regions(
        self, image: ImageLike, *, boxes: Any = None, masks: Any = None
    ) -> Tensor:
        """Features of regions: (R, C) float32, not normalised.

        Args:
            image, boxes, masks: See :meth:`classify_regions`.
        """
        if (boxes is None) == (masks is None):
            raise ValueError(
                'regions are given by boxes=(R, 4) or by masks=(R, H, W); '
                f'got {"both" if boxes is not None else "neither"}.'
            )
        height, width = as_tensor(image).shape[-2:]
        content = self._encode(image, normalize=False)[None]
        shown = short_side_size(height, width, self.short_side, self.long_side)
        patch = self.backbone.visual.patch_size
        # the share of the padded map that shows the picture
        share = [
            side / (patch * cells)
            for side, cells in zip(shown, content.shape[-2:])
        ]
        if boxes is not None:
            boxes = checked_boxes(boxes).to(self.device)
            unit = boxes.new_tensor([share[1] / width, share[0] / height] * 2)
            return box_features(content, [boxes * unit])
        masks = checked_masks(masks, (height, width)).to(self.device)
        padding = [
            round(side / part) - side
            for side, part in zip((height, width), share)
        ]
        masks = F.pad(masks, (0, padding[1], 0, padding[0]))
        return mask_features(content, [masks])
