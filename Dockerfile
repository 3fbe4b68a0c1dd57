# docker build -t fhir-mcp-server .
#
# Over stdio, which is what a container is for until MCP clients can be
# authorized (the server refuses to listen where others can reach it):
#   docker run -i --rm -e FHIR_SERVER_BASE_URL=https://fhir.example.org/r4 fhir-mcp-server
#
# Over HTTP on Linux, sharing the loopback addresses of the host:
#   docker run --rm --network host -e FHIR_SERVER_BASE_URL=… \
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
