"""The built-in models: same bytes everywhere, and what vLLM needs of them is in them."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from cluster.errors import StartError
from serving import tiny
from serving.tiny import tokenizer
from serving.tiny.shapes import SHAPES

DIGESTS = {
    "tiny-small": "d4078922f9785f4c",
    "tiny-large": "02b3e3b38ed364f4",
}
"""Of all files together. When these change, raise ``tiny.VERSION``: other machines must make the models again."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both tiny models, made once."""
    folder = tmp_path_factory.mktemp("models")
    for name in SHAPES:
        tiny.make(name, folder)
    return folder


def _digest(folder: Path) -> str:
    together = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        together.update(file.name.encode() + file.read_bytes())
    return together.hexdigest()[:16]


@pytest.mark.parametrize("name", SHAPES)
def test_bytes_are_the_published_ones(models: Path, name: str) -> None:
    """A model is the same on every machine, as its version in the folder's name promises."""
    assert _digest(tiny.make(name, models)) == DIGESTS[name]


def test_many_at_once_make_one(tmp_path: Path) -> None:
    """Several processes may want a model at the same moment; all get the same complete one and leave nothing else."""
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: tiny.make("tiny-small", tmp_path), range(4)))
    assert folders == set(tmp_path.iterdir())


def test_a_half_made_model_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails half-way, no folder bears the model's name."""
    monkeypatch.setattr(tokenizer, "TEMPLATE", tmp_path / "missing.jinja")
    with pytest.raises(FileNotFoundError):
        tiny.make("tiny-small", tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("name", SHAPES)
def test_loads_and_writes_only_text(models: Path, name: str) -> None:
    """Every weight that the architecture has is there, and no undecodable or special token is ever likely."""
    folder = tiny.make(name, models)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    model, report = loaded
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    words = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = model(torch.tensor([words("What is the capital of France?").input_ids])).logits[0, -1]
    for token in logits.topk(500).indices:
        text = str(words.decode([token]))
        assert text.isascii(), text
        assert text == tokenizer.EOS or not text.startswith("<"), text


def test_english_costs_few_tokens(models: Path) -> None:
    """Ordinary prose takes about two and a half characters a token, so that real prompts fit the tiny contexts."""
    words = AutoTokenizer.from_pretrained(tiny.make("tiny-small", models))
    prose = "The harbour was quiet in the early morning, and only a few boats were moving slowly towards the open sea."
    assert len(prose) / len(words(prose).input_ids) > 2.5


@pytest.mark.parametrize(
    "text", ["Ünï 日本 🙂\n\t  x", "<|nope|> {}", "0123456789"], ids=["unicode", "brackets", "digits"]
)
def test_tokenizer_keeps_every_byte(models: Path, text: str) -> None:
    """Byte-level BPE gives back whatever it was given."""
    words = AutoTokenizer.from_pretrained(tiny.make("tiny-small", models))
    assert words.decode(words(text).input_ids, skip_special_tokens=True) == text


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}


def test_chat_template_shows_tools_calls_and_results(models: Path) -> None:
    """A conversation with a tool keeps all of its parts, in order, and ends where the model should go on."""
    words = AutoTokenizer.from_pretrained(tiny.make("tiny-small", models))
    conversation: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Rain in Rome?"}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "no rain"},
    ]
    text = str(words.apply_chat_template(conversation, tools=[TOOL], add_generation_prompt=True, tokenize=False))
    parts = [json.dumps(TOOL), "Be brief.", "Rain in Rome?", '<tool_call>{"name": "weather"', '"Rome"', "no rain"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.endswith("<|assistant|>\n")


def test_sources_that_are_not_built_in_pass_unchanged(tmp_path: Path) -> None:
    """A hub id or a path is vLLM's own business."""
    assert tiny.locate("Qwen/Qwen2.5-0.5B-Instruct", tmp_path) == "Qwen/Qwen2.5-0.5B-Instruct"
    assert list(tmp_path.iterdir()) == []


def test_minilm_is_where_its_package_is(tmp_path: Path) -> None:
    """The embedding model needs no copy."""
    folder = Path(tiny.locate("builtin:minilm", tmp_path))
    assert json.loads((folder / "config.json").read_text())["hidden_size"] == 384


def test_unknown_built_in_names_those_that_exist(tmp_path: Path) -> None:
    """A typo after ``builtin:`` is answered with what there is."""
    with pytest.raises(StartError, match="builtin:tiny-small, builtin:tiny-large, builtin:minilm"):
        tiny.locate("builtin:tiny", tmp_path)
