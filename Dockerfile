# docker build -t fhir-mcp-server .
#
# Over stdio, as Claude Desktop starts it:
#   docker run -i --rm -e FHIR_SERVER_BASE_URL=https://fhir.example.org/r4 fhir-mcp-server
#
# Over HTTP, behind a proxy that is https://mcp.example.org, for clients with a
# token of an authorization server (README, Authorization of MCP clients):
#   docker run --rm -p 127.0.0.1:8000:8000 -e FHIR_MCP_HOST=0.0.0.0 \
#     -e FHIR_MCP_SERVER_URL=https://mcp.example.org \
#     -e FHIR_MCP_AUTHORIZATION_SERVER=https://login.example.org \
#     -e FHIR_SERVER_BASE_URL=https://fhir.example.org/r4 \
#     fhir-mcp-server --transport streamable-http

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock build.rs ./
COPY schemas schemas
COPY src src
# The manifest names the test targets.
COPY tests tests
RUN cargo build --locked --release

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin fhir
COPY --from=build /source/target/release/fhir-mcp-server /usr/local/bin/
USER 10001
ENTRYPOINT ["fhir-mcp-server"]
CMD ["--transport", "stdio"]
