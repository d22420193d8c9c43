"""The server: for who has the token, on this machine, until Ctrl-C."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmft import cli

CODE = "from dmft.cli import main; main()"


@pytest.fixture
def served():
    """Start `dmft explore`; return the process and its address."""
    command = [sys.executable, "-c", CODE, "explore", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        first = server.stdout.readline()
        assert first.startswith("the explorer is at http://127.0.0.1:"), first
        yield server, first.split()[-1]
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def get(address, path="/", **headers):
    """Return status, headers and text of an answer."""
    with contextlib.closing(http.client.HTTPConnection(address.split("/")[2], timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()


def test_who_has_the_token_is_let_in_until_ctrl_c(served):
    server, address = served
    assert get(address)[0] == 403
    assert get(address, "/?token=wrong")[0] == 403
    assert get(address, "/?token=%C3%A9")[0] == 403
    assert get(address, "/autoload.js?bokeh-autoload-element=x")[0] == 403
    assert get(address, "/metadata")[0] == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert get(address, "/ws", **upgrade, **{"Sec-WebSocket-Version": "13"})[0] == 403
    status, headers, text = get(address, address[address.index("/?") :])
    assert status == 200
    assert "dmft explore" in text
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert get(address, "/", Cookie=cookie.split(";")[0])[0] == 200

    port = int(address.split(":")[2].split("/")[0])
    table = Path(f"/proc/{server.pid}/net/tcp")
    if table.exists():  # Linux says where a process listens: on the loopback alone
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        listening = [row[1] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
        assert listening == [f"0100007F:{port:04X}"]
    os.kill(server.pid, signal.SIGINT)
    assert server.wait(30) == 0
    assert server.stdout.read() == "end it with Ctrl-C\nended\n"


def run(*arguments):
    return CliRunner().invoke(cli.main, ["explore", "--no-browser", *arguments])


def test_what_cannot_be_explored_is_refused(tmp_path):
    done = run(str(tmp_path / "none.toml"))
    assert done.exit_code == 2
    assert "cannot be read" in done.output
    (tmp_path / "other.toml").write_text("[sk]\ndJ = 0.5\n[sweep]\nbeta = [1.0]\n")
    done = run(str(tmp_path / "other.toml"))
    assert (done.exit_code, "must be a run file of an attention network" in done.output) == (2, True)


def test_a_port_that_is_taken_is_refused():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--port", str(taken.getsockname()[1]))
    assert done.exit_code == 2
    assert "in use" in done.output


def test_without_bokeh_the_extra_is_named():
    code = "import sys; sys.modules['bokeh'] = None; " + CODE
    done = subprocess.run([sys.executable, "-c", code, "explore"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == 'Error: dmft explore needs bokeh; pip install "dmft[explore]"\n'
