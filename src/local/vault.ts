// The vault of one machine: encrypted files in the data folder. Their key lies beside them, readable by its owner alone, or
// comes from the environment, for those who keep the key apart from the disk.
import { join } from 'node:path';
import type { Vault } from '../core/ports/vault.ts';
import { createFileVault, type VaultKey } from '../stores/filesystem/vault.ts';
import { type KeyFile, openKeyFile, readKeyFile } from './key-file.ts';

/** 32 bytes, as base64 or base64url. */
export const VAULT_KEY_SHAPE = /^(?:[A-Za-z0-9+/]{43}=?|[A-Za-z0-9_-]{43}=?)$/;

export function openVault(dataDir: string, ownKey: string | null): Vault {
  return createFileVault({
    root: join(dataDir, 'vault'),
    key: ownKey === null ? keyIn(dataDir) : fixedKey(ownKey),
  });
}

function keyIn(dataDir: string): VaultKey {
  const file: KeyFile = {
    path: join(dataDir, 'vault-key'),
    code: 'vault-key',
    anew: 'but then what is stored cannot be read any more; delete the folder vault as well and store the credentials again.',
  };
  return {
    read: async () => bytesOf(await readKeyFile(file)),
    make: async () => Buffer.from(await openKeyFile(file), 'base64'),
  };
}

function fixedKey(text: string): VaultKey {
  const key = Buffer.from(text, 'base64');
  return { read: async () => key, make: async () => key };
}

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64');
}
