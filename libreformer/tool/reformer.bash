# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of the reformer command: verbs and options as --help has them, else names of files.
_reformer ()
{
  local words=() word=${COMP_WORDS[COMP_CWORD]}

  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t words < <("${COMP_WORDS[0]}" --help 2> /dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'; printf '%s\n' --help --version)
  elif [[ $word == -* ]]; then
    mapfile -t words < <("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" --help-all 2> /dev/null | sed -n 's/^  \(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')
  fi
  mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
}
complete -o default -F _reformer reformer
