# warmbridge in a container. Build: docker build -t warmbridge .
# Run with host networking, or publish 5060/udp, 5060/tcp (5061/tcp for SIP over TLS), 8080/tcp, 10000/udp and the RTP
# range. Mount a configuration of your own at /etc/warmbridge/bridge.toml: with sip.address, rtp.address and
# webrtc.address 0.0.0.0, their advertised_address the host's, and sip.allowed_networks those of your phones.
# The health check asks http://127.0.0.1:8080: with http.certificate or another http.port give it one of your own.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY .ci ./.ci
COPY bridge ./bridge
COPY signaling ./signaling
COPY config ./config
RUN .ci/install /opt/warmbridge --runtime

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/warmbridge --create-home warmbridge
COPY --from=build /opt/warmbridge /opt/warmbridge
COPY config/bridge.toml /etc/warmbridge/bridge.toml
ENV PATH=/opt/warmbridge/bin:$PATH PYTHONUNBUFFERED=1
USER warmbridge
WORKDIR /var/lib/warmbridge
VOLUME /var/lib/warmbridge
EXPOSE 5060/udp 5060/tcp 5061/tcp 8080/tcp 10000/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"
STOPSIGNAL SIGTERM
ENTRYPOINT ["warmbridge"]
CMD ["serve", "--config", "/etc/warmbridge/bridge.toml", "--set", "http.address=0.0.0.0"]
