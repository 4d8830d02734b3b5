// The wall that a CLI finds around it. It makes none itself: a host is started in one (src/host/sandbox).
import type { NoSandbox, Seatbelt } from '../host/sandbox/sandbox.ts';

/** `host`: the process that starts the CLI is in a sandbox itself. */
export type CliSandbox = Seatbelt | NoSandbox | { readonly kind: 'host' };
