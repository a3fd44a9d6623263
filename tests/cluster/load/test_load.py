"""A fleet file becomes a fleet, or a list of problems that each say where and what to do; never anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cluster.errors import FleetFileError
from cluster.load import MAX_BYTES, load_fleet, parse_fleet
from cluster.spec import Fleet

DEMO = Path("fleets/demo.yaml")
HOSTED = "{engine: claude, price: {prompt: 3, completion: 15}}"
MODEL = "models: {a: {source: x/y}}\n"


def problems(text: str | bytes) -> list[str]:
    """What is said about a file."""
    with pytest.raises(FleetFileError) as caught:
        parse_fleet(text.encode() if isinstance(text, str) else text, "f.yaml")
    return str(caught.value).splitlines()


def test_reads_the_demo_fleet() -> None:
    """The file that a newcomer starts from holds three models in three tiers."""
    fleet = load_fleet(DEMO)
    assert list(fleet.models) == ["tiny-small", "tiny-large", "minilm"]
    assert fleet.tier_of("minilm") == "embedding"
    assert fleet.models["tiny-large"].engine_args == fleet.models["tiny-small"].engine_args


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "f.yaml:1: is empty (start from fleets/demo.yaml)", id="empty"),
        pytest.param("# only\n# words\n", "f.yaml:1: is empty (start from fleets/demo.yaml)", id="comments only"),
        pytest.param("- a\n", "f.yaml:1: holds a list, not fields (start with name: and models:)", id="list"),
        pytest.param("\nhi", "f.yaml:2: holds a single value, not fields (start with name: and models:)", id="scalar"),
        pytest.param(b"a: 1\nb: \xff", "f.yaml:2: is not UTF-8 text (save it as UTF-8)", id="not UTF-8"),
        pytest.param("a: \x01", "f.yaml:1: holds a character that YAML forbids: 0x1 (remove it)", id="control"),
        pytest.param(
            "a:\n\tb: 1",
            "f.yaml:2: is not YAML: found character '\\t' that cannot start any token (indent with spaces)",
            id="tab",
        ),
        pytest.param("a: *b", "f.yaml:1: is not YAML: found undefined alias 'b'", id="alias of nothing"),
        pytest.param("a: 1\n---\nb: 2", "f.yaml:2: is not YAML: but found another document", id="two documents"),
        pytest.param("a: &x [*x]", "an alias stands inside the value that it repeats", id="alias of itself"),
        pytest.param("[" * 5000, "f.yaml:1: is nested too deeply (at most 40 levels)", id="deep"),
        pytest.param("a: " + "[" * 50 + "]" * 50, "f.yaml:1: is nested too deeply", id="a little too deep"),
        pytest.param('a: "\\U00ffffff"', "f.yaml:1: is not YAML: ", id="impossible character"),
        pytest.param(f"name: {'9' * 5000}\n{MODEL}", "is not a value of type int", id="endless number"),
    ],
)
def test_says_why_a_text_is_no_fleet_file(text: str | bytes, expected: str) -> None:
    """Whatever is not YAML with fields at its top gets one line with its own words."""
    said = problems(text)
    assert len(said) == 1
    assert expected in said[0]


def test_refuses_an_expansion_bomb() -> None:
    """Aliases of aliases are refused before they fill the memory."""
    layers = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    said = problems("\n".join(["l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", *layers]))
    assert "has more than 20000 values" in said[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(MODEL, "f.yaml:1: name: is missing (add name:)", id="missing"),
        pytest.param(
            f"name: a\n{MODEL}\nname: b", "f.yaml:4: name: stands here twice (remove one of them)", id="twice"
        ),
        pytest.param(
            "name: a\nmodels:\n  m:\n    sorce: x",
            "f.yaml:4: models.m.sorce: unknown field (did you mean 'source'?)",
            id="typo in a field",
        ),
        pytest.param(
            f"name: a\n{MODEL}tiers:\n  huge: []",
            "f.yaml:4: tiers.huge: unknown field (known here: small, large, embedding)",
            id="unlike every field",
        ),
        pytest.param(f"name: a\n{MODEL}slo: {{ttft: 1}}", "slo.ttft: unknown field (known here: ttft_p95_s", id="slo"),
        pytest.param(
            "name: a\nmodels: {m: {source: x, engine: vlm}}",
            "f.yaml:2: models.m.engine: is 'vlm', should be 'vllm', 'url', 'freehold', 'claude' or 'simulated' "
            "(did you mean 'vllm'?)",
            id="enum",
        ),
        pytest.param(
            f"name: a\n{MODEL}gateway:\n  port: '80'",
            "f.yaml:4: gateway.port: should be a number, is '80' (write it without quotes and units)",
            id="number in quotes",
        ),
        pytest.param(
            f"name: a\n{MODEL}gateway: {{port: yes}}", "gateway.port: is True, should be", id="yes for a number"
        ),
        pytest.param(f"name: a\n{MODEL}gateway: {{port: 0}}", "gateway.port: is 0, should be greater than", id="range"),
        pytest.param(
            f"name: no\n{MODEL}", "name: should be a text, is False (write it in quotes)", id="no is a boolean"
        ),
        pytest.param(f"name: a b\n{MODEL}", "name: is 'a b' (a name starts with a letter", id="name with a space"),
        pytest.param("name: a\nmodels: {}", "f.yaml:2: models: is empty (add at least 1)", id="no models"),
        pytest.param("name: a\nmodels: []", "f.yaml:2: models: should hold fields, is a list", id="list of models"),
        pytest.param(f"name: a\n{MODEL}routing:", "routing: should hold fields, is empty", id="nothing in a part"),
        pytest.param(
            f"name: a\n{MODEL}tiers:\n  small:\n  - a\n  - aa",
            "f.yaml:6: tiers.small.1: no model 'aa' in this file (did you mean 'a'?)",
            id="tier without its model",
        ),
        pytest.param(
            f"name: a\n{MODEL}tiers: {{small: [a, a]}}", "tiers.small.1: 'a' is listed twice", id="listed twice"
        ),
        pytest.param(f"name: a\n{MODEL}tiers: {{embedding: [a]}}", "tiers.embedding.0: 'a' can chat", id="wrong tier"),
        pytest.param("name: a\nmodels: {auto: {source: x}}", "models.auto: this name leaves the choice", id="auto"),
        pytest.param(
            "name: a\nmodels: {small: {source: x}}", "models.small: this is a tier's name", id="a tier's name"
        ),
        pytest.param(
            "name: a\nmodels: {spillover: {source: x}}",
            "models.spillover: this is a tier's name",
            id="the chain's tier",
        ),
        pytest.param(
            "name: a\nmodels: {m: {engine: claude}}", "models.m.price: engine 'claude' costs money", id="claude's price"
        ),
        pytest.param(
            f"name: a\nmodels: {{m: {HOSTED}}}",
            "models.m.price: a model with a price needs a budget; set tenants.access: keys, or spillover.open_usd",
            id="paid by nobody",
        ),
        pytest.param(
            f"name: a\nmodels: {{m: {HOSTED}}}\nspillover: {{open_usd_per_day: 1, chain: [m, m]}}",
            "f.yaml:3: spillover.chain.1: 'm' is listed twice; a request would go in circles",
            id="a circle",
        ),
        pytest.param(
            f"name: a\nmodels: {{m: {HOSTED}}}\ntiers: {{large: [m]}}\nspillover: {{open_usd_per_day: 1, chain: [m]}}",
            "spillover.chain.0: 'm' is in tier large already; it would be tried twice",
            id="a circle by tier",
        ),
        pytest.param(
            f"name: a\nmodels:\n  m: {HOSTED}\n  o: {HOSTED[:-1]}, served_as: m}}\n"
            "spillover: {open_usd_per_day: 1, chain: [m, o]}",
            "spillover.chain.1: 'o' is the same target as 'm'; it would be tried twice",
            id="a circle by another name",
        ),
        pytest.param(
            f"name: a\n{MODEL}spillover: {{chain: [a]}}", "spillover.chain.0: 'a' has no price", id="a chain at home"
        ),
        pytest.param(
            f"name: a\n{MODEL}spillover: {{chain: [b]}}", "spillover.chain.0: no model 'b' in this file", id="no chain"
        ),
        pytest.param(
            "name: a\nmodels: {m: {engine: url, url: 'http://localhost:8080'}}",
            "models.m.url: this is the gateway's own address; a request would go round",
            id="a circle of one",
        ),
        pytest.param("name: a\nmodels: {m: {}}", "models.m.source: engine 'vllm' needs a Hugging Face id", id="source"),
        pytest.param("name: a\nmodels: {m: {engine: url}}", "models.m.url: engine 'url' needs the server", id="url"),
        pytest.param(
            "name: a\nmodels: {m: {source: 'builtin:tiny'}}",
            "models.m.source: no built-in model 'builtin:tiny' (did you mean 'builtin:tiny-",
            id="built-in",
        ),
        pytest.param(
            "name: a\nmodels: {m: {source: x, replicas: {min: 3, max: 2}}}",
            "models.m.replicas.max: 2 is below min 3; raise max or lower min",
            id="min over max",
        ),
        pytest.param(
            "name: a\nmodels: {m: {source: x, accelerator: {type: L40S}}}",
            "models.m.accelerator.count: a replica on 'L40S' needs at least 1 GPU; set count",
            id="no GPUs",
        ),
        pytest.param(
            "name: a\nmodels: {m: {source: x, engine_args: {max_model_len: 9}}}",
            "models.m.engine_args.max_model_len: set context_length instead",
            id="context in the wrong place",
        ),
        pytest.param(f"name: !!python/name:os.system\n{MODEL}", "means nothing here (remove it)", id="tag"),
        pytest.param(f"name: a\n{MODEL}? [1]\n: 2", "f.yaml:3: a field's name must be a text", id="list as a name"),
        pytest.param(f'name: "\\ud800"\n{MODEL}', "name: holds half a character", id="lone surrogate"),
        pytest.param(f"name: a\n{MODEL}<<: 3", "<< takes the fields of another mapping", id="merge of a number"),
    ],
)
def test_names_line_field_and_way_out(text: str, expected: str) -> None:
    """One mistake gives one line: file, line, dotted field, what is wrong, what to do."""
    said = problems(text)
    assert len(said) == 1, said
    assert expected in said[0]


def test_lists_every_problem_from_the_top() -> None:
    """All problems come at once, wrong names in tiers included, in the order of their lines."""
    said = problems(
        "name: no\nmodels:\n  m: {sorce: x, engine: vlm}\ntiers: {small: [n], larg: [m]}\ngateway: {port: '80'}\n"
    )
    where = [line.split(": ")[0] for line in said]
    assert where == ["f.yaml:1", "f.yaml:3", "f.yaml:3", "f.yaml:4", "f.yaml:4", "f.yaml:5"]


def test_dates_and_anchors_are_what_they_look_like() -> None:
    """A revision that looks like a date stays a text, and a merged mapping lends its fields."""
    fleet = parse_fleet(
        b"name: a\nmodels:\n  m: &m {source: x, revision: 2024-01-01}\n  n: {<<: *m, source: y}\n", "f.yaml"
    )
    assert [(m.source, m.revision) for m in fleet.models.values()] == [("x", "2024-01-01"), ("y", "2024-01-01")]


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    """A mistyped file name is met with the one that is there."""
    (tmp_path / "demo.yaml").write_text("name: a")
    with pytest.raises(FleetFileError, match=r"No such file or directory \(did you mean .*/demo.yaml\?\)"):
        load_fleet(tmp_path / "dmeo.yaml")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """A file over 1 MiB is refused by its size."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(FleetFileError, match="is over 1 MiB"):
        load_fleet(large)


