"""Tokenizer, configuration and network of an encoder, by the transformers library.

The files may be a stranger's, and the library may raise anything on them: that becomes a refusal in our words, with its
cause. What the library advises is not passed on: it would run code from a checkpoint, or install what bertspec does not
know.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor

from bertspec import documents
from bertspec.config import EncoderConfig
from bertspec.errors import BertspecError, InvalidConfig, SourceError, cut_short
from bertspec.heads import TaskHead
from bertspec.sources.pretrained import EncoderFiles, is_of_tokenizer, read_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["build_config", "load_network", "load_tokenizer", "on_top", "quietly", "refused"]

_SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
"""The special tokens of the generated tasks' tokenizer."""

_ADVICE = re.compile(
    r"pip3? install|trust_remote_code|https?://|\b(please|you (can|could|may|should|need|must|have|are)|make sure"
    r"|if you|we recommend|consider|try )\b",
    re.IGNORECASE,
)
"""Sentences of the library that tell people what to do."""

_PACKAGE = re.compile(r"(?:requires the|need to install) (\S+)")

_LONGEST_CAUSE = 240

_MOST_LAYERS = 1_000

_SIZES = ("vocab_size", "hidden_size", "intermediate_size")
"""Sizes that a weight of every encoder has."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_LAYER = re.compile(r"(^|\.)(layers?|blocks?|h)\.\d+\.")
"""The part of a weight's name that says in which of the encoder's layers it is."""

_BUFFER = re.compile(r"(^|\.)(inv_freq|position_ids|token_type_ids|masked_bias|(attn|attention)\.bias)$")
"""The end of the name of a constant, which former versions of the library saved as if it were a weight."""

_log = logging.getLogger(__name__)


def load_tokenizer(files: EncoderFiles) -> PreTrainedTokenizerBase:
    """Load the tokenizer of an encoder.

    Raises:
        SourceError: the files hold no tokenizer that the library can read, or it needs a package that is missing.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if files.folder is None:
        special = {name: f"[{name.removesuffix('_token').upper()}]" for name in _SPECIAL}
        new: Any = PreTrainedTokenizerFast  # the library has no types here
        tokenizer: PreTrainedTokenizerBase = new(tokenizer_file=str(files.tokenizer), **special)
        return tokenizer
    _refuse_without_package(files.folder)
    _refuse_own_code(files.folder)
    config = _saved_config(files.folder)  # it chooses the class of the tokenizer
    with refused("the tokenizer cannot be read", where=files.folder), quietly():
        tokenizer = AutoTokenizer.from_pretrained(
            files.folder, config=config, local_files_only=True, trust_remote_code=False, **_named_files(files.folder)
        )
        words = len(tokenizer) - len(tokenizer.all_special_tokens)
    if words < 1:
        raise SourceError(
            "the tokenizer has no vocabulary", given=f"{len(tokenizer)} special tokens", where=files.folder
        )
    _refuse_unhashed(tokenizer, files.folder)
    _refuse_other_model(tokenizer, files.folder)
    return tokenizer


def build_config(encoder: EncoderConfig, files: EncoderFiles, head: TaskHead, tokenizer: Any) -> PretrainedConfig:
    """Build the transformers configuration of an encoder with a task head.

    Args:
        encoder: what was asked for.
        files: where its files are.
        head: the task head, whose width and class names the configuration takes over.
        tokenizer: its size and special token ids go into a new architecture.

    Raises:
        InvalidConfig: the architecture has values that its family does not know.
        SourceError: the checkpoint's configuration cannot be read, or is not that of an encoder.
    """
    if files.folder is not None:
        config = _saved_config(files.folder, num_labels=head.width)
    else:
        config = _new_config(encoder, head, tokenizer)
    _refuse_other_than_encoders(config, where=files.folder or f"encoder {encoder.name!r}")
    if head.class_names:
        config.id2label = dict(enumerate(head.class_names))
        config.label2id = {name: number for number, name in enumerate(head.class_names)}
    return config


def load_network(
    encoder: EncoderConfig, files: EncoderFiles, config: PretrainedConfig, head: TaskHead
) -> PreTrainedModel:
    """Build a network with fp32 weights, from the checkpoint or new.

    Raises:
        SourceError: it cannot be built, or weights of its encoder are missing.
    """
    auto_class = _auto_class(config, head, where=files.folder or f"encoder {encoder.name!r}")
    if files.folder is not None:
        return _pretrained(files, files.folder, auto_class, config)
    with refused("the architecture cannot be built", where=f"encoder {encoder.name!r}"):
        network: PreTrainedModel = auto_class.from_config(config, dtype=torch.float32)
    return network


