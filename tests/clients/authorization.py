"""Signs in as people and programs do, with real parts on loopback.

Usage: authorization.py PROGRAM PARTS FHIR_BASE REDIS [SCENARIO…]

PARTS is a folder with smart-ehr.mjs and browser.mjs, and what they need in its
node_modules. FHIR_BASE is a FHIR server without authorization; it becomes an EHR
by smart-ehr.mjs. REDIS is the URL of a Redis server for the tokens of replicas.

Without a scenario, all are run: those whose names are in SCENARIOS.
"""

import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from every_tool import WRITES as ALLOWED, Tools, run as every_tool

# Nobody is asked: that is the matter of another program.
WRITES = [*ALLOWED, "--no-confirm"]

# Seconds that an access token of the EHR is good for.
LIFETIME = 6
SECRET = "a-secret-of-a-test-and-of-nothing-else"
SEAL_KEY = "a-key-that-seals-the-sessions-of-this-test"
SCOPES = "openid fhirUser offline_access user/*.cruds"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def post(base, resource):
    """Creates a resource and gives its reference."""
    request = urllib.request.Request(
        f"{base}/{resource['resourceType']}",
        data=json.dumps(resource).encode(),
        headers={"Content-Type": "application/fhir+json", "Prefer": "return=representation"},
    )
    with urllib.request.urlopen(request) as answer:
        return f"{resource['resourceType']}/{json.load(answer)['id']}"


# --- parts ---------------------------------------------------------------------


class Process:
    """A program in the background, and what it printed so far."""

    def __init__(self, command, ready, folder=None, **environment):
        self.lines = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.ready = threading.Event()
        threading.Thread(target=self.read, args=(ready,), daemon=True).start()
        assert self.ready.wait(60) and self.process.poll() is None, "".join(self.lines)

    def read(self, ready):
        for line in self.process.stdout:
            self.lines.append(line)
            if ready in line:
                self.ready.set()
        self.ready.set()

    def count(self, text):
        return sum(text in line for line in self.lines)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        assert code in (0, -15), code


class Ehr:
    """smart-ehr.mjs with clients for every way in."""

    def __init__(self, parts, upstream, folder, resource):
        self.parts, self.folder = parts, folder
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self.base = f"{self.issuer}/fhir"
        practitioner = {"resourceType": "Practitioner", "name": [{"family": "Lovelace"}]}
        self.patient = post(upstream, {"resourceType": "Patient", "name": [{"family": "Byron"}]})
        self.other = post(upstream, {"resourceType": "Patient", "name": [{"family": "Babbage"}]})
        self.backends = [self.backend("RS384"), self.backend("ES384")]
        config = {
            "port": port,
            "upstream": upstream,
            "patient": self.patient.split("/")[1],
            "fhirUser": post(upstream, practitioner),
            "accessTokenSeconds": LIFETIME,
            "protectedResource": resource,
            "clients": [*self.backends, *self.others(resource)],
        }
        self.config = Path(folder, "ehr.json")
        self.config.write_text(json.dumps(config))
        self.server = Process(["node", f"{parts}/smart-ehr.mjs", self.config], "ready: ")

    def backend(self, algorithm):
        """A client that signs with its own key, and the key as a PEM file."""
        key, jwk = new_key(algorithm)
        self.pem(algorithm).write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return {
            "client_id": f"backend-{algorithm}",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": algorithm,
            "jwks": {"keys": [{**jwk, "kid": f"key-{algorithm}", "alg": algorithm, "use": "sig"}]},
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
        }

    def pem(self, algorithm):
        return Path(self.folder, f"{algorithm}.pem")

    def others(self, resource):
        code = {"grant_types": ["authorization_code", "refresh_token"]}
        callback = resource.replace("/mcp", "/oauth/callback")
        return [
            {
                "client_id": "backend-secret",
                "client_secret": SECRET,
                "grant_types": ["client_credentials"],
                "redirect_uris": [],
                "response_types": [],
            },
            {
                "client_id": "standalone",
                "token_endpoint_auth_method": "none",
                "application_type": "native",
                "redirect_uris": ["http://127.0.0.1/callback"],
                **code,
            },
            {
                "client_id": "facade",
                "client_secret": SECRET,
                "application_type": "native",
                "redirect_uris": [callback],
                **code,
            },
        ]

    def tokens(self, grant):
        return self.server.count(f"POST /token 200 {grant}")


