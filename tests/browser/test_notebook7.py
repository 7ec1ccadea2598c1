"""The whole journey in a real Notebook 7."""

from __future__ import annotations

from journey import *  # noqa: F403 - the tests and their fixtures are the same in each front end
from notebook_page import FrontEnd

FRONT_END = FrontEnd("notebook", "/notebooks/{name}?token={token}")
