// A SMART on FHIR EHR for tests, on loopback: the authorization server of
// oidc-provider with the rules of SMART App Launch 2.2, and a proxy that checks
// its access tokens in front of a FHIR server without authorization.
//
// Usage: node smart-ehr.mjs CONFIG.json
//
// CONFIG: {
//   "port": 9000,                               FHIR base: http://127.0.0.1:9000/fhir
//   "upstream": "http://127.0.0.1:8000/fhir",   the FHIR server
//   "clients": [ … ],                           as oidc-provider takes them
//   "patient": "1", "fhirUser": "Practitioner/2",
//   "accessTokenSeconds": 3600,
//   "protectedResource": "http://127.0.0.1:7000/mcp"
// }
//
// For `protectedResource` it issues JWT access tokens with the scopes fhir.read,
// fhir.write and fhir.admin, to clients that register themselves too. One line is
// printed per request: method, path and status, and for tokens the grant type.
import { readFileSync } from "node:fs";
import http from "node:http";

import Provider, { errors } from "oidc-provider";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const issuer = `http://127.0.0.1:${config.port}`;
const fhirBase = `${issuer}/fhir`;
const accessTokenSeconds = config.accessTokenSeconds ?? 3600;

// --- scopes ------------------------------------------------------------------

const LAUNCH_SCOPES = ["openid", "fhirUser", "launch/patient", "offline_access", "online_access"];
const TYPES = ["*", "Patient", "Practitioner", "Observation", "Condition", "Encounter"];
const V1 = ["read", "write", "*"];
// Every ordered subset of c, r, u, d and s.
const V2 = Array.from({ length: 31 }, (_, index) =>
  [..."cruds"].filter((_, bit) => (index + 1) & (1 << bit)).join(""),
);
const CLINICAL_SCOPES = ["patient", "user", "system"].flatMap((context) =>
  TYPES.flatMap((type) => [...V1, ...V2].map((rights) => `${context}/${type}.${rights}`)),
);
const MCP_SCOPES = ["fhir.read", "fhir.write", "fhir.admin"];

const V1_RIGHTS = { read: "rs", write: "cud", "*": "cruds" };

/** Whether the granted scopes allow an interaction (c, r, u, d or s) on a type. */
function allows(scope, type, right) {
  return scope.split(" ").some((granted) => {
    const [, of, rights] = /^(?:patient|user|system)\/([^.]+)\.(.+)$/.exec(granted) ?? [];
    return rights && (of === "*" || of === type) && (V1_RIGHTS[rights] ?? rights).includes(right);
  });
}

// --- authorization server ----------------------------------------------------

function resourceServer(_ctx, resource) {
  if (resource === fhirBase) {
    return {
      scope: [...LAUNCH_SCOPES, ...CLINICAL_SCOPES].join(" "),
      audience: fhirBase,
      accessTokenTTL: accessTokenSeconds,
      accessTokenFormat: "opaque",
    };
  }
  if (resource === config.protectedResource) {
    return {
      scope: MCP_SCOPES.join(" "),
      audience: resource,
      accessTokenTTL: accessTokenSeconds,
      accessTokenFormat: "jwt",
      jwt: { sign: { alg: "RS256" } },
    };
  }
  throw new errors.InvalidTarget(`no such resource: ${resource}`);
}

/** Section "Asymmetric authentication" of SMART App Launch. */
function checkAssertion(_ctx, claims, header) {
  const refuse = (reason) => {
    throw new errors.InvalidClientAuth(reason);
  };
  if (header.typ !== "JWT") refuse("typ must be JWT");
  if (!header.kid) refuse("kid is required");
  if (!["RS384", "ES384"].includes(header.alg)) refuse("alg must be RS384 or ES384");
  if (claims.aud !== `${issuer}/token`) refuse("aud must be the token endpoint");
  if (claims.exp > Date.now() / 1000 + 300) refuse("exp must be within five minutes");
}

