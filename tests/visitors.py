"""Visitors of the desk's pages: a service over the small market with accounts, and a browser without a window."""

import re
import shutil
from collections.abc import Callable
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from starlette.testclient import TestClient

from api.app import create_app
from api.desk import identity, listing
from api.desk.identity import SYSTEM, Role
from api.messages import ListingRequest
from api.service import Service
from api.settings import Settings

PASSWORD = "correct horse battery"
NEEDS = ("N20", "N21", "N22", "N23")
ACCOUNTS = (
    ("wang.wei", Role.OFFICER, "I1"),
    ("zhao.min", Role.OFFICER, "I2"),
    ("office", Role.COMMISSION, None),
    ("root", Role.ADMINISTRATOR, None),
)


def prepare(settings: Settings, now: Callable[[], datetime]) -> dict[str, str]:
    """An account of each role, and a few needs listed; gives a session's token for each name."""
    app = create_app(settings, now=now)
    service: Service = app.state.service
    for name, role, institution_id in ACCOUNTS:
        identity.add_account(service.store, now(), name, role, PASSWORD, institution_id)
    for need_id in NEEDS:
        listing.list_need(service, SYSTEM, ListingRequest(need_id=need_id))
    tokens = {name: identity.sign_in(service, name, PASSWORD).token for name, *_ in ACCOUNTS}
    service.store.close()
    return tokens


def copied(settings: Settings, folder: Path, **changes: Any) -> Settings:
    """The settings of a service of its own in `folder`, that begins with the same store."""
    shutil.copy(make_url(settings.database_url).database or "", folder / "service.db")
    return settings.model_copy(update={"database_url": f"sqlite:///{folder}/service.db", **changes})


class Visitor:
    """Somebody at a browser that runs no script: follows forms by their fields, and reads what a page says."""

    def __init__(self, app: Any, token: str | None = None) -> None:
        self.client = TestClient(app, follow_redirects=False, cookies={identity.COOKIE: token} if token else None)
        self.page = ""

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        self.page = answer.text
        return answer

    def post(self, path: str, **fields: Any) -> Any:
        """Send a form with the token of the page last read, unless another is given."""
        answer = self.client.post(path, data={"csrf": self.hidden("csrf"), **fields})
        self.page = answer.text
        return answer

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        return unescape(found[1]) if found else ""

    def sign_in(self, name: str, password: str = PASSWORD) -> Any:
        self.get("/signin")
        return self.post("/signin", name=name, password=password, next="/")

    def cases(self) -> list[str]:
        """The cases of the queue, in its order."""
        self.get("/desk?lang=en")
        return re.findall(r'href="/desk/cases/([^"]+)"', self.page)

    def decide(self, case_id: str, step: str, **fields: Any) -> Any:
        """Take a step from the case's page as it is now."""
        self.get(f"/desk/cases/{case_id}")
        return self.post(f"/desk/cases/{case_id}", step=step, version=self.hidden("version"), **fields)

    def says(self, text: str) -> bool:
        return text in unescape(self.page)
