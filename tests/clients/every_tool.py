"""Calls every tool with the official Python SDK.

Usage: every_tool.py PROGRAM [FLAG…]

The program is started over stdio with the flags and the environment of this
script: FHIR_SERVER_BASE_URL for a FHIR server, or --fixtures PATH. What is
looked for is created first, so the outcome has to be the same for both.
"""

import asyncio
import os
import sys
import uuid

from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import ElicitResult

# What lets the tools that write do so.
WRITES = ["--allow-writes"]
FAMILY = f"Everytool{uuid.uuid4().hex[:8]}"
PATIENT = {
    "resourceType": "Patient",
    "active": True,
    "name": [{"family": FAMILY, "given": ["Ada", "Ünal"]}],
    "gender": "female",
    "birthDate": "1984-02-29",
}


def observation(reference):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2339-0"}], "text": "Glucose"},
        "subject": {"reference": reference},
        "effectiveDateTime": "2024-05-06T07:08:09+02:00",
        "valueQuantity": {
            "value": 5.4,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


class Tools:
    """Calls tools and remembers which."""

    def __init__(self, client):
        self.client = client
        self.called = set()

    async def __call__(self, tool, **arguments):
        self.called.add(tool)
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, f"{tool} {arguments}: {result.content}"
        return result.structured_content

    async def error(self, tool, **arguments):
        self.called.add(tool)
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, f"{tool} {arguments}: {result.structured_content}"
        return "".join(block.text for block in result.content)


def resource(answer):
    """The resource of an answer, however it is wrapped."""
    return answer.get("resource", answer)


async def run(call):
    capabilities = await call("get_capabilities", type="Patient")
    assert any(p["name"] == "birthdate" for p in capabilities["searchParam"]), capabilities

    refused = await call.error("create", type="Patient", payload={**PATIENT, "gender": "x"})
    assert "Patient.gender" in refused, refused
    created = await call("create", type="Patient", payload=PATIENT, view="raw")
    patient_id = resource(created)["id"]
    reference = f"Patient/{patient_id}"
    made = await call("create", type="Observation", payload=observation(reference), view="raw")
    observation_id = resource(made)["id"]

    found = await call("search", type="Patient", searchParam={"family": FAMILY})
    assert found["total"] == 1, found
    found = await call(
        "search",
        type="Observation",
        searchParam={"subject": reference, "code": "http://loinc.org|2339-0", "_count": 5},
    )
    assert found["total"] == 1 and found["complete"], found
    assert resource(found["entry"][0])["valueQuantity"]["unit"] == "mmol/L", found
    none = await call("search", type="Patient", searchParam={"family": FAMILY, "gender": "male"})
    assert none["total"] == 0, none
    unknown = await call.error("search", type="Patient", searchParam={"birthDate": "1984"})
    assert "birthdate" in unknown, unknown

    read = resource(await call("read", type="Patient", id=patient_id, view="raw"))
    assert read["name"] == PATIENT["name"] and read["birthDate"] == "1984-02-29", read
    changed = {**PATIENT, "id": patient_id, "active": False}
    await call("update", type="Patient", id=patient_id, payload=changed)
    read = resource(await call("read", type="Patient", id=patient_id, view="raw"))
    assert read["active"] is False, read

    await call("validate", reference=reference)
    checked = await call("validate", resource={"resourceType": "Patient", "foo": 1})
    assert "foo" in str(checked), checked
    described = await call("describe", type="Observation.component")
    assert "valueQuantity" in str(described) or "value[x]" in str(described), described
    await call("get_user")

    await call("delete", type="Observation", id=observation_id)
    await call("delete", type="Patient", id=patient_id)
    gone = await call.error("read", type="Patient", id=patient_id)
    assert "410" in gone or "404" in gone, gone


class User:
    """Confirms every write, and remembers what was asked."""

    def __init__(self):
        self.asked = []

    async def __call__(self, context, params):
        self.asked.append(params.message)
        assert list(params.requested_schema["properties"]) == ["confirm"], params
        return ElicitResult(action="accept", content={"confirm": True})


async def main():
    program, *flags = sys.argv[1:]
    parameters = StdioServerParameters(
        command=program,
        args=["--transport", "stdio", *WRITES, *flags],
        env=dict(os.environ),
    )
    for mode in ["2026-07-28", "legacy"]:
        user = User()
        server = stdio_client(parameters)
        async with Client(server, mode=mode, elicitation_callback=user) as client:
            call = Tools(client)
            await run(call)
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert call.called == tools, tools - call.called
        # One question a write; what is invalid is refused before.
        kinds = [question.split()[0] for question in user.asked]
        assert kinds == ["Create", "Create", "Replace", "Delete", "Delete"], user.asked
        assert 'Patient.active: true → false' in user.asked[2], user.asked[2]
        print(f"every tool answered, {mode}: {', '.join(sorted(tools))}")


if __name__ == "__main__":
    asyncio.run(main())
