"""Visitors open the page and ask by Gradio's own queue, over real HTTP, as a browser does."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from engine.data import sources
from engine.data.tasks import TASKS
from engine.errors import OdzeraError

BOXES: Mapping[str, tuple[str, ...]] = {"slang": ("slang-text",), "nli": ("nli-premise", "nli-hypothesis")}
"""Task → the ids of the boxes that are typed into; its button is called `TASK-ask`."""
QUESTIONS = 5
"""That a visitor asks before the page is opened anew."""
LENGTHS = (*(1,) * 16, *(3,) * 3, 10)
"""How many sentences a text is made of: four of five are one sentence, one of twenty is as long as a review."""
TIMEOUT = httpx.Timeout(60)


@dataclass(frozen=True)
class Form:
    """What a browser knows of one task's button."""

    task: str
    fn_index: int
    trigger_id: int
    values: tuple[Any, ...]
    """What its inputs hold when the page is opened."""
    boxes: tuple[int, ...]
    """Places in `values` of what is typed."""

    def body(self, texts: Sequence[str], session: str) -> dict[str, Any]:
        """What the browser sends when the button is pressed."""
        values = list(self.values)
        for place, text in zip(self.boxes, texts, strict=True):
            values[place] = text
        return {
            "data": values,
            "event_data": None,
            "fn_index": self.fn_index,
            "trigger_id": self.trigger_id,
            "session_hash": session,
        }


@dataclass
class Waits:
    """What visitors have waited for, in milliseconds."""

    first: list[float] = field(default_factory=list)
    """From the question to the first model's verdict."""
    full: dict[str, list[float]] = field(default_factory=lambda: {task: [] for task in TASKS})
    """To the last one's, by task."""
    page: list[float] = field(default_factory=list)
    """To open the page."""
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """Questions that were answered by every model."""
        return sum(map(len, self.full.values()))

    def fail(self, reason: str) -> None:
        """Count an error."""
        self.errors[reason] = self.errors.get(reason, 0) + 1


def read_forms(config: Mapping[str, Any]) -> dict[str, Form]:
    """Each task's form, from the page's `/config`.

    Raises:
        OdzeraError: It is no page of ours.
    """
    try:
        here = config["page"][""]
        components = {one["id"]: one["props"] for one in config["components"] if one["id"] in set(here["components"])}
        ids = {props.get("elem_id"): number for number, props in components.items()}
        calls = {
            tuple(target): one
            for one in config["dependencies"]
            if one["id"] in set(here["dependencies"])
            for target in one["targets"]
        }
        forms = {}
        for task, boxes in BOXES.items():
            button = ids[f"{task}-ask"]
            call = calls[(button, "click")]
            values = tuple(components[number].get("value") for number in call["inputs"])
            places = tuple(call["inputs"].index(ids[box]) for box in boxes)
            forms[task] = Form(task, call["id"], button, values, places)
    except (KeyError, TypeError, ValueError) as error:
        raise OdzeraError(f"What answers there isn't Odzera's page ({error!r} is missing).") from None
    return forms


def make_texts(seed: int = 0) -> dict[str, list[tuple[str, ...]]]:
    """Texts to ask about, by task: the bundled test rows, alone and several joined, so that lengths are mixed."""
    chosen = random.Random(seed)  # noqa: S311
    made: dict[str, list[tuple[str, ...]]] = {}
    for name, task in TASKS.items():
        frame = sources.load(task).frame
        rows = list(frame[frame["split"] == "test"][list(task.text_columns)].itertuples(index=False, name=None))
        made[name] = []
        for _ in range(200):
            length = chosen.choice(LENGTHS)
            first = (" ".join(row[0] for row in chosen.sample(rows, length)),)
            made[name].append(first if len(rows[0]) == 1 else (*first, chosen.choice(rows)[1]))
    return made


