#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh BUILD. What `make run` does once all is built: collector and agent on this host,
# one real TLS call to a fake LLM server on loopback, then the live view until Ctrl-C; at the end
# counts and the verdict on the chain. Keys, records and the collector's store stay under
# /var/lib/probity and /var/lib/probity-collector (PROBITY_STATE, PROBITY_COLLECTOR_STATE).
#
# The whole runs as a job of its own when there is a terminal: Ctrl-C then reaches this job and not
# the `make` above it, which would otherwise report an interrupt instead of the verdict. The daemons
# run in sessions of their own, so that they are stopped in order: agent first, so that its last
# records still reach the collector.
set -u
build=$(realpath "$1")
top=$(realpath "$(dirname "$0")/..")
state=${PROBITY_STATE:-/var/lib/probity}
store=${PROBITY_COLLECTOR_STATE:-/var/lib/probity-collector}
rundir=${PROBITY_RUN:-/run/probity}
listen=127.0.0.1:${PROBITY_PORT:-8460}
policy=${PROBITY_POLICY:-$top/policies/observe.yaml}
agent= collector= fake= work=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf 'run: %s\n' "$*" >&2; exit 1; }

stop() { # pid: ends it and waits, half a minute at most
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null
	for _ in $(seq 300); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "run: process $1 does not end: killing it" >&2
	kill -KILL "$1" 2>/dev/null
}

clean() {
	trap '' INT TERM HUP
	stop "$fake"
	stop "$agent"
	stop "$collector"
	for p in $(jobs -p); do stop "$p"; done # one that was just starting
	[ -n "$work" ] && rm -rf "$work"
}

# daemon LOG COMMAND...: in its own session, waits until it says it is ready; pid in $started
daemon() {
	local log=$1
	shift
	rm -f "$work/ready"
	mkfifo "$work/ready"
	exec 9<>"$work/ready"
	setsid "$@" --ready-fd 9 >>"$log" 2>&1 </dev/null &
	started=$!
	for _ in $(seq 300); do
		read -r -t 0.1 -u 9 _ && { exec 9>&-; return 0; }
		kill -0 "$started" 2>/dev/null || break
	done
	exec 9>&-
	cat "$log" >&2
	return 1
}

first_call() {
	local port
	say "one call to a fake LLM server on loopback"
	"$top/tests/system/mkca.sh" "$work/ca" || return 1
	env -i PATH="$PATH" FAKE_CERTS="$work/ca" FAKE_LOG="$work/fake.log" \
		setsid node "$top/tests/system/fakellm.js" >"$work/fake.json" 2>"$work/fake.err" &
	fake=$!
	for _ in $(seq 100); do
		port=$(sed -n 's/.*"https":\([0-9]*\).*/\1/p' "$work/fake.json")
		[ -n "$port" ] && break
		sleep 0.1
	done
	[ -n "$port" ] || { cat "$work/fake.err" >&2; return 1; }
	curl -sS -o /dev/null --max-time 10 --cacert "$work/ca/ca.pem" \
		"https://localhost:$port/v1/chat/completions" \
		-H 'content-type: application/json' -H 'authorization: Bearer none' \
		-d '{"model":"gpt-4o","messages":[{"role":"user","content":"Say hello to Probity."}]}' || return 1
	for _ in $(seq 100); do
		"$build/probity" ls --json --state-dir "$state" --since "$since" 2>/dev/null |
			grep -q '"openai_chat"' && break
		sleep 0.1
	done
	say "the first sealed record"
	"$build/probity" ls --state-dir "$state" --since "$since" --limit 1
	stop "$fake"
	fake=
}

main() {
	[ "$(id -u)" -eq 0 ] || die "needs root to load BPF programs: sudo make run"
	mountpoint -q /sys/kernel/tracing 2>/dev/null || mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	work=$(mktemp -d /tmp/probity-run.XXXXXX) || exit 1
	trap 'clean' EXIT
	trap 'exit 0' INT TERM HUP

	say "collector"
	"$build/probity-collector" init --state-dir "$store" --out-agent "$state/tls" || exit 1
	daemon "$work/collector.log" "$build/probity-collector" --state-dir "$store" --listen "$listen" ||
		die "the collector did not start"
	collector=$started
	cat "$work/collector.log"

	say "agent"
	daemon "$work/agent.log" "$build/probityd" --state-dir "$state" --run-dir "$rundir" \
		--policy "$policy" --mode monitor --collector "$listen" --tls-dir "$state/tls" ||
		die "the agent did not start"
	agent=$started
	cat "$work/agent.log"

	first_call || die "the first call failed"
	trap : INT # the view ends by it, and then we go on to the verdict
	"$build/probity" watch --state-dir "$state" --run-dir "$rundir" --summary
	trap '' INT TERM HUP

	say "stopping"
	stop "$agent"
	agent=
	tail -n 1 "$work/agent.log"
	stop "$collector"
	collector=
	say "the chain on this host"
	"$build/probity" verify "$state/spool"
	local verdict=$?
	say "what the collector holds"
	"$build/probity-collector" check --state-dir "$store" || verdict=1
	exit "$verdict"
}

if [ -t 0 ] && [ -z "${PROBITY_RUN_JOB:-}" ]; then
	set -m
	PROBITY_RUN_JOB=1 "$0" "$build"
	exit $?
fi
main
