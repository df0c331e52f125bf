"""What `medusa_build_info` says: the commit of the image, of the checkout, or that nobody knows."""

import shutil
import subprocess

import pytest

from schema import version


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(version, "_ROOT", tmp_path)
    version.find_commit.cache_clear()
    yield tmp_path
    version.find_commit.cache_clear()


def test_an_image_has_it_in_a_file(folder):
    (folder / "COMMIT").write_text("0123456789abcdef0123456789abcdef01234567\n")
    assert version.find_commit() == "0123456789ab"


def test_a_copy_without_history_does_not_guess(folder):
    assert version.find_commit() == "unknown"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_is_asked(folder):
    def git(*words):
        known = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        return subprocess.run(["git", "-C", str(folder), *known, *words], check=True, capture_output=True, text=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert version.find_commit() == git("rev-parse", "HEAD").stdout[:12]
