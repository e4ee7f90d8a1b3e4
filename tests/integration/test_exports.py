"""Graphs: every model gives in ONNX Runtime what it gives in PyTorch, and what is served is proven first."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from engine.cli import app
from engine.data.sources import TaskData
from engine.data.tasks import SLANG
from engine.errors import ExportError
from engine.models.backbones import get_backbone
from engine.models.decoder import make_decoder
from engine.models.heads import Head
from engine.models.methods import Method, adapt
from engine.models.networks import Logits, MeanState, NextToken, Reader, TorchNetwork
from engine.models.onnx_graphs import GraphNetwork, Tables, prepare, quantise, trace
from engine.models.pretrained import Opened, open_backbone, open_untouched
from engine.models.zero_shot.answerers import Frozen
from engine.paths import Places
from engine.serving import exports
from engine.serving.answers import Answer, classify_all, in_order
from engine.serving.exports import EXPORT, RUNTIMES, find_export, has_network, make_export
from engine.serving.registry import Registry
from engine.serving.runtime import Graphs, open_served
from engine.store import Store
from engine.training.checkpoints import Checkpoint
from engine.training.classifiers import NeuralModel, open_checkpoint
from engine.training.recipes import RECIPES
from support.models import cut, places_in, saved_decoder, tiny_recipe, train_model
from support.shared import run_folder
from support.traces import Traces

SHAPE = {"vocab_size": 300, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
DECODER = SHAPE | {"max_position_embeddings": 256}
METHODS = {
    "full": Method(),
    "last": Method("last"),
    "head": Method("head"),
    "lora": Method("lora"),
    "prompt": Method("prompt", prompt_tokens=4),
}
LENGTHS = ((1,), (2,), (31,), (256,), (2, 31, 17), (1, 256))


def largest_difference(traces: Traces, reader: Reader, file: Path, longest: int = 256) -> float:
    """Between PyTorch's outputs and the graph's, over all lengths, padded and not."""
    traces(prepare(reader), file)
    first, second = TorchNetwork(reader), GraphNetwork(file)
    generator = np.random.default_rng(3)
    probes = [reader.probe([min(one, longest) for one in lengths], generator) for lengths in LENGTHS]
    return max(float(np.abs(first(probe) - second(probe)).max()) for probe in probes)


def unsettle(model: torch.nn.Module) -> None:
    """Give every trained weight a value of its own: adapters and heads that begin at zero would hide a lost one."""
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.1)


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """Graphs that were traced already."""
    return Traces(run_folder(tmp_path_factory, "traces"))


@pytest.fixture(autouse=True)
def _traced_once(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    # Many of these tests export the same few models; what is proven of their graphs is computed each time.
    monkeypatch.setattr(exports, "trace", traces)


@pytest.mark.parametrize(
    ("head", "pooling"),
    [
        ("linear", "last"),
        *(pytest.param("linear", pooling, marks=pytest.mark.slow) for pooling in ("mean", "max")),
        *(pytest.param("mlp", pooling, marks=pytest.mark.slow) for pooling in ("last", "mean", "max")),
    ],
)
def test_a_decoder_gives_the_same_logits_at_every_length(
    pooling: str, head: str, traces: Traces, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    decoder = make_decoder(DECODER | {"pooling": pooling, "head": head}, 3)
    assert largest_difference(traces, Logits(decoder), tmp_path / "graph.onnx") < 1e-4


def test_a_decoder_reads_padding_on_the_left_in_its_graph_too(traces: Traces, tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder = make_decoder(DECODER | {"pooling": "last", "head": "linear"}, 3).eval()
    traces(prepare(Logits(decoder)), tmp_path / "graph.onnx")
    graph = GraphNetwork(tmp_path / "graph.onnx")
    ids = np.array([[5, 6, 7, 8]], dtype=np.int64)
    alone = graph({"input_ids": ids, "attention_mask": np.ones_like(ids)})
    padded = np.array([[0, 0, 0, 5, 6, 7, 8]], dtype=np.int64)
    mask = (np.arange(7) >= 3).astype(np.int64)[None]
    np.testing.assert_allclose(graph({"input_ids": padded, "attention_mask": mask}), alone, atol=1e-5)


@pytest.fixture(scope="module")
def folders(tiny: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tiny random backbones in folders: architecture → path."""
    made = {}
    for name, files in tiny.items():
        folder = tmp_path_factory.mktemp(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        made[name] = str(folder)
    return made


# What adapters and prompts change differs by architecture; which weights were trained doesn't.
PAIRED = [("gpt2", "lora"), ("bert", "prompt")]
"""What changes a graph once each; the slow ones are the other pairs."""
OTHERS = [
    ("xlm-r", "head"),
    *((one, method) for one in ("gpt2", "bert", "llama", "xlm-r") for method in ("full", "lora", "prompt")),
    ("gpt2", "last"),
]


@pytest.mark.parametrize(
    ("architecture", "method"),
    [*PAIRED, *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS if one not in PAIRED)],
)
def test_every_method_on_every_architecture_gives_the_same_logits(
    architecture: str, method: str, traces: Traces, folders: Mapping[str, str], nli: TaskData, tmp_path: Path
) -> None:
    head = {"gpt2": Head(), "llama": Head("mlp", 16), "bert": Head("pooled", 16), "xlm-r": Head()}[architecture]
    opened = open_backbone(get_backbone(folders[architecture]), head, True, 3)
    model = adapt(opened.model, METHODS[method])
    unsettle(model)
    neural = NeuralModel(Opened(model, opened.tokenizer, opened.origin), nli.task, 256)
    assert isinstance(neural.network, TorchNetwork)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    assert largest_difference(traces, neural.network.reader, tmp_path / "graph.onnx") < 1e-4
    # Merging is the copy's affair.
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("architecture", ["gpt2", pytest.param("llama", marks=pytest.mark.slow)])
def test_a_language_models_next_tokens_are_the_same(
    architecture: str, traces: Traces, folders: Mapping[str, str], tmp_path: Path
) -> None:
    opened = open_untouched(get_backbone(folders[architecture]), causal=True)
    assert largest_difference(traces, NextToken(opened.model), tmp_path / "graph.onnx") < 1e-4


