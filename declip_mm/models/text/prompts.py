"""Prompt templates around class names."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

from .names import clean_name

__all__ = ['PROMPT_SETS', 'PromptSet', 'Prompts', 'expand', 'get_prompts']


@dataclass(frozen=True)
class PromptSet:
    """Templates and how names go into them.

    Attributes:
        name: Label for messages.
        templates: Each has exactly one ``{}`` for the name; ``{article}``
            becomes ``a`` or ``an``.
        sentences: Prepend ``'This is '`` to prompts that begin with ``a`` or
            ``the``, as ViLD does.
    """

    name: str
    templates: tuple[str, ...]
    sentences: bool = False

    def __post_init__(self) -> None:
        wrong = [
            f'[{index}] {template!r}'
            for index, template in enumerate(self.templates)
            if not isinstance(template, str) or template.count('{}') != 1
        ]
        if wrong:
            raise ValueError(
                'each prompt template must be a string with exactly one {} '
                f'for the class name; wrong: {", ".join(wrong)}.'
            )
        if not self.templates:
            raise ValueError(
                'the list of prompt templates is empty; give at least '
                "('{}',), the bare name."
            )

    @property
    def digest(self) -> str:
        """SHA-256 over everything that decides the prompts."""
        content = json.dumps([self.templates, self.sentences])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def label(self) -> str:
        return f'{self.name} ({len(self.templates)} prompts)'


#: What :func:`get_prompts` takes: a set's name, templates, or a set.
Prompts = str | Sequence[str] | PromptSet


def _vild_templates() -> tuple[str, ...]:
    """The 63 templates of ViLD (Gu et al., ICLR 2022)."""
    a, the = '{article}', 'the'
    qualities = (
        'good bad bright dark low_resolution cropped close-up jpeg_corrupted '
        'blurry pixelated black_and_white'
    )
    looks = 'nice cool weird small large clean dirty hard_to_see'
    materials = 'plastic toy plushie cartoon'
    scene = [f'There is {w} {{}} in the scene.' for w in (a, the)]
    scene += [f'a photo of {w} {{}} in the scene.' for w in (a, the, 'one')]
    itap = [f'itap of {w} {{}}.' for w in (a, 'my', the)]
    photo = [f'a photo of {w} {{}}.' for w in (a, 'my', the, 'one', 'many')]
    quality = [
        f'a {_words(q)} photo of {w} {{}}.'
        for q in qualities.split()
        for w in (a, the)
    ]
    look = [
        f'a photo of {w} {_words(r)} {{}}.'
        for r in looks.split()
        for w in ('a', the)
    ]
    thing = [f'{w} {m} {{}}.' for m in materials.split() for w in ('a', the)]
    thing += [f'{w} embroidered {{}}.' for w in ('an', the)]
    painting = [f'a painting of {w} {{}}.' for w in (the, 'a')]
    return (*scene, *itap, *photo, *quality, *look, *thing, *painting)


def _words(text: str) -> str:
    return text.replace('_', ' ')


#: Named sets. 'openai': the 80 ImageNet templates of Radford et al. (2021).
PROMPT_SETS: dict[str, PromptSet] = {
    'vild': PromptSet('vild', _vild_templates(), sentences=True),
    'openai': PromptSet(
        'openai',
        tuple(template('{}') for template in OPENAI_IMAGENET_TEMPLATES),
    ),
    'simple': PromptSet('simple', ('a photo of a {}.',)),
    'name': PromptSet('name', ('{}',)),
}


def get_prompts(prompts: Prompts) -> PromptSet:
    """Look up or check prompt templates.

    Args:
        prompts: Name of a set in :data:`PROMPT_SETS`, a single template, a
            list of templates, or a set.

    Raises:
        ValueError: Unknown name, or templates without exactly one ``{}``.
    """
    if isinstance(prompts, PromptSet):
        return prompts
    if isinstance(prompts, str):
        if prompts in PROMPT_SETS:
            return PROMPT_SETS[prompts]
        if '{' not in prompts:
            raise ValueError(
                f'unknown prompt set {prompts!r}. Allowed: '
                f'{", ".join(PROMPT_SETS)}, or templates with one {{}} each.'
            )
        prompts = (prompts,)
    return PromptSet('own', tuple(prompts))


def expand(name: str, prompts: Prompts = 'vild') -> list[str]:
    """All prompts of one name.

    The article goes by the first letter of the raw name: ``an`` before a
    lower-case vowel letter, else ``a``. The name is cleaned
    (:func:`~declip_mm.models.text.names.clean_name`).
    """
    prompts = get_prompts(prompts)
    article = 'an' if name[:1] and name[0] in 'aeiou' else 'a'
    cleaned = clean_name(name)
    texts = [
        template.replace('{article}', article).replace('{}', cleaned)
        for template in prompts.templates
    ]
    if prompts.sentences:
        texts = [
            f'This is {text}' if text.startswith(('a', 'the')) else text
            for text in texts
        ]
    return texts