const ALGORITHMS = ["RS256", "RS384", "ES384"];

const provider = new Provider(issuer, {
  clients: config.clients ?? [],
  scopes: [...LAUNCH_SCOPES, ...CLINICAL_SCOPES, ...MCP_SCOPES],
  claims: { openid: ["sub"], fhirUser: ["fhirUser"] },
  // The FHIR user is in the id_token, not in the answer of a user info endpoint.
  conformIdTokenClaims: false,
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, fhirUser: `${fhirBase}/${config.fhirUser}` }),
  }),
  // A client that registers itself may ask for more later on than it did then.
  extraClientMetadata: {
    properties: ["scope_of_registration"],
    validator: (_ctx, _key, _value, metadata) => delete metadata.scope,
  },
  clientAuthMethods: ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
  assertJwtClientAuthClaimsAndHeader: checkAssertion,
  enabledJWA: { clientAuthSigningAlgValues: ALGORITHMS },
  pkce: { required: () => true },
  rotateRefreshToken: () => true,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
  ttl: {
    AccessToken: accessTokenSeconds,
    ClientCredentials: accessTokenSeconds,
    Interaction: 600,
    Session: 3600,
    Grant: 86400,
    IdToken: 3600,
    RefreshToken: 86400,
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    registration: { enabled: true },
    userinfo: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // Backend services name no resource.
      defaultResource: (ctx, _client, oneOf) =>
        oneOf ?? (ctx.oidc.params?.grant_type === "client_credentials" ? fhirBase : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: resourceServer,
    },
  },
});

provider.use(async (ctx, next) => {
  if (ctx.path === "/auth" && ctx.method === "GET" && !ctx.query.resource) {
    const { aud, scope = "" } = ctx.query;
    if (aud !== fhirBase) {
      ctx.status = 400;
      ctx.body = { error: "invalid_request", error_description: `aud must be ${fhirBase}` };
      return;
    }
    // OpenID Connect drops offline_access without prompt=consent, SMART does not.
    const prompt = scope.split(" ").includes("offline_access") ? { prompt: "consent" } : {};
    ctx.query = { ...ctx.query, ...prompt, resource: fhirBase };
  }
  await next();
  if (ctx.path === "/token" && ctx.body?.access_token) {
    if (ctx.body.scope?.split(" ").includes("launch/patient")) {
      ctx.body = { ...ctx.body, patient: config.patient, need_patient_banner: true };
    }
  }
  const grant = ctx.path === "/token" ? ` ${ctx.oidc?.params?.grant_type ?? "unknown"}` : "";
  const error = ctx.body?.error ? ` ${ctx.body.error}: ${ctx.body.error_description}` : "";
  console.log(`${ctx.method} ${ctx.path} ${ctx.status}${grant}${error}`);
});

