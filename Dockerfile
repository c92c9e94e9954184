# Attractor with all programs that it uses. Build and use it as docs/how-to/install.md says.
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels --constraint constraints.txt '.[fleet]'

FROM python:3.12-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap git graphviz ripgrep \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
# All versions are pinned in the folder.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --no-index --find-links /wheels 'attractor[fleet]' && rm -rf /wheels \
    && attractor --help > /dev/null
# The owner of what is mounted at /work, so that Git and Attractor may write there.
ARG UID=1000
RUN useradd --create-home --uid "$UID" attractor \
    && mkdir --mode 700 /work && chown attractor: /work
USER attractor
WORKDIR /work
ENTRYPOINT ["attractor"]
CMD ["--help"]
