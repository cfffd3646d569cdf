# SPDX-License-Identifier: Apache-2.0
# Sourced by every case: TAP, and what all need. A case runs in a folder of its own, prints
# "ok"/"not ok" lines and leaves no process behind; what it writes to stderr lands between them.
n=0 failed=0
pids=

ok() { # description
	n=$((n + 1))
	echo "ok $n - $case: $1"
}

not_ok() { # description [why]
	n=$((n + 1)) failed=$((failed + 1))
	echo "not ok $n - $case: $1"
	[ -z "${2:-}" ] || echo "$2" | sed 's/^/#   /'
}

bail() { # description: the rest of the case makes no sense without it
	not_ok "$1"
	exit 1
}

check() { # description command...
	what=$1
	shift
	if said=$("$@" 2>&1); then ok "$what"; else not_ok "$what" "exit $?: $* $said"; fi
}

is() { # description got wanted
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', wanted '$3'"; fi
}

now() { # whole seconds since boot, in $up, without a process
	read -r up _ </proc/uptime
	up=${up%.*}
}

wait_for() { # seconds command...: 0 as soon as the command holds
	now
	until=$((up + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		now
		[ "$up" -lt "$until" ] || return 1
		usleep 50000
	done
}

lines_in() { # file count: at least so many lines
	[ "$(wc -l <"$1")" -ge "$2" ]
}

as_alice() { # command with arguments that hold no blanks
	su -s /bin/sh alice -c "$*"
}

start_server() { # what connection N brought, decrypted, is in received/N
	: >server.log
	mkdir -p received
	tlsserver 443 /vm/server.pem /vm/server.key server.log received >server.out 2>&1 &
	pids="$pids $!"
	wait_for 10 grep -q ready server.out || bail "the server starts"
}

of_conn() { # N field: of the server's line on its Nth connection; "-" while there is none
	jget -w "conn=$1" "$2" <server.log || echo -
}

# Which mechanism is in force, said in the report of every case: "# backend exec: lsm/…".
say_backends() { # [for-pattern]: rows of `probity status`
	probity status --run-dir run --json >status.json
	i=0
	while row=$(jget "backends.$i.for" "backends.$i.backend" "backends.$i.note" <status.json) &&
		[ "${row%%	*}" != - ]; do
		case $row in
		${1:-*}) echo "# backend $(echo "$row" | sed 's/\t/: /; s/\t\(..*\)/ (\1)/; s/\t$//')" ;;
		esac
		i=$((i + 1))
	done
}

ready_or_dead() {
	[ -s ready ] || ! kill -0 "$agent"
}

start_agent() { # mode [option...]; the policy is policy.yaml. Returns once the probes are attached.
	mode=$1
	shift
	: >ready
	probityd --state-dir state --run-dir run --policy policy.yaml --mode "$mode" --ready-fd 3 \
		"$@" 3>ready >agent.log 2>&1 &
	agent=$!
	pids="$pids $agent"
	read -r began _ </proc/uptime
	wait_for 150 ready_or_dead
	[ -s ready ] || bail "the agent gets ready"
	read -r ready _ </proc/uptime
	ok "the agent is ready (mode $mode)"
	echo "# ready after $(awk "BEGIN {print $ready - $began}") s"
}

stop_agent() {
	kill -TERM "$agent"
	wait "$agent"
	is "the agent ends cleanly" "$?" 0
}

records() { # all AI calls whose process is curl
	probity ls --state-dir state --json | jget -w 'process.exe=*/curl' "$@"
}

field() { # description path wanted; in record.json
	is "$1" "$(jget "$2" <record.json)" "$3"
}

finish() { # exit status
	for p in $pids; do kill "$p" 2>/dev/null; done
	if [ "$1" -ne 0 ] || [ "$failed" -gt 0 ]; then
		for f in *.log *.err *.out; do
			[ ! -s "$f" ] || { echo "# -- $f"; tail -n 30 "$f" | sed 's/^/#   /'; }
		done
	fi
	exit "$1"
}
trap 'finish $?' EXIT
trap 'exit 143' TERM
