#compdef probity probityd probity-collector
# SPDX-License-Identifier: Apache-2.0
# zsh completion for probity, probityd and probity-collector. Verbs and options are asked of the
# program itself.

local -a verbs options command
local program=$words[1]

_probity_verbs() {
	verbs=(${(f)"$("$@" --help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\)  *\(.*\)/\1:\2/p')"})
	_describe verb verbs
}

_probity_options() {
	options=(${(f)"$("$@" --help 2>/dev/null |
		sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\)\( [A-Za-z|:]*\)\{0,1\}  *\(.*\)/\2:\4/p')"})
	_describe option options
}

command=($program)
case $service in
probityd) ;;
probity-collector)
	if (( CURRENT == 2 )); then
		verbs=(${(f)"$($program --help 2>/dev/null | sed -n 's/^  probity-collector \[\{0,1\}\([a-z-]*\).*/\1/p')"})
		_describe command verbs
		return
	fi
	command+=($words[2])
	;;
*)
	if (( CURRENT == 2 )) || [[ $words[2] == help ]]; then
		_probity_verbs $program
		return
	fi
	if [[ $words[2] == policy ]] && (( CURRENT == 3 )); then
		_probity_verbs $program policy
		return
	fi
	command+=($words[2])
	[[ $words[2] == policy ]] && command+=($words[3])
	;;
esac
case $words[CURRENT-1] in
--format) compadd ocsf otlp cloudevents csv json bundle; return ;;
--users) compadd plain pseudonym; return ;;
--mode) compadd monitor enforce pack; return ;;
--attach) compadd adaptive all; return ;;
--guard) compadd on off; return ;;
--gate) compadd on off stop; return ;;
--scope) compadd call tool service session; return ;;
--state-dir | --run-dir | --tls-dir | --pin-dir | --reports | --out | --out-agent) _files -/; return ;;
esac
if [[ $words[CURRENT] == -* ]]; then
	_probity_options $command
	return
fi
if [[ $service == probity && $words[2] == (approve|deny|revoke) ]]; then
	verbs=(${(f)"$($program approvals --json 2>/dev/null | sed -n 's/^ *"id": "\([a-z2-9]*\)".*/\1/p')"})
	_describe id verbs
	return
fi
if [[ $service == probity && $words[2] == report ]]; then
	compadd iso42001 eu-ai-act nist-ai-rmf
	return
fi
_files
