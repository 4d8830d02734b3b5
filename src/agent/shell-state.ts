// `export` and `unset` done in one turn hold in the next. The CLI starts a new shell for every command, so each
// runs under this wrapper: it applies the saved differences, runs the command as it came, and saves what differs
// from the environment it was given. Saved under `config/.hybrid/shell`, hence part of the session's state. The
// command's output, exit status, errors and its own EXIT trap are not touched. SIGKILL leaves the last saved state.
// The working directory needs no saving: the transcript tells it (see transcript.ts).
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Relative to the configuration directory. */
export const SHELL_STATE = '.hybrid/shell/environment.sh';

/** In the environment of every command, and of nothing that the CLI starts by itself. */
export const COMMAND_MARKER = 'HYBRID_SESSIONS_COMMAND';

/** Not saved as they are: credentials, and what the machine or the CLI sets anew. PATH is saved as a change. */
const NOT_SAVED = [
  'ANTHROPIC_*|AWS_*|CLAUDE*|HYBRID_SESSIONS_*|AI_AGENT|__hs_*',
  'PATH|HOME|TMPDIR|PWD|OLDPWD|SHLVL|SHELL|_|BASHOPTS|SHELLOPTS|BASH_ENV|ENV|LD_PRELOAD|BASH_FUNC_*',
].join('|');

/**
 * Bash 3.2 or newer (macOS has no other). The command line the CLI hands over reads
 * `source <snapshot> ... && eval '<command>' ... && pwd -P >| <file>`; the snapshot sets PATH, so the saved state is
 * applied between the two. The CLI starts its tool servers by the same wrapper; these run as they are, for what a
 * long-lived process has when it ends is older than what commands saved meanwhile.
 */
