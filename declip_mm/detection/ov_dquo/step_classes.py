"""Which texts a training step has, and its labels among them.

K classes of the vocabulary, k of the step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .targets import Targets

__all__ = ['choose_classes', 'refuse_novel', 'relabel']


def refuse_novel(
    targets: Sequence[Targets], is_base: Tensor, names: Sequence[str]
) -> None:
    """Refuse objects of classes that must have no annotations.

    Args:
        targets: Of the pictures; labels among the K classes.
        is_base: (K,) bool.
        names: K class names, for the message.

    Raises:
        ValueError: Names the classes.
    """
    labels = torch.cat([t.labels[~t.pseudo] for t in targets])
    wrong = labels[~is_base[labels]]
    if len(wrong):
        found = sorted({names[i] for i in wrong.tolist()})
        raise ValueError(
            f'{len(wrong)} objects are labelled {found}, which are novel '
            'classes: they must not have annotations in training. Use '
            'OpenVocabDetDataset with the same base classes.'
        )


def choose_classes(
    targets: Sequence[Targets], allowed: Tensor, most: int
) -> Tensor:
    """Classes of one step, those of its objects first of all.

    Args:
        targets: Of the pictures; labels among the K classes.
        allowed: (A,) classes that may be taken, ascending.
        most: So many at most. If there are more, random ones of ``allowed``
            are added to those of the objects, or if these are too many, a
            random part of them is taken.

    Returns:
        (k,) classes, ascending.
    """
    if len(allowed) <= most:
        return allowed
    present = torch.cat([t.labels[~t.pseudo] for t in targets]).unique()
    if len(present) >= most:
        chosen = _some(present, most)
    else:
        others = allowed[~torch.isin(allowed, present)]
        chosen = torch.cat([present, _some(others, most - len(present))])
    return chosen.sort()[0]


def _some(values: Tensor, count: int) -> Tensor:
    # drawn on the CPU: the same on every device
    order = torch.randperm(len(values))[:count]
    return values[order.to(values.device)]


def relabel(targets: Targets, classes: Tensor) -> Targets:
    """Labels among the step's classes; objects of others are left out.

    Args:
        targets: Of one picture; labels among the K classes.
        classes: (k,) of the step, ascending.
    """
    if not len(classes):
        return targets.only(targets.pseudo)
    known = torch.isin(targets.labels, classes)
    places = torch.searchsorted(classes, targets.labels.clamp(min=0))
    labels = targets.labels.where(targets.pseudo, places)
    return targets._replace(labels=labels).only(known | targets.pseudo)
