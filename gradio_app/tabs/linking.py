"""Links: what an address holds is brought back when the page opens."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from gradio_app.context import Context
from gradio_app.handlers.ask import AT_ONCE, show_example
from gradio_app.handlers.link import read_link
from gradio_app.languages import Language
from gradio_app.tabs.asking import Asking
from gradio_app.tabs.examples import FIRST_EXAMPLES


def bring_back(page: gr.Blocks, context: Context, say: Language, tabs: gr.Tabs, askings: Mapping[str, Asking]) -> None:
    """When the page opens: the tab, the text and the models of its address, and their answers."""
    # The address stays in the browser; what it holds after the `#` is sent to no server in a request's line.
    address = gr.Textbox(visible=False)

    def restore(written: object) -> Iterator[Any]:
        link = read_link(written)
        if link.task is None:
            yield {tabs: gr.Tabs(selected=link.tab)} if link.tab != "slang" else gr.skip()
            return
        asking = askings[link.tab]
        known = {fingerprint for _, fingerprint in context.data_choices(link.tab, say)}
        data = link.data if link.data in known else None
        names = [one.name for one in context.models(link.task, data)]
        chosen = [name for name in names if link.models is None or name in link.models]
        brought: dict[Any, Any] = {
            tabs: gr.Tabs(selected=link.tab),
            asking.models: gr.CheckboxGroup(names, value=chosen),
            asking.before: link.before,
        }
        brought |= dict(zip(asking.texts, link.texts, strict=True))
        if data is not None:
            brought[asking.data] = data
        for answers in asking.answer(*link.texts, data, chosen, link.before):
            yield brought | answers
            brought = {}

    def exemplify() -> list[str]:
        return [show_example(context, say, asking.task, FIRST_EXAMPLES[name]) for name, asking in askings.items()]

    page.load(
        exemplify,
        None,
        [asking.example for asking in askings.values()],
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=AT_ONCE,
    )
    outputs: list[Any] = [tabs]
    for asking in askings.values():
        outputs += [*asking.inputs, *asking.outputs]
    page.load(
        restore,
        address,
        outputs,
        js="() => [window.odzera.address()]",
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=AT_ONCE,
    )
