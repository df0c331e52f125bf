# One image for every role; compose.yaml names the command of each.
# docker build --build-arg COMMIT=$(git rev-parse HEAD) . puts the commit into the metric medusa_build_info.
FROM node:22-slim AS ui
WORKDIR /src/admin_ui
COPY admin_ui/package.json admin_ui/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY admin_ui/ ./
RUN npm run build

FROM python:3.11-slim-trixie AS libraries
COPY requirements.lock .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

FROM python:3.11-slim-trixie
# What `medusa backup` and `medusa restore` call: mariadb-dump, and pg_dump 17, the version that compose.yaml has of PostgreSQL.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client mariadb-client && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /data medusa && mkdir /data && chown medusa /data
WORKDIR /app
COPY --from=libraries /venv /venv
COPY schema/ schema/
COPY edge/ edge/
COPY workers/ workers/
COPY medusa/ medusa/
RUN printf '#!/bin/sh\nPYTHONPATH=/app exec python -m medusa.cli "$@"\n' > /usr/local/bin/medusa && chmod +x /usr/local/bin/medusa
ARG COMMIT=unknown
RUN echo "$COMMIT" > COMMIT
COPY --from=ui /src/admin_ui/dist/ admin_ui/dist/
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
USER medusa
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3000') + '/healthz', timeout=3)"]
CMD ["python", "-m", "medusa.cli", "up"]