@pytest.mark.parametrize(
    "architecture", [pytest.param(one, marks=pytest.mark.slow) for one in ("gpt2", "bert", "xlm-r")]
)
def test_embeddings_are_the_same(architecture: str, traces: Traces, folders: Mapping[str, str], tmp_path: Path) -> None:
    opened = open_untouched(get_backbone(folders[architecture]), causal=False)
    assert largest_difference(traces, MeanState(opened.model), tmp_path / "graph.onnx") < 1e-4


@pytest.mark.parametrize("blockwise", [False, True], ids=["whole", "blocks"])
def test_gpt2s_own_layers_are_rounded_too(
    blockwise: bool, traces: Traces, folders: Mapping[str, str], tmp_path: Path
) -> None:
    import onnx

    # The head is drawn at random, and the tolerance is for one.
    torch.manual_seed(0)
    opened = open_backbone(get_backbone(folders["gpt2"]), Head(), False, 3)
    traces(prepare(Logits(opened.model)), tmp_path / "fp32.onnx")
    quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", blockwise)
    nodes = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    # Four matrices in each of two blocks.
    assert sum(kind in ("MatMulInteger", "MatMulNBits", "DynamicQuantizeMatMul") for kind in nodes) >= 8
    reader = Logits(opened.model)
    probe = reader.probe((20, 7), np.random.default_rng(0))
    plain = TorchNetwork(reader)(probe)
    off = np.linalg.norm(GraphNetwork(tmp_path / "int8.onnx")(probe) - plain) / np.linalg.norm(plain)
    # One scale for a whole matrix of a model as small as this leaves up to a quarter; one for 32 values half a percent.
    assert off < (0.02 if blockwise else 0.4)


def test_a_damaged_graph_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "fp32.onnx").write_bytes(b"no graph")
    with pytest.raises(ExportError, match=r"fp32\.onnx"):
        GraphNetwork(tmp_path / "fp32.onnx")


@pytest.fixture(scope="module")
def small(slang: TaskData) -> TaskData:
    """Some rows of the sample."""
    return cut(slang, 90, 40)


