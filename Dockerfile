# Firebell in a container.
#   docker build -t firebell .
#   docker run --env-file .env -p 3000:3000 -v firebell-data:/data \
#     -v ./firebell.toml:/etc/firebell/firebell.toml:ro firebell
# The last -v may be left out: without a configuration the bot works with P1 to P4.

FROM rust:1-slim-bookworm AS build
# The allocator is built with make.
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home firebell \
    && install -d -o firebell /data \
    && install -d /etc/firebell
COPY --from=build /src/target/release/firebell /usr/local/bin/firebell

# The database (of SQLite) is in the volume. The configuration is mounted into the working directory, where it may be
# missing; a file that FIREBELL_CONFIG names may not.
ENV FIREBELL_LISTEN=0.0.0.0:3000 \
    DATABASE_URL=sqlite:///data/firebell.db
WORKDIR /etc/firebell
VOLUME /data
USER 10001
EXPOSE 3000

# Is the process alive? (bash asks: the image has no curl.)
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${FIREBELL_LISTEN##*:} && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]

ENTRYPOINT ["firebell"]
CMD ["serve"]
