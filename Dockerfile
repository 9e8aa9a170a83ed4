# One image for every part of the network: `atoll node`, `atoll discovery`, `atoll explorer`, …
FROM rust:1.95-bookworm AS build
WORKDIR /atoll
COPY . .
RUN cargo build --release --locked --bin atoll

FROM debian:bookworm-slim
# A fixed number, so that volumes keep their owner between images.
RUN groupadd --gid 10001 atoll \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin atoll \
    && install -d -o atoll -g atoll /data
COPY --from=build /atoll/target/release/atoll /usr/local/bin/atoll
COPY genesis /genesis
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV ATOLL_DATA_DIR=/data ATOLL_LOG_FORMAT=json
EXPOSE 8545 8080 3000 8600 30303
# Each part listens for /health where its own variables say; compose overrides this per service.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["atoll", "health", "http://127.0.0.1:8545/health"]
ENTRYPOINT ["atoll"]
CMD ["node"]
