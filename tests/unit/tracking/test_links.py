from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertspec.tracking.offline import keep_link, link

RUN = "a" * 64
URL = "https://wandb.example/me/bertspec/runs/aaaaaaaaaaaaaaaa"


def test_the_page_of_a_run_is_remembered(tmp_path: Path) -> None:
    assert link(tmp_path, RUN) is None
    keep_link(tmp_path, RUN[:16], URL)
    assert link(tmp_path, RUN) == URL


def test_a_page_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / f"{RUN[:16]}.url").symlink_to(victim)
    keep_link(tmp_path, RUN[:16], URL)
    assert (link(tmp_path, RUN), victim.read_text()) == (URL, "precious")


@pytest.mark.parametrize("kind", ["pipe", "link", "large", "a script"])
def test_what_is_no_address_is_no_link_and_blocks_nobody(kind: str, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    file = tmp_path / "links" / f"{RUN[:16]}.url"
    (tmp_path / "elsewhere").write_text(URL)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_text("javascript:alert(1)" if kind == "a script" else URL + "x" * 5000)
    assert link(tmp_path, RUN) is None


def test_an_id_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    keep_link(tmp_path / "tracking", "../../aaaa", URL)
    assert [file.name for file in tmp_path.rglob("*.url")] == ["aaaa.url"]
    (tmp_path / "bbbb.url").write_text(URL)
    assert link(tmp_path / "tracking", "../../bbbb") is None


def test_a_folder_of_links_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    keep_link(tmp_path / "elsewhere", RUN[:16], URL)
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "links").symlink_to(tmp_path / "elsewhere" / "links")
    assert link(tmp_path / "tracking", RUN) is None
