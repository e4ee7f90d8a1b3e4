"""What goes wrong with a hub: one clear line each, and nothing half-written where it would be used."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

from engine.data.sources import load
from engine.data.tasks import SLANG
from engine.errors import HubError
from engine.hub import cache, client
from engine.models.backbone_files import locate
from engine.models.backbones import get_backbone
from engine.models.heads import Head
from engine.models.pretrained import open_backbone
from engine.paths import ROOT
from support.loopback_hub import Fault, LoopbackHub, git_hash
from support.tiny_repos import slang_set

TOKEN = "hf_" + "secret" * 4
LOG_IN = "log in with 'hf auth login' or set HF_TOKEN"


def cached() -> list[str]:
    """Files in the cache but for locks, which hold nothing."""
    root = Path(constants.HF_HUB_CACHE).parent
    files = [path for path in root.rglob("*") if path.is_file() or path.is_symlink()]
    return [str(path.relative_to(root)) for path in files if not path.name.endswith((".lock", "CACHEDIR.TAG"))]


def require_verified(new: set[str]) -> None:
    """Raise unless files that came into the cache are whole and right, or lie where no library looks for files."""
    root = Path(constants.HF_HUB_CACHE).parent
    for path in (root / one for one in new):
        _, repository, kind, *_ = path.relative_to(root).parts
        if kind == cache.MARKS:
            assert path.name.endswith((cache.BEGUN, cache.PART)), "a commit was marked as whole"
        elif kind == ".no_exist":
            assert path.read_bytes() == b""
        else:
            assert kind in ("blobs", "snapshots")
            blob = path.resolve()
            assert blob.parent == root / "hub" / repository / "blobs"
            assert blob.name in (git_hash(blob.read_bytes()), hashlib.sha256(blob.read_bytes()).hexdigest())


def refused(name: str = "tiny/gpt2", get: Callable[[], object] | None = None, kept: bool = False) -> str:
    """The one line with which opening a backbone, or what else is to be had, is refused.

    It takes nothing away and leaves nothing behind but, where something is `kept`, what came whole.
    """
    before = set(cached())
    with pytest.raises(HubError) as caught:
        get() if get else open_backbone(get_backbone(name), Head(), False, 3)
    assert "\n" not in str(caught.value)
    new = set(cached()) - before
    assert before <= set(cached())
    assert bool(new) == kept
    require_verified(new)
    return str(caught.value)


def works(name: str = "tiny/gpt2") -> None:
    """Opening a backbone works; the cache has it as a whole."""
    backbone = get_backbone(name)
    open_backbone(backbone, Head(), False, 3)
    found = cache.find_snapshot(backbone.repo_id, backbone.revision)
    assert found is not None
    assert (found.whole, found.begun) == (True, False)
    assert not [path for path in cached() if path.endswith((".incomplete", cache.PART))]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("/api/", 401, "RepoNotFound"), "the hub shows no such repository without a login: check the name, or"),
        (Fault("/resolve/", 401), "the hub wants a login: set HF_TOKEN, or run 'hf auth login'."),
        (Fault("/resolve/", 403), "this account may not read it: accept its terms on {endpoint}/tiny/gpt2, then"),
        (Fault("/api/", 404), "the hub has no such repository, file or revision."),
        (Fault("model.safetensors", 404, "EntryNotFound"), "but not the file model.safetensors."),
        (Fault("/api/", 429, headers={"Retry-After": "7"}), "slow down (too many requests); try again in 7 seconds."),
        (Fault("/api/", 429), "slow down (too many requests); try again in some minutes."),
        (Fault("/api/", 500), "the hub has a fault of its own (HTTP 500); try again later."),
        (Fault("/cdn/", 503), "the hub has a fault of its own (HTTP 503); try again later."),
    ],
    ids=lambda value: f"{value.status} {value.code}{value.path}" if isinstance(value, Fault) else "",
)
def test_each_refusal_is_a_line_of_its_own_and_the_next_attempt_is_right(
    connected: LoopbackHub, fault: Fault, says: str
) -> None:
    connected.faults.append(fault)
    line = refused(kept=fault.path in ("model.safetensors", "/cdn/"))
    assert line.startswith("tiny/gpt2: ")
    assert says.format(endpoint=connected.endpoint) in line
    connected.faults.clear()
    works()


def test_a_repository_a_revision_and_a_login_that_are_missing_are_told_apart(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.add("model", "tiny/secret", tiny["gpt2"], private=True)
    assert "no such repository without a login: check the name, or" in refused("tiny/secret")
    assert "but not this revision" in refused("tiny/gpt2@refs/pr/9")
    connected.tokens.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert refused("tiny/nothing") == ("tiny/nothing: the hub has no such repository (or it is private to others).")
    works("tiny/secret")
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}wrong")
    assert "the hub doesn't accept the token" in refused("tiny/nothing")


def test_a_gated_model_explains_how_to_log_in(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.add("model", "tiny/gated", tiny["gpt2"], gated=True)
    says = f"tiny/gated: it is gated: accept its terms on {connected.endpoint}/tiny/gated, then {LOG_IN}."
    assert refused("tiny/gated") == says
    connected.strangers.add(TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert refused("tiny/gated") == says
    connected.tokens.add(TOKEN)
    works("tiny/gated")
    # The token is the hub's affair, not that of the place where large files lie.
    assert {one.token for one in connected.asked if one.cdn} == {""}


def test_a_token_is_never_printed(connected: LoopbackHub, tmp_path: Path) -> None:
    connected.strangers.add(TOKEN)
    connected.add("model", "tiny/gated", {"config.json": b"{}", "model.safetensors": b"", "vocab.txt": b""}, gated=True)
    ours = {"HF_ENDPOINT": connected.endpoint, "HF_HOME": str(tmp_path / "own"), "HF_TOKEN": TOKEN}
    ran = subprocess.run(
        [sys.executable, "-m", "engine", "train", "gpt2-last1", "--task", "slang", "--set", "backbone=tiny/gated"],
        cwd=ROOT,
        env=os.environ | ours | {"ODZERA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 2
    assert TOKEN in {one.token for one in connected.asked}
    assert "secret" not in ran.stdout + ran.stderr
    data, refusal = ran.stderr.strip().splitlines()
    assert data.startswith("sample ")
    assert refusal.startswith("odzera: tiny/gated: it is gated: accept its terms on")


@pytest.mark.parametrize("quoted", ["Bearer {}", "'{}'", "token={}&x=1"])
def test_a_token_in_a_librarys_message_is_taken_out(quoted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "of another shape")
    assert "secret" not in client.explain(ValueError(f"Illegal header {quoted.format(TOKEN)}"))
    assert "another shape" not in client.explain(ValueError("Illegal header of another shape"))
    assert client.explain(ValueError("hf_hub_download failed")) == "hf_hub_download failed"


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's five attempts at a cut file follow each other at once instead of by the second."""
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)


