"""Pseudo-labelled objects beside the annotated ones of a data set."""

from collections.abc import Sequence
from typing import Any

from mmengine.logging import print_log

from .label_file import check_pictures, read_labels
from .pack import PackOVDetInputs, number_of_pseudo

__all__ = ['PseudoLabelled']


class PseudoLabelled:
    """Mixin of data sets in COCO's format; goes before mmdet's.

    Args:
        pseudo_file: See :mod:`~declip_mm.detection.pseudo.label_file`; None
            has none. For training only.
        Others: Of the data set.

    Raises:
        ValueError: In an evaluation, with a pipeline that would take pseudo
            objects for a class, or with a file of other pictures.
    """

    def __init__(
        self,
        *args: Any,
        pseudo_file: str | None = None,
        pipeline: Sequence = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        self.pseudo_file = pseudo_file
        self._pseudo: dict[Any, list[dict]] = {}
        if pseudo_file:
            _check_use(pseudo_file, pipeline, test_mode)
        super().__init__(
            *args, pipeline=pipeline, test_mode=test_mode, **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """mmdet's records; the file is read before them, and checked after.

        Pictures without an annotated object stay out of training, as they do
        without pseudo labels.
        """
        if not self.pseudo_file:
            return super().load_data_list()
        self._pseudo = read_labels(self.pseudo_file)
        found = super().load_data_list()
        ids = {info['img_id'] for info in found}
        check_pictures(self.pseudo_file, self._pseudo, ids)
        count = sum(map(len, self._pseudo.values()))
        print_log(
            f'{self.pseudo_file}: {count} pseudo-labelled objects in '
            f'{len(self._pseudo)} pictures.',
            logger='current',
        )
        return found

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """mmdet's record of a picture, pseudo objects after the others."""
        data = super().parse_data_info(raw_data_info)
        if self.pseudo_file:
            entries = self._pseudo.get(data['img_id'], ())
            for position, entry in enumerate(entries):
                x, y, width, height = entry['bbox']
                data['instances'].append(
                    dict(
                        bbox=[x, y, x + width, y + height],
                        bbox_label=number_of_pseudo(position),
                        ignore_flag=0,
                    )
                )
            data['pseudo_weights'] = [e['weight'] for e in entries]
        return data


def _check_use(path: str, pipeline: Sequence, test_mode: bool) -> None:
    if test_mode:
        raise ValueError(
            f'pseudo_file={path!r} in test mode: pseudo labels are for '
            'training. Leave it out of val_dataloader and test_dataloader.'
        )
    packed = [_kind(step) for step in pipeline]
    if PackOVDetInputs.__name__ not in packed:
        raise ValueError(
            f'pseudo_file={path!r} needs a pipeline that ends in '
            f'{PackOVDetInputs.__name__}, got {packed}: another would hand '
            'pseudo objects on as a class.'
        )
    masks = [s for s in pipeline if isinstance(s, dict) and s.get('with_mask')]
    if masks:
        raise ValueError(
            f'pseudo_file={path!r} with masks: pseudo labels are boxes. Set '
            'with_mask=False in LoadAnnotations.'
        )


def _kind(step: Any) -> str:
    kind = step.get('type') if isinstance(step, dict) else type(step)
    return getattr(kind, '__name__', str(kind))
