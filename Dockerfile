# syntax=docker/dockerfile:1
# One image for every part: `overlay` is the entry point, the command says which (serve, watch, db upgrade, ...).
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY migrations migrations
COPY reconciler reconciler
RUN python -m venv --without-pip /opt/overlay
RUN python -m pip --python /opt/overlay install --no-cache-dir -c constraints.txt '.[s3]'

FROM python:3.13-slim
# git, because a root remembers the repository and the commit that it was applied from; /manifests is that repository's checkout.
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
  && git config --system safe.directory /manifests
RUN useradd --uid 10001 --user-group --no-create-home overlay \
  && install --directory --owner overlay --group overlay --mode 0700 /var/lib/overlay
COPY --from=build /opt/overlay /opt/overlay
ENV PATH=/opt/overlay/bin:$PATH OVERLAY_HOME=/var/lib/overlay PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /manifests
VOLUME /var/lib/overlay
EXPOSE 3000
STOPSIGNAL SIGTERM
# For `overlay serve` on its own port; whoever runs something else here turns it off.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:3000/health', timeout=4)"]
ENTRYPOINT ["overlay"]
CMD ["serve", "--host", "0.0.0.0"]
