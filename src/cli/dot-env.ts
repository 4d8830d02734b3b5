// Variables from a `.env` file beside the project, for every command. What the environment has already, stays.

/** Does nothing where there is no such file. A file that cannot be read is told and passed over. */
export function loadDotEnv(file: string): void {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return;
    process.stderr.write(`warning: ${file} cannot be read (${code}); its settings are not used.\n`);
  }
}
