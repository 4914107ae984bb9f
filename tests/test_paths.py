"""Which links may be followed, and that nothing is opened that is not a regular file of a known size."""

from __future__ import annotations

import os

import pytest

from throughster.paths import PathProblem, open_regular, read_bounded, resolve_named


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / "throughster.toml").touch()
    (folder / "specs" / "real.yaml").write_text("x")
    (folder / ".env").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.yaml").write_text("secret")
    return folder


def test_a_link_inside_the_project_is_followed(project):
    (project / "a.yaml").symlink_to("specs/real.yaml")
    assert resolve_named(project / "a.yaml") == project / "specs" / "real.yaml"


@pytest.mark.parametrize(
    ("name", "target", "named"),
    [
        ("a.yaml", "../outside/a.yaml", "a.yaml"),
        ("a.yaml", ".env", "a.yaml"),
        ("a.yaml", "/proc/self/environ", "a.yaml"),
        ("folder", "../outside", "folder/a.yaml"),
        ("folder", "../outside", "folder"),
    ],
)
def test_a_link_out_of_the_project_is_not(project, name, target, named):
    (project / name).symlink_to(target)
    with pytest.raises(PathProblem, match="is a link that leads"):
        resolve_named(project / named)


def test_a_link_above_every_project_is_the_systems_own(project, tmp_path):
    (tmp_path / "mounted").symlink_to("project")
    assert resolve_named(tmp_path / "mounted" / "specs" / "real.yaml") == project / "specs" / "real.yaml"


def test_a_hidden_folder_that_the_user_names_is_as_good_as_any(project):
    (project / ".github").mkdir()
    (project / ".github" / "a.yaml").write_text("x")
    assert resolve_named(project / ".github" / "a.yaml") == project / ".github" / "a.yaml"


def test_what_is_no_regular_file_is_refused_before_it_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(PathProblem, match="not a regular file"):
            open_regular(path)


def test_a_file_of_just_the_bound_is_read_and_a_larger_one_is_not(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    with pytest.raises(PathProblem, match="larger than 4 bytes"):
        read_bounded(tmp_path / "a", 4)
