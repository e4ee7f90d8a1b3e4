"""Assembly of the page, and how it is served."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from engine.data.tables import MAX_MEGABYTES
from engine.data.tasks import NLI, SLANG
from engine.errors import OdzeraError
from gradio_app.context import Context
from gradio_app.handlers.ask import AT_ONCE, answer_all
from gradio_app.languages import NAMES, Language, get_language
from gradio_app.server.below import Below
from gradio_app.server.errors import QuietBlocks
from gradio_app.server.front import Front, own_addresses
from gradio_app.server.gate import UPLOAD, Gate
from gradio_app.server.listener import is_proxied, listening
from gradio_app.server.logins import Logins, Passwords
from gradio_app.server.origins import Address
from gradio_app.server.pages import OwnLanguage
from gradio_app.server.pwa import install_routes
from gradio_app.server.sessions import CAPACITY, keep_little, keep_no_diary
from gradio_app.server.uploads import upload_routes
from gradio_app.tabs.about import create_about_tab
from gradio_app.tabs.batch import create_batch_tab
from gradio_app.tabs.data import create_data_tab
from gradio_app.tabs.linking import bring_back
from gradio_app.tabs.models import create_models_tab
from gradio_app.tabs.nli import create_nli_tab
from gradio_app.tabs.slang import create_slang_tab
from gradio_app.tabs.study import create_study_tab
from gradio_app.tabs.training import create_training_tab
from gradio_app.views.header import render_header

ASSETS = Path(__file__).parent / "assets"
# The visitor's own fonts: nothing is fetched from anywhere.
FONTS = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "Consolas", "Menlo", "monospace")
MOST_WAITING = 200
"""Questions in the queue; more are refused in words."""


TABS = (
    create_batch_tab,
    create_models_tab,
    create_training_tab,
    create_data_tab,
    create_study_tab,
    create_about_tab,
)
"""The tabs to the right of those where models are asked."""


def build_app(context: Context) -> gr.Blocks:
    """The page, once in each language, as a function of its models and results."""
    with QuietBlocks(
        title="Odzera: from scratch or pretrained?", analytics_enabled=False, delete_cache=(3600, 3600)
    ) as app:
        _create_page(app, context, get_language("en"))
        _create_endpoints(context)
    for code in list(NAMES)[1:]:
        with app.route(NAMES[code], f"/{code}", show_in_navbar=False):
            _create_page(app, context, get_language(code))
    page: gr.Blocks = app
    return page


def _create_page(app: gr.Blocks, context: Context, say: Language) -> None:
    gr.Navbar(visible=False)
    gr.HTML(render_header(say))
    with gr.Tabs(elem_id="tabs") as tabs:
        askings = {"slang": create_slang_tab(context, say), "nli": create_nli_tab(context, say)}
        for create in TABS:
            create(context, say)
    bring_back(app, context, say, tabs, askings)


def _create_endpoints(context: Context) -> None:
    """`/classify_slang` and `/classify_nli`, for programs."""

    def classify_slang(text: str) -> list[dict[str, Any]]:
        """Ask every model how a Polish message feels.

        Returns a list of {model, label, scores, ms, waited_ms, runtime, truncated, tokens_read, tokens_given,
        tokens_unknown, token_unit}: a model reads no more than tokens_read of the text's tokens_given, and can't tell
        the tokens_unknown among them apart.
        """
        try:
            return answer_all(context, SLANG, text)
        except OdzeraError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def classify_nli(premise: str, hypothesis: str) -> list[dict[str, Any]]:
        """Ask every model whether the hypothesis follows.

        Returns a list of {model, label, scores, ms, waited_ms, runtime, truncated, tokens_read, tokens_given,
        tokens_unknown, token_unit}: a model reads no more than tokens_read of the pair's tokens_given, and can't tell
        the tokens_unknown among them apart.
        """
        try:
            return answer_all(context, NLI, premise, hypothesis)
        except OdzeraError as error:
            raise gr.Error(str(error), print_exception=False) from None

    for task, endpoint in ((SLANG, classify_slang), (NLI, classify_nli)):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=AT_ONCE, concurrency_id=task.name)


def launch(
    app: gr.Blocks,
    host: str,
    port: int,
    blocked: Sequence[Path] = (),
    routes: Sequence[BaseRoute] = (),
    names: Sequence[Address] = (),
    **more: Any,
) -> None:
    """Serve the page without holding the thread; no file under `blocked` is ever served.

    Args:
        app: The page.
        host: Address to listen on.
        port: Port to listen on.
        blocked: Folders that are out of reach.
        routes: That go before the page's own.
        names: Under which it is reached, beside the address it listens on.
        more: Options of Gradio's `launch`, such as `auth`, `share` and `mcp_server`.
    """
    own: dict[str, Any] = {"share": False, "mcp_server": False, "pwa": True, "state_session_capacity": CAPACITY}
    options = own | more
    if options.get("auth") is not None:
        options["auth"] = Passwords(dict(options["auth"]))
    keep_no_diary()
    root = options.get("root_path") or os.environ.get("GRADIO_ROOT_PATH", "")
    with listening(is_proxied(names, options["share"], root)):
        _launch(app, host, port, blocked, routes, names, options)
    keep_little(app)


def _launch(
    app: gr.Blocks,
    host: str,
    port: int,
    blocked: Sequence[Path],
    routes: Sequence[BaseRoute],
    names: Sequence[Address],
    options: dict[str, Any],
) -> None:
    app.queue(max_size=MOST_WAITING).launch(
        server_name=host,
        server_port=port,
        quiet=True,
        prevent_thread_lock=True,
        # What isn't meant for visitors isn't shown to them.
        show_error=False,
        ssr_mode=False,
        num_workers=0,
        # A question holds one while it waits for its models.
        max_threads=2 * AT_ONCE + 40,
        run_history=False,
        enable_monitoring=False,
        max_file_size=f"{MAX_MEGABYTES}mb",
        blocked_paths=[str(path) for path in blocked],
        footer_links=["api"],
        theme=gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=MONO).set(
            # White on the default teal falls short of WCAG AA.
            button_primary_background_fill="#0f766e",
            button_primary_background_fill_hover="#115e59",
            button_primary_background_fill_dark="#0f766e",
            button_primary_background_fill_hover_dark="#115e59",
        ),
        css_paths=sorted(ASSETS.glob("*.css")),
        head="".join(f"<script>{path.read_text(encoding='utf-8')}</script>" for path in sorted(ASSETS.glob("*.js"))),
        _app=Front(
            own_addresses(host, port, names),
            routes=[*install_routes(), *upload_routes(UPLOAD), *routes],
            middleware=[
                Middleware(Below),
                # The page is half a megabyte of text; streams of answers are left alone.
                Middleware(GZipMiddleware, compresslevel=4),
                Middleware(Gate),
                Middleware(Logins),
                Middleware(OwnLanguage),
            ],
            # Gradio's own list of addresses is no secret, but is nobody's business either.
            openapi_url=None,
        ),
        favicon_path=ASSETS / "icon.svg",
        **options,
    )
