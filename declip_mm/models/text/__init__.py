"""Text side of CLIP: prompts, text tower, class embeddings."""

from .build import (
    build_class_embeddings,
    cached_class_embeddings,
    expected_fingerprint,
)
from .embeddings import ClassEmbeddings
from .encoder import DeCLIPTextEncoder
from .names import class_phrases, clean_name, read_names
from .prompts import PROMPT_SETS, PromptSet, expand, get_prompts
from .tokenizer import TextTokenizer, TokenBatch

__all__ = [
    'PROMPT_SETS',
    'ClassEmbeddings',
    'DeCLIPTextEncoder',
    'PromptSet',
    'TextTokenizer',
    'TokenBatch',
    'build_class_embeddings',
    'cached_class_embeddings',
    'class_phrases',
    'clean_name',
    'expand',
    'expected_fingerprint',
    'get_prompts',
    'read_names',
]
