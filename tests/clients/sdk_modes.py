"""Lists the tools, searches and reads patients with the official Python SDK.

Usage: sdk_modes.py PROGRAM [FLAG…]

What is served, at least twenty patients, comes from --fixtures PATH or from
FHIR_SERVER_BASE_URL.

Every mode of the client (auto, legacy, 2026-07-28) is run over stdio and over
streamable HTTP, and the transport of 2024-11-05 over server-sent events.
"""

import asyncio
import os
import re
import subprocess
import sys

from mcp import Client, ClientSession, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client

READING_TOOLS = {"search", "read", "get_capabilities", "describe", "validate", "get_user"}
WRITING_TOOLS = {"create", "update", "delete"}
MODES = ["auto", "legacy", "2026-07-28"]


def content(result):
    assert not result.is_error, result.content
    return result.structured_content


async def use(client, name):
    """What a client does first: list, search, read."""
    tools = {tool.name for tool in (await client.list_tools()).tools}
    assert tools == READING_TOOLS, tools
    found = content(await client.call_tool("search", {"type": "Patient"}))
    assert found["total"] >= 20, found["total"]
    patient = found["entry"][0]
    patient = patient.get("resource", patient)
    read = content(await client.call_tool("read", {"type": "Patient", "id": patient["id"]}))
    read = read.get("resource", read)
    assert read["resourceType"] == "Patient" and read["id"] == patient["id"], read
    wrong = await client.call_tool("search", {"type": "Pateint"})
    assert wrong.is_error and "Patient" in wrong.content[0].text, wrong
    print(f"{name}: {len(tools)} tools, {found['total']} patients")


async def over_stdio(program, flags):
    for mode in MODES:
        parameters = StdioServerParameters(
            command=program, args=["--transport", "stdio", *flags], env=dict(os.environ)
        )
        async with Client(stdio_client(parameters), mode=mode) as client:
            await use(client, f"stdio, {mode}")


async def over_http(program, flags):
    for sessions in ([], ["--legacy-sessions"]):
        server = subprocess.Popen(
            [program, *flags, *sessions],
            env={**os.environ, "FHIR_MCP_PORT": "0", "FHIR_MCP_HOST": "127.0.0.1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            origin = listening(server)
            for mode in MODES:
                async with Client(f"{origin}/mcp", mode=mode) as client:
                    await use(client, ", ".join(["HTTP", *sessions, mode]))
            async with sse_client(f"{origin}/sse") as streams:
                async with ClientSession(*streams) as session:
                    await session.initialize()
                    await use(session, "server-sent events")
        finally:
            server.terminate()
            assert server.wait(timeout=30) == 0


def listening(server):
    """The origin that the server says it listens on."""
    for line in server.stderr:
        if origin := re.search(r"http://[\d.]+:\d+", line):
            return origin.group()
    raise AssertionError("the server did not start")


def main():
    program, *flags = sys.argv[1:]
    asyncio.run(over_stdio(program, flags))
    asyncio.run(over_http(program, flags))


main()
