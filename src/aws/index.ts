// An installation on AWS, from outside: the file that names it, and its ports.
import '../node-version.ts';

export {
  type AwsInstallation,
  installationFrom,
  readInstallation,
  writeInstallation,
} from './installation.ts';
export { openAwsStores } from './stores.ts';
