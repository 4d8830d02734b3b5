// The wiring of one machine, as `hybrid-sessions start` runs it: settings, stores, workers, an address of its own.
import '../node-version.ts';

export { type Configuration, type ConfigurationSources, readConfiguration } from './configuration.ts';
export { type LocalStores, openStores, type Stores } from './stores.ts';
export { type LocalSystem, type StartedSystem, startSystem } from './system.ts';
