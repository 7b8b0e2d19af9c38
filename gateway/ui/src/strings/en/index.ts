// All words in English, one module per page.

export { common } from './common';
export * from './shell';
export * from './signin';
export * from './setup';
export * from './overview';
export * from './devices';
export * from './findings';
export * from './admin';
export * from './board';
export * from './agents';
export * from './uplink';
export * from './settings';