@pytest.mark.usefixtures("_impatient")
def test_a_cut_connection_leaves_nothing_half_written_to_be_used(connected: LoopbackHub) -> None:
    connected.faults.append(Fault("/cdn/", cut=1_000))
    line = refused(kept=True)
    assert (
        line == "tiny/gpt2: the connection was cut midway; what came is kept, and the same command goes on from there."
    )
    connected.faults.clear()
    works()


def test_a_connection_that_is_cut_once_is_taken_up_where_it_was(
    connected: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    connected.faults.append(Fault("/cdn/", cut=1_000, times=1))
    works()
    (again,) = [one.headers["range"] for one in connected.asked if one.cdn and "range" in one.headers]
    assert again == "bytes=1000-"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_with_a_wrong_hash_is_named_and_deleted(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], name: str
) -> None:
    whole = tiny["gpt2"][name]
    connected.faults.append(Fault(f"/{name}", content=whole[:-2] + b" }"))
    line = refused(kept=name != "config.json")
    assert line.startswith(f"tiny/gpt2: {name} isn't the file that the hub describes")
    assert not [path for path in cached() if path.endswith((name, cache.PART))]
    connected.faults.clear()
    works()


def test_a_damaged_file_of_another_program_is_deleted_with_all_its_links(connected: LoopbackHub) -> None:
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download("tiny/bert", endpoint=connected.endpoint))
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(HubError, match=r"model\.safetensors isn't the file that the hub describes"):
        locate(get_backbone("tiny/bert"))
    assert not blob.exists()
    assert not (folder / "model.safetensors").is_symlink()
    works("tiny/bert")


