/** `wayside/browser`: a broker in the browser, shared by all tabs of a site. */
export type { BrowserBroker, BrowserOptions, StorageFigures } from './broker.ts';
export { browserBroker } from './broker.ts';
