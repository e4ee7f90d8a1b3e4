"""The hub on loopback, written to: repositories are made, large files uploaded apart, and commits taken as a whole."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

import yaml

from support.loopback_hub import (
    API,
    CDN_ROUTES,
    REPO,
    ROUTES,
    Answer,
    Asked,
    Fault,
    LoopbackHub,
    as_json,
    etag,
    is_large,
    refuse,
)

FRESH = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n", "README.md": b"---\n---\n"}
"""What the Hub puts into a repository as it makes it."""
REGULAR_MOST = 10_000_000
"""Larger files are never regular ones."""
SPACE_KEYS = {
    "title": str,
    "emoji": str,
    "colorFrom": str,
    "colorTo": str,
    "sdk": str,
    "python_version": str,
    "sdk_version": str,
    "suggested_hardware": str,
    "suggested_storage": str,
    "app_file": str,
    "app_build_command": str,
    "app_port": int,
    "base_path": str,
    "fullWidth": bool,
    "header": str,
    "short_description": str,
    "models": list,
    "datasets": list,
    "tags": list,
    "thumbnail": str,
    "pinned": bool,
    "hf_oauth": bool,
    "hf_oauth_scopes": list,
    "hf_oauth_expiration_minutes": int,
    "disable_embedding": bool,
    "startup_duration_timeout": str,
    "custom_headers": dict,
    "preload_from_hub": list,
    "license": str,
}
"""What the Hub documents for a Space's front matter, and each value's type."""
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


def front_matter(card: str) -> dict[str, Any]:
    """The settings at the top of a card."""
    start, settings, _ = card.split("---\n", 2)
    assert start == ""
    read: dict[str, Any] = yaml.safe_load(settings) or {}
    return read


def faults_of_space(settings: dict[str, Any]) -> list[str]:
    """What the Hub would refuse in a Space's front matter."""
    found = [f"unknown key {key}" for key in settings if key not in SPACE_KEYS]
    found += [
        f"{key} is no {kind.__name__}"
        for key, kind in SPACE_KEYS.items()
        if key in settings and not isinstance(settings[key], kind)
    ]
    found += [f"{key} is missing" for key in ("title", "sdk", "app_file") if not settings.get(key)]
    found += [f"{key} is no colour" for key in ("colorFrom", "colorTo") if settings.get(key, "red") not in COLOURS]
    if len(settings.get("short_description", "")) > 60:
        found.append("short_description is too long")
    return found


