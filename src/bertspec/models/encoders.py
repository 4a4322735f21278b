"""Encoders by name: their tokenizer and their transformers configuration."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from bertspec.config import EncoderConfig
from bertspec.errors import InvalidConfig, SourceError
from bertspec.sources.pretrained import EncoderFiles

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

__all__ = ["build_config", "load_tokenizer"]


def load_tokenizer(files: EncoderFiles) -> PreTrainedTokenizerBase:
    """The fast tokenizer of an encoder.

    Raises:
        SourceError: the files hold no tokenizer that the library can read.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if files.folder is None:
        special = {name: f"[{name.removesuffix('_token').upper()}]" for name in _SPECIAL}
        new: Any = PreTrainedTokenizerFast  # the library has no types here
        made: PreTrainedTokenizerBase = new(tokenizer_file=str(files.tokenizer), **special)
        return made
    try:
        return AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as refusal:
        raise SourceError(f"the tokenizer cannot be read: {refusal}", where=files.folder) from refusal


def build_config(encoder: EncoderConfig, files: EncoderFiles, *, outputs: int, vocabulary: Any) -> PretrainedConfig:
    """The transformers configuration of an encoder with a head of ``outputs`` numbers.

    Args:
        encoder: what was asked for.
        files: where it is.
        outputs: the width of the head.
        vocabulary: the tokenizer, whose size and padding id a new architecture takes over.

    Raises:
        InvalidConfig: the architecture has values that its family does not know.
        SourceError: the checkpoint's configuration cannot be read.
    """
    from transformers import AutoConfig

    if files.folder is not None:
        try:
            read: PretrainedConfig = AutoConfig.from_pretrained(
                files.folder, num_labels=outputs, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as refusal:
            raise SourceError(f"the configuration cannot be read: {refusal}", where=files.folder) from refusal
        return read
    known = _known_values(encoder)
    special = {
        "pad_token_id": vocabulary.pad_token_id,
        "cls_token_id": vocabulary.cls_token_id,
        "sep_token_id": vocabulary.sep_token_id,
        "bos_token_id": vocabulary.cls_token_id,
        "eos_token_id": vocabulary.sep_token_id,
    }
    return AutoConfig.for_model(
        str(encoder.family),
        **encoder.architecture,
        **{name: value for name, value in special.items() if name in known},
        vocab_size=len(vocabulary),
        num_labels=outputs,
    )


_SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def _known_values(encoder: EncoderConfig) -> set[str]:
    """The values that the family knows.

    The library accepts any keyword silently; a misspelt one would leave a default in force.
    """
    from transformers import AutoConfig

    family = type(AutoConfig.for_model(str(encoder.family)))
    known = set(inspect.signature(family).parameters) | set(family.attribute_map)
    unknown = sorted(set(encoder.architecture) - known)
    if unknown:
        raise InvalidConfig(
            f"the {encoder.family} architecture has no such value",
            given=", ".join(unknown),
            allowed=", ".join(sorted(known)),
            where=f"encoder {encoder.name!r}",
        )
    return known
