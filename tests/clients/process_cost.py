"""Measures what a process of the server costs (Linux).

Usage: process_cost.py PROGRAM FIXTURES

CPU time from the start to the answer to tools/list, and memory when idle after
it, over stdio; the median of eleven runs, each with the fixtures loaded and with
a FHIR server configured. Time and resident memory are printed beside their aims
and never fail: how much of the program the system keeps mapped is its own
affair, and differs by megabytes from run to run. The memory that is the
process's alone is a bound.
"""

import json
import os
import statistics
import subprocess
import sys
import time

RUNS = 11
AIM_CPU_MS = 20
AIM_MEMORY_MB = 15
MAX_OWN_MEMORY_MB = 10


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
    resident = memory_mb(server.pid, "VmRSS")
    own = memory_mb(server.pid, "RssAnon")
    server.stdin.close()
    assert server.wait(timeout=30) == 0
    return cpu, resident, own


def cpu_ms(process):
    """From the scheduler, which counts nanoseconds; the clock of `stat` ticks
    every 10 ms. Every thread counts."""
    total = 0
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def memory_mb(process, name):
    with open(f"/proc/{process}/status") as file:
        for line in file:
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    raise AssertionError(f"no {name}")


def main():
    program, fixtures = sys.argv[1:]
    base = {"FHIR_SERVER_BASE_URL": "https://fhir.example.org/r4"}
    bound = True
    for label, flags, variables in [
        ("fixtures loaded", ["--fixtures", fixtures], {}),
        ("FHIR server", [], base),
    ]:
        cpu, resident, own = median(program, flags, variables)
        print(f"start to tools/list, {label}: {cpu:.1f} ms of CPU (aim: at most {AIM_CPU_MS})")
        print(f"idle, {label}: {resident:.1f} MB resident (aim: at most {AIM_MEMORY_MB}), {own:.1f} MB its own (at most {MAX_OWN_MEMORY_MB})")
        bound &= own <= MAX_OWN_MEMORY_MB
    sys.exit(not bound)


def median(program, flags, variables):
    runs = [run(program, flags, variables) for _ in range(RUNS)]
    return (statistics.median(values) for values in zip(*runs))


main()
