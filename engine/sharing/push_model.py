"""A push uploads a trained model to the Hub, with its card."""

from contextlib import suppress
from typing import Any

from engine.data.tasks import get_task
from engine.errors import DataError, ExportError
from engine.hub.privacy import find_private
from engine.hub.upload import Target, Upload
from engine.hub.upload import push as push_files
from engine.paths import Places
from engine.results.comparison import compare_models, open_results
from engine.serving.registry import Registry
from engine.sharing.model_card import write_model_card
from engine.sharing.model_folder import RECORD, write_model
from engine.training.checkpoints import Checkpoint


def push_model(places: Places, name: str, repo_id: str, private: bool = False, dry_run: bool = False) -> Upload:
    """Put a trained model on the Hub.

    Args:
        places: Where the models and their results are.
        name: `NAME`, `NAME@DATA`, `TASK/NAME` or a checkpoint's folder.
        repo_id: `owner/name`.
        private: Let nobody else see it.
        dry_run: Upload nothing.

    Raises:
        CheckpointError: There is no such model, or it can't be opened.
        ExportError: It has no weights of its own, or would tell something private.
        HubError: The hub refuses or can't be reached.
    """
    files = model_files(places, Registry(places.checkpoints).find_any(name), repo_id)
    return push_files(Target("model", repo_id, (RECORD,)), files, private, dry_run)


def model_files(places: Places, checkpoint: Checkpoint, repo_id: str) -> dict[str, bytes]:
    """Everything that the repository holds, the card too.

    Raises:
        ExportError: It has no weights of its own, or would tell something private.
    """
    made = write_model(checkpoint, repo_id)
    comparison: dict[str, Any] | None = None
    with suppress(DataError):
        comparison = compare_models(open_results(places)[0], get_task(checkpoint.task), checkpoint.fingerprint)
    card = write_model_card(checkpoint, repo_id, made, comparison)
    files = {**made.files, "README.md": card.encode()}
    private = find_private(files, places)
    if private:
        raise ExportError(f"{private.file} would name {private.what}, so nothing was uploaded.")
    return files
