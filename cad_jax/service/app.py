"""The web application: routes, security headers, the page."""

import contextlib
import html
import pathlib
import sqlite3
import string
from collections.abc import AsyncIterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cad_jax.service.metrics import make_registry
from cad_jax.service.settings import ServiceSettings
from cad_jax.service.uploads import Receiver, Refusal
from cad_jax.service.worker import Worker

STOP_S = 20.0  # for the file at hand, when the service is stopped
_PAGE = pathlib.Path(__file__).parent / "page"
_KINDS = {"app.js": "text/javascript", "app.css": "text/css"}
_ALONE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# A report has its style and pictures in itself, and no script.
_OF_REPORTS = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; {_ALONE}"
_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; {_ALONE}"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def make_app(settings: ServiceSettings, worker: Worker) -> ASGIApp:
    """The application; its worker runs as long as it does.

    Args:
        settings: of the service; its folder is there.
        worker: not started yet.
    """
    service = _Service(settings, worker)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop(STOP_S)

    routes = [
        Route("/", service.page),
        Route("/jobs", service.accept, methods=["POST"]),
        Route("/jobs/{id}", service.state),
        Route("/jobs/{id}/report", service.report),
        Route("/health", service.health),
        Route("/metrics", service.metrics),
        *(Route(f"/{name}", service.part) for name in _KINDS),
    ]
    handlers = {Exception: service.failed, 404: service.missing, 405: service.missing}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return SecurityHeaders(app)  # outside of everything: an error's page has them, too


class SecurityHeaders:
    """Puts them on every response that does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _Service:
    """What the routes answer."""

    def __init__(self, settings: ServiceSettings, worker: Worker) -> None:
        self._worker, self._jobs = worker, worker.jobs
        self._receiver = Receiver(settings, worker.jobs)
        self._registry: CollectorRegistry = make_registry(worker.jobs)
        fields = {name: html.escape(str(value)) for name, value in vars(settings).items()}
        self._page = string.Template((_PAGE / "index.html").read_text()).substitute(fields)
        self._parts = {f"/{name}": (_PAGE / name).read_text() for name in _KINDS}

    def page(self, request: Request) -> Response:
        return Response(self._page, media_type="text/html")

    def part(self, request: Request) -> Response:
        path = request.url.path
        return Response(self._parts[path], media_type=_KINDS[path[1:]])

    async def accept(self, request: Request) -> Response:
        declared = request.headers.get("content-length")
        host = request.client.host if request.client else ""
        try:
            id_ = await self._receiver.receive(
                request.query_params.get("name", ""),
                host,
                int(declared) if declared else None,
                request.stream(),
            )
        except Refusal as refusal:
            await run_in_threadpool(self._jobs.count, "refused", refusal.code)
            retry = {"retry-after": str(refusal.retry_s)} if refusal.retry_s else {}
            # The rest of the body is not read: the connection cannot be used again.
            headers = retry | {"connection": "close"}
            return _error(refusal.status, refusal.code, refusal.message, headers)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        self._worker.wake()
        return JSONResponse({"id": id_}, 202, {"location": f"/jobs/{id_}"})

    def state(self, request: Request) -> Response:
        found = self._jobs.state(request.path_params["id"])
        if found is None:
            return self.missing(request, None)
        answer = found.answer or {"ahead": found.ahead}
        report = {"report": f"/jobs/{request.path_params['id']}/report"} if found.reported else {}
        return JSONResponse({"state": found.state, "name": found.name, **answer, **report})

    def report(self, request: Request) -> Response:
        page = self._jobs.report(request.path_params["id"])
        if page is None:
            return self.missing(request, None)
        headers = {"content-security-policy": _OF_REPORTS}
        return Response(page, media_type="text/html", headers=headers)

    def health(self, request: Request) -> Response:
        try:
            unanswered = self._jobs.unanswered()
            self._jobs.count("health")  # fails where the folder cannot be written
        except sqlite3.Error as error:
            return _error(503, "folder", f"the folder cannot be used: {error}")
        if not self._worker.alive:
            return _error(503, "worker", "nobody works on the jobs: start this process again")
        return JSONResponse({"status": "ok", **unanswered})

    def metrics(self, request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def missing(self, request: Request, error: Exception | None) -> Response:
        return _error(404, "missing", "there is no such page or job, or it was deleted")

    def failed(self, request: Request, error: Exception) -> Response:
        return _error(500, "internal", "the service failed; try again later")


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
