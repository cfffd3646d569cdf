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

as_user() { # name command with arguments that hold no blanks
	user=$1
	shift
	su -s /bin/sh "$user" -c "$*"
}

as_alice() { # command with arguments that hold no blanks
	as_user alice "$@"
}

chat() { # model text: a request; in `sent`, which all users can read
	echo "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" >sent
	chmod 644 sent
	chmod 755 .
}

call() { # user: makes the call in `sent`. Out: $conn, the server's number of it; curl's exit status
	conn=$(($(ls received | sort -n | tail -n 1) + 1))
	as_user "$1" BODY=$PWD/sent /vm/ask >answer.json 2>curl.err
	did=$?
	[ $did -eq 0 ] || echo "# call $conn, $1: $(cat curl.err)"
	return $did
}

# An emulated guest on a busy host may not answer within the longest hold there is. Then `fail:`
# decides, which is right, but not what a case is about: it may try again, and says so.
timeouts=0
timed_out() { # since asked last
	usleep 1500000 # the worker tells its numbers once a second
	last=$timeouts
	timeouts=$(probity status --run-dir run --json | jget worker.gate.timeouts)
	[ "$timeouts" = "$last" ] || echo "# no answer within the hold; once more"
	[ "$timeouts" != "$last" ]
}

# The agent reads a TLS library when it is first used, which takes an emulated guest seconds, on a busy
# host more than a handshake is held; a rule that fails closed refuses who cannot wait for that. Root, of
# whom no rule speaks, is the first, until a call was seen.
call_first() {
	chat gpt-4o "hello"
	for try in 1 2 3; do
		call root
		wait_for 20 records -w process.user=root -w request_model=gpt-4o seq && break
		echo "# the library is not probed yet; once more"
	done
	is "root's first call passes" "$(jget id <answer.json)" chatcmpl-vm1
}

too_early() { # no rule of these cases refuses a handshake of alice's but for want of probes
	grep -qs '^curl: (35)' curl.err && echo "# refused at the handshake: no probes in time; once more"
}

call_judged() { # user: as call, until the worker has decided, three times at most
	for try in 1 2 3; do
		call "$1"
		status=$?
		{ [ $status -ne 0 ] && too_early; } || timed_out || break
	done
	return $status
}

# How a write that can wait by itself waits on this kernel, as its record says it; "" = none can.
case ${vm_kernel:-} in
5.10) own= ;;
6.1 | 6.12) own=held ;;
*) own=made_again ;;
esac

start_server() { # what connection N brought, decrypted, is in received/N
	: >server.log
	mkdir -p received
	tlsserver 443 /vm/server.pem /vm/server.key server.log received >server.out 2>&1 &
	pids="$pids $!"
	wait_for 10 grep -qx ready server.out || bail "the server starts"
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

# What rules can ask for and what does it here: "# need content wait: uprobe, bounded wait".
say_needs() { # need...
	probity status --run-dir run --json >status.json
	i=0
	while row=$(jget "policy.enforcement.$i.need" "policy.enforcement.$i.can" \
		"policy.enforcement.$i.backend" "policy.enforcement.$i.why" <status.json) &&
		[ "${row%%	*}" != - ]; do
		i=$((i + 1))
		for need; do
			[ "${row%%	*}" != "$need" ] ||
				echo "# need $(echo "$row" | sed 's/\ttrue\t/: /; s/\tfalse\t\(.*\)\t/: none, would be \1: /; s/\t$//')"
		done
	done
}

unenforceable() { # rule: the needs it lacks here, and the backend each would have
	probity policy status --run-dir run --json >policy.json || true
	i=0
	while row=$(jget "unenforceable.$i.rule" "unenforceable.$i.need" \
		"unenforceable.$i.needs" <policy.json) && [ "${row%%	*}" != - ]; do
		i=$((i + 1))
		[ "${row%%	*}" != "$1" ] || echo "$row" | cut -f 2- | sed 's/\t/: /'
	done
}

by() { # mechanism: what did it here, for the table at the end of the run
	echo "# by $*"
}

backend_for() { # for: the row's backend; of status.json
	i=0
	while row=$(jget "backends.$i.for" "backends.$i.backend" <status.json) && [ "${row%%	*}" != - ]; do
		[ "${row%%	*}" != "$1" ] || echo "${row#*	}"
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
	# Placing the first probes takes seconds under emulation; a rule that fails closed would refuse.
	probityd --state-dir state --run-dir run --policy policy.yaml --mode "$mode" --ready-fd 3 \
		--hold 20000 "$@" 3>ready >agent.log 2>&1 &
	agent=$!
	pids="$pids $agent"
	read -r began _ </proc/uptime
	wait_for 150 ready_or_dead
	[ -s ready ] || bail "the agent gets ready"
	read -r ready _ </proc/uptime
	ok "the agent is ready (mode $mode)"
	echo "# ready after $(awk "BEGIN {print $ready - $began}") s"
}

another_agent() { # as start_agent; it knows nothing of the one before
	rm -rf state run
	timeouts=0
	start_agent "$@"
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
		for f in *.log *.err *.out status.json; do
			[ ! -s "$f" ] || { echo "# -- $f"; tail -n 30 "$f" | sed 's/^/#   /'; }
		done
	fi
	exit "$1"
}
trap 'finish $?' EXIT
trap 'exit 143' TERM