async def open_page(client: httpx.AsyncClient) -> dict[str, Form]:
    """Load the page, as a browser does before anything can be asked.

    Raises:
        OdzeraError: It doesn't answer, or isn't ours.
    """
    try:
        answer = await client.get("/config")
        answer.raise_for_status()
        return read_forms(answer.json())
    except (httpx.HTTPError, ValueError) as error:
        raise OdzeraError(f"The page at {client.base_url} doesn't answer: {error or type(error).__name__}.") from None


async def ask(client: httpx.AsyncClient, form: Form, texts: Sequence[str], session: str) -> tuple[float, float]:
    """Press the button and wait for every model.

    Returns:
        Milliseconds until the first model's verdict had come, and until all had.

    Raises:
        OdzeraError: It was refused, a model failed, or some didn't answer.
    """
    started = time.perf_counter()
    joined = await client.post("/gradio_api/queue/join", json=form.body(texts, session))
    if joined.status_code != 200:
        raise OdzeraError(f"HTTP {joined.status_code} when asked")
    first = ended = None
    last = ""
    async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
        if stream.status_code != 200:
            raise OdzeraError(f"HTTP {stream.status_code} while waiting")
        async for line in stream.aiter_lines():
            # A card that has answered names its label; the others are placeholders.
            if "data-label=" in line:
                first = first or time.perf_counter()
                last = line
            if '"process_completed"' in line:
                ended = time.perf_counter()
                if not json.loads(line.removeprefix("data:"))["success"]:
                    raise OdzeraError("the question failed")
            elif '"unexpected_error"' in line:
                raise OdzeraError("the server gave up")
    if first is None or ended is None or 'data-done=\\"true' not in last:
        raise OdzeraError("not every model answered")
    if "oz-failed" in last:
        raise OdzeraError("a model failed")
    return (first - started) * 1000, (ended - started) * 1000


@dataclass(frozen=True)
class Load:
    """How many visitors come, and for how long."""

    users: int = 50
    seconds: float = 60
    requests: int | None = None
    """Stop after so many questions, however long it takes."""
    think: float = 3.0
    """Seconds that each visitor reads before asking again, on average; half of them at least, half as many more at
    most."""
    seed: int = 0


async def send_visitors(url: str, load: Load, waits: Waits) -> None:
    """Let all visitors come at once; each asks again as soon as every model has answered.

    Args:
        url: The page's address.
        load: Who comes.
        waits: Takes up what they see, while they see it.

    Raises:
        OdzeraError: The page isn't there.
    """
    texts = make_texts(load.seed)
    ends = time.perf_counter() + load.seconds
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as client:
        forms = await open_page(client)
    left = [load.requests] if load.requests is not None else None

    def goes_on() -> bool:
        if left is None:
            return time.perf_counter() < ends
        left[0] -= 1
        return left[0] >= 0

    await asyncio.gather(*(_visit(url, forms, texts, load, number, goes_on, waits) for number in range(load.users)))


async def _visit(
    url: str,
    forms: Mapping[str, Form],
    texts: Mapping[str, Sequence[tuple[str, ...]]],
    load: Load,
    number: int,
    goes_on: Any,
    waits: Waits,
) -> None:
    """One visitor, on connections of their own, until it is over."""
    chosen = random.Random(f"{load.seed}/{number}")  # noqa: S311
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT) as client:
        asked = 0
        while goes_on():
            try:
                if asked % QUESTIONS == 0:
                    session = uuid.uuid4().hex[:12]
                    started = time.perf_counter()
                    (await client.get("/", params={"lang": "en"})).raise_for_status()
                    waits.page.append((time.perf_counter() - started) * 1000)
                asked += 1
                form = forms[chosen.choice(sorted(forms))]
                first, full = await ask(client, form, chosen.choice(texts[form.task]), session)
                waits.first.append(first)
                waits.full[form.task].append(full)
            except OdzeraError as error:
                waits.fail(str(error))
            except httpx.HTTPError as error:
                waits.fail(type(error).__name__)
            if load.think:
                await asyncio.sleep(chosen.uniform(0.5, 1.5) * load.think)