def on_top(network: PreTrainedModel, weight: str) -> bool:
    """Whether a weight belongs to the head: it lies outside of the base model, or in the base model's pooler.

    A checkpoint may lack these weights, and no others: language models have another head, and no pooler.

    Args:
        network: the network that has the weight.
        weight: its name in the network.
    """
    base = network.base_model_prefix
    if not hasattr(network, base):
        return False
    return not weight.startswith(f"{base}.") or "pooler" in weight.split(".")


@contextlib.contextmanager
def refused(problem: str, *, where: object) -> Iterator[None]:
    """Turn whatever the library raises into a refusal that keeps the cause.

    Only calls of the library belong inside: an error of ours must stay one.

    Raises:
        SourceError: the body raised something else than an error of ours, or than a lack of memory.
    """
    try:
        yield
    except (BertspecError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as failure:
        raise SourceError(f"{problem}: {_cause(failure)}", where=where) from failure
    except BaseException as failure:
        if type(failure).__name__ != "PanicException":  # what Rust raises, beside Exception
            raise
        raise SourceError(f"{problem}: {_cause(failure)}", where=where) from failure


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence the library's progress bars and log lines."""
    from transformers.utils import logging

    reports: Any = logging  # the library has no types here

    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity(reports.CRITICAL)
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()


def _cause(failure: BaseException) -> str:
    """What an error says, on one line, without advice."""
    whole = " ".join(str(failure).split())
    if isinstance(failure, RecursionError):
        return "a file is nested too deeply"
    if "allocate memory" in whole:
        return "it does not fit into memory"
    package = _PACKAGE.search(whole) if isinstance(failure, ImportError) else None
    if package:
        return f"it needs the package {package[1]}, which is not installed"
    kept = [sentence for sentence in re.split(r"(?<=[.!?])\s+", whole) if sentence and not _ADVICE.search(sentence)]
    text = (kept[0] if kept else "").rstrip(".:")
    name = (
        ""
        if text and isinstance(failure, FloatingPointError | OSError | ValueError | RuntimeError)
        else type(failure).__name__
    )
    return cut_short(": ".join(part for part in (name, text) if part), _LONGEST_CAUSE)


def _refuse_without_package(folder: Path) -> None:
    """Refuse a tokenizer that only SentencePiece can read, where that is not installed."""
    if (folder / "tokenizer.json").exists():
        return
    models = [
        file for file in sorted(folder.glob("*.model")) if file.read_bytes()[:1] == b"\n"
    ]  # protobuf's first field
    missing = [package for package in ("sentencepiece", "google.protobuf") if not _is_installed(package)]
    if models and missing:
        raise SourceError(
            "the tokenizer is a SentencePiece model, and the package that reads it is not installed",
            given=models[0].name,
            allowed="pip install 'bertspec[sentencepiece]'; or a checkpoint with tokenizer.json",
            where=folder,
        )


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the package that holds it
        return False


def _named_files(folder: Path) -> dict[str, None]:
    """The arguments that keep a tokenizer from reading the files that its configuration names.

    A path there is a leftover of the machine that wrote it, or leads out of the folder: the files of a tokenizer are
    those in its folder, by their usual names.
    """
    values = _tokenizer_config(folder)
    named = (key for key, value in values.items() if isinstance(value, str))
    return {key: None for key in named if key.endswith("_file") or key in ("vocab", "merges")}


def _refuse_unhashed(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a class of tokenizers that reads a file which is not part of the hash."""
    names = (name for name in tokenizer.vocab_files_names.values() if name and not is_of_tokenizer(name))
    read = next((name for name in names if (folder / name).exists()), None)
    if read is not None:
        raise SourceError(
            "the tokenizer reads a file that bertspec does not hash",
            given=read,
            allowed="a tokenizer with tokenizer.json",
            where=folder,
        )


def _refuse_other_model(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a class that rebuilds a tokenizer around another model: it would split texts into other tokens."""
    backend, file = getattr(tokenizer, "_tokenizer", None), folder / "tokenizer.json"
    if backend is None or not file.exists():
        return
    with refused("the tokenizer cannot be read", where=file):
        rebuilt, saved = (type(each.model).__name__ for each in (backend, Tokenizer.from_file(str(file))))
    if rebuilt != saved:
        raise SourceError(
            "the class of the tokenizer does not fit its tokenizer.json",
            given=f"{type(tokenizer).__name__}, which is a {rebuilt}",
            allowed=f"a {saved}; or PreTrainedTokenizerFast as tokenizer_class in tokenizer_config.json",
            where=file,
        )


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer_config.json"
    values = documents.read_json(file, error=SourceError) if file.exists() else None
    return values if isinstance(values, dict) else {}


def _refuse_own_code(folder: Path) -> None:
    """Refuse a tokenizer that only code inside the checkpoint can read."""
    values = _tokenizer_config(folder)
    own = values.get("auto_map")
    named = own.get("AutoTokenizer") if isinstance(own, dict) else own
    if named and not _knows_tokenizer(values.get("tokenizer_class")):
        raise _own_code("the tokenizer", named, folder / "tokenizer_config.json")


def _knows_tokenizer(name: Any) -> bool:
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    find: Any = tokenizer_class_from_name  # the library has no types here
    return isinstance(name, str) and find(name) is not None


def _own_code(what: str, named: Any, where: Path) -> SourceError:
    return SourceError(
        f"{what} needs code of its own, which bertspec does not run",
        given=named if isinstance(named, str) else str(named),
        allowed="an architecture and a tokenizer of the transformers library",
        where=where,
    )


def _saved_config(folder: Path, **values: int) -> PretrainedConfig:
    from transformers import CONFIG_MAPPING, AutoConfig

    file = folder / "config.json"
    content = documents.read_json(file, error=SourceError)
    family: Any = content.get("model_type")
    if family not in list(CONFIG_MAPPING):
        if content.get("auto_map"):
            raise _own_code("the model", content["auto_map"], file)
        raise SourceError(
            "the configuration names no architecture that the transformers library knows",
            given=family,
            allowed="a model_type such as bert, roberta or modernbert",
            where=file,
        )
    _refuse_kernels(content, file)
    with refused("the configuration cannot be read", where=file), quietly():
        saved: PretrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **values
        )
    return saved


def _refuse_kernels(content: dict[str, Any], file: Path) -> None:
    """Refuse weights that cannot be trained, and attention that would be loaded from the hub, which is code."""
    if content.get("quantization_config"):
        raise SourceError("the weights are quantized, so that they cannot be trained", allowed="floats", where=file)
    for name in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        if "/" in str(content.get(name)):
            raise _own_code("the model", f"{name}: {content[name]}", file)


def _new_config(encoder: EncoderConfig, head: TaskHead, tokenizer: Any) -> PretrainedConfig:
    from transformers import AutoConfig

    known = _known_values(encoder)
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "cls_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    with refused("the architecture cannot be built", where=f"encoder {encoder.name!r}"):
        config: PretrainedConfig = AutoConfig.for_model(
            str(encoder.family),
            **encoder.architecture,
            **{name: value for name, value in special.items() if name in known},
            vocab_size=len(tokenizer),
            num_labels=head.width,
        )
    return config


def _known_values(encoder: EncoderConfig) -> set[str]:
    """The values that the family's configuration has.

    The library ignores unknown keywords silently; a misspelt one would leave a default in force.
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


def _refuse_other_than_encoders(config: PretrainedConfig, *, where: object) -> None:
    if getattr(config, "is_decoder", False):
        raise SourceError(
            "the checkpoint is a decoder: its first token, which the head reads, sees nothing but itself",
            given="is_decoder: true",
            allowed="an encoder, which reads to both sides",
            where=where,
        )
    layers = getattr(config, "num_hidden_layers", None)
    if isinstance(layers, int) and not 1 <= layers <= _MOST_LAYERS:
        raise SourceError(
            f"the encoder has {'no' if layers < 1 else 'too many'} layers",
            given=f"num_hidden_layers: {layers}",
            allowed=f"1 to {_MOST_LAYERS:,}",
            where=where,
        )


def _auto_class(config: PretrainedConfig, head: TaskHead, *, where: object) -> Any:
    """The library's class that builds the networks for a kind of task."""
    import transformers

    auto_class: Any = getattr(transformers, head.auto_class)
    if type(config) not in auto_class._model_mapping:  # noqa: SLF001 - the library has no other way to ask
        raise SourceError(
            f"the transformers library has no {head.name} model of this architecture",
            given=config.model_type,
            allowed=f"an architecture that {head.auto_class} knows",
            where=where,
        )
    return auto_class


def _pretrained(files: EncoderFiles, folder: Path, auto_class: Any, config: PretrainedConfig) -> PreTrainedModel:
    with refused("the weights cannot be read", where=folder):
        weights = _weights(files)
    _refuse_larger(weights, config, folder)
    model_class = auto_class._model_mapping[type(config)]  # noqa: SLF001 - the auto class insists on a folder
    with refused("the checkpoint cannot be loaded", where=folder), quietly():
        # From memory: given the folder, the library could read other files than those that were hashed.
        network, loading = model_class.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    loaded: PreTrainedModel = network
    loaded.config.name_or_path = str(folder)
    _refuse_incomplete(loaded, loading, folder)
    _refuse_other_numbers(loaded, weights, folder)
    _refuse_unread(loaded, loading["unexpected_keys"], folder)
    return loaded


def _weights(files: EncoderFiles) -> dict[str, Tensor]:
    """The weights of a checkpoint: they are those of the hash, whatever happens to the file."""
    weights: dict[str, Tensor] = {}
    for part in map(load, read_weights(files)):
        twice = sorted(weights.keys() & part.keys())
        if twice:
            raise SourceError("a weight is in two parts of the checkpoint", given=twice[0], where=files.folder)
        weights |= part
    return weights


def _refuse_larger(weights: dict[str, Tensor], config: PretrainedConfig, folder: Path) -> None:
    """Refuse a configuration with a size that no weight has: the library allocates its network before it compares."""
    longest = max((size for weight in weights.values() for size in weight.shape), default=0)
    for name in _SIZES:
        size = getattr(config, name, None)
        if isinstance(size, int) and size > longest:
            raise SourceError(
                "weights of the encoder itself are missing, or have another shape",
                given=f"{name}: {size}",
                allowed=f"at most {longest}, the largest size of a weight in the checkpoint",
                where=folder / "config.json",
            )


def _refuse_incomplete(network: PreTrainedModel, loading: dict[str, Any], folder: Path) -> None:
    mismatched = [key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]]
    missing = sorted(key for key in (*loading["missing_keys"], *mismatched) if not on_top(network, key))
    if missing:
        raise SourceError(
            "weights of the encoder itself are missing, or have another shape",
            given=", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
            allowed="a checkpoint that lacks no more than its head",
            where=folder,
        )


