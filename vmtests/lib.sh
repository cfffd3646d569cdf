# SPDX-License-Identifier: Apache-2.0
# Sourced by every case: TAP, and what all need. A case runs in a folder of its own, prints
# "ok"/"not ok" lines and leaves no process behind; what it writes to stderr lands between them.
n=0
pids=

ok() { # description
	n=$((n + 1))
	echo "ok $n - $case: $1"
}

not_ok() { # description [why]
	n=$((n + 1))
	echo "not ok $n - $case: $1"
	[ -z "${2:-}" ] || echo "$2" | sed 's/^/#   /'
}

check() { # description command...
	what=$1
	shift
	if said=$("$@" 2>&1); then ok "$what"; else not_ok "$what" "exit $?: $* $said"; fi
}

is() { # description got wanted
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', wanted '$3'"; fi
}

wait_for() { # seconds command...: 0 as soon as the command holds
	tries=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		usleep 50000
	done
}

lines_in() { # file count: at least so many lines
	[ "$(wc -l <"$1")" -ge "$2" ]
}

start_server() {
	: >server.log
	tlsserver 443 /vm/server.pem /vm/server.key server.log >server.out 2>&1 &
	pids="$pids $!"
	wait_for 10 grep -q ready server.out
}

# The one request all cases make. The name resolves to our own server, the certificate is checked.
request='{"model":"gpt-4o","messages":[{"role":"user","content":"weather in Bern?"}],
"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]}'
ask() { # [extra curl options]
	curl -sS --max-time 20 --resolve api.openai.com:443:127.0.0.1 \
		-H 'Content-Type: application/json' -H 'Authorization: Bearer sk-test' \
		-d "$request" "$@" https://api.openai.com/v1/chat/completions
}

finish() {
	for p in $pids; do kill "$p" 2>/dev/null; done
	[ "$n" -gt 0 ]
	exit
}
trap finish EXIT
