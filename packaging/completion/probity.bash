# SPDX-License-Identifier: Apache-2.0
# bash completion for probity, probityd and probity-collector. Verbs and options are asked of the
# program itself, so they cannot be older than the program.

_probity_options() {
	"$@" --help 2>/dev/null | sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\).*/\2/p'
	"$@" --help 2>/dev/null | sed -n 's/^ *--version, \(--help\).*/\1/p'
}

_probity_words() {
	"$@" --help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p'
}

_probity_offer() { # current word, words
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

_probity() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} sub=
	COMPREPLY=()

	if [ "$COMP_CWORD" -eq 1 ] || { [ "$verb" = help ] && [ "$COMP_CWORD" -eq 2 ]; }; then
		_probity_offer "$cur" "$(_probity_words "$program") --help --version"
		return
	fi
	if [ "$verb" = policy ]; then
		if [ "$COMP_CWORD" -eq 2 ]; then
			_probity_offer "$cur" "$(_probity_words "$program" policy) --help"
			return
		fi
		sub=${COMP_WORDS[2]}
	fi
	case $prev in
	--state-dir | --run-dir | --reports)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--format)
		_probity_offer "$cur" "ocsf otlp cloudevents csv json bundle"
		return
		;;
	--dir | --output | -o | --policy | -p | --soa | --register | --db | --sign-key | --signer | --key | -k | --mac-seed | --checkpoint | --witness | --tpm-key | --ca | --cert | --cert-key | --tsa-ca | --signatures | --expect)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--disposition | -d)
		_probity_offer "$cur" "allow alert hold redact deny kill killed denied redacted held"
		return
		;;
	--scope)
		_probity_offer "$cur" "call tool service session"
		return
		;;
	--for)
		_probity_offer "$cur" "5m 15m 1h 8h 1d"
		return
		;;
	--since | --until | --from | --to | --before)
		case $verb:$sub in ls: | export: | report: | erase: | *:replay)
			_probity_offer "$cur" "1h 1d 7d 30d 90d today yesterday"
			;;
		esac
		return
		;;
	esac
	case $cur in
	-*)
		_probity_offer "$cur" "$(_probity_options "$program" "$verb" ${sub:+"$sub"})"
		;;
	*)
		case $verb in
		verify) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		approve | deny | revoke)
			_probity_offer "$cur" "$("$program" approvals --json 2>/dev/null |
				sed -n 's/^ *"id": "\([a-z2-9]*\)".*/\1/p')"
			;;
		report) _probity_offer "$cur" "iso42001 eu-ai-act nist-ai-rmf" ;;
		policy)
			if [ "$sub" = explain ]; then
				_probity_offer "$cur" "$(ps -eo pid=)"
			elif [ "$sub" != status ]; then
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			;;
		tls) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		esac
		;;
	esac
}
complete -o filenames -F _probity probity

_probityd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()

	case $prev in
	--policy | --policy-key | --pseudonym-key | --key-encryption-key) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--state-dir | --run-dir | --tls-dir | --pin-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	--users) _probity_offer "$cur" "plain pseudonym" ;;
	--mode) _probity_offer "$cur" "monitor enforce pack" ;;
	--attach) _probity_offer "$cur" "adaptive all" ;;
	--guard) _probity_offer "$cur" "on off" ;;
	--gate) _probity_offer "$cur" "on off stop" ;;
	--user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
	*) _probity_offer "$cur" "$(_probity_options "${COMP_WORDS[0]}") --version --help" ;;
	esac
}
complete -o filenames -F _probityd probityd

_probity_collector() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
	COMPREPLY=()

	if [ "$COMP_CWORD" -eq 1 ]; then
		_probity_offer "$cur" "$("$program" --help 2>/dev/null |
			sed -n 's/^  probity-collector \[\{0,1\}\([a-z-]*\).*/\1/p') --help"
		return
	fi
	case $prev in
	--ca | --cert | --key | --tsa-ca | --witness-logs) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--state-dir | --out | --out-agent) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	*)
		_probity_offer "$cur" "$("$program" "$command" --help 2>/dev/null |
			sed -n 's/^  \(--[a-z-]*\) .*/\1/p') --help"
		;;
	esac
}
complete -o filenames -F _probity_collector probity-collector
