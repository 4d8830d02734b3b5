// Objects in a folder of a local disk.
import '../../node-version.ts';

export { createFilesystemObjectStore, type FilesystemObjectStoreOptions } from './object-store.ts';
export { createFileVault, type FileVaultOptions, type VaultKey } from './vault.ts';
