"""Train the tokenizer of the generated tasks: ``python -m bertspec.sources.generated.tokenizer``.

The file that it writes is part of the package, so that a run from scratch has the same token ids everywhere. A test
trains it again and compares.
"""

from __future__ import annotations

import string
from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from bertspec.sources import generated

__all__ = ["train"]

_ROWS = 5_000
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = string.ascii_lowercase + string.digits + string.punctuation


def train() -> Tokenizer:
    """A lower-casing WordPiece tokenizer whose pieces are the words of every grammar, and letters.

    The library's own WordPiece trainer breaks ties in the order of a hash table, so that two
    trainings differ; with every word a piece there is nothing left for it to merge.
    """
    words = sorted(_words(generated.texts(_ROWS)) - set(_LETTERS))
    pieces = [*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), *words]
    tokenizer = _wordpiece({piece: number for number, piece in enumerate(pieces)})
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(piece, pieces.index(piece)) for piece in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _words(texts: Iterable[str]) -> set[str]:
    splitter = pre_tokenizers.BertPreTokenizer()
    return {word for text in texts for word, _ in splitter.pre_tokenize_str(text.lower())}


def _wordpiece(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


if __name__ == "__main__":
    train().save(str(generated.TOKENIZER_FILE))
