"""Assembly of the page, and how it is served."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from engine.data.tasks import NLI, SLANG
from engine.errors import OdzeraError
from gradio_app import handlers
from gradio_app.context import Context
from gradio_app.curves_tab import create_curves_tab
from gradio_app.models_tab import create_models_tab
from gradio_app.nli_tab import create_nli_tab
from gradio_app.slang_tab import create_slang_tab
from gradio_app.study_tab import create_study_tab

ASSETS = Path(__file__).parent / "assets"
# The visitor's own fonts: nothing is fetched from anywhere.
FONTS = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "Consolas", "Menlo", "monospace")


def build_app(context: Context) -> gr.Blocks:
    """The page as a function of its models and results."""
    with gr.Blocks(
        title="Odzera: from scratch or pretrained?", analytics_enabled=False, delete_cache=(3600, 3600)
    ) as app:
        gr.HTML(
            '<header class="oz-header"><h1>Odzera</h1>'
            "<p>Train a small model from scratch, or adapt something pretrained? "
            "Ask them all, and see.</p></header>"
        )
        with gr.Tabs():
            create_slang_tab(context)
            create_nli_tab(context)
            create_models_tab(context)
            create_curves_tab(context)
            create_study_tab(context)
        _create_endpoints(context)
    page: gr.Blocks = app
    return page


def _create_endpoints(context: Context) -> None:
    """`/classify_slang` and `/classify_nli`, for programs."""

    def classify_slang(text: str) -> list[dict[str, Any]]:
        """Ask every model how a Polish message feels: a list of {model, label, scores, ms, waited_ms, runtime}."""
        try:
            return handlers.answer_all(context, SLANG, text)
        except OdzeraError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def classify_nli(premise: str, hypothesis: str) -> list[dict[str, Any]]:
        """Ask every model whether the hypothesis follows: a list of {model, label, scores, ms, waited_ms, runtime}."""
        try:
            return handlers.answer_all(context, NLI, premise, hypothesis)
        except OdzeraError as error:
            raise gr.Error(str(error), print_exception=False) from None

    for endpoint in (classify_slang, classify_nli):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=2, concurrency_id="classify")


def launch(app: gr.Blocks, host: str, port: int, blocked: Sequence[Path] = (), **more: Any) -> None:
    """Serve the page without holding the thread; no file under `blocked` is ever served."""
    app.queue(max_size=200).launch(
        server_name=host,
        server_port=port,
        quiet=True,
        prevent_thread_lock=True,
        show_error=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        max_file_size="1mb",
        blocked_paths=[str(path) for path in blocked],
        footer_links=["api"],
        theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=MONO).set(
            # White on the default teal falls short of WCAG AA.
            button_primary_background_fill="#0f766e",
            button_primary_background_fill_hover="#115e59",
            button_primary_background_fill_dark="#0f766e",
            button_primary_background_fill_hover_dark="#115e59",
        ),
        css_paths=ASSETS / "style.css",
        favicon_path=ASSETS / "icon.svg",
        **more,
    )
