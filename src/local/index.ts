// The system on one machine, as `hybrid-sessions start` runs it: settings, stores, workers, and a server.
import '../node-version.ts';

export { type Configuration, type ConfigurationSources, readConfiguration } from './configuration.ts';
export { type LocalStores, openStores, type Stores } from './stores.ts';
export { type LocalSystem, type StartedSystem, startSystem } from './system.ts';
