# SPDX-License-Identifier: Apache-2.0
# bash completion for probity. Options are asked of the program itself, so this list cannot be older
# than the program.

_probity_options() {
	"$@" --help 2>/dev/null | sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\).*/\2/p'
}

_probity() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} verb=${COMP_WORDS[1]} sub=
	COMPREPLY=()

	if [ "$COMP_CWORD" -eq 1 ] || { [ "$verb" = help ] && [ "$COMP_CWORD" -eq 2 ]; }; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p') --help --version" -- "$cur")
		return
	fi
	if [ "$verb" = policy ]; then
		if [ "$COMP_CWORD" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "check test diff replay keygen sign verify load status explain --help" -- "$cur")
			return
		fi
		sub=${COMP_WORDS[2]}
	fi
	case $prev in
	--state-dir | --run-dir | --output | -o)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--key | -k | --policy | -p)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--disposition | -d)
		mapfile -t COMPREPLY < <(compgen -W "allow alert kill killed" -- "$cur")
		return
		;;
	--scope)
		mapfile -t COMPREPLY < <(compgen -W "call tool service session" -- "$cur")
		return
		;;
	--for)
		mapfile -t COMPREPLY < <(compgen -W "15m 1h 8h 1d" -- "$cur")
		return
		;;
	--since | --until)
		{ [ "$verb" = ls ] || [ "$sub" = replay ]; } && mapfile -t COMPREPLY < <(compgen -W "1h 1d 1w today yesterday" -- "$cur")
		return
		;;
	esac
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(_probity_options "$program" "$verb" ${sub:+"$sub"})" -- "$cur")
		;;
	*)
		case $verb in
		verify) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
		approve | deny | revoke)
			mapfile -t COMPREPLY < <(compgen -W "$("$program" approvals --json 2>/dev/null |
				sed -n 's/^ *"id": "\([a-z2-9]*\)".*/\1/p')" -- "$cur")
			;;
		policy)
			if [ "$sub" = explain ]; then
				mapfile -t COMPREPLY < <(compgen -W "$(ps -eo pid=)" -- "$cur")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			;;
		tls) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		esac
		;;
	esac
}
complete -o filenames -F _probity probity
