"""What a start doesn't wait for."""

import inspect
import subprocess
import sys

import pytest

from gradio_app.server.stubs import import_gradio

LATER = {
    # Module → seconds that it took, when it was imported at every start.
    "transformers.modeling_utils": 1.9,
    "torch._dynamo": 0.6,
    "sklearn": 1.0,
    "scipy": 0.5,
    "optuna_dashboard": 0.2,
    "peft": 0.5,
    "onnxruntime": 0.2,
}


@pytest.mark.parametrize("module", ["gradio_app.app", "engine.search.workers", "engine.cli"])
def test_nothing_is_imported_that_only_some_work_needs(module: str) -> None:
    code = f"import sys, {module}; print(*set({sorted(LATER)}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_gradio_is_imported_as_it_is() -> None:
    find = inspect.getfile
    import_gradio()
    assert inspect.getfile is find
    code = (
        "import gradio_app.server.stubs as stubs; stubs.import_gradio(); import gradio as gr, inspect\n"
        "with gr.Blocks() as page: gr.Textbox().submit(str, None, gr.HTML())\n"
        "print(len(page.config['components']), inspect.getfile(gr.HTML))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, place = done.stdout.split(maxsplit=1)
    assert (int(count), place.strip()[-7:]) == (3, "html.py")
