#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the real client libraries the tests use into BUILD/npm, from npm as it is configured on
# this host. Pinned, without running any package's own scripts. Does nothing when they are there.
# usage: npm.sh BUILD [FOLDER PACKAGE...]: those packages into BUILD/FOLDER instead
set -eu
packages="openai@6.49.0 @anthropic-ai/sdk@1.11.0 @google/genai@2.32.0 ollama@0.6.4 ws@8.23.0
	@modelcontextprotocol/sdk@1.32.2 @modelcontextprotocol/server-filesystem@2026.8.31
	@modelcontextprotocol/server-everything@2026.8.31"
build=$1 folder=${2:-npm}
[ $# -gt 2 ] && shift 2 && packages=$*
mkdir -p "$build/$folder"
cd "$build/$folder"
[ "$(cat installed 2>/dev/null)" = "$packages" ] && exit 0
echo '{"private":true}' >package.json
# shellcheck disable=SC2086 # a list of words
npm install --ignore-scripts --no-audit --no-fund --loglevel=error $packages >npm.log 2>&1 || {
	cat npm.log >&2
	exit 1
}
echo "$packages" >installed
