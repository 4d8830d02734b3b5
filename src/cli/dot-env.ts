// Loads variables from the project's `.env` file, for every command. Variables that are already set keep their values.

/** Does nothing when there is no such file. A file that cannot be read is reported and skipped. */
export function loadDotEnv(file: string): void {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return;
    process.stderr.write(`warning: ${file} cannot be read (${code}); its settings are not used.\n`);
  }
}
