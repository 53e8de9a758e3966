"""A page that asks for a password: who comes in, who does not, and where the password never stands."""

from __future__ import annotations

import os

import httpx
import pytest
from page_double import Double
from starlette.middleware import Middleware

from cotdemo import app
from cotdemo.errors import UserError
from cotdemo.ui.login import A_MINUTE, Accounts, BoundedLogins

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
USER, PASSWORD = "ada", "a pass:wörd"
CALL = {"data": ["a photo of a red dog"]}


@pytest.fixture(scope="module")
def page():
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Double(pace=0, any_words=True))
    accounts = Accounts.asked(f"{USER}:{PASSWORD}")
    options = launch_options(Middleware(BoundedLogins, a_minute=4))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, auth=accounts, **options)
    yield url, next(iter(demo.keep.recorded))
    demo.close()


def try_in(client: httpx.Client, password: str, address: str) -> httpx.Response:
    headers = {"x-forwarded-for": address}
    return client.post("login", data={"username": USER, "password": password}, headers=headers)


def test_without_the_password_there_is_a_login_and_nothing_else(page):
    url, run = page
    with httpx.Client(base_url=url, timeout=60) as client:
        front = client.get("", params={"run": run})
        assert front.status_code == 200 and '"auth_required":true' in front.text.replace(" ", "")
        assert "og:image" not in front.text and run not in front.text.replace(f"run={run}", "")
        assert "Watch an image generator think" in front.text
        for place in ("config", "gradio_api/info", "gradio_api/queue/data?session_hash=x", "gradio_api/openapi.json"):
            assert client.get(place).status_code == 401, place
        assert client.post("gradio_api/call/generate", json=CALL).status_code == 401
        assert client.post("gradio_api/upload", files={"files": b"x"}).status_code == 401
        assert client.get("preview.png", params={"run": run}).status_code == 404


def test_with_it_the_page_is_there_for_browsers_and_clients(page):
    from gradio_client import Client

    url, run = page
    with httpx.Client(base_url=url, timeout=60) as client:
        assert try_in(client, "wrong", "8.8.8.8").status_code == 400
        assert client.get("config").status_code == 401
        assert try_in(client, PASSWORD, "8.8.8.8").json() == {"success": True}
        assert client.get("config").json()["components"] and run in client.get("").text
    found = Client(url, auth=(USER, PASSWORD), verbose=False).view_api(return_format="dict", print_info=False)
    assert set(found["named_endpoints"]) == {"/generate", "/reflect"}
    with pytest.raises(ValueError):
        Client(url, auth=(USER, "wrong"), verbose=False)


def test_passwords_cannot_be_tried_without_end(page):
    url, _ = page
    with httpx.Client(base_url=url, timeout=60) as client:
        tried = [try_in(client, f"guess {number}", "1.1.1.1") for number in range(5)]
        assert [answer.status_code for answer in tried] == [400] * 4 + [429]
        assert "Try again in" in tried[-1].json()["error"] and int(tried[-1].headers["retry-after"]) > 0
        assert try_in(client, PASSWORD, "9.9.9.9").status_code == 200  # somebody else


def test_the_password_stands_nowhere(page, capfd):
    url, _ = page
    with httpx.Client(base_url=url, timeout=60) as client:
        assert try_in(client, PASSWORD, "8.8.4.4").status_code == 200
        texts = [client.get(place).text for place in ("", "config", "gradio_api/info")]
    said = capfd.readouterr()
    for text in (*texts, said.out, said.err, repr(Accounts.asked(f"{USER}:{PASSWORD}"))):
        assert PASSWORD not in text and "wörd" not in text


# -- accounts


def test_accounts_are_one_of_the_command_or_those_of_a_file(tmp_path):
    one = Accounts.asked("ada:a:b ")
    assert one("ada", "a:b ") and not any((one("ada", "a:b"), one("ADA", "a:b "), one("", ""), one("ada", "\ud800")))
    file = tmp_path / "accounts.txt"
    file.write_text("ada:one\n\n grace :two\n", encoding="utf-8")
    both = Accounts.asked(f"@{file}")
    assert both("ada", "one") and both("grace", "two") and not both("ada", "two")


@pytest.mark.parametrize("text", ["", "secret", "secret:", ":secret", " :secret", "@", "@secret", "@/secret:x", "@\0"])
def test_accounts_that_cannot_be_read_are_refused_in_words_that_quote_nothing(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="USER:PASSWORD") as caught:
        Accounts.asked(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"ada:one\nsecret\n", b"\xff\xfe", b"secret:\n"])
def test_a_file_that_holds_no_accounts_is_refused(content, tmp_path):
    (tmp_path / "accounts").write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as caught:
        Accounts.asked(f"@{tmp_path / 'accounts'}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_app_is_started_with_accounts_and_serves_no_agents_then(way, monkeypatch):
    import argparse

    launched = {}
    monkeypatch.setattr("gradio.Blocks.launch", lambda self, **options: launched.update(options))
    if way == "variable":
        monkeypatch.setenv(app.VARIABLE_OF_ACCOUNTS, f"{USER}:{PASSWORD}")
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    app.start(parser.parse_args(["--auth", f"{USER}:{PASSWORD}"] if way == "option" else []))
    assert launched["auth"](USER, PASSWORD) and launched["mcp_server"] is False
    assert BoundedLogins in [one.cls for one in launched["app_kwargs"]["middleware"]]
    assert PASSWORD not in parser.format_help()


def test_without_accounts_nobody_is_asked(monkeypatch):
    import argparse

    launched = {}
    monkeypatch.setattr("gradio.Blocks.launch", lambda self, **options: launched.update(options))
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    app.start(parser.parse_args([]))
    assert launched["auth"] is None


def test_how_often_one_may_try_is_what_the_docs_tell():
    from pathlib import Path

    text = (Path(app.__file__).parents[1] / "docs" / "start.md").read_text(encoding="utf-8")
    assert A_MINUTE == 10 and "Ten may be tried a minute" in text and app.VARIABLE_OF_ACCOUNTS in text
