"""HTTP by libcurl: connections, faults, TLS, proxies, signatures and secrets, over real sockets."""

import logging
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleetstream.targets import http
from fleetstream.targets.http import AwsSigner, HttpClient
from fleetstream.targets.sink import Unavailable
from tests.servers.programs import free_port
from tests.targets.http_servers import Origin, Proxy, Received, ok, running

JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "Timestream_20181101.Write"}

CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies and no certificates but those that a test sets."""
    for name in (*VARIABLES, *map(str.upper, VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The file with the certificate of the authority."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Origin]:
    """A server with TLS, whose certificate is for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    origin = Origin(tls=context)
    with running(origin):
        yield origin


def post(client: HttpClient, url: str, body: bytes = b"{}") -> int:
    return client.exchange("POST", url, JSON, body).status


def fault_of(call: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as raised:
        call()
    return raised.value


# Connections


def test_a_thread_keeps_its_connection() -> None:
    origin = Origin()
    client = HttpClient()

    def work() -> None:
        for number in range(5):
            assert post(client, origin.url, b"%d" % number) == 200

    with running(origin):
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert origin.connections == 3
    bodies = sorted(request.body for request in origin.received)
    assert bodies == sorted(3 * [b"%d" % number for number in range(5)])


def test_an_idle_connection_that_the_server_closed_is_no_fault() -> None:
    origin = Origin(idle=0.05)
    client = HttpClient()
    with running(origin):
        for number in range(3):
            assert post(client, origin.url, b"%d" % number) == 200
            assert origin.closed.acquire(timeout=10)
    assert [request.body for request in origin.received] == [b"0", b"1", b"2"]
    assert origin.connections == 3


def test_a_reused_connection_that_closes_on_a_request_is_no_fault() -> None:
    """The server closes the connection when the second request on it has arrived."""
    origin = Origin(lambda request: ok() if request.place == 0 else None)
    client = HttpClient()
    with running(origin):
        for number in range(3):
            assert post(client, origin.url, b"%d" % number) == 200
    assert [request.body for request in origin.received] == [b"0", b"1", b"1", b"2", b"2"]


def test_a_new_connection_that_closes_on_a_request_is_a_fault() -> None:
    origin = Origin(lambda request: None)
    with running(origin):
        assert fault_of(lambda: post(HttpClient(), origin.url)).kind == "connection cut"
    assert len(origin.received) == 1


def test_a_partial_answer_on_a_reused_connection_is_a_fault() -> None:
    origin = Origin(lambda request: ok() if request.place == 0 else CUT_SHORT, idle=0.2)
    client = HttpClient()
    with running(origin):
        assert post(client, origin.url) == 200
        assert fault_of(lambda: post(client, origin.url)).kind == "answer cut short"
    assert len(origin.received) == 2


# Faults


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (CUT_SHORT, "answer cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "answer cut short"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "answer not understood"),
        (ok(body=b"x" * 101), "answer not understood"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000, "answer not understood"),
    ],
)
def test_broken_answers_are_faults(answer: bytes, kind: str) -> None:
    origin = Origin(lambda request: answer, idle=0.2)
    with running(origin):
        assert fault_of(lambda: post(HttpClient(max_answer=100), origin.url)).kind == kind


def test_an_answer_of_the_largest_size_is_read() -> None:
    origin = Origin(lambda request: ok(body=b"x" * 100))
    with running(origin):
        answer = HttpClient(max_answer=100).exchange("GET", origin.url, {})
    assert answer.body == b"x" * 100


def test_a_refused_connection() -> None:
    port = free_port()
    fault = fault_of(lambda: post(HttpClient(), f"http://127.0.0.1:{port}"))
    assert fault.kind == "connection refused"


def test_an_unknown_host_name() -> None:
    fault = fault_of(lambda: post(HttpClient(), "http://no-such-host.invalid"))
    assert fault.kind == "host name not found"


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", 1)
    origin = Origin(lambda request: b"")
    with running(origin):
        assert fault_of(lambda: post(HttpClient(), origin.url)).kind == "no answer in time"
    assert len(origin.received) == 1


@pytest.mark.parametrize(("header", "wait"), [("7", 7), ("soon", 0)])
def test_what_an_answer_says_besides_its_body(header: str, wait: int) -> None:
    content = b"HTTP/1.1 100 Continue\r\nX-Version: 1\r\n\r\n"
    content += f"HTTP/1.1 503 No\r\nRetry-After: {header}\r\nx-VERSION: 2\r\n".encode()
    content += b"Content-Length: 0\r\n\r\n"
    origin = Origin(lambda request: content)
    with running(origin):
        answer = HttpClient().exchange("GET", origin.url, {}, with_headers=True)
    assert (answer.status, answer.wait) == (503, wait)
    assert answer.headers["x-version"] == "2"


# TLS


@pytest.mark.parametrize(
    "variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", None]
)
def test_a_named_authority_is_trusted(
    secure: Origin, bundle: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, bundle)
    client = HttpClient(None if variable else bundle)
    assert post(client, secure.url) == post(client, secure.url) == 200
    assert secure.connections == 1


