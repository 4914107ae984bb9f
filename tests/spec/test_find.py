"""Which files of a folder are specs, or were meant as such."""

from __future__ import annotations

import pytest

from throughster.errors import SpecError
from throughster.spec.find import find_specs, is_spec, reads_like_a_spec
from throughster.yamltree import parse_yaml

MEANT = [
    "version: 1\npromt: Hi\n",
    "versoin: 1\nprompt: Hi\n",
    "verson: 1\nprompt: Hi\nprovider: offline\n",
    "Version: 1\nprompt: Hi\n",
    "version: 1\nprompts: Hi\nprovider: offline\n",
    "versoin: 1\npromt: Hi\nprovider: offline\n",
    "version: 1\nprovider: offline\ntests: []\n",
    "prompt: Hi\nprovider: offline\n",
    "prompt: Hi\ntests: []\n",
    "version: 1\nprompt_text: Hi\nprovider: offline\n",
]
OTHERS = [
    'version: "3.8"\nservices: {web: {image: nginx}}\n',
    "version: 2\nupdates: []\n",
    "version: 1\nformatters: {}\nhandlers: {}\nroot: {}\n",
    "on: push\njobs: {tests: {steps: []}}\n",
    "prompts: [a]\nproviders: [openai:gpt-4.1]\ntests: [{vars: {a: 1}}]\n",
    "version: 1\nprompts: [a]\nproviders: [openai:gpt-4.1]\ntests: [{vars: {a: 1}}]\n",
    "name: a\nversion: 1.2.0\ntests: [{vars: {a: 1}}]\n",
    "prompt: Hi\nmodel: m\ntemperature: 0\n",
    "prompt: Hi\nprovider: openai\nmodel: m\ntemperature: 0\n",
    "prompt: Hi\nversions: [a, b]\n",
    "prompt: Hi\napi_version: 2024-01-01\n",
    "session: 1\nprompt: Hi\n",
    "apiVersion: v1\nkind: Service\n",
    "- version: 1\n  prompt: Hi\n",
    "just text\n",
]


def spec_like(text):
    document, _ = parse_yaml(text, "a.yaml")
    assert document is not None
    return is_spec(document)


@pytest.mark.parametrize("text", MEANT)
def test_what_was_meant_as_a_spec_is_not_passed_over(text):
    assert spec_like(text)
    assert reads_like_a_spec(text.encode())


@pytest.mark.parametrize("text", OTHERS)
def test_other_files_are_left_alone(text):
    assert not spec_like(text)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("version: 1\nprovider: offline\nprompt: {user: Hi\n", 2),
        ("<<<<<<< HEAD\nversion: 1\nprompt: Hi\n=======\nprompt: Ho\n>>>>>>> b\n", 2),
        ("{version: 1, prompt: Hi", 2),
        ("promt: {\ntests: []\n", 2),
        ("prompt: {\n", 1),
    ],
)
def test_broken_files_are_known_by_their_keys(text, marks):
    assert reads_like_a_spec(text.encode(), marks=marks)
    assert reads_like_a_spec(text.encode("utf-16"), marks=marks)


@pytest.mark.parametrize(
    "text",
    [
        "prompts: [a\nproviders: [b]\ntests: []\n",
        "version: 2\nservices: {\n",
        "apiVersion: v1\nkind: {{ .Values.kind }}\n",
        "jobs:\n  version: 1\n  prompt: {\n",
    ],
)
def test_broken_files_of_other_programs_are_left_alone(text):
    assert not reads_like_a_spec(text.encode())


def test_a_folder_holds_what_was_meant_and_no_file_that_a_spec_names(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\nprovider: {name: offline, answers: b.yaml}\nprompt: Hi\n")
    (tmp_path / "b.yaml").write_text(MEANT[0])
    (tmp_path / "c.yaml").write_text(MEANT[0])
    (tmp_path / "d.yaml").write_text(OTHERS[0])
    assert [path.name for path in find_specs([str(tmp_path)])] == ["a.yaml", "c.yaml"]


def test_a_link_that_leads_nowhere_is_told(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\nprovider: offline\nprompt: Hi\n")
    (tmp_path / "b.yaml").symlink_to("gone.yaml")
    with pytest.raises(SpecError, match=r"b\.yaml: This link leads nowhere"):
        find_specs([str(tmp_path)])
