"""The fixtures of tests/integration, for tests with real servers."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from conftest import *  # noqa: E402,F401,F403 pylint: disable=wildcard-import,unused-wildcard-import
