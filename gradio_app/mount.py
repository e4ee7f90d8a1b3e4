"""optuna-dashboard under the page's own address, so that one link shows both."""

from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.routing import Mount

from engine.errors import OdzeraError
from engine.search.dashboard import PREFIX, make_dashboard, make_read_only, mount_below


def mount_dashboard(storage: str) -> list[Any]:
    """The routes that go before the page's own: nothing but GET is answered below them."""
    try:
        app: Any = WSGIMiddleware(make_read_only(mount_below(make_dashboard(storage))), workers=4)  # type: ignore[arg-type]
    except OdzeraError as error:
        return [Mount(PREFIX, app=_sorry(str(error)))]
    return [Mount(PREFIX, app=app)]


def _sorry(message: str) -> Any:
    """Stands in for a dashboard whose studies can't be opened."""
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(f"{message}\n", status_code=503)
