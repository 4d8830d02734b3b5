// An installation on AWS, for programs outside it: the file that names it, and its ports.
import '../node-version.ts';

export {
  type AwsInstallation,
  installationFrom,
  readInstallation,
  writeInstallation,
} from './installation.ts';
export { openAwsStores } from './stores.ts';
