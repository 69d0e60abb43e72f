# Two images from one file:
#
#   docker build -t corsgate .                      the service alone (the default)
#   docker build -t corsgate-demo --target demo .   the demo's API and web pages
#
# Both hold one static binary, on a base without a shell, and run as an
# unprivileged user. Any builder can make them: none of BuildKit's own features
# is used.

FROM golang:1.26 AS build
WORKDIR /src
# Modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `corsgate version` says; git is not in the build context.
ARG VERSION=devel
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=${VERSION}" -o /out/corsgate ./cmd/corsgate

FROM build AS build-demo
RUN CGO_ENABLED=0 go -C envoy build -trimpath -ldflags="-s -w" -o /out/demo ./demo

FROM gcr.io/distroless/static-debian12:nonroot AS demo
LABEL org.opencontainers.image.title="corsgate demo" \
      org.opencontainers.image.description="The API and the web pages of corsgate's demo" \
      org.opencontainers.image.source="https://github.com/corsgate/corsgate"
COPY --from=build-demo /out/demo /usr/local/bin/demo
ENTRYPOINT ["/usr/local/bin/demo"]

# Last, so that it is what `docker build .` makes.
FROM gcr.io/distroless/static-debian12:nonroot AS corsgate
LABEL org.opencontainers.image.title="corsgate" \
      org.opencontainers.image.description="Decides CORS once, for every service behind Envoy" \
      org.opencontainers.image.source="https://github.com/corsgate/corsgate"
COPY --from=build /out/corsgate /usr/local/bin/corsgate
EXPOSE 9191 9192
ENTRYPOINT ["/usr/local/bin/corsgate"]
CMD ["serve", "--policy", "/etc/corsgate/policies", "--listen", "0.0.0.0:9191", "--admin", "0.0.0.0:9192"]
