// What both ways of starting know of the process that they started.
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { SandboxEnd } from './sandbox.ts';

export function streamsOf(child: ChildProcess, count: number): (Readable | Writable | null)[] {
  return child.stdio.slice(0, count).map((stream) => stream ?? null);
}

export function endOf(child: ChildProcess): Promise<SandboxEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signalName) => resolve({ code, signal: signalName }));
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, failure: error.message });
    });
  });
}
