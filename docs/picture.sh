#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: docs/picture.sh BUILD. Makes docs/watch.svg from a real run: agent, fake LLM server, real
# clients under a few users, `probity watch` in a terminal of 132 × 26. Needs tmux, and root.
set -eu
cd "$(dirname "$0")/.."
build=$(realpath "$1")
work=$(mktemp -d /tmp/probity-picture.XXXXXX)
chmod 755 "$work"
agent= fake=
clean() {
	tmux -L "picture$$" kill-server 2>/dev/null || true
	for p in $fake $agent; do kill "$p" 2>/dev/null && while kill -0 "$p" 2>/dev/null; do sleep 0.1; done; done
	rm -rf "$work"
}
trap clean EXIT

tests/system/mkca.sh "$work/ca"
chmod 755 "$work/ca" && chmod 644 "$work/ca/ca.pem"
env -i PATH="$PATH" FAKE_CERTS="$work/ca" FAKE_LOG="$work/log" node tests/system/fakellm.js >"$work/fake.json" &
fake=$!
mkfifo "$work/ready"
exec 9<>"$work/ready"
"$build/probityd" --state-dir "$work/state" --run-dir "$work/run" --policy policies/observe.yaml \
	--ready-fd 9 2>"$work/agent.log" &
agent=$!
read -r -t 30 -u 9 _
port=$(sed -n 's/.*"https":\([0-9]*\).*/\1/p' "$work/fake.json")

# ask HOST PATH BODY [RUNNER...]
ask() {
	local host=$1 path=$2 body=$3
	shift 3
	"$@" curl -sS -o /dev/null --cacert "$work/ca/ca.pem" --resolve "$host:$port:127.0.0.1" \
		"https://$host:$port$path" -H 'content-type: application/json' -d "$body"
	sleep 0.4
}
as() { setpriv --reuid "$1" --regid "$1" --clear-groups env HOME=/ "${@:2}"; }
tools='"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]'
mkdir -p "$work/node_modules/@openai/codex/bin"
cat >"$work/node_modules/@openai/codex/bin/codex.js" <<'END'
require('child_process').execFileSync(process.argv[2], process.argv.slice(3), {stdio: 'ignore'});
END
codex() { node "$work/node_modules/@openai/codex/bin/codex.js" "$@"; }

ask api.openai.com /v1/chat/completions '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}' as daemon
ask api.anthropic.com /v1/messages '{"model":"claude-sonnet-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}' as www-data
ask api.openai.com /v1/responses '{"model":"gpt-5-codex","input":"hi","stream":true}' codex
ask generativelanguage.googleapis.com /v1beta/models/gemini-2.5-flash:generateContent '{"contents":[{"parts":[{"text":"mail bob@example.com"}]}]}' as daemon
ask llm.shadow.example /v1/chat/completions '{"model":"llama-3.3-70b","messages":[{"role":"user","content":"card 4111 1111 1111 1111"}]}' as backup
ask api.openai.com /v1/chat/completions "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"weather?\"}],$tools}" codex
ask api.anthropic.com /v1/messages '{"model":"cut-claude-sonnet-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}' as www-data || true

tmux -L "picture$$" new-session -d -x 132 -y 22 \
	"$build/probity watch --state-dir $work/state --run-dir $work/run"
sleep 2
tmux -L "picture$$" capture-pane -e -p | python3 docs/ansi2svg.py >docs/watch.svg
tmux -L "picture$$" capture-pane -p
