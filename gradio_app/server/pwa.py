"""What a browser needs to install the page as an app of its own: a manifest in each language, and icons."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from gradio_app.languages import NAMES, Language, get_language

ICONS = {"icon-192.png": "192x192", "icon-512.png": "512x512", "icon-maskable.png": "512x512", "icon.svg": "any"}
"""Files among the assets, and their sizes in pixels."""
ASSETS = Path(__file__).parents[1] / "assets"
THEME = "#0f766e"
A_DAY = {"Cache-Control": "public, max-age=86400"}


def make_manifest(say: Language) -> dict[str, Any]:
    """The web app manifest; addresses are relative to it, so that they hold behind a proxy too."""
    icons = [
        {
            "src": f"icons/{name}",
            "sizes": size,
            "type": "image/svg+xml" if name.endswith(".svg") else "image/png",
            "purpose": "maskable" if "maskable" in name else "any",
        }
        for name, size in ICONS.items()
    ]
    return {
        # One app, whichever language it was installed in.
        "id": "odzera",
        "name": "Odzera",
        "short_name": "Odzera",
        "description": say("Type a text, and every trained model answers side by side."),
        "lang": say.code,
        "dir": "ltr",
        "start_url": f"./{say.code}" if say.code != "en" else "./?lang=en",
        "scope": "./",
        "display": "standalone",
        "theme_color": THEME,
        "background_color": "#ffffff",
        "categories": ["education", "productivity"],
        "icons": icons,
    }


def install_routes() -> list[BaseRoute]:
    """Before Gradio's own manifest, which knows one language and one icon."""
    return [Route("/manifest.json", _manifest), Route("/icons/{name}", _icon)]


async def _manifest(request: Request) -> Response:
    code = request.query_params.get("lang", "en")
    say = get_language(code if code in NAMES else "en")
    return JSONResponse(make_manifest(say), media_type="application/manifest+json", headers=A_DAY)


async def _icon(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ICONS:
        return PlainTextResponse("There is no such icon.\n", status_code=404)
    return FileResponse(ASSETS / name, headers=A_DAY)
