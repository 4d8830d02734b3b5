// A warm system for the attacks of one mode, in a folder of its own.
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttackWorld, MachineWorld, Mode } from './attack-case.ts';
import { openLambdaWorld } from './lambda-world.ts';
import { openMachineWorld } from './machine-world.ts';
import type { Closing } from './surroundings.ts';

export interface OpenedWorld {
  readonly world: AttackWorld;
  /** The same, where the attacks from outside have what they call; null on AWS. */
  readonly machine: MachineWorld | null;
  close(): Promise<void>;
}

export async function openAttackWorld(mode: Mode, secrets: NodeJS.ProcessEnv): Promise<OpenedWorld> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-attack-')));
  const closing: Closing = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    if (mode === 'isolated' || mode === 'shared')
      return { world: await openLambdaWorld(mode, folder, closing), machine: null, close };
    const machine = await openMachineWorld(mode, secrets, folder, closing);
    return { world: machine, machine, close };
  } catch (error) {
    await close();
    throw error;
  }
}