def _refuse_other_numbers(network: PreTrainedModel, weights: dict[str, Tensor], folder: Path) -> None:
    """Refuse weights that are not finite, or of another type than the library's floats, which it would only convert."""
    prefix = f"{network.base_model_prefix}."
    own = {name.removeprefix(prefix): weight for name, weight in network.named_parameters()}
    for name, weight in weights.items():
        used = own.get(name.removeprefix(prefix))
        if used is not None and (weight.dtype not in _FLOATS or not used.isfinite().all()):
            raise SourceError(
                "a weight of the checkpoint cannot be trained",
                given=f"{name}, {'not finite' if weight.dtype in _FLOATS else weight.dtype}",
                allowed="finite numbers of the types "
                + ", ".join(str(kind).removeprefix("torch.") for kind in _FLOATS),
                where=folder,
            )


def _refuse_unread(network: PreTrainedModel, unexpected: Iterable[str], folder: Path) -> None:
    """Refuse weights that the encoder's layers have no use for: they were trained to compute something else.

    Whole layers that the configuration leaves out, and weights beside the layers, cost a warning.
    """
    names = {key: key.removeprefix(f"{network.base_model_prefix}.") for key in unexpected}
    parts = dict(network.base_model.named_children()).keys()
    unread = sorted(
        key
        for key, name in names.items()
        if name.split(".")[0] in parts and "pooler" not in name.split(".") and not _BUFFER.search(name)
    )
    if not unread:
        return
    named = ", ".join(unread[:3]) + (f" and {len(unread) - 3} more" if len(unread) > 3 else "")
    if getattr(network.config, "auto_map", None):
        raise _own_code("the model", f"weights that {network.config.model_type} has no use for: {named}", folder)
    own = {name[: layer.end()] for name, _ in network.base_model.named_parameters() if (layer := _LAYER.search(name))}
    if any((layer := _LAYER.search(names[key])) and names[key][: layer.end()] in own for key in unread):
        raise SourceError(
            "layers of the checkpoint have weights that its architecture has no use for: they were trained otherwise",
            given=named,
            allowed=f"the layers of {network.config.model_type} in the transformers library",
            where=folder,
        )
    _log.warning("weights of the checkpoint are not used: %s (%s)", named, folder)
