"""The page as a server for agents (MCP): what they are offered, and what a call brings. Without the extra, no harm."""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import socket

import pytest
from page_double import Double

from cotdemo import app
from cotdemo.errors import UserError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"


@pytest.fixture(scope="module")
def url():
    pytest.importorskip("mcp", reason="gradio's extra mcp is not installed")
    from cotdemo.ui.page import build_demo, launch_options

    demo = build_demo("mini", lambda: Double(pace=0, any_words=True))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, mcp_server=True, **launch_options())
    yield url
    demo.close()


async def ask(url: str, call):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with (
        streamablehttp_client(f"{url}gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await call(session)


def test_agents_are_offered_generate_and_reflect_in_words(url):
    tools = asyncio.run(ask(url, lambda session: session.list_tools())).tools
    described = {tool.name.rsplit("_", 1)[-1]: tool for tool in tools}
    assert set(described) == {"generate", "reflect"} and len(tools) == 2
    generate = described["generate"]
    assert generate.description.startswith("Paint a prompt on several paths")
    assert set(generate.inputSchema["properties"]) >= {"prompt", "method", "paths", "steps", "seed"}
    assert "at most 300 characters" in generate.inputSchema["properties"]["prompt"]["description"]


def test_an_agent_paints_an_image(url):
    async def paint(session):
        (name,) = [tool.name for tool in (await session.list_tools()).tools if "generate" in tool.name]
        wanted = {"prompt": "a photo of a dog", "method": "orm", "paths": 2, "steps": 3, "seed": 9}
        return await session.call_tool(name, wanted)

    result = asyncio.run(ask(url, paint))
    assert not result.isError
    assert sum(len(one.model_dump_json()) for one in result.content) < 60_000
    (image,) = [one for one in result.content if one.type == "image"]
    assert image.mimeType == "image/png" and base64.b64decode(image.data).startswith(b"\x89PNG")
    made = json.loads(result.content[-1].text)
    assert made["settings"]["seed"] == 9 and made["verdict"]["path"] in (0, 1)

    async def reflect(session):
        (name,) = [tool.name for tool in (await session.list_tools()).tools if "reflect" in tool.name]
        return await session.call_tool(name, {"run": made["run"], "anyway": True})

    again = json.loads(asyncio.run(ask(url, reflect)).content[-1].text)
    assert again["before"] == made["verdict"] and again["critique"]


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    app.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("there", [True, False])
def test_the_app_serves_agents_only_where_the_extra_is_installed(monkeypatch, there):
    launched = {}
    monkeypatch.setattr(app, "find_spec", lambda name: object() if there else None)
    monkeypatch.setattr("gradio.Blocks.launch", lambda self, **options: launched.update(options))
    app.start(options_of())
    assert launched["mcp_server"] is there


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999999999999999999"])
def test_a_port_that_there_is_not_is_refused_in_words(capsys, port):
    with pytest.raises(SystemExit) as raised:
        app.run(["--port", port])
    assert raised.value.code == 2 and "there are 1 to 65535" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_in_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"Port {port} is in use.*--port N"):
            app.start(options_of("--port", str(port)))
