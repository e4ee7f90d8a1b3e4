"""A GPU that is lent for a while: many texts borrow it, few don't, and without it the CPU goes on."""

from typing import Any

import numpy as np
import pytest

from engine.data.sources import TaskData
from engine.paths import Places
from engine.serving.registry import Registry
from engine.serving.zerogpu import LEAST_ROWS, ROWS_A_CALL, GpuRegistry, OnGpu, lend


class Gpu:
    """Stands where a GPU is lent: it runs the function, counts the calls, and is busy when told so."""

    def __init__(self) -> None:
        self.decorated: list[Any] = []
        self.rows: list[int] = []
        self.busy_after = 10**9

    def __call__(self, ask: Any) -> Any:
        """Decorate."""
        self.decorated.append(ask)

        def borrow(key: str, inputs: Any) -> Any:
            if len(self.rows) >= self.busy_after:
                raise RuntimeError("No GPU was available after 60s")
            self.rows.append(len(inputs))
            return ask(key, inputs)

        return borrow


@pytest.fixture
def registry(trained: Places, monkeypatch: pytest.MonkeyPatch) -> tuple[GpuRegistry, Gpu]:
    """Models of which all networks are thought to be slow."""
    monkeypatch.setattr("engine.serving.zerogpu.SLOW_MS", 0.0)
    gpu = Gpu()
    return GpuRegistry(trained.checkpoints, gpu, "cpu", ["slang"]), gpu


def test_many_texts_borrow_the_gpu_in_slices_and_few_do_not(
    registry: tuple[GpuRegistry, Gpu], slang: TaskData, trained: Places
) -> None:
    opened, gpu = registry
    model = opened.classifier(opened.find("slang", "scratch"))
    assert isinstance(model, OnGpu)
    texts = slang.texts("test")
    assert len(texts) >= LEAST_ROWS
    few = model.probabilities(texts[: LEAST_ROWS - 1])
    assert gpu.rows == []
    plain = Registry(trained.checkpoints)
    known = plain.classifier(plain.find("slang", "scratch"))
    assert np.allclose(few, known.probabilities(texts[: LEAST_ROWS - 1]), atol=1e-5)
    many = (texts * (ROWS_A_CALL // len(texts) + 2))[: ROWS_A_CALL + 100]
    heard: list[tuple[int, int]] = []
    said = model.probabilities(many, lambda done, total: heard.append((done, total)))
    assert gpu.rows == [ROWS_A_CALL, 100]
    assert heard == [(ROWS_A_CALL, len(many)), (len(many), len(many))]
    assert np.allclose(said[: len(texts)], known.probabilities(texts), atol=1e-5)


def test_where_no_gpu_is_free_the_cpu_goes_on_from_there(registry: tuple[GpuRegistry, Gpu], slang: TaskData) -> None:
    opened, gpu = registry
    model = opened.classifier(opened.find("slang", "scratch"))
    texts = slang.texts("test")
    many = (texts * (ROWS_A_CALL // len(texts) + 2))[: ROWS_A_CALL + 200]
    gpu.busy_after = 1
    heard: list[tuple[int, int]] = []
    said = model.probabilities(many, lambda done, total: heard.append((done, total)))
    assert gpu.rows == [ROWS_A_CALL]
    assert heard[-1] == (len(many), len(many))
    assert said.shape == (len(many), 3)
    assert np.allclose(said[: len(texts)].sum(axis=1), 1)


def test_a_function_is_decorated_even_where_no_model_is_slow(trained: Places) -> None:
    gpu = Gpu()
    lent = lend(Registry(trained.checkpoints), gpu, "cpu", [])
    assert lent.models == {}
    assert len(gpu.decorated) == 1


def test_baselines_stay_on_the_cpu(registry: tuple[GpuRegistry, Gpu], slang: TaskData) -> None:
    opened, gpu = registry
    opened.classifier(opened.find("slang", "tfidf")).probabilities(slang.texts("test"))
    assert gpu.rows == []