@pytest.mark.parametrize("path", ["fleets", "no\0file"], ids=["a directory", "an impossible name"])
def test_what_cannot_be_read_is_one_problem(path: str) -> None:
    """The operating system's own refusals come out as a fleet file's problem."""
    with pytest.raises(FleetFileError, match="cannot be read") as caught:
        load_fleet(path)
    assert caught.value.exit_code == 2


def fleet_or_problems(raw: bytes) -> None:
    """The property: a fleet, or problems of one line each that name the file."""
    try:
        outcome: Fleet | FleetFileError = parse_fleet(raw, "f.yaml")
    except FleetFileError as error:
        outcome = error
    if isinstance(outcome, FleetFileError):
        assert outcome.problems
        assert all(line.startswith("f.yaml:") for line in str(outcome).split("\n"))
        assert all(problem.line >= 1 for problem in outcome.problems)


PIECES = st.sampled_from(
    [
        *[":", "-", ",", "[", "]", "{", "}", "&", "*", "!", "|", ">", "'", '"', "%", "@", "`", "#", "?", "\t", "\n"],
        "<<: *on-cpu",
        "- ",
        "&a ",
        "*a",
        "!!int ",
        "null",
        "~",
    ]
)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
@example(data=None)
def test_a_damaged_text_is_a_fleet_or_a_problem(data: st.DataObject | None) -> None:
    """Cutting from the demo file and putting YAML's own characters into it raises nothing but FleetFileError."""
    text = DEMO.read_text()
    for _ in range(data.draw(st.integers(1, 4)) if data else 0):
        assert data is not None
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
        text = text[:at] + data.draw(PIECES | st.text(max_size=5)) + text[at + length :]
    fleet_or_problems(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_bytes_are_a_fleet_or_a_problem(raw: bytes) -> None:
    """Any bytes raise nothing but FleetFileError."""
    fleet_or_problems(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, child in items for place in places(child, (*path, step)))]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_wrong_value_is_a_fleet_or_a_problem(data: st.DataObject) -> None:
    """Any JSON in the place of any value of the demo file raises nothing but FleetFileError."""
    content = json.loads(json.dumps(yaml.safe_load(DEMO.read_text())))
    *way, last = data.draw(st.sampled_from([place for place in places(content) if place]))
    holder = content
    for step in way:
        holder = holder[step]
    holder[last] = data.draw(JSON)
    fleet_or_problems(yaml.safe_dump(content, allow_unicode=True).encode("utf-8", "surrogatepass"))
