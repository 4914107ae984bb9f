"""Keys and hosts: where a key comes from, and the only places that it may go."""

from __future__ import annotations

import pytest

from throughster.errors import HostNotAllowedError, SettingsError
from throughster.providers import PROVIDERS
from throughster.settings import allowed_hosts, resolve_address

KEY = "sk-canary-0123456789"
OPENAI, VLLM = PROVIDERS["openai"], PROVIDERS["vllm"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_MODEL_NAME", "VLLM_API_BASE", "VLLM_API_KEY",
                 "THROUGHSTER_ALLOWED_HOSTS"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def key_of(address):
    return address.key.get_secret_value() if address.key else None


def test_a_missing_key_says_what_to_set():
    with pytest.raises(SettingsError, match="OpenAI needs a key: set OPENAI_API_KEY"):
        resolve_address(OPENAI)


def test_an_empty_variable_is_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        resolve_address(OPENAI)


def test_a_key_that_was_read_from_a_file_loses_its_line_break(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    address = resolve_address(OPENAI)
    assert (key_of(address), address.key_variable) == (KEY, "OPENAI_API_KEY")
    assert key_of(resolve_address(OPENAI, api_key=f"{KEY}2\r\n")) == f"{KEY}2"


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nX: y")
    with pytest.raises(SettingsError, match="The key in OPENAI_API_KEY cannot be sent") as caught:
        resolve_address(OPENAI)
    assert KEY not in str(caught.value)


def test_a_missing_address_says_what_to_set():
    with pytest.raises(SettingsError, match="VLLM_API_BASE"):
        resolve_address(VLLM)


def test_the_key_goes_to_the_providers_own_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    address = resolve_address(OPENAI, model="m")
    assert (address.api_base, key_of(address), address.key_variable) == (
        "https://api.openai.com/v1",
        KEY,
        "OPENAI_API_KEY",
    )
    spelled_out = resolve_address(OPENAI, api_base="https://api.openai.com/v1", from_spec=True)
    assert key_of(spelled_out) == KEY


def test_the_key_goes_to_the_address_of_the_same_settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/v1")
    monkeypatch.setenv("OPENAI_MODEL_NAME", "m-env")
    address = resolve_address(OPENAI)
    assert (address.api_base, address.model, key_of(address)) == ("https://gateway.example/v1", "m-env", KEY)
    assert key_of(resolve_address(OPENAI, api_base="https://gateway.example/v1/other", from_spec=True)) == KEY


TRICKS = [
    "https://evil.example/v1",
    "http://api.openai.com/v1",
    "https://api.openai.com:8443/v1",
    "https://api.openai.com.evil.example/v1",
    "https://api.openai.com@evil.example/v1",
    "https://user:pass@api.openai.com/v1",
    "https://evil.example/?https://api.openai.com/v1",
    "https://evil.example#api.openai.com",
    "https://evil.example\\@api.openai.com/v1",
    "https://api.openai.com./v1",
    "https://аpi.openai.com/v1",
    "//evil.example/v1",
    "ftp://api.openai.com/v1",
    "https://169.254.169.254/v1",
    "https://[::ffff:10.0.0.1]/v1",
    "https:///v1",
    "evil.example/v1",
]


@pytest.mark.parametrize("url", TRICKS)
def test_an_address_in_a_spec_gets_neither_key_nor_request(url, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises((HostNotAllowedError, SettingsError)) as caught:
        resolve_address(OPENAI, api_base=url, from_spec=True)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", "http://localhost:9/v1", "http://[::1]:8000/v1"])
def test_a_loopback_address_in_a_spec_is_called_without_a_key(url, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert key_of(resolve_address(OPENAI, api_base=url, from_spec=True)) is None


@pytest.mark.parametrize("how", ["option", "variable", "file", "option with port"])
def test_a_host_can_be_allowed_outside_the_spec(how, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    hosts = ()
    if how.startswith("option"):
        hosts = ("gateway.example",) if how == "option" else ("gateway.example:443",)
    elif how == "variable":
        monkeypatch.setenv("THROUGHSTER_ALLOWED_HOSTS", "other.example, Gateway.Example")
    else:
        (tmp_path / "throughster").mkdir()
        (tmp_path / "throughster" / "config.toml").write_text('allowed_hosts = ["gateway.example"]\n')
    address = resolve_address(OPENAI, api_base="https://gateway.example/v1", from_spec=True, hosts=hosts)
    assert key_of(address) == KEY


def test_a_port_that_was_not_allowed_is_another_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(HostNotAllowedError):
        resolve_address(OPENAI, api_base="https://g.example:1/v1", from_spec=True, hosts=("g.example:2",))


def test_the_callers_own_address_gets_the_key_and_needs_none_on_loopback(monkeypatch):
    assert key_of(resolve_address(OPENAI, api_base="http://127.0.0.1:1/v1")) is None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert key_of(resolve_address(OPENAI, api_base="https://gateway.example/v1")) == KEY


def test_headers_stand_in_for_a_key():
    assert key_of(resolve_address(OPENAI, headers={"api-key": "k"})) is None


def test_a_malformed_config_file_is_named(tmp_path):
    (tmp_path / "throughster").mkdir()
    (tmp_path / "throughster" / "config.toml").write_text("allowed_hosts = 7\n")
    with pytest.raises(SettingsError, match="allowed_hosts"):
        allowed_hosts()


def test_the_key_shows_nowhere(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in repr(resolve_address(OPENAI))
