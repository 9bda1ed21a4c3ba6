# SPDX-License-Identifier: LGPL-2.1-or-later
# What bash and zsh do with the tables before this: which command do the words
# make, and what can the one at the cursor be?

# What the daemon says. An address that was given comes along.
_nbdctl_ask()
{
	nbdctl "${_nbdctl_address[@]}" -t 2s "$@" -o value \
		2>/dev/null </dev/null
}

# The words that a kind stands for.
_nbdctl_words()
{
	case "$1" in
	'='*) echo "${1#=}" ;;
	volume|disk) _nbdctl_ask volume ls --columns name ;;
	conn) _nbdctl_ask conn ls --columns id ;;
	client) _nbdctl_ask client ls --columns id ;;
	level) echo 'error warning notice info debug' ;;
	shell) echo 'bash zsh fish' ;;
	feature) echo "$_nbdctl_features" ;;
	esac
}

# Goes through _nbdctl_line, the words before the cursor.
_nbdctl_analyse()
{
	local word noun= skip=
	_nbdctl_command= _nbdctl_place=0 _nbdctl_due= _nbdctl_noun=
	_nbdctl_address=()
	for word in "${_nbdctl_line[@]}"; do
		if [ -n "$skip" ]; then
			case "$skip" in
			-a|--address) _nbdctl_address=(-a "$word") ;;
			esac
			skip=
			continue
		fi
		case "$word" in
		--*=*) continue ;;
		-?*)
			if _nbdctl_value "$word" >/dev/null; then
				skip=$word
			fi
			continue ;;
		esac
		if [ -n "$_nbdctl_command" ]; then
			_nbdctl_place=$((_nbdctl_place + 1))
		elif [ -n "$noun" ]; then
			_nbdctl_command="$noun $word"
		elif [ -n "$(_nbdctl_verbs "$word")" ]; then
			noun=$word
		else
			_nbdctl_command=$word
		fi
	done
	_nbdctl_due=$skip
	_nbdctl_noun=$noun
}

# The kind of the word at the cursor, $1 being what is there already.
_nbdctl_kind()
{
	local place=$_nbdctl_place
	if [ -n "$_nbdctl_due" ]; then
		_nbdctl_value "$_nbdctl_due"
		return
	fi
	case "$1" in
	-*) echo "=$(_nbdctl_options "$_nbdctl_command")"; return ;;
	esac
	if [ -z "$_nbdctl_command" ] && [ -n "$_nbdctl_noun" ]; then
		echo "=$(_nbdctl_verbs "$_nbdctl_noun")"
		return
	fi
	if [ -z "$_nbdctl_command" ]; then
		echo "=$_nbdctl_first"
		return
	fi
	# Three dots: the one before holds for all that follow.
	set -- $(_nbdctl_arguments "$_nbdctl_command")
	while [ $# -gt 0 ] && [ "$place" -gt 0 ] && [ "$2" != ... ]; do
		shift
		place=$((place - 1))
	done
	echo "$1"
}