@pytest.fixture(scope="module")
def made(small: TaskData, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A model of each kind that is served in a way of its own."""
    folder = tmp_path_factory.mktemp("exported")
    places, store = places_in(folder), Store.in_memory()
    backbone = str(saved_decoder(folder / "mini"))
    train_model(tiny_recipe(), small, places, store)
    train_model(RECIPES["tfidf"], small, places, store)
    weighed = dataclasses.replace(tiny_recipe(), tune_thresholds=True)
    train_model(weighed, small, places, store, name="weighed")
    for name in ("mini-lora", "mini-zero", "mini-few"):
        recipe = dataclasses.replace(RECIPES[name], backbone=backbone, epochs=1, max_length=40)
        if recipe.kind == "pretrained":
            recipe = dataclasses.replace(recipe, head=Head("pooled", 16))
        else:
            recipe = dataclasses.replace(
                recipe,
                max_length=64,
                frozen=Frozen("similarity" if "zero" in name else "logistic", "" if "zero" in name else "2"),
            )
        train_model(recipe, small, places, store)
    return places


@pytest.fixture
def copied(made: Places, tmp_path: Path) -> Places:
    """The same in a folder that a test may change."""
    shutil.copytree(made.checkpoints, tmp_path / "checkpoints")
    return places_in(tmp_path)


def find(places: Places, name: str) -> Checkpoint:
    return Registry(places.checkpoints).find("slang", name)


@pytest.mark.parametrize("name", ["scratch", "weighed", "mini-lora", "mini-zero", "mini-few"])
def test_a_served_model_answers_as_pytorch_does(
    name: str, copied: Places, small: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fastest is a matter of the machine; here it is the graph's turn.
    monkeypatch.setattr(exports, "_fastest", lambda p50: "fp32")
    checkpoint = find(copied, name)
    export = make_export(checkpoint, small)
    assert export.serves == "fp32"
    assert export.manifest["runtimes"]["fp32"]["difference"] <= 1e-4
    served = open_served(checkpoint, None, Graphs())
    assert served.runtime == "fp32"
    plain = open_checkpoint(checkpoint)
    texts = small.texts("test")
    np.testing.assert_allclose(served.classifier.probabilities(texts), plain.probabilities(texts), atol=1e-4)
    assert served.classifier.parameters() == plain.parameters()


def test_rounding_is_judged_on_validation_and_both_figures_are_kept(copied: Places, small: TaskData) -> None:
    export = make_export(find(copied, "scratch"), small)
    told = {**export.manifest["runtimes"], **export.manifest["left_out"]}
    rounded = told["int8"]
    if isinstance(rounded, dict):
        assert rounded["rows"] == 40
        assert rounded["agreement"] >= 0.99
        assert rounded["accuracy_fp32"] - rounded["accuracy"] < 0.005
    else:
        assert "40 validation rows" in rounded


def negate_head(source: Path, file: Path) -> None:
    """The same graph, but for the sign of its last matrix: as a trace of other weights is, without its seconds."""
    import onnx

    model = onnx.load(source)
    (head,) = (one for one in model.graph.initializer if len(one.dims) == 2 and 3 in one.dims)
    head.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(head), head.name))
    onnx.save(model, file)


def test_rounding_that_changes_answers_never_serves(
    copied: Places, small: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(source: Path, file: Path, blockwise: bool = False) -> None:
        # It runs, and says something else.
        negate_head(source, file)

    monkeypatch.setattr(exports, "quantise", spoil)
    monkeypatch.setattr(exports, "_fastest", lambda p50: next(reversed(p50)))
    export = make_export(find(copied, "scratch"), small)
    assert export.serves == "fp32"
    assert "of the labels stay the same" in export.manifest["left_out"]["int8"]
    assert "of the labels stay the same" in export.reason


def test_a_graph_that_differs_never_serves(copied: Places, small: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_DIFFERENCE", 1e-12)
    export = make_export(find(copied, "scratch"), small)
    assert export.serves == "torch"
    assert "differ from PyTorch's" in export.reason
    assert not list(export.folder.glob("*.onnx"))
    served = open_served(find(copied, "scratch"), None, Graphs())
    assert served.runtime == "torch"
    assert served.reason == export.reason


def test_without_validation_rows_nothing_is_rounded(copied: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_own_data", lambda checkpoint: None)
    export = make_export(find(copied, "scratch"))
    assert export.serves in ("fp32", "torch")
    assert "--source" in export.manifest["left_out"]["int8"]


def test_other_data_than_the_models_is_refused(copied: Places, slang: TaskData) -> None:
    with pytest.raises(ExportError, match="was trained on the data"):
        make_export(find(copied, "scratch"), dataclasses.replace(slang, fingerprint="0" * 12))


def cannot_be_traced(reader: Reader, file: Path) -> None:
    """What is said of a model that PyTorch can't follow."""
    raise ExportError("PyTorch can't write it as a graph")


def test_a_retrained_model_has_no_export(copied: Places, small: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_export(find(copied, "scratch"))
    assert find_export(find(copied, "scratch")) is not None
    train_model(tiny_recipe(seed=7), small, copied, Store.in_memory())
    again = find(copied, "scratch")
    assert find_export(again) is None
    # Where it serves is no matter here, so its graph isn't waited for.
    monkeypatch.setattr(exports, "trace", cannot_be_traced)
    second = make_export(again)
    assert second.folder != first.folder
    assert not first.folder.exists()


def damage_graph(folder: Path) -> None:
    graph = next(folder.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-8])


def damage_manifest(folder: Path) -> None:
    (folder / EXPORT).write_text("{", encoding="utf-8")


def foreign_manifest(folder: Path) -> None:
    manifest = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
    (folder / EXPORT).write_text(json.dumps(manifest | {"serves": "../../x"}), encoding="utf-8")


def remove_graph(folder: Path) -> None:
    next(folder.glob("*.onnx")).unlink()


def test_a_damaged_export_is_none(copied: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_fastest", lambda p50: "fp32")
    checkpoint = find(copied, "scratch")
    folder = make_export(checkpoint).folder
    whole = shutil.copytree(folder, tmp_path / "whole")
    for damage in (damage_graph, damage_manifest, foreign_manifest, remove_graph):
        damage(folder)
        assert find_export(checkpoint) is None, damage
        assert open_served(checkpoint, None, Graphs()).runtime == "torch", damage
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        assert find_export(checkpoint) is not None


def test_baselines_have_nothing_to_export(copied: Places) -> None:
    checkpoint = find(copied, "tfidf")
    assert not has_network(checkpoint)
    with pytest.raises(ExportError, match="no network"):
        make_export(checkpoint)
    assert open_served(checkpoint, None, Graphs()).runtime == "numpy"


def test_an_open_registry_answers_from_the_graph_once_there_is_one(
    copied: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_fastest", lambda p50: "fp32")
    registry = Registry(copied.checkpoints)
    checkpoint = registry.find("slang", "scratch")
    assert registry.waits_for_export(checkpoint)
    (before,) = classify_all(registry, SLANG, ["ale sztos"], [checkpoint])
    make_export(checkpoint)
    assert not registry.waits_for_export(checkpoint)
    registry.renew(checkpoint)
    (after,) = classify_all(registry, SLANG, ["ale sztos"], [checkpoint])
    assert isinstance(before, Answer)
    assert isinstance(after, Answer)
    assert (before.runtime, after.runtime) == ("torch", "fp32")
    np.testing.assert_allclose(list(after.scores.values()), list(before.scores.values()), atol=1e-4)


def test_graphs_with_the_same_embedding_keep_it_in_memory_once(tmp_path: Path) -> None:
    tables: Tables = {}
    torch.manual_seed(0)
    shape = SHAPE | {"vocab_size": 20_000}
    decoder = make_decoder(shape, 3)
    with torch.no_grad():
        decoder.score.weight.normal_()  # type: ignore[union-attr,operator]
    trace(prepare(Logits(decoder)), tmp_path / "first.onnx")
    negate_head(tmp_path / "first.onnx", tmp_path / "second.onnx")
    networks = [GraphNetwork(tmp_path / f"{name}.onnx", tables=tables) for name in ("first", "second")]
    with torch.no_grad():
        decoder.score.weight.neg_()  # type: ignore[union-attr,operator]
    assert len(tables) == 1
    probe = Logits(decoder).probe((9, 4), np.random.default_rng(0))
    first, second = (network(probe) for network in networks)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(second, TorchNetwork(Logits(decoder))(probe), atol=1e-4)


def test_untrained_models_on_one_backbone_share_one_graph(
    copied: Places, small: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_fastest", lambda p50: "fp32")
    made = [make_export(find(copied, name), small) for name in ("mini-zero", "mini-few")]
    assert made[0].graph_digest == made[1].graph_digest
    graphs = Graphs()
    assert graphs.get(made[0]) is graphs.get(made[1])


def test_the_command_exports_says_what_serves_and_does_nothing_twice(
    copied: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("weighed", "mini-few", "mini-zero"):
        shutil.rmtree(find(copied, name).folder)
    monkeypatch.setenv("ODZERA_HOME", str(copied.checkpoints.parent))
    runner = CliRunner()
    result = runner.invoke(app, ["export", "all", "--task", "slang"])
    assert result.exit_code == 0, result.output
    for name in ("scratch", "mini-lora"):
        assert name in result.output
    assert "tfidf" not in result.output
    assert any(title in result.output for title in RUNTIMES.values())
    with monkeypatch.context() as patched:
        patched.setattr(exports, "make_export", lambda *given: pytest.fail("exported again"))
        again = runner.invoke(app, ["export", "all", "--task", "slang", "--json"])
    assert {row["model"] for row in json.loads(again.stdout)} == {"scratch", "mini-lora"}
    refused = runner.invoke(app, ["export", "tfidf", "--task", "slang"])
    assert refused.exit_code == 2
    assert "no network" in refused.output


def test_every_answer_names_its_runtime(copied: Places) -> None:
    registry = Registry(copied.checkpoints)
    models = registry.models("slang")
    answers = in_order(classify_all(registry, SLANG, ["ale sztos"], models), models)
    runtimes = {one.model: one.runtime for one in answers if isinstance(one, Answer)}
    assert runtimes["tfidf"] == "numpy"
    assert runtimes["scratch"] == "torch"
