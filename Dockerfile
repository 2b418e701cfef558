# Both services with their commands for operators (migrate, create-topic, verify, healthcheck) and the
# console in one image. It builds without BuildKit.

FROM rust:1.95-bookworm AS build
WORKDIR /stockbook

# TLS for Kafka is OpenSSL's, linked into the programs: the last image has no libraries of its own.
ENV OPENSSL_STATIC=1 OPENSSL_INCLUDE_DIR=/usr/include

# OPT_LEVEL=0 and LTO=off build an image to try in less than half the time.
ARG OPT_LEVEL=3
ARG LTO=thin
ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=$OPT_LEVEL CARGO_PROFILE_RELEASE_LTO=$LTO

# The dependencies first, with empty sources, so that this layer is rebuilt only when a manifest changes.
# The artefacts of the empty sources are removed, so that cargo compiles the real ones.
COPY Cargo.toml Cargo.lock ./
COPY command-service/Cargo.toml command-service/
COPY command-service/inventory/Cargo.toml command-service/inventory/
COPY query-service/Cargo.toml query-service/
COPY service-edge/Cargo.toml service-edge/
COPY console/Cargo.toml console/
COPY shared-events/Cargo.toml shared-events/
COPY stack/Cargo.toml stack/
COPY tests/Cargo.toml tests/
COPY load/Cargo.toml load/
COPY load/baselines/Cargo.toml load/baselines/
COPY load/gate/Cargo.toml load/gate/
COPY examples/payment-service/Cargo.toml examples/payment-service/
RUN for folder in command-service command-service/inventory query-service service-edge \
            console shared-events stack tests load load/baselines load/gate examples/payment-service; do \
        mkdir -p "$folder/src" && touch "$folder/src/lib.rs" || exit; \
    done \
    && for folder in command-service/src query-service/src console/src tests/integration tests/chaos tests/compose; do \
        mkdir -p "$folder" && echo 'fn main() {}' > "$folder/main.rs" || exit; \
    done \
    && OPENSSL_LIB_DIR="/usr/lib/$(gcc -dumpmachine)" && export OPENSSL_LIB_DIR \
    && cargo build --release --locked --features kafka-tls --package command-service --package query-service \
        --package console \
    && cargo clean --release --package command-service --package query-service --package console \
        --package inventory --package service-edge --package shared-events

COPY shared-events shared-events
COPY service-edge service-edge
COPY command-service command-service
COPY query-service query-service
COPY console console
# Without line tables, two thirds of the size; a backtrace still has names.
RUN OPENSSL_LIB_DIR="/usr/lib/$(gcc -dumpmachine)" && export OPENSSL_LIB_DIR \
    && cargo build --release --locked --features kafka-tls --package command-service --package query-service \
        --package console \
    && strip --strip-debug target/release/command-service target/release/query-service target/release/console


FROM debian:bookworm-slim
COPY --from=build /stockbook/target/release/command-service /stockbook/target/release/query-service \
    /stockbook/target/release/console /usr/local/bin/

# A user id that owns no file of the image and needs no name.
USER 10001:10001

# Inside a container, the service must listen on all addresses. Publishing the port decides who can reach
# it. Beyond loopback a service starts only if AUTH and TLS are said, which is left to who runs it.
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080

# It asks the service at LISTEN, so it works for both services and the console.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["command-service", "healthcheck"]
CMD ["command-service"]
