# Both services and their errands (migrate, create-topic, verify, healthcheck) in one image.
# It needs nothing of BuildKit.

FROM rust:1.95-bookworm AS build
WORKDIR /stockbook

# The dependencies first, against empty sources: this layer is made again only when a manifest
# changes. What was built of the empty sources is removed, so that the real ones count as new.
COPY Cargo.toml Cargo.lock ./
COPY command-service/Cargo.toml command-service/
COPY command-service/inventory/Cargo.toml command-service/inventory/
COPY query-service/Cargo.toml query-service/
COPY service-edge/Cargo.toml service-edge/
COPY shared-events/Cargo.toml shared-events/
COPY stack/Cargo.toml stack/
COPY tests/Cargo.toml tests/
COPY load/Cargo.toml load/
COPY load/baselines/Cargo.toml load/baselines/
COPY load/gate/Cargo.toml load/gate/
RUN for folder in command-service command-service/inventory query-service service-edge \
            shared-events stack tests load load/baselines load/gate; do \
        mkdir -p "$folder/src" && touch "$folder/src/lib.rs" || exit; \
    done \
    && for folder in command-service/src query-service/src tests/integration tests/compose; do \
        mkdir -p "$folder" && echo 'fn main() {}' > "$folder/main.rs" || exit; \
    done \
    && cargo build --release --locked --package command-service --package query-service \
    && cargo clean --release --package command-service --package query-service \
        --package inventory --package service-edge --package shared-events

COPY shared-events shared-events
COPY service-edge service-edge
COPY command-service command-service
COPY query-service query-service
# Without lines for the debugger, which are two thirds of it; a backtrace still has its names.
RUN cargo build --release --locked --package command-service --package query-service \
    && strip --strip-debug target/release/command-service target/release/query-service


FROM debian:bookworm-slim
COPY --from=build /stockbook/target/release/command-service /stockbook/target/release/query-service /usr/local/bin/

# Nobody's number: no file of the image belongs to it, and no name has to be made for it.
USER 10001:10001

# From outside the container it can only be reached on all its addresses. Who may reach it is
# decided where the port is published.
ENV LISTEN=0.0.0.0:8080
EXPOSE 8080

# It asks whoever listens at LISTEN, so it holds for either service.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["command-service", "healthcheck"]
CMD ["command-service"]
