"""Measures what a process of the server costs (Linux).

Usage: process_cost.py PROGRAM FIXTURES

CPU time from the start to the answer to tools/list, and resident memory when
idle after it, over stdio; the median of eleven runs, each with the fixtures
loaded and with a FHIR server configured. The aims are for the CPU time with
the fixtures and the memory with a FHIR server; the time is printed beside what was
measured and never fails, since machines differ; the memory is a bound.
"""

import json
import os
import statistics
import subprocess
import sys
import time

RUNS = 11
AIM_CPU_MS = 20
MAX_MEMORY_MB = 15


def request(number, method, params):
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


BEGIN = request(
    1,
    "initialize",
    {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "process_cost", "version": "1"},
    },
)
LIST = request(2, "tools/list", {})


def run(program, flags, variables):
    server = subprocess.Popen(
        [program, "--transport", "stdio", "--log-level", "ERROR", *flags],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    server.stdin.write(BEGIN + LIST)
    server.stdin.flush()
    answers = [json.loads(server.stdout.readline()) for _ in range(2)]
    assert any(answer["id"] == 2 and answer["result"]["tools"] for answer in answers)
    cpu = cpu_ms(server.pid)
    time.sleep(0.2)
    memory = memory_mb(server.pid)
    server.stdin.close()
    assert server.wait(timeout=30) == 0
    return cpu, memory


def cpu_ms(process):
    """From the scheduler, which counts nanoseconds; the clock of `stat` ticks
    every 10 ms. Every thread counts."""
    total = 0
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def memory_mb(process):
    with open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def main():
    program, fixtures = sys.argv[1:]
    cpu_fixtures, memory_fixtures = median(program, ["--fixtures", fixtures], {})
    base = {"FHIR_SERVER_BASE_URL": "https://fhir.example.org/r4"}
    cpu_server, memory_server = median(program, [], base)
    print(f"start to tools/list, fixtures loaded: {cpu_fixtures:.1f} ms of CPU (aim: at most {AIM_CPU_MS})")
    print(f"start to tools/list, FHIR server: {cpu_server:.1f} ms of CPU")
    print(f"idle, fixtures loaded: {memory_fixtures:.1f} MB resident")
    print(f"idle, FHIR server: {memory_server:.1f} MB resident (at most {MAX_MEMORY_MB})")
    sys.exit(memory_server > MAX_MEMORY_MB)


def median(program, flags, variables):
    runs = [run(program, flags, variables) for _ in range(RUNS)]
    return (statistics.median(values) for values in zip(*runs))


main()
