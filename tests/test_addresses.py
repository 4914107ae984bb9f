"""Addresses as people have them: understood, or refused by name, and never shown with what is secret in them."""

from __future__ import annotations

import re
import ssl
import subprocess

import pytest

from throughster import create_interface, errors
from throughster.client import AzureInterface, OpenAiInterface, VllmInterface
from throughster.providers import PROVIDERS
from throughster.settings import resolve_address
from throughster.types import Retry

ASK = {"messages": [{"role": "user", "content": "hi"}]}
OK = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
ONCE = Retry(max_attempts=1)
RESOURCE = "https://r.openai.azure.com"


def asked(provider, base, version=None, model=None):
    """Where requests go, with which version and model, for an address in the environment."""
    at = resolve_address(PROVIDERS[provider], api_base=base, api_version=version, model=model, api_key="k")
    where = PROVIDERS[provider].url(at.api_base, "/chat/completions", model=at.model, api_version=at.api_version)
    return where, PROVIDERS[provider].query(at.api_version), at.model


@pytest.mark.parametrize(
    ("base", "version", "path", "query"),
    [
        ("/openai/deployments/d/chat/completions?api-version=2024-10-21", None, "/openai/deployments/d/chat/completions",
         "2024-10-21"),
        ("/openai/deployments/d?api-version=20241021", None, "/openai/deployments/d/chat/completions", "2024-10-21"),
        ("/openai/deployments/d/chat/completions", "2024-10-21", "/openai/deployments/d/chat/completions", "2024-10-21"),
        ("/openai/deployments/d/chat/completions", None, "/openai/v1/chat/completions", None),
        ("/openai/v1/chat/completions?api-version=preview", None, "/openai/v1/chat/completions", "preview"),
        ("/openai/v1/responses", None, "/openai/v1/chat/completions", None),
        ("/?api-version=2024-10-21", '"2024-10-21"\n', "/openai/deployments/d/chat/completions", "2024-10-21"),
        ("/", "20241021", "/openai/deployments/d/chat/completions", "2024-10-21"),
        ("/", "20241021-preview", "/openai/deployments/d/chat/completions", "2024-10-21-preview"),
        ("\n", "'v1'", "/openai/v1/chat/completions", None),
        ("?api-version=", None, "/openai/v1/chat/completions", None),
        ("/openai/deployments/", "2024-10-21", "/openai/deployments/d/chat/completions", "2024-10-21"),
    ],
)  # fmt: skip
def test_the_uri_of_an_azure_deployment_is_understood(base, version, path, query):
    model = None if "deployments/d" in base else "d"
    where, told, found = asked("azure", f"{RESOURCE}{base}", version, model)
    assert (where, found) == (f"{RESOURCE}{path}", "d")
    assert told == ({"api-version": query} if query else {})


