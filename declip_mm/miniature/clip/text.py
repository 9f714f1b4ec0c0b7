"""The tiny CLIP's vocabulary: the BPE ids that its texts need, no others.

Compact table: 0 pad, 1 unknown, then the kept ids in ascending order.
open_clip's start and end of text are the two largest ids, so they stay last
and open_clip's pooling at the largest id still finds the end.
"""

import re

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

from ..world.pack import SpritePack

CONTEXT = 20
BACKGROUND = 'background'
TEMPLATES = ('{}', 'a photo of a {}', 'a picture of a {}', 'a {}')
# words of the 63 region prompts (ViLD) that OpenAI's templates lack
PROMPT_WORDS = """
There is a the one in scene . photo of art an cropped dirty bad my nice small
large weird cool good pixelated jpeg corrupted blurry low resolution hard to
see many close-up bright dark black and white picture image this these some
""".split()


class CompactTokenizer:
    """open_clip's BPE, cut to the ids in use.

    Args:
        token_ids: Original id by compact position; -1 means unknown.
    """

    def __init__(self, token_ids: list[int]) -> None:
        self.bpe = SimpleTokenizer()
        self.compact = {
            old: new for new, old in enumerate(token_ids) if new > 1
        }

    def __call__(
        self,
        texts: list[str],
        length: int = CONTEXT,
    ) -> torch.Tensor:
        """Compact ids, (len(texts), length) int64."""
        out = torch.zeros(len(texts), length, dtype=torch.long)
        for row, text in zip(out, texts):
            ids = [
                self.bpe.sot_token_id,
                *self.bpe.encode(text),
                self.bpe.eot_token_id,
            ]
            if len(ids) > length:
                raise ValueError(
                    f'{text!r} has {len(ids)} tokens, allowed: '
                    f'{length}; shorten it'
                )
            row[: len(ids)] = torch.tensor(
                [self.compact.get(i, 1) for i in ids]
            )
        return out


def build_token_ids(pack: SpritePack) -> list[int]:
    """The kept ids: all names, synonyms and prompt words."""
    bpe = SimpleTokenizer()
    words = {BACKGROUND, *PROMPT_WORDS, *pack.classes}
    words.update(s for names in pack.synonyms.values() for s in names)
    prompts = [t('') for t in OPENAI_IMAGENET_TEMPLATES]
    words.update(w for p in prompts for w in re.findall(r'[\w\-]+|[^\s]', p))
    words.update(prompts)
    kept = {i for word in words for i in bpe.encode(word)}
    kept |= {bpe.sot_token_id, bpe.eot_token_id}
    return [0, -1, *sorted(kept - {0})]


class Names:
    """Picks the words for every class, anew for each step."""

    def __init__(self, pack: SpritePack, tokenizer: CompactTokenizer) -> None:
        seen = [c for c in pack.classes if c not in pack.unseen]
        self.choices = [(c, *pack.synonyms[c]) for c in seen]
        self.choices.append((BACKGROUND,))
        self.tokenizer = tokenizer
        self.plain = tokenizer([c[0] for c in self.choices], 8)

    def sample(self, rng: np.random.Generator) -> torch.Tensor:
        """Token ids (C + 1, 10); the plain name most of the time."""
        texts = []
        for names in self.choices:
            name = names[0]
            if rng.random() < 0.25:
                name = names[rng.integers(len(names))]
            template = TEMPLATES[0]
            if rng.random() < 0.3:
                template = TEMPLATES[rng.integers(1, len(TEMPLATES))]
            texts.append(template.format(name))
        return self.tokenizer(texts, 10)