export function shellWrapper(stateFile: string): string {
  return `#!/bin/bash
unset ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL AWS_BEARER_TOKEN_BEDROCK
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE
__hs_state=${quote(stateFile)}
__hs_base=
__hs_ready=
__hs_user_exit=

__hs_dump() {
  local __hs_name
  compgen -e | while IFS= read -r __hs_name; do
    case "$__hs_name" in
      ${NOT_SAVED}) ;;
      *) printf 'export %s=%q\\n' "$__hs_name" "\${!__hs_name}" ;;
    esac
  done
}

__hs_restore() {
  __hs_base=$'\\n'"$(__hs_dump)"$'\\n'
  __hs_path="$PATH"
  __hs_ready=1
  [ -r "$__hs_state" ] && builtin source "$__hs_state"
  return 0
}

# Always in a subshell: the command's own functions may shadow any builtin. In POSIX mode, which an assignment turns
# on, \`unset\` cannot be shadowed, and then the others go. Nothing of this reaches the command's shell.
__hs_save() (
  POSIXLY_CORRECT=1
  unset -f unset set builtin local printf read compgen return export eval source test [ : true exit trap command
  set +eux +o noclobber +o posix
  trap - DEBUG
  [ -n "$__hs_ready" ] || return 0
  __hs_write
  return 0
) 2>/dev/null

__hs_write() {
  local __hs_now __hs_line __hs_name __hs_out=
  __hs_now=$'\\n'"$(__hs_dump)"$'\\n'
  while IFS= builtin read -r __hs_line; do
    [ -n "$__hs_line" ] || continue
    case "$__hs_base" in
      *$'\\n'"$__hs_line"$'\\n'*) ;;
      *) __hs_out="$__hs_out$__hs_line"$'\\n' ;;
    esac
  done <<< "$__hs_now"
  while IFS= builtin read -r __hs_line; do
    [ -n "$__hs_line" ] || continue
    __hs_name="\${__hs_line#export }"
    __hs_name="\${__hs_name%%=*}"
    case "$__hs_now" in
      *$'\\n'"export $__hs_name="*) ;;
      *) __hs_out="\${__hs_out}unset $__hs_name"$'\\n' ;;
    esac
  done <<< "$__hs_base"
  if [ "$PATH" != "$__hs_path" ]; then
    case "$PATH" in
      *"$__hs_path"*)
        builtin printf -v __hs_line 'export PATH=%q"$PATH"%q\\n' "\${PATH%%"$__hs_path"*}" "\${PATH#*"$__hs_path"}" ;;
      *) builtin printf -v __hs_line 'export PATH=%q\\n' "$PATH" ;;
    esac
    __hs_out="$__hs_out$__hs_line"
  fi
  if [ -r "$__hs_state" ] && [ "$__hs_out" = "$(<"$__hs_state")"$'\\n' ]; then return 0; fi
  if [ -z "$__hs_out" ] && [ ! -e "$__hs_state" ]; then return 0; fi
  builtin printf '%s' "$__hs_out" >| "$__hs_state.$$" 2>/dev/null &&
    /bin/mv -f "$__hs_state.$$" "$__hs_state" 2>/dev/null
  return 0
}

# Takes the place of \`trap\` in a command that may set one: its own EXIT trap is kept beside ours, and runs at the end
# with the exit code that it expects in \`$?\`. A subshell has no trap of ours.
__hs_trap() {
  local __hs_action __hs_signal
  local -a __hs_others
  case "$BASH_SUBSHELL" in 0) ;; *) builtin trap "$@"; return ;; esac
  case "\${1-}" in
    -p | -P | -l | '')
      builtin trap "$@" | while IFS= builtin read -r __hs_signal; do
        case "$__hs_signal" in
          *__hs_exit*) [ -z "$__hs_user_exit" ] || builtin printf 'trap -- %q EXIT\\n' "$__hs_user_exit" ;;
          *__hs_*) ;;
          *) builtin printf '%s\\n' "$__hs_signal" ;;
        esac
      done
      return
      ;;
    --) shift ;;
  esac
  __hs_action=-
  if [ $# -gt 1 ]; then
    __hs_action="$1"
    shift
  fi
  for __hs_signal; do
    case "$__hs_signal" in
      0 | EXIT | exit | SIGEXIT) [ "$__hs_action" = - ] && __hs_user_exit= || __hs_user_exit="$__hs_action" ;;
      *) __hs_others=(\${__hs_others[@]+"\${__hs_others[@]}"} "$__hs_signal") ;;
    esac
  done
  case "\${__hs_others+set}" in set) builtin trap -- "$__hs_action" "\${__hs_others[@]}" ;; esac
}

__hs_exit() {
  { __hs_code=$?; builtin set +x; } 2>/dev/null
  __hs_save
  case "$__hs_user_exit" in
    '') ;;
    *)
      case "$__hs_code" in
        0) eval "$__hs_user_exit" ;;
        *) (builtin exit "$__hs_code") || eval "$__hs_user_exit" ;;
      esac
      __hs_save
      ;;
  esac
  builtin exit "$__hs_code"
}

# \`exec\` replaces the shell before it can end: what is exported is saved right before it.
__hs_before() {
  case "$BASH_SUBSHELL $BASH_COMMAND" in '0 exec '*) __hs_save ;; esac
}

case "$1" in
  *" && eval "*" && pwd -P >| "*)
    export ${COMMAND_MARKER}=1
    builtin trap __hs_exit EXIT
    case "$1" in *exec*) set -T; builtin trap __hs_before DEBUG ;; esac
    case "$1" in *trap*) trap() { __hs_trap "$@"; } ;; esac
    eval "\${1%%" && eval "*} && __hs_restore && eval \${1#*" && eval "}"
    # Here, too: a script that was sourced may have put its own trap in the place of ours.
    { __hs_code=$?; builtin set +ex; } 2>/dev/null
    __hs_save
    case "$__hs_user_exit" in '') __hs_ready= ;; esac
    (builtin exit "$__hs_code")
    ;;
  *) eval "$1" ;;
esac
`;
}

/** Lays the wrapper out and makes room for what it saves. */
export async function layShellWrapper(wrapperFile: string, stateFile: string): Promise<void> {
  await mkdir(dirname(stateFile), { recursive: true, mode: 0o700 });
  await writeFile(wrapperFile, shellWrapper(stateFile));
  await chmod(wrapperFile, 0o555);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