@pytest.mark.parametrize(
    "base",
    ["https://g.example/v1/chat/completions", "https://g.example/v1/chat/completions/", "https://g.example/v1/\n",
     ' "https://g.example/v1" ', "'https://g.example/v1'\r\n"],
)  # fmt: skip
def test_the_address_of_a_request_and_a_line_of_a_file_are_understood(base, monkeypatch):
    assert asked("openai", base)[0] == "https://g.example/v1/chat/completions"
    monkeypatch.setenv("OPENAI_API_BASE", base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_MODEL_NAME", '"m"\n')
    at = resolve_address(PROVIDERS["openai"])
    assert (at.api_base, at.model) == ("https://g.example/v1", "m")
    assert resolve_address(PROVIDERS["openai"], api_base="https://g.example/v1", from_spec=True).key is not None


@pytest.mark.parametrize(
    ("provider", "base", "words"),
    [
        ("openai", "https://g.example/v1?api-version=1&sig=s3cret", r"a query \(api-version=..., sig=...\)"),
        ("vllm", "https://g.example/v1?s3cret", "a query"),
        ("azure", f"{RESOURCE}?api-version=2024-10-21&code=s3cret", "a query"),
        ("openai", "https://g.example/v1#s3cret", "a fragment"),
        ("openai", "https://user:s3cret@g.example/v1", "a user name or a password"),
        ("openai", "https://s3cret@g.example/v1", "a user name or a password"),
        ("openai", "https://user:s3cret@[::1/v1", "no address"),
        ("openai", "https://user:s3cret@g.example:port/v1", "no address"),
        ("openai", "https://user:s3/cret@g.example/v1", "a user name or a password|no address"),
        ("openai", "ftp://user:s3cret@g.example/v1", "must begin with http"),
        ("openai", "user:s3cret@g.example/v1", "must begin with http"),
        ("openai", "https://user:s3#cret@g.example/v1", "no address|a user name"),
        ("openai", "https://user:s3?cret@g.example/v1", "no address|a user name"),
    ],
)
def test_what_no_address_holds_is_named_and_not_shown(provider, base, words, monkeypatch):
    variable = {"openai": "OPENAI_API_BASE", "vllm": "VLLM_API_BASE", "azure": "AZURE_OPENAI_ENDPOINT"}[provider]
    for how in ("argument", "environment"):
        monkeypatch.delenv(variable, raising=False)
        if how == "environment":
            monkeypatch.setenv(variable, base)
        with pytest.raises(errors.SettingsError, match=words) as caught:
            resolve_address(PROVIDERS[provider], api_base=base if how == "argument" else None, api_key="k", model="m")
        assert not any(part in str(caught.value) for part in ("s3cret", "s3/", "s3#", "s3?", "s3`", "cret@"))


def test_two_versions_are_one_too_many(monkeypatch):
    monkeypatch.setenv("OPENAI_API_VERSION", "2023-05-15")
    with pytest.raises(errors.SettingsError, match=r"`2024-10-21`, but `2023-05-15` is set \(OPENAI_API_VERSION, or"):
        asked("azure", f"{RESOURCE}?api-version=2024-10-21")


@pytest.mark.parametrize("version", ["2024/10/21", "2024-10", "2024-10-21&x=1", "1", "2024-10-21 preview"])
def test_what_is_no_version_is_refused_by_name(version):
    for base, given in ((RESOURCE, version), (f"{RESOURCE}?api-version={version.replace('&', '%26')}", None)):
        with pytest.raises(errors.SettingsError, match=r"is no api-version\. Write a date"):
            asked("azure", base, given)


def test_a_blank_address_is_none(monkeypatch):
    monkeypatch.setenv("OPENAI_API_BASE", ' "" ')
    assert resolve_address(PROVIDERS["openai"], api_key="k", model="m").api_base == "https://api.openai.com/v1"


def test_a_password_in_a_spec_is_not_printed(tmp_path, process):
    for n, base in enumerate(("http://user:s3cret@127.0.0.1:9/v1", "user:s3cret@h/v1", "http://u:s3cret#x@h/v1")):
        text = f"version: 1\nname: s{n}\nprovider: {{name: vllm, model: m, api_base: '{base}'}}\nprompt: hi\n"
        (tmp_path / f"s{n}.yaml").write_text(text)
    out, err = process("check", "s0.yaml", "s1.yaml", "s2.yaml", cwd=tmp_path).communicate(timeout=60)
    assert (out + err).count("`api_base` must") == 3
    assert "s3cret" not in out + err


def test_an_address_in_a_spec_has_no_query():
    with pytest.raises(errors.SettingsError, match="a query"):
        resolve_address(PROVIDERS["azure"], api_base=f"{RESOURCE}?api-version=v1", from_spec=True, api_key="k")


def test_a_password_is_not_printed_by_the_command(command_line, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_BASE", "http://user:s3cret@127.0.0.1:9/v1")
    code, told = command_line("check")
    assert (code, "s3cret" in told, "`http://***@127.0.0.1:9/v1`" in told) == (2, False, True)


@pytest.fixture
def command_line(tmp_path, process):
    def call(*args):
        (tmp_path / "s.yaml").write_text("version: 1\nprovider: {name: openai, model: m}\nprompt: hi\n")
        out, err = (done := process(*args, "s.yaml", cwd=tmp_path)).communicate(timeout=60)
        return done.returncode, out + err

    return call


def test_ipv6_hosts_have_brackets(monkeypatch):
    with pytest.raises(errors.TransportError, match=r"http://\[::1\]:9\b"):
        VllmInterface(api_base="http://[::1]:9/v1", model_name="m", retry=ONCE).sync_call(ASK)
    with pytest.raises(errors.HostNotAllowedError, match=r"--allow-host \[2001:db8::1\],") as caught:
        resolve_address(PROVIDERS["vllm"], api_base="https://[2001:db8::1]/v1", from_spec=True)
    assert "`https://[2001:db8::1]/v1` stands in the spec" in str(caught.value)
    for host in ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:443"):
        assert resolve_address(PROVIDERS["vllm"], api_base="https://[2001:db8::1]/v1", from_spec=True, hosts=[host])


@pytest.mark.parametrize(
    ("base", "likely"),
    [("/v1", ""), ("", "/v1"), ("/api", "/v1"), ("/v1/v1", "/v1"), ("/team/v1", ""), ("/team/v1/x", "/team/v1")],
)
@pytest.mark.parametrize("way", ["call", "stream", "list_models"])
def test_a_404_names_the_address_and_a_likelier_one(scripted, base, likely, way):
    with scripted(lambda *_: (404, {}, {"detail": "Not Found"})) as origin:
        client = OpenAiInterface(api_base=f"{origin}{base}", model_name="m", retry=ONCE, params={"sig": "s3cret"})
        with pytest.raises(errors.NotFoundError, match="Not Found") as caught:
            if way == "list_models":
                client.sync_list_models()
            else:
                list(client.sync_stream(ASK)) if way == "stream" else client.sync_call(ASK)
    path = "/models" if way == "list_models" else "/chat/completions"
    hint = f" Is the address perhaps {origin}{likely}?" if likely else ""
    assert str(caught.value).endswith(f"It was asked at {origin}{base}{path}.{hint}")


@pytest.mark.parametrize("name", ["openai", "mistral", "azure"])
def test_a_client_without_a_model_says_so_before_sending(scripted, name):
    heard = []

    def reply(body, _):
        heard.append(body)
        return OK

    with scripted(reply) as base:
        client = create_interface(name, api_base=f"{base}/v1", retry=ONCE, api_key="k")
        variable = f"{PROVIDERS[name].env_prefix}MODEL_NAME"
        with pytest.raises(errors.RequestError, match=f"Which model of .*{variable}"):
            client.sync_call(ASK)
        assert not heard
        assert client.sync_call({**ASK, "model": "m"}).content == "hi"
        gateway = create_interface(name, api_base=f"{base}/v1", retry=ONCE, headers={"api-key": "k"})
        assert gateway.sync_call(ASK).content == "hi"  # its headers may say which


def test_a_deployment_in_the_address_is_the_model(scripted):
    paths = []

    def reply(_, path):
        paths.append(path)
        return OK

    with scripted(reply) as base:
        target = f"{base}/openai/deployments/my-d/chat/completions?api-version=2024-10-21"
        client = AzureInterface(api_base=target, api_key="k", retry=ONCE)
        assert client.sync_call(ASK).content == "hi"
    assert paths == ["/openai/deployments/my-d/chat/completions?api-version=2024-10-21"]
    assert client.source == "azure:my-d"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate for `localhost` by a CA of one's own."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    try:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=our ca")
        names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        openssl("req", *key, "-keyout", "s.key", "-out", "s.csr", *names)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copyall")
        openssl("x509", "-req", "-in", "s.csr", "-out", "s.pem", "-days", "2", *signed)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no openssl that makes certificates: {error}")
    return folder


@pytest.mark.parametrize(
    ("host", "own_ca", "words"),
    [
        ("localhost", False, r"certificate verify failed: .*\. If the certificate .* SSL_CERT_FILE names the file"),
        ("127.0.0.1", True, r"certificate verify failed: IP address mismatch.*'127\.0\.0\.1'\."),
        ("localhost", True, None),
    ],
)
def test_a_failure_of_tls_names_its_cause(certificates, scripted, process, tmp_path, host, own_ca, words):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "s.pem", certificates / "s.key")
    (tmp_path / "s.yaml").write_text("version: 1\nprovider: {name: openai, model: m}\nprompt: hi\n")
    with scripted(lambda *_: OK, context) as base:
        environment = {"OPENAI_API_BASE": f"{base.replace('http:', 'https:').replace('127.0.0.1', host)}/v1"}
        if own_ca:
            environment["SSL_CERT_FILE"] = str(certificates / "ca.pem")
        run = process("run", "s.yaml", "-q", cwd=tmp_path, env=environment)
        _, told = run.communicate(timeout=60)
    if words is None:
        assert run.returncode == 0, told
    else:
        assert run.returncode == 3
        assert re.search(words, told.strip(), re.DOTALL), told
        assert "not permitted" not in told
        assert ("SSL_CERT_FILE" in told) is not own_ca


def test_a_server_without_tls_is_told_from_one_with_a_wrong_certificate(scripted):
    with scripted(lambda *_: OK) as base:
        client = VllmInterface(api_base=base.replace("http:", "https:"), model_name="m", retry=ONCE)
        with pytest.raises(
            errors.TransportError,
            match=r"TLS connection .* failed: [a-z ]+\. Perhaps the server speaks plain http|closed",
        ):
            client.sync_call(ASK)