// --- login and consent -------------------------------------------------------

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8">
<title>${title}</title><h1>${title}</h1><form method="post">${body}</form></html>`;
const LOGIN = page(
  "EHR login",
  `<label>User <input name="login" required></label>
   <label>Password <input name="password" type="password" required></label>
   <button type="submit">Sign in</button>`,
);
const escape = (text) => text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);

async function interact(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (request.method === "GET") {
    const consent = page(
      "EHR consent",
      `<p>${escape(params.client_id)} asks for: ${escape(params.scope ?? "")}</p>
       <button type="submit" name="decision" value="allow">Allow</button>
       <button type="submit" name="decision" value="deny">Deny</button>`,
    );
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(prompt.name === "login" ? LOGIN : consent);
    return;
  }
  const form = new URLSearchParams(String(await body(request)));
  let result;
  if (prompt.name === "login") {
    result = { login: { accountId: form.get("login") } };
  } else if (form.get("decision") === "deny") {
    result = { error: "access_denied", error_description: "The user refused" };
  } else {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope, missingResourceScopes } = prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
    for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, scopes.join(" "));
    }
    result = { consent: { grantId: await grant.save() } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// --- FHIR --------------------------------------------------------------------

const SMART_CONFIGURATION = {
  issuer,
  jwks_uri: `${issuer}/jwks`,
  authorization_endpoint: `${issuer}/auth`,
  token_endpoint: `${issuer}/token`,
  introspection_endpoint: `${issuer}/token/introspection`,
  revocation_endpoint: `${issuer}/token/revocation`,
  registration_endpoint: `${issuer}/reg`,
  token_endpoint_auth_methods_supported: ["client_secret_basic", "private_key_jwt"],
  token_endpoint_auth_signing_alg_values_supported: ["RS384", "ES384"],
  grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
  response_types_supported: ["code"],
  scopes_supported: [...LAUNCH_SCOPES, "patient/*.rs", "user/*.cruds", "system/*.cruds"],
  code_challenge_methods_supported: ["S256"],
  capabilities: [
    "launch-standalone",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
  ],
};

/** The type and the right that a request needs. */
function needed(method, path) {
  const [type = "", id] = path.split("/").filter(Boolean);
  if (method === "POST") return [type, id === "_search" ? "s" : "c"];
  if (method === "PUT" || method === "PATCH") return [type, "u"];
  if (method === "DELETE") return [type, "d"];
  return [type, id && id !== "_history" ? "r" : "s"];
}

async function fhir(request, response) {
  const { pathname, search } = new URL(request.url, issuer);
  const path = pathname.slice("/fhir".length);
  const answer = (status, json, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(json));
    console.log(`${request.method} ${pathname} ${status}`);
  };
  if (path === "/.well-known/smart-configuration") return answer(200, SMART_CONFIGURATION);
  if (path !== "/metadata") {
    const [, value] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "") ?? [];
    const token = value && ((await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value)));
    const issue = { resourceType: "OperationOutcome", issue: [{ severity: "error", code: "security" }] };
    if (!token?.isValid || token.aud !== fhirBase) {
      return answer(401, issue, { "www-authenticate": 'Bearer error="invalid_token"' });
    }
    const [type, right] = needed(request.method, path);
    if (!allows(token.scope ?? "", type, right)) {
      return answer(403, issue, { "www-authenticate": 'Bearer error="insufficient_scope"' });
    }
  }
  const passed = ["accept", "content-type", "if-match", "if-none-exist", "if-none-match", "prefer"];
  const headers = Object.fromEntries(
    passed.filter((name) => request.headers[name]).map((name) => [name, request.headers[name]]),
  );
  const sent = await body(request);
  const upstream = await fetch(`${config.upstream}${path}${search}`, {
    method: request.method,
    headers,
    body: sent.length ? sent : undefined,
  });
  // Links and locations name this server, as those of an EHR do.
  const text = (await upstream.text()).replaceAll(config.upstream, fhirBase);
  for (const name of ["content-type", "etag", "last-modified", "location", "content-location"]) {
    const found = upstream.headers.get(name)?.replaceAll(config.upstream, fhirBase);
    if (found) response.setHeader(name, found);
  }
  response.writeHead(upstream.status);
  response.end(text);
  console.log(`${request.method} ${pathname} ${upstream.status}`);
}

// --- server ------------------------------------------------------------------

const authorizationServer = provider.callback();
const server = http.createServer(async (request, response) => {
  try {
    if (request.url.startsWith("/fhir/")) await fhir(request, response);
    else if (request.url.startsWith("/interaction/")) await interact(request, response);
    else authorizationServer(request, response);
  } catch (error) {
    console.log(`${request.method} ${request.url.split("?")[0]} failed: ${error.stack}`);
    if (!response.headersSent) response.writeHead(500);
    response.end();
  }
});
server.listen(config.port, "127.0.0.1", () => console.log(`ready: ${fhirBase}`));
