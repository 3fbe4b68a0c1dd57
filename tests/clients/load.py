"""Calls the server over HTTP from many connections and watches its memory.

    python3 load.py BINARY [--calls 100000] [--connections 64] [--audit FILE]

Starts the binary with the fixtures of this repository, sends calls of three
kinds over connections that stay open, and prints throughput, latencies, errors
and the resident memory of the process. Ends with 1 on any error, and when the
memory is over 40 MB. Needs nothing but Python; memory is read on Linux.
"""

import argparse
import asyncio
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMORY_LIMIT = 40.0
WARM_UP = 2000

CALLS = [
    ("read", {"type": "Patient", "id": None}),
    ("search", {"type": "Patient", "searchParam": {"_count": 1}}),
    ("search", {"type": "Observation", "searchParam": {"_summary": "count"}}),
]


def request(number, host, patient):
    """The bytes of one call."""
    tool, arguments = CALLS[number % len(CALLS)]
    if "id" in arguments:
        arguments = {**arguments, "id": patient}
    body = json.dumps({
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: {host}\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader):
    """Status and body of one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1))
    return status, await reader.readexactly(length)


async def connection(host, port, numbers, patient, latencies, errors):
    reader, writer = await asyncio.open_connection(host, port)
    name = f"{host}:{port}"
    for number in numbers:
        begin = time.perf_counter()
        writer.write(request(number, name, patient))
        status, body = await answer(reader)
        latencies.append(time.perf_counter() - begin)
        if status != 200 or b'"isError":false' not in body:
            errors.append(f"{status} {body[:200]!r}")
    writer.close()


def memory(process):
    """Resident memory in MB."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


async def watch(process, samples):
    while True:
        samples.append(memory(process))
        await asyncio.sleep(0.25)


async def run(process, host, port, arguments):
    patient = next((ROOT / "fixtures/patients").glob("**/*.json"))
    patient = json.loads(patient.read_text())
    entries = patient.get("entry") or [{"resource": patient}]
    ids = [e["resource"]["id"] for e in entries if e["resource"]["resourceType"] == "Patient"]
    numbers = iter(range(WARM_UP + arguments.calls))

    async def phase(count):
        latencies, errors = [], []
        shared = iter([next(numbers) for _ in range(count)])
        tasks = [
            connection(host, port, shared, ids[0], latencies, errors)
            for _ in range(arguments.connections)
        ]
        begin = time.perf_counter()
        await asyncio.gather(*tasks)
        return latencies, errors, time.perf_counter() - begin

    await phase(WARM_UP)
    before, samples = memory(process), []
    watching = asyncio.create_task(watch(process, samples))
    latencies, errors, seconds = await phase(arguments.calls)
    watching.cancel()
    latencies.sort()
    at = lambda share: 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]
    peak = max(samples)
    third = len(samples) // 3
    print(f"calls: {len(latencies)} over {arguments.connections} connections, errors: {len(errors)}")
    print(f"throughput: {len(latencies) / seconds:.0f} calls/s")
    print(f"latency: p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, max {1000 * latencies[-1]:.1f} ms")
    print(f"resident memory: {before:.1f} MB warm, {peak:.1f} MB at most, "
          f"{max(samples[:third] or samples):.1f} MB in the first third, {max(samples[-third:]):.1f} MB in the last")
    for error in errors[:5]:
        print("error:", error)
    return not errors and peak <= MEMORY_LIMIT and len(latencies) == arguments.calls


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--audit")
    arguments = parser.parse_args()
    command = [arguments.binary, "--fixtures", str(ROOT / "fixtures/patients")]
    if arguments.audit:
        command += ["--audit", arguments.audit]
    environment = {
        "FHIR_MCP_HOST": "127.0.0.1",
        "FHIR_MCP_PORT": "0",
        "FHIR_MCP_RATE_LIMIT": "0",
        "FHIR_SERVER_DISABLE_AUTHORIZATION": "True",
    }
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if found := re.search(r"listening on http://([^:]+):(\d+)", line):
                break
        else:
            sys.exit("the server did not start")
        # One line for each call is logged; somebody has to read it.
        drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        host, port = found.group(1), int(found.group(2))
        fine = asyncio.run(run(process, host, port, arguments))
    finally:
        process.terminate()
        process.wait()
    drain.wait()
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
