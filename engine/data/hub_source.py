"""Data sets from the Hugging Face Hub, read at a resolved commit."""

import os

import pandas as pd

from engine import hub
from engine.data.tasks import SPLITS, Task


def read_hub(task: Task, revision: str | None, subset: str | None) -> tuple[str, dict[str, pd.DataFrame]]:
    """Read the task's data set.

    The branch is resolved to a commit first and that commit is loaded and named, so a result says exactly what it
    was measured on even if the data set changes later. The token comes from `HF_TOKEN` or the login cache.

    Returns:
        `hub:owner/name@commit`, and a table of strings for each split.

    Raises:
        HubError: The hub can't be reached, or refuses.
    """
    repo_id = task.hub.repo_id
    hub.require_reachable(repo_id)
    with hub.one_line_errors(repo_id):
        from datasets import load_dataset
        from huggingface_hub import HfApi

        token = os.environ.get("HF_TOKEN")
        commit = (
            HfApi(endpoint=hub.endpoint())
            .dataset_info(repo_id, revision=revision or task.hub.revision, token=token, timeout=10)
            .sha
        )
        loaded = load_dataset(repo_id, name=subset or task.hub.subset, revision=commit, token=token)
        parts = {
            split: loaded[split].to_pandas().map(lambda value: "" if value is None else str(value))
            for split in SPLITS
            if split in loaded
        }
    return f"hub:{repo_id}@{str(commit)[:12]}", parts
