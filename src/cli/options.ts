// Options that many subcommands share, and how values are read from words of the command line.
import { type Command, InvalidArgumentError } from 'commander';

export const port = (value: string) => {
  const number = Number(value);
  if (!/^\d{1,5}$/.test(value) || number > 65_535) throw new InvalidArgumentError('A port is 0 to 65535.');
  return number;
};
export const whole = (value: string) => {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return Number(value);
};
export const amount = (value: string) => {
  const number = Number(value);
  if (!/^\d+(\.\d+)?$/.test(value) || number <= 0)
    throw new InvalidArgumentError('It must be a number above 0.');
  return number;
};
export const share = (value: string) => {
  const number = Number(value);
  if (!/^\d+(\.\d+)?$/.test(value) || number > 1)
    throw new InvalidArgumentError('It must be between 0 and 1.');
  return number;
};
export const memory = (value: string) => {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 128 || number > 10_240)
    throw new InvalidArgumentError('Lambda has 128 to 10240 MB.');
  return number;
};

export const withData = (command: Command) =>
  command.option('--data <dir>', 'data folder (HYBRID_SESSIONS_DIR, else .hybrid-sessions)');
/** Options of commands that need no server and also work on an installation on AWS. */
export const withStored = (command: Command) =>
  withData(command).option('--aws <file>', 'an installation on AWS instead (HYBRID_SESSIONS_AWS)');
export const withTenant = (command: Command) =>
  withStored(command).option('--tenant <name>', "a tenant's, where there are several");
export const withAgent = (command: Command) =>
  withData(command).option(
    '--agent <dir>',
    'agent folder (HYBRID_SESSIONS_AGENT, else ./agent, else the example)',
  );

export const several = (value: string, before: readonly string[] = []) => [...before, value];