def test_a_hub_that_doesnt_answer_in_time_is_one_line(connected: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIST_SECONDS", 0.2)
    connected.faults.append(Fault("/api/", wait=1.0))
    assert refused() == "tiny/gpt2: the hub didn't answer in time; try again later."


def test_a_download_that_is_stopped_keeps_what_is_whole_and_isnt_used(connected: LoopbackHub) -> None:
    def stopped() -> None:
        with cache.incoming("tiny/gpt2", "main") as repository:
            repository.fetch(["config.json", "model.safetensors"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    require_verified(set(cached()))
    found = cache.find_snapshot("tiny/gpt2", connected.repositories["model", "tiny/gpt2"].refs["main"])
    assert found is not None
    assert (found.whole, found.begun) == (False, True)
    with pytest.raises(HubError, match="isn't on this machine"):
        locate(get_backbone("tiny/gpt2"), found.commit, download=False)
    connected.asked.clear()
    works()
    assert [one.path for one in connected.asked if one.cdn or one.path.endswith("/config.json")] == []


def test_a_failed_download_leaves_what_was_there_before(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]]
) -> None:
    works()
    newer = connected.add("model", "tiny/gpt2", tiny["gpt2"] | {"vocab.txt": b"a newer file"})
    connected.faults.append(Fault("vocab.txt", 500, method="GET"))
    refused(f"tiny/gpt2@{newer}", kept=True)
    works()


def test_one_that_fails_takes_nothing_from_another_that_wants_the_same(connected: LoopbackHub) -> None:
    other = threading.Thread(target=locate, args=(get_backbone("tiny/llama"),))

    def fails() -> None:
        with cache.incoming("tiny/llama", "main") as repository:
            repository.fetch(["config.json"])
            other.start()
            other.join(0.7)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        fails()
    other.join()
    found = cache.find_snapshot("tiny/llama", "main")
    assert found is not None
    assert found.whole


def test_a_repository_without_safetensors_is_refused_before_anything_is_downloaded(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]]
) -> None:
    files = {name: one for name, one in tiny["bert"].items() if name != "model.safetensors"}
    connected.add("model", "tiny/pickle", files | {"pytorch_model.bin": b"\x80 no pickle either"})
    line = refused("tiny/pickle")
    assert "a pickle can run code" in line
    assert "--set backbone=tiny/pickle@refs/pr/N" in line
    assert connected.paths("/resolve/") == []


def marker_code(marker: Path) -> bytes:
    """A module that tells that it was run."""
    return f"open({str(marker)!r}, 'w').close()\nclass Odd: pass\n".encode()


