"""Text side of CLIP: prompts, text tower, class embeddings."""

from .background import STUFF_BACKGROUND
from .build import (
    build_class_embeddings,
    cached_class_embeddings,
    expected_fingerprint,
)
from .comparing import name_difference
from .embedder import TextEmbedder
from .embeddings import ClassEmbeddings
from .encoder import DeCLIPTextEncoder
from .name_lists import (
    list_classes,
    parse_classes,
    parse_names,
    read_json,
    read_names,
    read_text,
)
from .names import (
    class_phrases,
    clean_name,
    name_key,
    tidy,
)
from .prompts import PROMPT_SETS, PromptSet, expand, get_prompts
from .tokenizer import TextTokenizer, TokenBatch, tokens_alike
from .vocabulary import Source, Vocabulary

__all__ = [
    'PROMPT_SETS',
    'STUFF_BACKGROUND',
    'ClassEmbeddings',
    'DeCLIPTextEncoder',
    'PromptSet',
    'Source',
    'TextEmbedder',
    'TextTokenizer',
    'TokenBatch',
    'Vocabulary',
    'build_class_embeddings',
    'cached_class_embeddings',
    'class_phrases',
    'clean_name',
    'expand',
    'expected_fingerprint',
    'get_prompts',
    'list_classes',
    'name_difference',
    'name_key',
    'parse_classes',
    'parse_names',
    'read_json',
    'read_names',
    'read_text',
    'tidy',
    'tokens_alike',
]
