"""The server of `dmft explore`: on this machine alone, for those who know the token, until Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.events import DocumentReady
from bokeh.server.auth_provider import AuthProvider
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler

from .document import Explorer
from .state import Shown

_HOST = "127.0.0.1"
_LAST_PIECE = 20.0  # seconds that a piece of work may take to its end when all ends


class _Token(AuthProvider):
    """Lets in who gives the token: in the address at first, by a cookie from then on."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        super().__init__()

    @property
    def get_user_async(self) -> Any:
        return self._user  # asked before anything is answered, also by what becomes a websocket

    async def _user(self, handler: RequestHandler) -> str | None:
        cookie = f"dmft-{handler.request.host.rpartition(':')[2]}"  # cookies of one host are shared by all its ports
        given = handler.get_query_argument("token", "") or handler.get_cookie(cookie, "")
        if not secrets.compare_digest((given or "").encode(), self._token):
            raise HTTPError(403, reason="The token is missing or wrong: open the address that dmft explore printed")
        if handler.get_cookie(cookie) != given:
            handler.set_cookie(cookie, given, httponly=True, samesite="Strict", path="/")
        return "dmft"

    @property
    def login_url(self) -> str:
        return "/"  # Bokeh wants one; nobody is sent there


class _Application(BokehTornado):
    """Sends the browser only the scripts that the page needs: a third of them."""

    def resources(self, absolute_url: str | bool | None = None) -> Any:
        found = super().resources(absolute_url)
        found.components = ["bokeh", "bokeh-widgets"]
        return found


class Service:
    """A running explorer.

    Parameters
    ----------
    shown : Shown
        What each browser is shown first.
    port : int
        0: any that is free.
    token : str, optional
        Default: a new one.

    Attributes
    ----------
    url : str
        With the token.
    pages : list of Explorer
        Those of open browsers.
    """

    def __init__(self, shown: Shown, port: int = 0, token: str | None = None) -> None:
        self._token = secrets.token_urlsafe(24) if token is None else token
        self.pages: list[Explorer] = []

        def page(document: Document) -> None:
            explorer = Explorer(document, shown)
            self.pages.append(explorer)
            document.on_event(DocumentReady, explorer.ready)

            def close(context: Any) -> None:
                explorer.close()
                self.pages.remove(explorer)

            document.on_session_destroyed(close)

        listening = socket.create_server((_HOST, port))
        listening.setblocking(False)
        self._port = listening.getsockname()[1]
        application = _Application(
            {"/": Application(FunctionHandler(page))},
            auth_provider=_Token(self._token),
            extra_websocket_origins=[f"{_HOST}:{self._port}", f"localhost:{self._port}"],
            secret_key=secrets.token_bytes(32),
            sign_sessions=True,
            generate_session_ids=True,
            check_unused_sessions_milliseconds=5_000,
            unused_session_lifetime_milliseconds=5_000,
        )
        http = HTTPServer(application)
        http.add_socket(listening)
        self._server = BaseServer(IOLoop.current(), application, http)

    @property
    def port(self) -> int:
        """Port that it has."""
        return int(self._port)

    @property
    def url(self) -> str:
        """Address to open, with the token."""
        return f"http://{_HOST}:{self.port}/?token={self._token}"

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; `ready` is called once pages can be had."""
        loop = self._server.io_loop
        self._server.start()
        before = {number: signal.signal(number, lambda *_: loop.add_callback_from_signal(self.stop))
                  for number in (signal.SIGINT, signal.SIGTERM)}  # fmt: skip
        loop.add_callback(ready)
        try:
            loop.start()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for page in self.pages:
                page.close()
            for page in self.pages:
                page.latest.stop(_LAST_PIECE)  # Python must not end while a thread is in a kernel
            self._server.stop(wait=False)

    def stop(self) -> None:
        """End `run`, from inside the loop."""
        self._server.io_loop.stop()


def serve(shown: Shown, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the explorer until Ctrl-C.

    Parameters
    ----------
    shown : Shown
    port : int
        0: any that is free.
    browser : bool
        Whether to open one.
    say : callable
        Takes lines for the user.

    Raises
    ------
    OSError
        If the port cannot be had.
    """
    logging.getLogger("bokeh").setLevel(logging.ERROR)
    logging.getLogger("tornado").setLevel(logging.ERROR)
    if _running():
        raise RuntimeError("the explorer must not be started inside of an event loop")
    service = Service(shown, port)

    def ready() -> None:
        say(f"the explorer is at {service.url}")
        say("end it with Ctrl-C")
        if browser:
            threading.Thread(target=webbrowser.open, args=(service.url,), daemon=True).start()

    service.run(ready)
    say("ended")


def _running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