@pytest.mark.parametrize("kind", ["odd", "bert"])
def test_code_of_a_repository_is_never_run(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], tmp_path: Path, kind: str
) -> None:
    marker = tmp_path / "was-run"
    names = {one: "modeling_odd.Odd" for one in ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")}
    config = json.loads(tiny["bert"]["config.json"]) | {"model_type": kind, "auto_map": names}
    files = tiny["bert"] | {"config.json": json.dumps(config).encode(), "modeling_odd.py": marker_code(marker)}
    connected.add("model", "tiny/odd", files)
    if kind == "odd":
        assert refused("tiny/odd", kept=True) == (
            "tiny/odd is made of code of its own, and code from a repository is never run."
        )
        assert connected.paths("/cdn/") == []
    else:
        # Of an architecture that transformers has itself, it is opened without its code.
        works("tiny/odd")
    assert connected.paths(".py") == []
    assert not marker.exists()


def test_code_of_a_folder_is_never_run(tmp_path: Path) -> None:
    config = {"model_type": "odd", "auto_map": {"AutoConfig": "modeling_odd.Odd"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "modeling_odd.py").write_bytes(marker_code(tmp_path / "was-run"))
    with pytest.raises(HubError, match="is made of code of its own, and code from a repository is never run"):
        open_backbone(get_backbone(str(tmp_path)), Head(), False, 3)
    assert not (tmp_path / "was-run").exists()


def test_a_tokenizer_made_of_code_is_one_line(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    marker = tmp_path / "was-run"
    settings = {"tokenizer_class": "OddTokenizer", "auto_map": {"AutoTokenizer": ["modeling_odd.Odd", None]}}
    files = {name: one for name, one in tiny["bert"].items() if name != "tokenizer.json"}
    files |= {"tokenizer_config.json": json.dumps(settings).encode(), "vocab.txt": b"[PAD]\n[UNK]\n"}
    connected.add("model", "tiny/odd", files | {"modeling_odd.py": marker_code(marker)})
    with pytest.raises(HubError, match="code") as caught:
        open_backbone(get_backbone("tiny/odd"), Head(), False, 3)
    assert str(caught.value) == "tiny/odd: its tokenizer is code of its own, and code from a repository is never run."
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"config.json": b'{"model_type": "from-2100"}'},
            "'from-2100', which this version of transformers",
        ),
        ({"config.json": b"[]"}, "its config.json can't be read"),
        ({"config.json": b'{"model_type": "whisper"}'}, "has no text classifier of the architecture whisper."),
        ({"config.json": None}, "has no config.json"),
        ({"tokenizer.json": None}, "has no tokenizer"),
        ({"model.safetensors": b"broken"}, "tiny/changed: "),
    ],
    ids=["unknown", "broken", "no classifier", "no settings", "no tokenizer", "damaged weights"],
)
def test_what_is_no_classifier_is_one_line(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]], changes: dict[str, bytes | None], says: str
) -> None:
    files = {name: one for name, one in (tiny["bert"] | changes).items() if one is not None}
    connected.add("model", "tiny/changed", files)
    with pytest.raises(HubError) as caught:
        open_backbone(get_backbone("tiny/changed"), Head(), False, 3)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_that_names_missing_shards_is_one_line(
    connected: LoopbackHub, tiny: dict[str, dict[str, bytes]]
) -> None:
    files = {name: one for name, one in tiny["llama"].items() if "00002" not in name}
    connected.add("model", "tiny/part", files)
    assert "names weights that the repository doesn't have" in refused("tiny/part", kept=True)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("/api/datasets/", 401, "RepoNotFound"), "shows no such repository without a login"),
        (Fault("/train.csv", 429, headers={"Retry-After": "0"}, method="GET", times=1), ""),
        (Fault("/train.csv", 500, method="GET"), "the hub has a fault of its own (HTTP 500)"),
        (Fault("/train.csv", cut=300, method="GET"), "the connection was cut midway; what came is kept, and the same"),
        (Fault("/test.csv", content=b"tekst,sentyment\nAle sztos,2\n"), "data/test.csv isn't the file that the hub"),
        (Fault("/README.md", 403, "GatedRepo"), "accept its terms on {endpoint}/datasets/jziebura/polish"),
    ],
    ids=["login", "patience", "fault", "cut", "wrong hash", "gated"],
)
def test_a_data_set_is_refused_in_one_line_and_read_whole_the_next_time(
    connected: LoopbackHub, fault: Fault, says: str
) -> None:
    connected.faults.append(fault)
    if says:
        assert says.format(endpoint=connected.endpoint) in refused(
            get=lambda: load(SLANG, "hub"), kept=".csv" in fault.path
        )
    connected.faults = connected.faults if not says else []
    assert len(load(SLANG, "hub").frame) == 60
    assert not [path for path in cached() if "incomplete" in path or path.endswith((cache.PART, cache.BEGUN))]


def test_a_data_set_without_data_is_one_line(connected: LoopbackHub) -> None:
    connected.add("dataset", SLANG.hub.repo_id, {"README.md": b"# To come"})
    assert refused(get=lambda: load(SLANG, "hub"), kept=True).endswith("has no data files that can be read.")


@pytest.mark.parametrize("place", ["hf://datasets/tiny/elsewhere@main/data/test.csv", "{local}", "../test.csv"])
def test_a_data_set_reads_nothing_outside_its_repository(connected: LoopbackHub, tmp_path: Path, place: str) -> None:
    connected.add("dataset", "tiny/elsewhere", slang_set())
    local = tmp_path / "test.csv"
    local.write_bytes(slang_set()["data/test.csv"])
    files = slang_set()
    files["README.md"] = files["README.md"].replace(b"data/test.csv", place.format(local=local).encode())
    connected.add("dataset", SLANG.hub.repo_id, files)
    line = refused(get=lambda: load(SLANG, "hub"), kept=True)
    assert [path for path in cached() if path.endswith(".csv")] == []
    assert "Data files don't belong to" in line or line.endswith("has no data files that can be read.")
