# syntax=docker/dockerfile:1

# Builds an image for each service:
#   docker build --target auth-service --tag tandem/auth-service .
#   docker build --target task-service --tag tandem/task-service .

# The minimum version in Cargo.toml. Beside it, the build needs only the image's C compiler.
ARG RUST_VERSION=1.94

FROM rust:${RUST_VERSION}-slim-bookworm AS build
WORKDIR /src
COPY . .
# The cache mounts keep downloads and compiled dependencies with the builder.
# A single command for both services, so that dependencies are compiled with the same features.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked -p auth-service -p task-service \
    && install -D --target-directory=/out target/release/auth-service target/release/task-service

# glibc as in the build, and the public root certificates; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
ARG REVISION=unknown
LABEL org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.vendor="Tandem"
# A number, so that Kubernetes can check that it is not root.
USER 65532:65532
ENV LOG_FORMAT=json

FROM runtime AS auth-service
LABEL org.opencontainers.image.title="Tandem auth-service"
COPY --from=build /out/auth-service /usr/local/bin/
ENV AUTH_LISTEN_ADDRESS=0.0.0.0:50051 \
    AUTH_OPS_LISTEN_ADDRESS=0.0.0.0:9051
EXPOSE 50051 9051
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
    CMD ["/usr/local/bin/auth-service", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/auth-service"]
CMD ["serve"]

FROM runtime AS task-service
LABEL org.opencontainers.image.title="Tandem task-service"
COPY --from=build /out/task-service /usr/local/bin/
ENV TASK_LISTEN_ADDRESS=0.0.0.0:50052 \
    TASK_OPS_LISTEN_ADDRESS=0.0.0.0:9052
EXPOSE 50052 9052
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s \
    CMD ["/usr/local/bin/task-service", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/task-service"]
CMD ["serve"]
