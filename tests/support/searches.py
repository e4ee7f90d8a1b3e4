"""Searches in processes of their own, which tests kill."""

from pathlib import Path

from engine.data.sources import TaskData


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"\nPPid:\t{pid}\n" in (folder / "status").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def command(pid: int) -> str:
    """A process's command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


SEARCH = """
import sys

from engine.data.sources import load
from engine.data.tasks import SLANG
from engine.search.study import SearchRequest
from engine.search.workers import search
if __name__ == "__main__":
    file, storage, trials, workers = sys.argv[1:]
    request = SearchRequest(load(SLANG, file), storage, int(trials), int(workers), "study", heartbeat=1, grace=5)
    for standing in search(request):
        print(standing.finished, flush=True)
"""


def save_rows(data: TaskData, path: Path) -> None:
    """Rows as a file of one's own."""
    data.frame[["text", "label", "split"]].to_csv(path, index=False)
