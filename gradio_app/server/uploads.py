"""Uploads: each in a folder of an unguessable name, so that the same bytes from two visitors are two files."""

import shutil
from pathlib import Path
from typing import Any

from gradio.route_utils import MultiPartException, upload_fn
from gradio.routes import file_upload_statuses
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gradio_app.handlers.files import name_upload

MOST_FILES = 8
"""In one request; the page sends one."""


def upload_routes(path: str) -> list[BaseRoute]:
    """Before Gradio's own, which names a file by its content: whoever deletes it takes it from all who sent the same.

    What the page doesn't let in (a password, a size, a speed) is refused before.
    """
    return [Route(path, _upload, methods=["POST"])]


async def _upload(request: Request) -> Response:
    page: Any = request.app
    folder = Path(page.uploaded_file_dir) / name_upload()
    blocks, upload_id = page.get_blocks(), request.query_params.get("upload_id")
    try:
        stored, moving, places = await upload_fn(
            request,
            folder,
            blocks.max_file_size,
            upload_id,
            upload_progress=file_upload_statuses if upload_id else None,
        )
        for name, place in zip(moving, places, strict=True):
            shutil.move(name, place)
        if not 0 < len(stored) <= MOST_FILES:
            raise MultiPartException(f"1 to {MOST_FILES} files are taken at a time.")
    except BaseException as error:
        # Also where the visitor has gone in the middle of it, or sends too slowly.
        shutil.rmtree(folder, ignore_errors=True)
        file_upload_statuses.stop_tracking(upload_id or "")
        if isinstance(error, MultiPartException):
            status = 413 if "maximum allowed size" in error.message else 400
            return PlainTextResponse(f"{error.message}\n", status)
        if isinstance(error, ClientDisconnect):
            return PlainTextResponse("The upload ended early.\n", 400)
        if isinstance(error, OSError):
            raise HTTPException(507, "The file can't be stored here.") from None
        raise
    return JSONResponse(stored)
