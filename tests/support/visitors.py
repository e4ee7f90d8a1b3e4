"""Programs that use the page as a browser does."""

import json
from typing import Any

import gradio as gr
import httpx


class Visitor:
    """A program that calls the page's private endpoints by their numbers, as a browser does."""

    def __init__(self, page: gr.Blocks, session: str) -> None:
        self.api = f"http://127.0.0.1:{page.server_port}/gradio_api"
        self.session = session
        self.ids = {block.elem_id: number for number, block in page.blocks.items() if getattr(block, "elem_id", None)}
        self.page = page

    def number(self, elem_id: str, event: str, then: bool = False) -> int:
        """The number of a component's event on the English page, or of what follows it."""
        ids = [number for number, block in self.page.blocks.items() if getattr(block, "elem_id", None) == elem_id]
        (found,) = [n for n, one in self.page.fns.items() if (min(ids), event) in one.targets]
        if not then:
            return found
        return next(n for n, one in self.page.fns.items() if one.trigger_after == found)

    def upload(self, content: bytes, name: str) -> tuple[int, str]:
        """Status and path of an upload."""
        answer = httpx.post(f"{self.api}/upload", files={"files": (name, content)}, timeout=60)
        return answer.status_code, answer.json()[0] if answer.status_code == 200 else ""

    def call(self, number: int, *data: Any) -> dict[str, Any]:
        """The last answer of an event."""
        body = {"data": list(data), "fn_index": number, "session_hash": self.session}
        httpx.post(f"{self.api}/queue/join", json=body, timeout=30).raise_for_status()
        with httpx.stream("GET", f"{self.api}/queue/data?session_hash={self.session}", timeout=60) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:") and json.loads(line[5:])["msg"] == "process_completed":
                    told: dict[str, Any] = json.loads(line[5:])
                    return told
        raise AssertionError("no answer")


def file_data(path: str) -> dict[str, Any]:
    """A path as a browser sends it."""
    return {"path": path, "orig_name": "rows.csv", "meta": {"_type": "gradio.FileData"}}
