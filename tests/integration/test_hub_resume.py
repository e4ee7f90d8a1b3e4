"""A download that was cut or killed goes on where it was, and only with bytes of the same file."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from huggingface_hub import constants, file_download
from huggingface_hub.errors import HfHubHTTPError

from engine.errors import HubError
from engine.hub import cache, client
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.paths import ROOT
from support.loopback_hub import Fault, LoopbackHub

REPO = "tiny/heavy"
WEIGHTS = b"".join(number.to_bytes(4, "big") for number in range(1_250_000))
CHUNK = 100_000
"""Bytes after which the library writes what has come; it takes 10 MiB where it isn't told otherwise."""
FETCH = """
from engine.hub import cache, client
with client.one_line_errors("tiny/heavy"), cache.incoming("tiny/heavy", "main") as repository:
    repository.fetch(repository.hashes)
"""


@pytest.fixture
def heavy(connected: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """A hub with a repository whose weights come in many chunks."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    # The library's five attempts at a cut file follow each other at once instead of by the second.
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda _: None))
    connected.add("model", REPO, {"config.json": b"{}", "model.safetensors": WEIGHTS})
    return connected


def fetch() -> Path:
    """Download all of the repository; return the weights."""
    with client.one_line_errors(REPO), cache.incoming(REPO, "main") as repository:
        repository.fetch(repository.hashes)
    return repository.folder / "model.safetensors"


def parts() -> list[Path]:
    """Files that have come in part, the library's own among them."""
    return [path for path in Path(constants.HF_HUB_CACHE).rglob("*") if path.suffix in (cache.PART, ".incomplete")]


def cut(served: LoopbackHub, at: float = 0.6) -> Path:
    """Break a first download; return the part that is kept."""
    served.faults.append(Fault("/cdn/", cut=int(len(WEIGHTS) * at)))
    with pytest.raises(HubError, match="what came is kept, and the same command goes on"):
        fetch()
    served.faults.clear()
    served.sent.clear()
    (part,) = parts()
    assert 0 < part.stat().st_size < len(WEIGHTS)
    return part


def test_a_download_cut_at_60_percent_brings_less_than_half_the_second_time(heavy: LoopbackHub) -> None:
    cut(heavy)
    assert fetch().read_bytes() == WEIGHTS
    assert 0 < heavy.bytes_sent("/cdn/") < len(WEIGHTS) / 2
    assert heavy.bytes_sent("config.json") == 0
    assert parts() == []


def test_a_killed_process_leaves_its_part_to_the_next(heavy: LoopbackHub) -> None:
    # It has the library's own chunks.
    large = WEIGHTS * 20
    heavy.add("model", REPO, {"config.json": b"{}", "model.safetensors": large})
    heavy.faults.append(Fault("/cdn/", cut=int(len(large) * 0.6), hold=60))
    ours = {"HF_HUB_CACHE": constants.HF_HUB_CACHE, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", FETCH], env=os.environ | ours)
    try:
        until = time.monotonic() + 60
        while sum(path.stat().st_size for path in parts()) < len(large) / 2:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    heavy.faults.clear()
    heavy.sent.clear()
    assert fetch().read_bytes() == large
    assert 0 < heavy.bytes_sent("/cdn/") < len(large) / 2
    assert parts() == []


def test_a_file_that_came_whole_is_verified_and_not_asked_for_again(heavy: LoopbackHub) -> None:
    heavy.faults.append(Fault("config.json", 500, method="GET"))
    with cache.incoming(REPO, "main") as repository:
        repository.fetch(["model.safetensors"])
        with pytest.raises(HfHubHTTPError):
            repository.fetch(["config.json"])
    heavy.faults.clear()
    heavy.sent.clear()
    fetch()
    assert heavy.bytes_sent("/cdn/") == 0
    # Damaged meanwhile, it would have been deleted.
    cache.storage_of(REPO).joinpath(cache.MARKS, repository.commit).unlink()
    blob = (repository.folder / "model.safetensors").resolve()
    blob.write_bytes(WEIGHTS[:-1] + b"!")
    with pytest.raises(HubError, match="so it was deleted"):
        fetch()
    assert not blob.exists()


@pytest.mark.parametrize("damage", ["other bytes", "all of its length", "too long"])
def test_a_damaged_part_is_never_used(heavy: LoopbackHub, damage: str) -> None:
    part = cut(heavy)
    size = {"other bytes": part.stat().st_size, "all of its length": len(WEIGHTS), "too long": len(WEIGHTS) + 1}[damage]
    part.write_bytes(b"\0" * size)
    with pytest.raises(HubError, match=r"model\.safetensors isn't the file that the hub describes"):
        fetch()
    assert parts() == []
    assert fetch().read_bytes() == WEIGHTS


def test_a_part_is_never_put_before_the_rest_of_another_file(heavy: LoopbackHub) -> None:
    cut(heavy)
    newer = WEIGHTS[::-1]
    heavy.add("model", REPO, {"config.json": b"{}", "model.safetensors": newer})
    assert fetch().read_bytes() == newer
    assert [one.headers.get("range") for one in heavy.asked if one.cdn][-1] is None
    assert parts() == [], "nobody asks for the older file any more"


def test_a_hub_that_sends_the_whole_instead_of_the_rest_is_understood(heavy: LoopbackHub) -> None:
    cut(heavy)
    heavy.faults.append(Fault("/cdn/", whole=True))
    assert fetch().read_bytes() == WEIGHTS
    assert heavy.bytes_sent("/cdn/") == len(WEIGHTS)


def test_what_is_begun_isnt_used_without_a_hub_though_its_weights_are_there(
    connected: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.faults.append(Fault("vocab.txt", 500, method="GET"))
    files = connected.repositories["model", "tiny/bert"].commits.popitem()[1]
    connected.add("model", "tiny/bert", files | {"vocab.txt": b"[PAD]\n[UNK]\n"})
    with pytest.raises(HubError, match="fault of its own"):
        locate(get_backbone("tiny/bert"))
    connected.faults.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    commit = connected.repositories["model", "tiny/bert"].refs["main"]
    with pytest.raises(HubError, match="can't be reached"):
        locate(get_backbone("tiny/bert"), commit)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert locate(get_backbone("tiny/bert"), commit)[1] == commit


def test_what_another_program_is_downloading_is_left_alone(heavy: LoopbackHub) -> None:
    others = cache.storage_of(REPO) / "blobs" / f"{hashlib.sha256(WEIGHTS).hexdigest()}.1234abcd.incomplete"
    others.parent.mkdir(parents=True)
    others.write_bytes(WEIGHTS[:1_000])
    assert fetch().read_bytes() == WEIGHTS
    assert others.read_bytes() == WEIGHTS[:1_000]


def test_a_hub_whose_hashes_are_none_is_refused(heavy: LoopbackHub) -> None:
    with cache.incoming(REPO, "main") as repository:
        repository.hashes = {"config.json": "../../elsewhere"}
        with pytest.raises(HubError, match=r"names no hash of config\.json"):
            repository.fetch(["config.json"])


def test_the_hub_on_loopback_answers_ranges_as_the_hub_does(heavy: LoopbackHub) -> None:
    path = f"{heavy.endpoint}/{REPO}/resolve/main/model.safetensors"
    whole = httpx.head(path, follow_redirects=True)
    assert whole.headers["accept-ranges"] == "bytes"
    tag = whole.headers["etag"]
    for ranges, status, content_range, length in (
        ({"Range": "bytes=4999990-"}, 206, "bytes 4999990-4999999/5000000", 10),
        ({"Range": "bytes=0-4"}, 206, "bytes 0-4/5000000", 5),
        ({"Range": "bytes=4999990-", "If-Range": tag}, 206, "bytes 4999990-4999999/5000000", 10),
        ({"Range": "bytes=4999990-", "If-Range": '"older"'}, 200, None, len(WEIGHTS)),
        ({"Range": "bytes=5000000-"}, 416, "bytes */5000000", 0),
    ):
        heavy.sent.clear()
        answer = httpx.get(path, headers=ranges, follow_redirects=True)
        assert (answer.status_code, answer.headers.get("content-range")) == (status, content_range)
        assert len(answer.content) == heavy.bytes_sent("/cdn/") == length
