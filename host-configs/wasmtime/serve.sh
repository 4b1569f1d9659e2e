#!/bin/sh
# SCIM in front of an application, in wasmtime (48 or later):
#
#     SCIM_EDGE_UPSTREAM=http://127.0.0.1:3000 SCIM_EDGE_TOKENS=sha256:... NATIVE_API_KEY=... ./serve.sh [mapping]
#
# Every variable that the mapping names needs an `--env` line below. A name without a value is taken from this
# shell's environment, so that no secret shows up in the list of processes.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
mapping=${1:-$here/../spin/mapping.yaml}
component=${SCIM_EDGE_COMPONENT:-$here/../../target/wasm32-wasip2/release/scim_edge.wasm}
address=${SCIM_EDGE_ADDRESS:-127.0.0.1:8080}

# -S cli: settings and the mapping come in by WASI's command-line interfaces, which `serve` leaves out by default.
exec wasmtime serve \
    -S cli \
    --addr "$address" \
    --dir "$(dirname -- "$mapping")::/config" \
    --env "SCIM_EDGE_MAPPING=/config/$(basename -- "$mapping")" \
    --env SCIM_EDGE_UPSTREAM \
    --env SCIM_EDGE_TOKENS \
    --env NATIVE_API_KEY \
    "$component"