def test_another_authority_is_not_trusted(secure: Origin, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    for client in (HttpClient(), HttpClient(str(other)), HttpClient(str(tmp_path / "none"))):
        fault = fault_of(lambda client=client: post(client, secure.url))
        assert fault.kind == "TLS failed"
        assert re.search("certificate|trust anchors", str(fault))
    assert secure.received == []


def test_a_certificate_of_another_name_is_not_trusted(secure: Origin, bundle: str) -> None:
    url = secure.url.replace("localhost", "127.0.0.1")
    assert fault_of(lambda: post(HttpClient(bundle), url)).kind == "TLS failed"


# Proxies


@contextmanager
def proxied(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, user: str = "") -> Iterator[None]:
    with running(proxy):
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{user}localhost:{proxy.port}")
        yield


def test_tls_goes_through_the_proxy(
    secure: Origin, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(user="me:p@ss")
    client = HttpClient(bundle)
    with proxied(proxy, monkeypatch, "me:p%40ss@"):
        assert post(client, secure.url) == post(client, secure.url) == 200
    (tunnel,) = proxy.received
    assert tunnel.line == f"CONNECT localhost:{secure.port} HTTP/1.1"
    assert "x-amz-target" not in tunnel.headers
    assert [request.line for request in secure.received] == 2 * ["POST / HTTP/1.1"]
    assert all("proxy-authorization" not in request.headers for request in secure.received)


def test_plain_http_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy()
    with proxied(proxy, monkeypatch):
        answer = HttpClient().exchange("GET", "http://fleet.example/path", {})
    assert answer.body == b"forwarded"
    assert proxy.received[0].line == "GET http://fleet.example/path HTTP/1.1"


def test_no_proxy_goes_straight(
    secure: Origin, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy()
    monkeypatch.setenv("no_proxy", "example.org,localhost")
    with proxied(proxy, monkeypatch):
        assert post(HttpClient(bundle), secure.url) == 200
    assert proxy.received == []


def test_a_proxy_that_refuses_is_named(
    secure: Origin, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(Proxy(user="me:right"), monkeypatch, "me:wrong-word@"):
        fault = fault_of(lambda: post(HttpClient(bundle), secure.url))
    assert fault.kind == "proxy answered 407"
    assert "wrong-word" not in str(fault)


def test_a_proxy_that_does_not_exist(
    secure: Origin, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret-word@no-such-proxy.invalid:3128")
    fault = fault_of(lambda: post(HttpClient(bundle), secure.url))
    assert fault.kind == "proxy name not found"
    assert "secret-word" not in str(fault)


# Signatures and secrets


@pytest.mark.parametrize("token", [None, "to/ken+with=signs=="])
@pytest.mark.parametrize("body", [b"{}", "ünïcode".encode(), bytes(range(256)) * 5_000])
@pytest.mark.parametrize("path", ["", "/", "/some/path"])
def test_signatures_are_those_of_botocore(token: str | None, body: bytes, path: str) -> None:
    signer = AwsSigner("AKIDEXAMPLE", "wJalr/XUtnFEMI", token, "eu-west-1", "timestream")
    origin = Origin()
    with running(origin):
        HttpClient().exchange("POST", f"{origin.url}{path}", JSON, body, signer=signer)
        url = f"{origin.url}{path}"
    (request,) = origin.received
    assert request.body == body
    assert request.headers.get("x-amz-security-token") == token
    assert request.headers["authorization"] == authorization(request, url, signer)


def authorization(request: Received, url: str, signer: AwsSigner) -> str:
    """The header by which botocore signs a request with the same headers at the same time."""
    credentials = Credentials(signer.access_key, signer.secret_key, signer.token)
    auth = SigV4Auth(credentials, signer.service, signer.region)
    names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(names.split(";"))
    assert signer.token is None or "x-amz-security-token" in names
    headers = {name: request.headers[name] for name in names.split(";")}
    same = AWSRequest("POST", url, headers=headers, data=request.body)
    same.context["timestamp"] = request.headers["x-amz-date"]
    signature = auth.signature(auth.string_to_sign(same, auth.canonical_request(same)), same)
    return (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(same)}, SignedHeaders={names}, "
        f"Signature={signature}"
    )


def test_a_signature_does_not_stay_with_the_connection() -> None:
    signer = AwsSigner("AKIDEXAMPLE", "secret", "token", "eu-west-1", "timestream")
    origin = Origin()
    client = HttpClient()
    with running(origin):
        client.exchange("POST", origin.url, JSON, b"{}", signer=signer)
        post(client, origin.url)
    assert origin.connections == 1
    assert not origin.received[1].headers.keys() & {"authorization", "x-amz-security-token"}


def test_secrets_are_not_printed(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets = ("secret-key", "session-token", "bearer-word")
    signer = AwsSigner("AKIDEXAMPLE", "secret-key", "session-token", "eu-west-1", "timestream")
    headers = JSON | {"X-Password": "bearer-word"}
    origin = Origin(lambda request: ok() if request.connection == 0 else CUT_SHORT, idle=0.2)
    client = HttpClient()
    faults = []
    with caplog.at_level(logging.DEBUG), running(origin):
        client.exchange("POST", origin.url, headers, b"{}", signer=signer)
        client.close()
        for url in (origin.url, f"http://localhost:{free_port()}", "http://x.invalid", "http://["):
            with pytest.raises(Unavailable) as raised:
                client.exchange("POST", url, headers, b"{}", signer=signer)
            faults += [raised.value.kind, str(raised.value), repr(raised.value.__cause__)]
    out, err = capfd.readouterr()
    printed = "\n".join([out, err, caplog.text, *faults, repr(signer)])
    assert not [secret for secret in secrets if secret in printed]


def test_without_pycurl_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pycurl'] = None\n"
        "from fleetstream.targets.sink import TargetUnusable\n"
        "try:\n    import fleetstream.targets.http\n"
        "except TargetUnusable as error:\n    print(error)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "pip install pycurl" in printed
    assert printed.count("\n") == 1