class WritableHub(LoopbackHub):
    """A hub that takes uploads from its tokens, and refuses those of strangers."""

    routes = (
        *ROUTES,
        ("POST", r"/api/repos/create", lambda hub, *more, **names: hub.create(*more, **names)),
        ("POST", r"/api/validate-yaml", lambda hub, *more, **names: hub.validate(*more, **names)),
        ("PUT", rf"{API}/settings", lambda hub, *more, **names: hub.settings(*more, **names)),
        ("POST", rf"{API}/preupload/(?P<revision>[^/]+)", lambda hub, *more, **names: hub.preupload(*more, **names)),
        ("POST", rf"{API}/commit/(?P<revision>[^/]+)", lambda hub, *more, **names: hub.take_commit(*more, **names)),
        (
            "POST",
            rf"/(?P<kind>datasets/|spaces/)?{REPO}\.git/info/lfs/objects/batch",
            lambda hub, *more, **names: hub.lfs_batch(*more, **names),
        ),
    )
    cdn_routes = (
        *CDN_ROUTES,
        ("PUT", r"/upload/(?P<oid>[0-9a-f]{64})", lambda hub, *more, **names: hub.take_large(*more, **names)),
    )

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, bytes] = {}
        """Large files that arrived, by SHA-256, in a commit or not."""
        self.hardware: dict[str, str] = {}
        """Of each Space, as it was asked for."""

    def _may_write(self, asked: Asked) -> Answer | None:
        if not asked.token:
            return refuse(401, message="Invalid username or password.")
        if asked.token in self.strangers:
            return refuse(403, message="You don't have the rights to create this.")
        if asked.token not in self.tokens:
            return refuse(401, message="Invalid credentials in Authorization header")
        return None

    def create(self, asked: Asked, fault: Fault | None) -> Answer:
        """Make a repository."""
        refused = self._may_write(asked)
        if refused:
            return refused
        told = json.loads(asked.body)
        kind, repo_id = told.get("type", "model"), f"{told['organization']}/{told['name']}"
        if kind == "space" and told.get("sdk") != "gradio":
            return refuse(400, message="sdk is missing")
        if (kind, repo_id) in self.repositories:
            return refuse(409, message="You already created this repo")
        self.add(kind, repo_id, FRESH, private=told.get("visibility") == "private")
        self.hardware[repo_id] = told.get("hardware", "")
        return as_json({"url": f"{self.endpoint}/{repo_id}", "name": repo_id})

    def validate(self, asked: Asked, fault: Fault | None) -> Answer:
        """Look at a card's front matter."""
        told = json.loads(asked.body)
        settings = front_matter(told["content"])
        found = faults_of_space(settings) if told["repoType"] == "space" else []
        answer = as_json({"errors": [{"message": one} for one in found], "warnings": []})
        return Answer(400 if found else 200, answer.headers, answer.body)

    def settings(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str) -> Answer:
        """Hide a repository."""
        refused = self._may_write(asked)
        if refused:
            return refused
        self.repositories[kind, repo_id].private = json.loads(asked.body)["visibility"] == "private"
        return as_json({})

    def preupload(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str) -> Answer:
        """Which files are large, and what there is in their place."""
        refused = self._may_write(asked)
        if refused:
            return refused
        repository = self.repositories[kind, repo_id]
        there = repository.commits[repository.refs[revision]]
        files = []
        for one in json.loads(asked.body)["files"]:
            large = is_large(one["path"]) or one["size"] > REGULAR_MOST
            told = {"path": one["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if one["path"] in there:
                told["oid"] = etag(one["path"], there[one["path"]])
            files.append(told)
        return as_json({"files": files})

    def lfs_batch(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str) -> Answer:
        """Where large files go that aren't here yet."""
        refused = self._may_write(asked)
        if refused:
            return refused
        objects = []
        for one in json.loads(asked.body)["objects"]:
            if one["oid"] not in self.stored:
                one["actions"] = {"upload": {"href": f"{self.cdn}/upload/{one['oid']}"}}
            objects.append(one)
        return as_json({"transfer": "basic", "objects": objects})

    def take_large(self, asked: Asked, fault: Fault | None, oid: str) -> Answer:
        """Keep a large file, if it is what it says."""
        if fault is not None and fault.cut is not None:
            return Answer(body=b"cut", cut=fault.cut)
        if hashlib.sha256(asked.body).hexdigest() != oid:
            return refuse(400, message="The content isn't what its name says.")
        self.stored[oid] = asked.body
        return Answer()

    def take_commit(self, asked: Asked, fault: Fault | None, kind: str, repo_id: str, revision: str) -> Answer:
        """Change a branch as a whole, or not at all."""
        refused = self._may_write(asked)
        if refused:
            return refused
        if fault is not None and fault.cut is not None:
            return Answer(body=b"cut", cut=fault.cut)
        repository = self.repositories[kind, repo_id]
        files = dict(repository.commits[repository.refs[revision]])
        for line in asked.body.splitlines():
            told = json.loads(line)
            value = told["value"]
            if (
                told["key"] == "header"
                and value.get("parentCommit", repository.refs[revision]) != repository.refs[revision]
            ):
                return refuse(412, message="A commit has happened since.")
            if told["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif told["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            elif told["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(files, revision)
        return as_json({"success": True, "commitOid": oid, "commitUrl": f"{self.endpoint}/{repo_id}/commit/{oid}"})

    def uploads(self) -> list[str]:
        """Paths of requests that changed, or may have changed, something."""
        return [
            urlsplit(one.path).path for one in self.asked if one.method in ("PUT", "DELETE") or "/commit/" in one.path
        ]