def new_key(algorithm):
    encoded = lambda number, size: base64.urlsafe_b64encode(number.to_bytes(size, "big")).decode().rstrip("=")
    if algorithm == "RS384":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_numbers()
        return key, {"kty": "RSA", "n": encoded(public.n, 256), "e": encoded(public.e, 3)}
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_numbers()
    return key, {"kty": "EC", "crv": "P-384", "x": encoded(public.x, 48), "y": encoded(public.y, 48)}


# --- MCP client with OAuth --------------------------------------------------------


class Storage:
    """What a client keeps while it is not running."""

    tokens = client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Person:
    """One who uses an MCP client with OAuth, and Chromium."""

    def __init__(self, parts, url):
        self.parts, self.url = parts, url
        self.storage = Storage()
        self.port = free_port()
        self.logins = 0
        self.seen = []

    async def open_browser(self, url):
        self.logins += 1
        self.callback = asyncio.get_running_loop().create_future()
        listener = await asyncio.start_server(self.answer, "127.0.0.1", self.port)
        browser = await asyncio.create_subprocess_exec("node", f"{self.parts}/browser.mjs", url)
        assert await browser.wait() == 0
        listener.close()

    async def answer(self, reader, writer):
        path = (await reader.readline()).decode().split()[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
        await writer.drain()
        writer.close()
        if path.startswith("/callback") and not self.callback.done():
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
            self.callback.set_result({name: values[0] for name, values in query.items()})

    async def code(self):
        found = await asyncio.wait_for(self.callback, 30)
        assert "code" in found, found
        return AuthorizationCodeResult(
            code=found["code"], state=found.get("state"), iss=found.get("iss")
        )

    async def note(self, response):
        self.seen.append((response.request.method, response.request.url.path, response.status_code))

    @contextlib.asynccontextmanager
    async def connected(self, url=None):
        """An MCP client, as it is after a start: it knows what was stored."""
        url = url or self.url
        self.oauth = OAuthClientProvider(
            server_url=url,
            client_metadata=OAuthClientMetadata(
                client_name="Test of authorization",
                redirect_uris=[f"http://127.0.0.1:{self.port}/callback"],
                token_endpoint_auth_method="none",
            ),
            storage=self.storage,
            redirect_handler=self.open_browser,
            callback_handler=self.code,
        )
        hooks = {"response": [self.note]}
        async with httpx2.AsyncClient(auth=self.oauth, event_hooks=hooks, timeout=60) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                yield client

    def statuses(self, path):
        return [status for _, found, status in self.seen if found == path]


async def search(client):
    result = await client.call_tool("search", {"type": "Patient"})
    assert not result.is_error, result.content
    return result.structured_content


def serve(program, port, *flags, **environment):
    settings = {
        "FHIR_MCP_HOST": "127.0.0.1",
        "FHIR_MCP_PORT": str(port),
        **{name: str(value) for name, value in environment.items()},
    }
    return Process([program, *flags], "listening on", **settings)


async def signs_in(test, person, flags, environment, ehr_refreshes):
    """From the first 401 to the logins after a restart, whose number it gives."""
    server = serve(test.program, test.port, *flags, **environment)
    try:
        async with person.connected() as client:
            assert person.logins == 1 and 401 in person.statuses("/mcp"), person.seen
            call = Tools(client)
            await every_tool(call)
            logins = person.logins
            print(f"  {len(call.called)} tools, {logins} logins: the second one is for writing")
            before = test.ehr.tokens("refresh_token")
            await asyncio.sleep(LIFETIME + 2)
            # What the clock does for a token of an hour.
            person.oauth.context.token_expiry_time = 1
            await search(client)
            assert test.ehr.tokens("refresh_token") - before == ehr_refreshes, test.ehr.server.lines
            assert person.logins == logins
            print("  expired and refreshed, without another login")
        server.stop()
        server = serve(test.program, test.port, *flags, **environment)
        async with person.connected() as client:
            await search(client)
        return person.logins - logins
    finally:
        server.stop()


# --- scenarios -------------------------------------------------------------------


class Test:
    def __init__(self, program, parts, upstream, redis, folder):
        self.program, self.parts, self.redis, self.folder = program, parts, redis, folder
        self.upstream = upstream
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.ehr = Ehr(parts, upstream, folder, self.url)

    def person(self):
        return Person(self.parts, self.url)

    def with_secret(self):
        return {
            "FHIR_SERVER_BASE_URL": self.ehr.base,
            "FHIR_SERVER_AUTH_GRANT": "client_credentials",
            "FHIR_SERVER_CLIENT_ID": "backend-secret",
            "FHIR_SERVER_CLIENT_SECRET": SECRET,
            "FHIR_SERVER_SCOPES": "system/*.cruds",
        }

    def backend(self, algorithm):
        return {
            "FHIR_SERVER_BASE_URL": self.ehr.base,
            "FHIR_SERVER_CLIENT_ID": f"backend-{algorithm}",
            "FHIR_SERVER_SCOPES": "system/*.cruds",
            "FHIR_SERVER_AUTH_PRIVATE_KEY_FILE": str(self.ehr.pem(algorithm)),
            "FHIR_SERVER_AUTH_KEY_ID": f"key-{algorithm}",
        }


async def resource_server(test):
    """The MCP client gets its tokens from another authorization server."""
    environment = {
        "FHIR_SERVER_BASE_URL": test.upstream,
        "FHIR_MCP_AUTHORIZATION_SERVER": test.ehr.issuer,
    }
    logins = await signs_in(test, test.person(), WRITES, environment, 1)
    # Its tokens outlive this server.
    assert logins == 0, logins


async def facade(test):
    """The server gives out tokens itself, after a login at the EHR."""
    environment = {
        "FHIR_SERVER_BASE_URL": test.ehr.base,
        "FHIR_SERVER_CLIENT_ID": "facade",
        "FHIR_SERVER_CLIENT_SECRET": SECRET,
        "FHIR_SERVER_SCOPES": SCOPES,
        "FHIR_MCP_SEAL_KEY": SEAL_KEY,
    }
    logins = await signs_in(test, test.person(), WRITES, environment, 1)
    # The sessions were in memory.
    assert logins == 1, logins


async def replicas(test):
    """A login at one replica is good at the other, and after a restart."""
    environment = {
        "FHIR_SERVER_BASE_URL": test.ehr.base,
        "FHIR_SERVER_CLIENT_ID": "facade",
        "FHIR_SERVER_CLIENT_SECRET": SECRET,
        "FHIR_SERVER_SCOPES": SCOPES,
        "FHIR_MCP_SEAL_KEY": SEAL_KEY,
        "FHIR_MCP_SERVER_URL": test.url.removesuffix("/mcp"),
    }
    flags = ["--token-store", test.redis]
    second = free_port()
    replica = serve(test.program, second, *flags, **environment)
    person = test.person()
    try:
        logins = await signs_in(test, person, [*WRITES, *flags], environment, 1)
        assert logins == 0, logins
        # A balancer would send this to the second replica by the same URL.
        token = f"Bearer {person.storage.tokens.access_token}"
        async with httpx2.AsyncClient(headers={"Authorization": token}) as http:
            url = f"http://127.0.0.1:{second}/mcp"
            async with Client(streamable_http_client(url, http_client=http)) as client:
                await search(client)
        print("  one login for two replicas and a restart")
    finally:
        replica.stop()


async def over_stdio(test, flags, environment, expected, tools=every_tool):
    """Every tool, then once more when the token has expired."""
    before = {grant: test.ehr.tokens(grant) for grant in expected}
    parameters = StdioServerParameters(
        command=test.program,
        args=["--transport", "stdio", "--log-level", "WARN", *flags],
        env={**os.environ, **environment},
    )
    async with Client(stdio_client(parameters)) as client:
        await tools(Tools(client))
        await asyncio.sleep(LIFETIME + 2)
        await search(client)
    for grant, least in expected.items():
        count = test.ehr.tokens(grant) - before[grant]
        assert count >= least, f"{grant}: {count}\n{test.ehr.server.lines}"
        print(f"  {grant}: {count}")


async def backend_rs384(test):
    """Backend services with an RSA key."""
    await over_stdio(test, WRITES, test.backend("RS384"), {"client_credentials": 2})


async def backend_es384(test):
    """Backend services with a key on a curve."""
    await over_stdio(test, WRITES, test.backend("ES384"), {"client_credentials": 2})


async def client_secret(test):
    """A client with a secret."""
    await over_stdio(test, WRITES, test.with_secret(), {"client_credentials": 2})


async def second_server(test):
    """The same three ways in at the token endpoint of sekmet-fhir."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    settings = {
        "base_url": f"{root}/fhir",
        "server_auth": {
            "types": ["smart"],
            "token_lifetime": LIFETIME,
            "smart_clients": [
                {"client_id": "backend-secret", "client_secret": SECRET, "scopes": "system/*.*"},
                *({name: client[name] for name in ("client_id", "jwks")} for client in test.ehr.backends),
            ],
        },
    }
    folder = Path(test.folder, "sekmet")
    folder.mkdir()
    # JSON is YAML.
    Path(folder, "settings.yaml").write_text(json.dumps(settings))
    sekmet = [Path(sys.executable).parent / "sekmet", "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = Process(sekmet, "Uvicorn running", folder)
    try:
        for way in test.with_secret(), test.backend("RS384"), test.backend("ES384"):
            before = server.count("POST /auth/token HTTP/1.1\" 200")
            await over_stdio(test, WRITES, {**way, "FHIR_SERVER_BASE_URL": f"{root}/fhir"}, {})
            count = server.count("POST /auth/token HTTP/1.1\" 200") - before
            assert count >= 2, server.lines
            print(f"  {way['FHIR_SERVER_CLIENT_ID']}: {count} tokens")
    finally:
        server.stop()


async def standalone(test):
    """The program opens the browser itself, and stays with the patient chosen there."""
    environment = {
        "FHIR_SERVER_BASE_URL": test.ehr.base,
        "FHIR_SERVER_CLIENT_ID": "standalone",
        "FHIR_SERVER_SCOPES": "openid fhirUser launch/patient offline_access patient/*.rs",
        "BROWSER": f"{test.parts}/browser.mjs",
    }

    async def tools(call):
        read = await call("read", type="Patient", id=test.ehr.patient.split("/")[1], view="raw")
        assert read.get("resource", read)["name"][0]["family"] == "Byron", read
        await call.error("read", type="Patient", id=test.ehr.other.split("/")[1])
        user = await call("get_user")
        assert "Lovelace" in str(user), user

    await over_stdio(test, [], environment, {"authorization_code": 1, "refresh_token": 1}, tools)


SCENARIOS = [
    client_secret,
    backend_rs384,
    backend_es384,
    second_server,
    standalone,
    resource_server,
    facade,
    replicas,
]


async def main():
    program, parts, upstream, redis, *wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        test = Test(program, parts, upstream, redis, folder)
        try:
            for scenario in SCENARIOS:
                if not wanted or scenario.__name__ in wanted:
                    began = time.monotonic()
                    print(f"{scenario.__name__}: {scenario.__doc__}", flush=True)
                    await scenario(test)
                    print(f"  {time.monotonic() - began:.0f} s", flush=True)
        finally:
            test.ehr.server.stop()


if __name__ == "__main__":
    asyncio.run(main())
